/* SPDX-License-Identifier: Apache-2.0 */
/* Fill the inode tables. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

#define EXTRA_ISIZE 32u
#define TIME_LEAST (-(INT64_C(1) << 31))

/* Seconds that fit: 32 bits signed, and two more where the inode has the extra fields. */
static uint32_t put_time(struct fc_ext4_planner *p, struct timespec t, uint32_t *ret_extra)
{
    int64_t most = (INT64_C(1) << (ret_extra ? 34 : 31)) - 1 + (ret_extra ? TIME_LEAST : 0), sec = t.tv_sec;
    uint32_t nsec = (uint32_t)t.tv_nsec;

    if (sec < TIME_LEAST || sec > most) {
        sec = sec < TIME_LEAST ? TIME_LEAST : most;
        nsec = 0;
        p->summary.n_clamped_times++;
    }
    if (ret_extra)
        *ret_extra = nsec << 2 | (uint32_t)(((sec - (int32_t)sec) >> 32) & 3);
    return (uint32_t)sec;
}

static bool fits(const struct fc_ext4_planner *p, struct timespec t)
{
    int64_t most = p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE ? (INT64_C(1) << 34) - 1 + TIME_LEAST : INT32_MAX;

    return t.tv_sec >= TIME_LEAST && t.tv_sec <= most;
}

bool fc_ext4_clamps(const struct fc_ext4_planner *p)
{
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        const struct fc_snap_inode *s = &p->inodes[i];

        if (!fits(p, s->atime) || !fits(p, s->mtime) || !fits(p, s->ctime) || !fits(p, s->crtime))
            return true;
    }
    return false;
}

/* Times that are later than the clock of SOURCE_DATE_EPOCH become its own, where that is asked for. */
static struct timespec clamped(const struct fc_ext4_planner *p, struct timespec t)
{
    bool later = t.tv_sec > p->options.epoch || (t.tv_sec == p->options.epoch && t.tv_nsec > 0);

    if (p->options.clamp_times && later)
        return (struct timespec){.tv_sec = p->options.epoch};
    return t;
}

static void put_times(struct fc_ext4_planner *p, struct ext2_inode_large *to, const struct fc_snap_inode *s)
{
    bool large = p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE;

    to->i_atime = put_time(p, clamped(p, s->atime), large ? &to->i_atime_extra : NULL);
    to->i_mtime = put_time(p, clamped(p, s->mtime), large ? &to->i_mtime_extra : NULL);
    to->i_ctime = put_time(p, clamped(p, s->ctime), large ? &to->i_ctime_extra : NULL);
    if (large)
        to->i_crtime = put_time(p, clamped(p, s->crtime), &to->i_crtime_extra);
}

static void put_rdev(struct ext2_inode_large *to, uint32_t major, uint32_t minor)
{
    if (major < 256 && minor < 256)
        to->i_block[0] = major << 8 | minor;
    else
        to->i_block[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
}

static void put_sizes(struct fc_ext4_planner *p, struct ext2_inode_large *to, const struct fc_ext4_node *node,
                      uint64_t size)
{
    uint64_t sectors = (uint64_t)node->n_trees + (node->xattr_block != 0) + node->ea_blocks;

    for (uint32_t i = 0; i < node->n_runs; i++)
        sectors += p->runs[node->first_run + i].length;
    sectors *= FC_EXT4_BLOCK / 512; /* 2^32 blocks at most, so never in need of EXT4_HUGE_FILE_FL */
    to->i_blocks = (uint32_t)sectors;
    to->osd2.linux2.l_i_blocks_hi = (uint16_t)(sectors >> 32);
    to->i_size = (uint32_t)size;
    to->i_size_high = (uint32_t)(size >> 32);
}

static int put_content(struct fc_ext4_planner *p, struct ext2_inode_large *to, const struct fc_ext4_node *node,
                       const struct fc_snap_inode *s)
{
    uint64_t size = (uint64_t)node->content_blocks * FC_EXT4_BLOCK;

    if (s && !S_ISDIR(s->mode))
        size = S_ISREG(s->mode) || S_ISLNK(s->mode) ? s->size : 0;
    if (node == &p->nodes[FC_EXT4_NODE_JOURNAL])
        size = p->journal_blocks * FC_EXT4_BLOCK;
    if (node->ea_value)
        size = p->ea_values[node->ea_value - 1].size;
    if (node->inlined && S_ISDIR(s->mode))
        size = node->inline_size;
    put_sizes(p, to, node, size);
    if (node->inlined) {
        to->i_flags |= EXT4_INLINE_DATA_FL;
        memcpy(to->i_block, node->content,
               node->inline_size < FC_EXT4_INLINE_BLOCK ? node->inline_size : FC_EXT4_INLINE_BLOCK);
        return 0;
    }
    if (s && (S_ISBLK(s->mode) || S_ISCHR(s->mode))) {
        put_rdev(to, s->rdev_major, s->rdev_minor);
        return 0;
    }
    if (s && S_ISLNK(s->mode) && !node->content) {
        memcpy(to->i_block, s->target, s->size);
        return 0;
    }
    if (s && (S_ISFIFO(s->mode) || S_ISSOCK(s->mode)))
        return 0;
    to->i_flags |= EXT4_EXTENTS_FL | (node->indexed ? EXT2_INDEX_FL : 0);
    return fc_ext4_emit_extents(p, node, to->i_block);
}

static void put_links(struct ext2_inode_large *to, const struct fc_ext4_node *node, bool is_dir)
{
    uint32_t links = node->links + (is_dir ? 2 : 0);

    to->i_links_count = links <= FC_EXT4_LINKS_MOST ? (uint16_t)links : 1; /* dir_nlink: 1 says "many" */
}

/* An attribute's value: times hold its hash and the upper half of the reference count, the version the lower. */
static void put_value_fields(struct ext2_inode_large *to, const struct fc_ext4_ea_value *value)
{
    to->i_flags |= EXT4_EA_INODE_FL;
    to->i_atime = value->hash;
    to->i_atime_extra = to->i_ctime = to->i_ctime_extra = 0;
    to->osd1.linux1.l_i_version = value->refcount;
}

void fc_ext4_put_checksum(const struct fc_ext4_planner *p, unsigned char *at, uint32_t ino)
{
    struct ext2_inode_large *to = (void *)at;
    uint32_t crc = ext2fs_crc32c_le(fc_ext4_ino_seed(p, ino), (unsigned char *)to, p->options.inode_size);

    to->osd2.linux2.l_i_checksum_lo = (uint16_t)crc;
    if (p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE && to->i_extra_isize) /* reserved inodes have none */
        to->i_checksum_hi = (uint16_t)(crc >> 16);
}

int fc_ext4_put_node(struct fc_ext4_planner *p, unsigned char *at, const struct fc_ext4_node *node)
{
    const struct fc_snap_inode *s = node->source == FC_TREE_NONE ? NULL : &p->inodes[node->source];
    struct fc_snap_inode own = {.mode = fc_ext4_node_mode(p, node)};
    struct ext2_inode_large *to = (void *)at;

    own.atime.tv_sec = own.mtime.tv_sec = own.ctime.tv_sec = own.crtime.tv_sec = p->options.epoch;
    if (!s)
        s = &own;
    to->i_mode = (uint16_t)s->mode;
    to->i_uid = (uint16_t)s->uid;
    to->osd2.linux2.l_i_uid_high = (uint16_t)(s->uid >> 16);
    to->i_gid = (uint16_t)s->gid;
    to->osd2.linux2.l_i_gid_high = (uint16_t)(s->gid >> 16);
    put_times(p, to, s);
    put_links(to, node, S_ISDIR(s->mode));
    if (p->options.inode_size > EXT2_GOOD_OLD_INODE_SIZE)
        to->i_extra_isize = EXTRA_ISIZE;
    if (node->xattr_block) {
        uint64_t block = p->xattr_blocks[node->xattr_block - 1].physical;

        to->i_file_acl = (uint32_t)block;
        to->osd2.linux2.l_i_file_acl_high = (uint16_t)(block >> 32);
    }
    if (node->body_xattrs)
        memcpy(at + FC_EXT4_BODY_AT, node->body_xattrs, p->options.inode_size - FC_EXT4_BODY_AT);
    if (node->ea_value)
        put_value_fields(to, &p->ea_values[node->ea_value - 1]);
    return put_content(p, to, node, s == &own ? NULL : s);
}

static int fill_table(struct fc_ext4_planner *p, unsigned char *table)
{
    uint32_t size = p->options.inode_size;

    for (size_t k = 0; k < p->n_nodes; k++) {
        const struct fc_ext4_node *node = &p->nodes[k];

        if (k == FC_EXT4_NODE_JOURNAL && !p->journal_blocks)
            continue;
        if (fc_ext4_put_node(p, table + (size_t)(node->ino - 1) * size, node) < 0)
            return -ENOMEM;
    }
    memcpy(p->journal_root,
           ((struct ext2_inode_large *)(void *)(table + (size_t)(EXT2_JOURNAL_INO - 1) * size))->i_block,
           sizeof(p->journal_root));
    if (fc_ext4_can_grow(p) && fc_ext4_emit_resize(p, (void *)(table + (size_t)(EXT2_RESIZE_INO - 1) * size)) < 0)
        return -ENOMEM;
    for (uint32_t ino = 1; p->csum && ino <= p->last_ino; ino++)
        fc_ext4_put_checksum(p, table + (size_t)(ino - 1) * size, ino);
    return 0;
}

int fc_ext4_emit_inodes(struct fc_ext4_planner *p)
{
    const struct fc_ext4_layout *l = &p->layout;
    uint64_t used = fc_ext4_blocks((uint64_t)p->last_ino * p->options.inode_size) * FC_EXT4_BLOCK;
    uint64_t per_group = (uint64_t)l->table_blocks * FC_EXT4_BLOCK;
    unsigned char *table = fc_image_alloc(p->image, used);
    int r = table ? fill_table(p, table) : -ENOMEM;

    for (uint32_t g = 0; r >= 0 && g * per_group < used; g++) {
        uint64_t from = g * per_group, length = used - from < per_group ? used - from : per_group;

        r = fc_image_add_memory(p->image, l->tables[g] * FC_EXT4_BLOCK, table + from, length);
    }
    return r < 0 ? fc_ext4_no_memory(p) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Build the blocks of directories that fit into one, and of long symlinks. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ext4/plan.h"

#define LOST_FOUND_BLOCKS 4u /* room to put things back without an allocation, as mke2fs makes it */

static uint8_t type_of(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return EXT2_FT_REG_FILE;
    case S_IFDIR:
        return EXT2_FT_DIR;
    case S_IFCHR:
        return EXT2_FT_CHRDEV;
    case S_IFBLK:
        return EXT2_FT_BLKDEV;
    case S_IFIFO:
        return EXT2_FT_FIFO;
    case S_IFSOCK:
        return EXT2_FT_SOCK;
    case S_IFLNK:
        return EXT2_FT_SYMLINK;
    default:
        return EXT2_FT_UNKNOWN;
    }
}

void fc_ext4_put_name(unsigned char *at, const struct fc_ext4_name *n, unsigned rec_len)
{
    struct ext2_dir_entry_2 *d = (struct ext2_dir_entry_2 *)(void *)at;

    d->inode = n->ino;
    d->rec_len = (uint16_t)rec_len;
    d->name_len = (uint8_t)n->len;
    d->file_type = n->type;
    if (n->len)
        memcpy(d->name, n->name, n->len);
}

void fc_ext4_dir_tail(const struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *block)
{
    struct ext2_dir_entry_tail *tail = (void *)(block + fc_ext4_dir_room(p));

    if (!p->csum)
        return;
    tail->det_rec_len = sizeof(*tail);
    tail->det_reserved_name_len = EXT2_DIR_NAME_LEN_CSUM;
    tail->det_checksum = ext2fs_crc32c_le(fc_ext4_ino_seed(p, node->ino), block, fc_ext4_dir_room(p));
}

static int make_linear(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                       const struct fc_ext4_name *names, size_t n)
{
    struct fc_ext4_name dots[2] = {{.name = ".", .len = 1, .ino = node->ino, .type = EXT2_FT_DIR},
                                   {.name = "..", .len = 2, .ino = parent_ino, .type = EXT2_FT_DIR}};
    bool keep_room = node == &p->nodes[FC_EXT4_NODE_LOST_FOUND] && !p->options.read_only;
    uint32_t blocks = keep_room ? LOST_FOUND_BLOCKS : 1;
    unsigned char *block;
    unsigned at = 0, room = fc_ext4_dir_room(p);

    node->content_blocks = blocks;
    if (p->sizes_only)
        return 0;
    block = fc_image_alloc(p->image, (size_t)blocks * FC_EXT4_BLOCK);
    if (!block)
        return fc_ext4_no_memory(p);
    node->content = block;
    for (size_t i = 0; i < n + 2; i++) {
        const struct fc_ext4_name *name = i < 2 ? &dots[i] : &names[i - 2];
        unsigned size = i == n + 1 ? room - at : fc_ext4_name_size(name->len);

        fc_ext4_put_name(block + at, name, size);
        at += size;
    }
    fc_ext4_dir_tail(p, node, block);
    for (uint32_t b = 1; b < blocks; b++) {
        block += FC_EXT4_BLOCK;
        fc_ext4_put_name(block, &(struct fc_ext4_name){0}, room);
        fc_ext4_dir_tail(p, node, block);
    }
    return 0;
}

/* Fill @names, which has room for one more than the directory's, and set *ret_bytes to what the entries take. */
static size_t collect_names(struct fc_ext4_planner *p, const struct fc_ext4_node *node, struct fc_ext4_name *names,
                            uint64_t *ret_bytes)
{
    const struct fc_snap_inode *dir = node->source == FC_TREE_NONE ? NULL : &p->inodes[node->source];
    uint64_t bytes = 0;
    size_t n = 0;

    if (node == &p->nodes[FC_EXT4_NODE_ROOT] && p->lost_found == FC_TREE_NONE)
        names[n++] =
            (struct fc_ext4_name){.name = "lost+found", .len = 10, .ino = FC_EXT4_FIRST_INO, .type = EXT2_FT_DIR};
    for (uint32_t k = 0; dir && k < dir->n_dentries; k++) {
        const struct fc_snap_dentry *d = &p->dentries[dir->first_dentry + k];

        names[n++] = (struct fc_ext4_name){.name = d->name,
                                           .len = d->name_len,
                                           .ino = fc_ext4_node_for_name(p, d->inode)->ino,
                                           .type = type_of(p->inodes[d->inode].mode)};
    }
    for (size_t i = 0; i < n; i++)
        bytes += fc_ext4_name_size(names[i].len);
    *ret_bytes = bytes;
    return n;
}

static uint32_t parent_of(const struct fc_ext4_planner *p, const struct fc_ext4_node *node)
{
    uint32_t parent;

    if (node->source == FC_TREE_NONE || node->source == 0)
        return EXT2_ROOT_INO;
    parent = p->inodes[node->source].parent;
    if (parent >= p->n_inodes || p->node_of[parent] == FC_TREE_NONE)
        return EXT2_ROOT_INO;
    return p->nodes[p->node_of[parent]].ino;
}

static int make_directory(struct fc_ext4_planner *p, struct fc_ext4_node *node, struct fc_ext4_name *names)
{
    uint64_t bytes;
    size_t n = collect_names(p, node, names, &bytes);
    int r = fc_ext4_inline_directory(p, node, parent_of(p, node), names, n);

    if (r != 0)
        return r < 0 ? r : 0;
    if (bytes + 24 <= fc_ext4_dir_room(p)) /* "." and ".." take 24 */
        return make_linear(p, node, parent_of(p, node), names, n);
    return fc_ext4_make_htree(p, node, parent_of(p, node), names, n);
}

static int make_symlink(struct fc_ext4_planner *p, struct fc_ext4_node *node)
{
    const struct fc_snap_inode *s = &p->inodes[node->source];

    if (s->size < EXT2_N_BLOCKS * sizeof(uint32_t)) /* short enough for the inode itself */
        return 0;
    node->content = fc_image_alloc(p->image, FC_EXT4_BLOCK);
    if (!node->content)
        return fc_ext4_no_memory(p);
    memcpy(node->content, s->target, s->size);
    node->content_blocks = 1;
    return 0;
}

int fc_ext4_make_directories(struct fc_ext4_planner *p)
{
    fc_auto(fc_free) struct fc_ext4_name *names = NULL;
    uint32_t most = 0;

    for (uint32_t i = 0; i < p->n_inodes; i++)
        most = p->inodes[i].n_dentries > most ? p->inodes[i].n_dentries : most;
    names = malloc(((size_t)most + 1) * sizeof(*names));
    if (!names)
        return fc_ext4_no_memory(p);
    for (size_t k = FC_EXT4_NODE_ROOT; k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];
        uint32_t mode = fc_ext4_node_mode(p, node);
        int r = node->settled   ? 0
                : S_ISDIR(mode) ? make_directory(p, node, names)
                : S_ISLNK(mode) ? make_symlink(p, node)
                                : 0;

        if (r < 0)
            return r;
    }
    return 0;
}

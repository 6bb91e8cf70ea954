/* SPDX-License-Identifier: Apache-2.0 */
/* Save the plan of an unedited stack. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "ext4/saved.h"

#define FILES_MOST 4u           /* in a folder; the oldest go */
#define BUFFER (256u << 10)     /* written at once */
#define BLOCKS_SAVED (1u << 28) /* images of up to 1 TiB: their bitmap is 32 MiB */
#define META_FD INT32_MAX       /* stands for metadata in the list of segments */

/* A file that is being written in order, and its digest. */
struct out {
    struct fc_atomic file;
    struct fc_hasher *hasher;
    unsigned char *buffer;
    size_t used;
    uint64_t at;
    int failed; /* a negative errno: the rest is not written */
};

static void flush(struct out *o)
{
    if (!o->failed)
        o->failed = fc_hasher_add(o->hasher, o->buffer, o->used);
    if (!o->failed)
        o->failed = fc_pwrite_full(o->file.fd, o->buffer, o->used, o->at);
    o->at += o->used;
    o->used = 0;
}

static void put(struct out *o, const void *data, size_t size)
{
    const unsigned char *from = data;

    while (size) {
        size_t n = BUFFER - o->used < size ? BUFFER - o->used : size;

        memcpy(o->buffer + o->used, from, n);
        o->used += n;
        from += n;
        size -= n;
        if (o->used == BUFFER)
            flush(o);
    }
}

/* The end of a table. */
static void pad(struct out *o)
{
    static const unsigned char zeros[8];

    put(o, zeros, (8 - (o->at + o->used) % 8) % 8);
}

bool fc_ext4_is_plain(const struct fc_ext4_planner *p)
{
    const struct fc_ext4_planner *q = p->base ? p->base : p;

    return !(p->edited && !p->base) && !q->inode_wish && !p->n_ea_values && !q->n_ea_values && !p->first_copy &&
           !q->first_copy && p->lost_found == FC_TREE_NONE && q->lost_found == FC_TREE_NONE && !p->labels &&
           memcmp(&p->features, &q->features, sizeof(p->features)) == 0 &&
           !(p->features.incompat & EXT4_FEATURE_INCOMPAT_LARGEDIR) && p->journal_blocks == q->journal_blocks;
}

static void put_nodes(struct out *o, const struct fc_ext4_planner *q)
{
    for (size_t k = 0; k < q->n_tree_nodes; k++) {
        const struct fc_ext4_node *n = &q->nodes[k];
        const struct fc_snap_inode *s = n->source == FC_TREE_NONE ? NULL : &q->inodes[n->source];
        struct fc_ext4_saved_node out = {.ino = s ? s->ino : 0,
                                         .number = n->ino,
                                         .first_run = n->first_run,
                                         .n_runs = n->n_runs,
                                         .first_tree = n->first_tree,
                                         .n_trees = n->n_trees,
                                         .mode = fc_ext4_node_mode(q, n),
                                         .has_xattr_block = n->xattr_block != 0};
        uint64_t at;

        for (uint32_t i = 0; s && i < s->n_extents; i++)
            out.bytes += q->extents[s->first_extent + i].length;
        if (n->indexed && fc_map_get(&q->leaves_of, k, &at))
            out.leaves = (uint32_t)at + 1;
        put(o, &out, sizeof(out));
    }
}

/* Metadata at @block for @n blocks, in the list of segments. */
static int add_meta(struct fc_image *list, uint64_t block, uint64_t n)
{
    return fc_image_add_file(list, block * FC_EXT4_BLOCK, META_FD, block * FC_EXT4_BLOCK, n * FC_EXT4_BLOCK);
}

static int list_metadata(const struct fc_ext4_planner *q, struct fc_image *list)
{
    const struct fc_ext4_layout *l = &q->layout;
    uint64_t left = fc_ext4_blocks((uint64_t)q->last_ino * q->options.inode_size);
    int r = 0;

    for (size_t k = FC_EXT4_NODE_ROOT; k < q->n_nodes && r == 0; k++)
        for (uint32_t i = 0; q->nodes[k].content_blocks && i < q->nodes[k].n_runs && r == 0; i++) {
            const struct fc_ext4_run *run = &q->runs[q->nodes[k].first_run + i];

            r = add_meta(list, run->physical, run->length);
        }
    for (size_t i = 0; i < q->n_trees && r == 0; i++)
        r = add_meta(list, q->trees[i], 1);
    for (size_t i = 0; i < q->n_xattr_blocks && r == 0; i++)
        r = add_meta(list, q->xattr_blocks[i].physical, 1);
    for (uint32_t g = 0; g < l->n_groups && left && r == 0; g++) {
        uint64_t n = left < l->table_blocks ? left : l->table_blocks;

        r = add_meta(list, l->tables[g], n);
        left -= n;
    }
    return r;
}

/* What the image consists of, in order, as far as one plan can take it from another. */
static int list_segments(const struct fc_ext4_planner *q, struct fc_image **ret)
{
    fc_auto(fc_image_free) struct fc_image *list = NULL;
    int r = fc_image_new(q->layout.n_blocks * FC_EXT4_BLOCK, &list);

    if (r == 0)
        r = list_metadata(q, list);
    for (size_t i = 0; i < q->n_data && r == 0; i++)
        r = fc_ext4_add_data(q, &q->nodes[q->data_order[i]], list, true);
    if (r == 0)
        r = fc_image_finish(list, NULL);
    if (r == 0)
        *ret = fc_steal(&list);
    return r;
}

static uint64_t put_segments(struct out *o, const struct fc_image *list)
{
    size_t n;
    const struct fc_segment *s = fc_image_segments(list, &n);
    uint64_t count = 0;

    for (size_t i = 0; i < n; i++) {
        struct fc_ext4_saved_segment out = {
            .offset = s[i].offset, .length = s[i].length, .source_offset = s[i].file.offset};

        if (s[i].kind != FC_SEGMENT_FILE)
            continue;
        out.source = s[i].file.fd == META_FD ? FC_TREE_NONE : (uint32_t)s[i].file.fd;
        put(o, &out, sizeof(out));
        count++;
    }
    return count;
}

/* Bits of what was placed, and of the numbers in use; directories by group. */
static int put_use(struct out *o, const struct fc_ext4_planner *q, const struct fc_ext4_saved_header *h)
{
    fc_auto(fc_free) unsigned char *blocks = calloc(h->block_bytes, 1), *numbers = calloc(h->number_bytes, 1);
    fc_auto(fc_free) uint32_t *dirs = calloc(h->n_dirs, sizeof(*dirs));

    if (!blocks || !numbers || !dirs)
        return -ENOMEM;
    for (size_t i = 0; i < q->n_runs; i++)
        fc_ext4_set_bits(blocks, q->runs[i].physical, q->runs[i].physical + q->runs[i].length);
    for (size_t i = 0; i < q->n_trees; i++)
        fc_ext4_set_bits(blocks, q->trees[i], q->trees[i] + 1);
    for (size_t i = 0; i < q->n_xattr_blocks; i++)
        fc_ext4_set_bits(blocks, q->xattr_blocks[i].physical, q->xattr_blocks[i].physical + 1);
    if (q->resize_block)
        fc_ext4_set_bits(blocks, q->resize_block, q->resize_block + 1);
    fc_ext4_set_bits(numbers, 0, FC_EXT4_FIRST_INO + 1);
    for (size_t k = FC_EXT4_NODE_ROOT; k < q->n_nodes; k++) {
        uint32_t number = q->nodes[k].ino;

        fc_ext4_set_bits(numbers, number, (uint64_t)number + 1);
        if (S_ISDIR(fc_ext4_node_mode(q, &q->nodes[k])))
            dirs[(number - 1) / q->layout.inodes_per_group]++;
    }
    put(o, dirs, h->n_dirs * sizeof(*dirs));
    pad(o);
    put(o, blocks, h->block_bytes);
    pad(o);
    put(o, numbers, h->number_bytes);
    pad(o);
    return o->failed;
}

static struct fc_ext4_saved_header header_of(const struct fc_ext4_planner *q, const struct fc_digest *key)
{
    return (struct fc_ext4_saved_header){.magic = FC_EXT4_SAVED_MAGIC,
                                         .key = *key,
                                         .n_nodes = q->n_tree_nodes,
                                         .n_runs = q->n_runs,
                                         .n_trees = q->n_trees,
                                         .n_leaves = q->n_leaf_hashes,
                                         .n_dirs = q->layout.n_groups,
                                         .block_bytes = q->layout.n_blocks / 8 + 1,
                                         .number_bytes = q->last_ino / 8 + 1,
                                         .n_blocks = q->layout.n_blocks,
                                         .placed = q->placed,
                                         .resize_block = q->resize_block,
                                         .journal_blocks = q->journal_blocks,
                                         .data_bytes = q->summary.data_bytes,
                                         .n_all_nodes = q->n_nodes,
                                         .inodes_per_group = q->layout.inodes_per_group,
                                         .last_ino = q->last_ino,
                                         .features = q->features};
}

static int put_all(struct out *o, const struct fc_ext4_planner *q, const struct fc_digest *key)
{
    fc_auto(fc_image_free) struct fc_image *list = NULL;
    struct fc_ext4_saved_header h = header_of(q, key);
    int r = list_segments(q, &list);

    if (r < 0)
        return r;
    o->at = sizeof(h);
    put_nodes(o, q);
    put(o, q->runs, q->n_runs * sizeof(*q->runs));
    put(o, q->trees, q->n_trees * sizeof(*q->trees));
    h.n_segments = put_segments(o, list);
    put(o, q->leaf_hashes, q->n_leaf_hashes * sizeof(*q->leaf_hashes));
    pad(o);
    r = put_use(o, q, &h);
    if (r < 0)
        return r;
    flush(o);
    r = o->failed ? o->failed : fc_hasher_add(o->hasher, &h, sizeof(h));
    if (r == 0)
        r = fc_hasher_finish(o->hasher, &h.sum);
    return r == 0 ? fc_pwrite_full(o->file.fd, &h, sizeof(h), 0) : r;
}

/* Make room for one more: @dir keeps the FILES_MOST - 1 newest. */
static void thin_out(const char *dir)
{
    for (unsigned n = FILES_MOST; n >= FILES_MOST;) {
        char oldest[64] = "";
        struct timespec age = {0};
        DIR *d = opendir(dir);
        const struct dirent *e;
        struct stat st;

        n = 0;
        while (d && (e = readdir(d))) {
            if (strncmp(e->d_name, FC_RECORD_PLAN_PREFIX, strlen(FC_RECORD_PLAN_PREFIX)) != 0 ||
                strlen(e->d_name) >= sizeof(oldest) || fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                continue;
            if (n++ && (st.st_mtim.tv_sec > age.tv_sec ||
                        (st.st_mtim.tv_sec == age.tv_sec && st.st_mtim.tv_nsec >= age.tv_nsec)))
                continue;
            age = st.st_mtim;
            memcpy(oldest, e->d_name, strlen(e->d_name) + 1);
        }
        if (n >= FILES_MOST && unlinkat(dirfd(d), oldest, 0) < 0)
            n = 0;
        if (d)
            closedir(d);
    }
}

static int write_file(const struct fc_ext4_planner *q, const char *path, const struct fc_digest *key)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new_fast();
    fc_auto(fc_free) unsigned char *buffer = malloc(BUFFER);
    struct out o = {.file = {.fd = -1}, .hasher = hasher, .buffer = buffer};
    int r = hasher && buffer ? fc_atomic_begin(&o.file, path, NULL) : -ENOMEM;

    if (r == 0 && fchmod(o.file.fd, 0600) < 0)
        r = -errno;
    if (r == 0)
        r = put_all(&o, q, key);
    if (r == 0)
        r = fc_atomic_commit(&o.file, false, NULL);
    fc_atomic_release(&o.file);
    return r;
}

int fc_ext4_saved_write(const struct fc_ext4_planner *p, const char *dir, const struct fc_digest *key)
{
    const struct fc_ext4_planner *q = p->base ? p->base : p;
    fc_auto(fc_free) char *path = fc_ext4_saved_path(dir, key);

    if (!path)
        return -ENOMEM;
    if (!fc_ext4_is_plain(p) || q->layout.n_blocks > BLOCKS_SAVED || fc_ext4_clamps(q))
        return -EOPNOTSUPP;
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    thin_out(dir);
    return write_file(q, path, key);
}

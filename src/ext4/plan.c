/* SPDX-License-Identifier: Apache-2.0 */
/* Plan a snapshot as an ext4 image, from options to segments. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "ext4/again.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the tables are filled in memory as they stand on disk");

#define RESERVED_PERMILLE_MOST 500u
#define ALIGN_MOST                                                                                                     \
    (FC_EXT4_GROUP_BLOCKS * FC_EXT4_BLOCK) /* groups, and the metadata in front of each, are further apart */
#define JOURNAL_LEAST (1024u * FC_EXT4_BLOCK)

static int check_options(struct fc_ext4_planner *p)
{
    struct fc_ext4_options *o = &p->options;

    if (!o->label)
        o->label = "rootfs";
    if (!o->inode_size)
        o->inode_size = 256;
    if (strlen(o->label) > EXT2_LABEL_LEN)
        return fc_fail(p->err, EINVAL, "the label %.32s is longer than %d bytes", o->label, EXT2_LABEL_LEN);
    if (o->inode_size != 128 && o->inode_size != 256 && o->inode_size != 512 && o->inode_size != 1024)
        return fc_fail(p->err, EINVAL, "the inode size is %u: it must be 128, 256, 512 or 1024", o->inode_size);
    if (o->align && (o->align <= FC_EXT4_BLOCK || o->align > ALIGN_MOST || (o->align & (o->align - 1))))
        return fc_fail(p->err, EINVAL, "the alignment must be a power of two from 8 KiB to 128 MiB");
    if (o->align && o->size % o->align)
        return fc_fail(p->err, EINVAL, "the size of the image is no multiple of its alignment");
    if (o->reserved_permille > RESERVED_PERMILLE_MOST)
        return fc_fail(p->err, EINVAL, "at most half of an image can be reserved for root");
    if (o->journal == FC_EXT4_JOURNAL_SIZE && o->journal_bytes < JOURNAL_LEAST)
        return fc_fail(p->err, EINVAL, "a journal of %llu bytes is too small: ext4 wants %u (4 MiB) or none",
                       (unsigned long long)o->journal_bytes, JOURNAL_LEAST);
    if (o->journal == FC_EXT4_JOURNAL_SIZE && o->journal_bytes / FC_EXT4_BLOCK > 10240000)
        return fc_fail(p->err, EINVAL, "a journal of %llu bytes is too large: it can have %llu (10,240,000 blocks)",
                       (unsigned long long)o->journal_bytes, 10240000ull * FC_EXT4_BLOCK);
    if (o->read_only &&
        (o->size || o->free_bytes || o->n_inodes || o->reserved_permille || o->journal == FC_EXT4_JOURNAL_SIZE))
        return fc_fail(p->err, EINVAL,
                       "a read-only image is as small as its content: no size, free space, free inodes, "
                       "reserved blocks or journal can be asked for");
    if (o->read_only)
        o->journal = FC_EXT4_JOURNAL_NONE;
    if (o->n_inodes > UINT32_MAX || o->free_bytes > UINT64_C(1) << 44)
        return fc_fail(p->err, EINVAL, "more inodes or free space than ext4 can have in 16 TiB");
    if (o->epoch < 0 || o->epoch > INT32_MAX)
        return fc_fail(p->err, EINVAL, "the time of the file system must be between 1970 and 2038");
    return 0;
}

/* Eight bytes of purpose, the seed and the label give a digest; the bottom layer changes it, edits do not. */
static int derive(struct fc_ext4_planner *p, const char purpose[8], uint8_t ret[16])
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    struct fc_digest d;

    if (!h)
        return fc_ext4_no_memory(p);
    if (fc_hasher_add(h, purpose, 8) < 0 || fc_hasher_add(h, p->seed.bytes, 32) < 0 ||
        fc_hasher_add(h, p->options.label, strlen(p->options.label)) < 0 || fc_hasher_finish(h, &d) < 0)
        return fc_fail(p->err, EIO, "cannot compute a digest");
    memcpy(ret, d.bytes, 16);
    ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x80); /* RFC 9562: version 8, made of what the maker likes */
    ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
    return 0;
}

static int set_identity(struct fc_ext4_planner *p)
{
    uint8_t seed[16];
    int r = derive(p, "fc-hash\n", seed);

    if (r < 0)
        return r;
    memcpy(p->hash_seed, seed, sizeof(seed));
    if (p->options.have_uuid)
        memcpy(p->uuid, p->options.uuid, sizeof(p->uuid));
    else
        r = derive(p, "fc-uuid\n", p->uuid);
    p->csum_seed = ext2fs_crc32c_le(~0u, p->uuid, sizeof(p->uuid));
    memcpy(p->summary.uuid, p->uuid, sizeof(p->uuid));
    return r;
}

static void fill_summary(struct fc_ext4_planner *p)
{
    const struct fc_ext4_layout *l = &p->layout;

    p->summary.blocks = l->n_blocks;
    p->summary.free_blocks = l->n_available - p->placed;
    p->summary.inodes = l->n_inodes;
    p->summary.free_inodes = l->n_inodes - FC_EXT4_FIRST_INO - (fc_ext4_all_nodes(p) - FC_EXT4_NODE_TREE);
    p->summary.groups = l->n_groups;
    p->summary.journal_bytes = p->journal_blocks * FC_EXT4_BLOCK;
}

int fc_ext4_emit(struct fc_ext4_planner *p)
{
    int r;

    fill_summary(p);
    fc_image_set_size(p->image, p->summary.size);
    r = p->sparse ? fc_ext4_emit_sparse_inodes(p) : fc_ext4_emit_inodes(p);
    if (r < 0)
        return r;
    r = fc_ext4_emit_content(p);
    if (r < 0)
        return r;
    if (fc_ext4_emit_journal(p) < 0)
        return fc_ext4_no_memory(p);
    r = fc_ext4_emit_groups(p);
    if (r >= 0 && p->sparse)
        r = fc_ext4_emit_sparse_rest(p);
    return r < 0 ? r : fc_image_finish(p->image, p->err);
}

int fc_ext4_prepare(struct fc_ext4_planner *p)
{
    int r = check_options(p);

    if (r < 0)
        return r;
    r = fc_ext4_start_features(p);
    if (r < 0)
        return r;
    r = set_identity(p);
    if (r < 0)
        return r;
    r = fc_ext4_make_nodes(p);
    if (r < 0)
        return r;
    r = fc_ext4_make_orphan_file(p);
    if (r < 0)
        return r;
    r = fc_ext4_make_directories(p);
    if (r < 0)
        return r;
    r = fc_ext4_inline_files(p);
    if (r < 0)
        return r;
    r = fc_ext4_make_labels(p);
    if (r < 0)
        return r;
    return fc_ext4_make_xattrs(p);
}

static int make(struct fc_ext4_planner *p)
{
    int r = fc_ext4_prepare(p);

    if (r >= 0 && p->base)
        r = fc_ext4_match_xattr_blocks(p);
    if (r < 0)
        return r;
    r = fc_ext4_find_size(p);
    return r < 0 ? r : fc_ext4_emit(p);
}

struct fc_ext4_planner fc_ext4_planner_of(const struct fc_ext4_tables *t, const struct fc_ext4_options *options,
                                          struct fc_error *err)
{
    static const struct fc_ext4_options defaults;

    return (struct fc_ext4_planner){.seed = t->seed,
                                    .inodes = t->inodes,
                                    .dentries = t->dentries,
                                    .extents = t->extents,
                                    .xattrs = t->xattrs,
                                    .sources = t->sources,
                                    .n_inodes = t->n_inodes,
                                    .n_dentries = t->n_dentries,
                                    .n_extents = t->n_extents,
                                    .n_xattrs = t->n_xattrs,
                                    .n_sources = t->n_sources,
                                    .index_fill = t->index_fill,
                                    .options = options ? *options : defaults,
                                    .err = err};
}

void fc_ext4_planner_release(struct fc_ext4_planner *p)
{
    fc_ext4_base_free(p->base);
    fc_image_free(p->image);
    fc_ext4_layout_release(&p->layout);
    fc_ext4_room_release(&p->room);
    free(p->nodes);
    free(p->node_of);
    free(p->names_seen);
    free(p->first_copy);
    free(p->ino_used);
    free(p->data_order);
    free(p->leaf_hashes);
    fc_map_release(&p->leaves_of);
    free(p->labels);
    free(p->xattr_blocks);
    free(p->ea_values);
    free(p->runs);
    free(p->trees);
}

/* Plan @t with @p, an empty planner, which the caller releases. */
static int plan(struct fc_ext4_planner *p, const struct fc_ext4_tables *t, struct fc_image **ret_image,
                struct fc_ext4_summary *ret_summary)
{
    int r = fc_image_new(0, &p->image) < 0 ? fc_ext4_no_memory(p) : 0;

    p->edited = t->base != NULL;
    if (r >= 0 && t->base && !p->options.compact && !p->options.read_only)
        r = fc_ext4_base_new(p, t->base, &p->base);
    if (r >= 0)
        r = make(p);
    if (ret_summary && (r >= 0 || r == -ENOSPC))
        *ret_summary = p->summary;
    if (r >= 0)
        *ret_image = fc_steal(&p->image);
    return r;
}

int fc_ext4_plan_tables(const struct fc_ext4_tables *t, const struct fc_ext4_options *options,
                        struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_error *err)
{
    struct fc_error own = {0};
    struct fc_ext4_planner p = fc_ext4_planner_of(t, options, err ? err : &own);
    int r = plan(&p, t, ret_image, ret_summary);

    fc_ext4_planner_release(&p);
    return r;
}

struct fc_ext4_tables fc_ext4_tables_of(const struct fc_snapshot *snapshot)
{
    struct fc_ext4_tables t = {.seed = *fc_snapshot_seed(snapshot)};

    t.inodes = fc_snapshot_inodes(snapshot, &t.n_inodes);
    t.dentries = fc_snapshot_dentries(snapshot, &t.n_dentries);
    t.extents = fc_snapshot_extents(snapshot, &t.n_extents);
    t.xattrs = fc_snapshot_xattrs(snapshot, &t.n_xattrs);
    t.sources = fc_snapshot_sources(snapshot, &t.n_sources);
    return t;
}

void fc_ext4_made_free(struct fc_ext4_made *made)
{
    if (!made)
        return;
    fc_ext4_planner_release(&made->planner);
    fc_snapshot_free(made->unedited);
    free(made);
}

static int plan_snapshot(struct fc_ext4_made *made, const struct fc_snapshot *snapshot,
                         const struct fc_ext4_options *options, struct fc_image **ret_image,
                         struct fc_ext4_summary *ret_summary, struct fc_error *err)
{
    struct fc_ext4_tables t = fc_ext4_tables_of(snapshot), base;
    bool anew = options && (options->compact || options->read_only);
    int r = anew ? 0 : fc_snapshot_unedited(snapshot, &made->unedited, err);

    if (r < 0)
        return r;
    if (made->unedited) {
        base = fc_ext4_tables_of(made->unedited);
        t.base = &base;
    }
    made->planner = fc_ext4_planner_of(&t, options, err);
    made->stack = *fc_snapshot_stack(snapshot);
    return plan(&made->planner, &t, ret_image, ret_summary);
}

int fc_ext4_plan_made(const struct fc_snapshot *snapshot, const struct fc_ext4_options *options,
                      struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_ext4_made **ret_made,
                      struct fc_error *err)
{
    fc_auto(fc_ext4_made_free) struct fc_ext4_made *made = calloc(1, sizeof(*made));
    struct fc_error own = {0};
    int r;

    if (!made)
        return fc_fail(err, ENOMEM, "out of memory while planning the image");
    r = plan_snapshot(made, snapshot, options, ret_image, ret_summary, err ? err : &own);
    made->planner.err = NULL;
    if (r >= 0 && ret_made)
        *ret_made = fc_steal(&made);
    return r;
}

int fc_ext4_plan(const struct fc_snapshot *snapshot, const struct fc_ext4_options *options, struct fc_image **ret_image,
                 struct fc_ext4_summary *ret_summary, struct fc_error *err)
{
    return fc_ext4_plan_made(snapshot, options, ret_image, ret_summary, NULL, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Make a snapshot of an ext2, ext3 or ext4 image: from the root down, then everything in inode order. */
#include "ext4/read.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/path.h"

#define PAGE 4096u
#define ROOT_INO 1u /* in every snapshot */

static int prepare(struct fc_ext4_reader *r)
{
    size_t inode_size = EXT2_INODE_SIZE(r->fs->super);

    r->inode = calloc(1, inode_size + sizeof(*r->inode));
    r->block = malloc(r->fs->blocksize);
    r->pages = calloc(r->fs->super->s_inodes_count / PAGE + 1, sizeof(*r->pages));
    r->tables.sources = calloc(FC_EXT4_SOURCE_COPIES + 1, sizeof(*r->tables.sources));
    if (!r->inode || !r->block || !r->pages || !r->tables.sources)
        return fc_ext4_read_no_memory(r);
    r->tables.sources[r->tables.n_sources++] = (struct fc_snap_source){.fd = r->fd, .layer = FC_TREE_NONE};
    r->fd_is_source = true;
    return 0;
}

static int walk(struct fc_ext4_reader *r)
{
    struct fc_ext4_found root = {.ino = EXT2_ROOT_INO};
    int ret = fc_ext4_read_inode(r, &root);

    if (ret == 0 && !S_ISDIR(r->tables.inodes[0].mode))
        ret = fc_ext4_read_fail(r, EBADMSG, "damaged: the root is no directory");
    if (ret < 0)
        return ret;
    r->tables.inodes[0].parent = 0;
    r->pages[0] = calloc(PAGE, sizeof(**r->pages));
    if (!r->pages[0])
        return fc_ext4_read_no_memory(r);
    r->pages[0][EXT2_ROOT_INO] = 1;
    /* The list of what was found is the queue of what is to be read. */
    for (uint32_t i = 0; i < r->tables.n_inodes && ret == 0; i++)
        if (S_ISDIR(r->tables.inodes[i].mode))
            ret = fc_ext4_read_dir(r, i);
    return ret;
}

/* An empty lost+found is the file system's own: leave it out. Returns its index, or FC_TREE_NONE. */
static uint32_t drop_lost_found(struct fc_snapshot_tables *t)
{
    struct fc_snap_inode *root = &t->inodes[0];
    struct fc_snap_dentry *names = t->dentries + root->first_dentry;

    for (uint32_t i = 0; i < root->n_dentries; i++) {
        uint32_t inode = names[i].inode;

        if (names[i].name_len != 10 || memcmp(names[i].name, "lost+found", 10) != 0)
            continue;
        if (!S_ISDIR(t->inodes[inode].mode) || t->inodes[inode].n_dentries)
            return FC_TREE_NONE;
        memmove(&names[i], &names[i + 1], (root->n_dentries - i - 1) * sizeof(*names));
        root->n_dentries--;
        root->nlink--;
        return inode;
    }
    return FC_TREE_NONE;
}

/* Where an inode goes. */
struct place {
    uint64_t ino;
    uint32_t index;
};

static int by_ino(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    return x->ino < y->ino ? -1 : x->ino > y->ino;
}

static void renumber(struct fc_snapshot_tables *t, const struct place *places, size_t n, uint32_t *new_index,
                     struct fc_snap_inode *sorted)
{
    for (size_t i = 0; i < n; i++)
        new_index[places[i].index] = (uint32_t)i;
    for (size_t i = 0; i < n; i++) {
        struct fc_snap_inode *to = &sorted[i];

        *to = t->inodes[places[i].index];
        if (!S_ISDIR(to->mode))
            continue;
        to->parent = new_index[to->parent];
        for (uint32_t k = 0; k < to->n_dentries; k++)
            t->dentries[to->first_dentry + k].inode = new_index[t->dentries[to->first_dentry + k].inode];
    }
}

static int sort(struct fc_ext4_reader *r)
{
    struct fc_snapshot_tables *t = &r->tables;
    fc_auto(fc_free) struct place *places = malloc(t->n_inodes * sizeof(*places));
    fc_auto(fc_free) uint32_t *new_index = malloc(t->n_inodes * sizeof(*new_index));
    struct fc_snap_inode *sorted = malloc(t->n_inodes * sizeof(*sorted));
    uint32_t dropped = drop_lost_found(t);
    size_t n = 0;

    if (!places || !new_index || !sorted) {
        free(sorted);
        return fc_ext4_read_no_memory(r);
    }
    t->inodes[0].ino = ROOT_INO;
    for (size_t i = 0; i < t->n_inodes; i++)
        if (i != dropped)
            places[n++] = (struct place){t->inodes[i].ino, (uint32_t)i};
    qsort(places, n, sizeof(*places), by_ino);
    renumber(t, places, n, new_index, sorted);
    free(t->inodes);
    t->inodes = sorted;
    t->n_inodes = n;
    return 0;
}

/* Images derive their UUID from the seed: the same image gives the same, another one another. */
static int set_seed(struct fc_ext4_reader *r)
{
    unsigned char text[8 + sizeof(r->fs->super->s_uuid)] = {"fc-image"};

    memcpy(text + 8, r->fs->super->s_uuid, sizeof(r->fs->super->s_uuid));
    if (fc_digest_of(text, sizeof(text), &r->tables.seed) < 0)
        return fc_fail(r->err, EIO, "%s: cannot compute a digest", r->label);
    return 0;
}

static int finish(struct fc_ext4_reader *r, struct fc_snapshot **ret_snapshot)
{
    int ret = set_seed(r);

    if (ret == 0 && r->tables.n_sources > FC_EXT4_SOURCE_COPIES &&
        ftruncate(r->tables.sources[FC_EXT4_SOURCE_COPIES].fd, (off_t)r->copies_end) < 0)
        ret = fc_fail_errno(r->err, errno, "%s: cannot finish the temporary file", r->label);
    if (ret == 0)
        ret = sort(r);
    if (ret == 0)
        ret = fc_snapshot_new(&r->tables, ret_snapshot, r->err);
    return ret;
}

static void release(struct fc_ext4_reader *r)
{
    if (r->pages)
        for (size_t i = 0; i <= r->fs->super->s_inodes_count / PAGE; i++)
            free(r->pages[i]);
    if (r->fd >= 0 && !r->fd_is_source)
        close(r->fd);
    fc_snapshot_tables_release(&r->tables);
    if (r->fs)
        ext2fs_free(r->fs);
    fc_map_release(&r->kept_by_hash);
    free(r->kept);
    free(r->found);
    free(r->pages);
    free(r->inode);
    free(r->block);
    free(r->runs);
}

int fc_ext4_read_image(const char *path, const struct fc_ext4_read_options *options, struct fc_snapshot **ret_snapshot,
                       struct fc_error *err)
{
    struct fc_error own = {0};
    char label[160];
    struct fc_ext4_reader r = {.label = label, .fd = -1, .err = err ? err : &own};
    int ret;

    if (options)
        r.options = *options;
    fc_name_show(label, sizeof(label), path, strlen(path));
    ret = fc_ext4_read_open(&r, path);
    if (ret == 0)
        ret = prepare(&r);
    if (ret == 0)
        ret = walk(&r);
    if (ret == 0)
        ret = finish(&r, ret_snapshot);
    release(&r);
    return ret;
}

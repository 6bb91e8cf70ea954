/* SPDX-License-Identifier: Apache-2.0 */
/* Begin and end the build of a layer: a temporary folder, made durable once, renamed whole into the cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "layer/builder.h"
#include "layer/cache.h"

int fc_layer_builder_new(struct fc_cache *cache, const char *label, struct fc_layer_builder **ret, struct fc_error *err)
{
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *b = calloc(1, sizeof(*b));
    uint32_t empty;
    int r;

    if (!b)
        return fc_fail(err, ENOMEM, "out of memory");
    b->cache = cache;
    b->label = label;
    b->pack_fd = -1;
    /* Offset 0 is the empty string: the root's name. */
    if (fc_trie_init(&b->trie) < 0 || fc_strings_add(&b->strings, "", 0, &empty) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_cache_temp(cache, &b->temp, &b->pack_fd, err);
    if (r < 0)
        return r;
    if (fc_pack_init(&b->pack, b->pack_fd) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    *ret = fc_steal(&b);
    return 0;
}

void fc_layer_builder_free(struct fc_layer_builder *b)
{
    if (!b)
        return;
    if (b->temp)
        fc_remove_all(AT_FDCWD, b->temp);
    if (b->pack_fd >= 0)
        close(b->pack_fd);
    free(b->temp);
    fc_trie_release(&b->trie);
    fc_pack_release(&b->pack);
    fc_buf_release(&b->strings);
    free(b->inodes);
    free(b->xattrs);
    free(b);
}

static int fail_write(const struct fc_layer_builder *b, int r, struct fc_error *err)
{
    return fc_fail_errno(err, -r, "%s: cannot write the layer into the cache %s", b->label, fc_cache_dir(b->cache));
}

/* A layer whose root nobody describes, or with no entry at all, still has a root. */
static int complete_root(struct fc_layer_builder *b)
{
    int r;

    if (b->trie.nodes[0].inode != FC_LAYER_NONE)
        return 0;
    r = fc_grow(&b->inodes, &b->cap_inodes, b->n_inodes + 1, sizeof(*b->inodes));
    if (r < 0)
        return r;
    b->inodes[b->n_inodes] =
        (struct fc_layer_inode){.mode = S_IFDIR | 0755, .flags = FC_INODE_IMPLICIT, .target = FC_LAYER_NONE};
    b->trie.nodes[0].inode = (uint32_t)b->n_inodes++;
    return 0;
}

/* Write the index beside the pack and make both durable. */
static int write_files(struct fc_layer_builder *b, const struct fc_digest *diffid, uint64_t tar_size,
                       struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    fc_auto(fc_close) int fd = -1;
    struct stat st;
    int r = fc_pack_finish(&b->pack);

    if (r < 0)
        return fail_write(b, r, err);
    if (asprintf(&path, "%s/index", b->temp) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_write(b, -errno, err);
    r = fc_layer_write_index(b, diffid, tar_size, fd, err);
    if (r < 0)
        return r;
    /* Layers never change: take the write bits away. The folder, made 0700, gets the mode that the umask asks for. */
    if (fstat(fd, &st) < 0 || fchmod(fd, st.st_mode & 0444) < 0 || fchmod(b->pack_fd, st.st_mode & 0444) < 0 ||
        chmod(b->temp, (st.st_mode & 0444) | (st.st_mode & 0444) >> 2 | 0700) < 0)
        return fail_write(b, -errno, err);
    if (fsync(b->pack_fd) < 0 || fsync(fd) < 0)
        return fail_write(b, -errno, err);
    r = fc_sync_dir(b->temp);
    return r < 0 ? fail_write(b, r, err) : 0;
}

/* Put a damaged layer of our name out of the way: into our temporary folder, which goes when we do. */
static int displace(struct fc_layer_builder *b, const char *final)
{
    if (renameat2(AT_FDCWD, b->temp, AT_FDCWD, final, RENAME_EXCHANGE) < 0)
        return -errno;
    return 0; /* b->temp now names the damaged one: fc_layer_builder_free() removes it */
}

/* Rename into place. Whoever was first wins, unless what they left is damaged. */
static int put_in_place(struct fc_layer_builder *b, const struct fc_digest *diffid, struct fc_layer **ret_layer,
                        struct fc_error *err)
{
    fc_auto(fc_free) char *final = fc_cache_layer_path(b->cache, diffid);
    fc_auto(fc_close) int lock = -1;
    int r;

    if (!final)
        return fc_fail(err, ENOMEM, "out of memory");
    /* A builder's lock is exclusive, a user's shared; between the two nobody may take the folder for a dead builder's. */
    lock = fc_cache_lock_shared(b->cache);
    if (lock < 0 || flock(b->pack_fd, LOCK_SH) < 0)
        return fail_write(b, lock < 0 ? lock : -errno, err);
    if (rename(b->temp, final) == 0) {
        free(b->temp);
        b->temp = NULL;
    } else if (errno == EEXIST || errno == ENOTEMPTY) {
        r = fc_layer_open_whole(b->cache, diffid, ret_layer, err);
        if (r != -EBADMSG && r != -ENOENT)
            return r;
        r = displace(b, final);
        if (r < 0)
            return fail_write(b, r, err);
    } else {
        return fail_write(b, -errno, err);
    }
    r = fc_sync_dir(b->cache->layers);
    if (r < 0)
        return fail_write(b, r, err);
    return fc_layer_open(b->cache, diffid, ret_layer, err);
}

int fc_layer_builder_finish(struct fc_layer_builder *b, const struct fc_digest *diffid, uint64_t tar_size,
                            struct fc_layer **ret_layer, struct fc_error *err)
{
    int r = complete_root(b);

    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fc_layer_resolve_links(b);
    r = write_files(b, diffid, tar_size, err);
    return r < 0 ? r : put_in_place(b, diffid, ret_layer, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What a live tree changes, as a layer in the cache. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "entry/entry.h"
#include "export/export.h"
#include "workspace/internal.h"

/* The tar goes through a file without a name: it is written by one side and read by the other. */
static int open_spool(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

    if (fd >= 0)
        return fd;
    if (asprintf(&path, "%s/commit.XXXXXX", dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return fc_fail_errno(err, errno, "cannot create a file in %s", dir);
    unlink(path);
    return fd;
}

static int spool_write(void *arg, const void *data, size_t size, struct fc_error *err)
{
    int r = fc_write_full(*(const int *)arg, data, size);

    return r < 0 ? fc_fail_errno(err, -r, "cannot write the layer") : 0;
}

struct spool_source {
    struct fc_byte_source base;
    int fd;
};

static ssize_t spool_read(struct fc_byte_source *s, void *buffer, size_t size, struct fc_error *err)
{
    ssize_t n = fc_read_full(((struct spool_source *)s)->fd, buffer, size);

    return n < 0 ? fc_fail_errno(err, (int)-n, "cannot read the layer back") : n;
}

/* Import the tar in @fd like any other. */
static int import(struct fc_cache *cache, int fd, const char *label, struct fc_layer **ret, struct fc_error *err)
{
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    const struct fc_tar_options options = {.label = label};
    struct spool_source source = {{.read = spool_read}, fd};
    struct fc_entry_iter *tar = NULL;
    struct fc_tar_result result;
    int r = fc_layer_builder_new(cache, label, &builder, err);

    if (r == 0)
        r = fc_tar_iter(&source.base, &options, &tar, err);
    if (r == 0)
        r = fc_filter_whiteouts(tar, &it, err);
    if (r == 0)
        r = fc_layer_builder_add_all(builder, it, err);
    if (r == 0)
        r = fc_tar_finish(tar, &result, err);
    return r == 0 ? fc_layer_builder_finish(builder, &result.diffid, result.tar_bytes, ret, err) : r;
}

int fc_edits_layer(const struct fc_edits_source *edits, const char *name, struct fc_layer **ret, struct fc_error *err)
{
    fc_auto(fc_snapshot_free) struct fc_snapshot *snapshot = NULL;
    fc_auto(fc_diff_free) struct fc_diff *diff = NULL;
    fc_auto(fc_close) int fd = -1;
    size_t n;
    int r = fc_live_snapshot(edits->live, &snapshot, err);

    if (r == 0)
        r = fc_diff_new(edits->tree, snapshot, &diff, err);
    if (r < 0)
        return r;
    fc_diff_changes(diff, &n);
    if (n == 0)
        return fc_fail(err, ENODATA, "nothing to commit: the tree is as the layers have it");
    fd = open_spool(edits->dir, err);
    if (fd < 0)
        return fd;
    r = fc_export_layer(snapshot, edits->tree, diff, spool_write, &fd, err);
    if (r < 0)
        return r;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return fc_fail_errno(err, errno, "cannot read the layer back");
    return import(edits->cache, fd, name, ret, err);
}

int fc_empty_layer(struct fc_cache *cache, struct fc_layer **ret, struct fc_error *err)
{
    static const char end[1024]; /* a tar of no entries */
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *builder = NULL;
    struct fc_digest diffid;
    int r = fc_digest_of(end, sizeof(end), &diffid) < 0 ? fc_fail(err, EIO, "cannot digest an empty layer")
                                                        : fc_layer_open(cache, &diffid, ret, NULL);

    if (r != -ENOENT)
        return r;
    r = fc_layer_builder_new(cache, "an empty layer", &builder, err);
    return r < 0 ? r : fc_layer_builder_finish(builder, &diffid, sizeof(end), ret, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Name a planned image by its plan, without reading contents. */
#include "cli/disk_digest.h"

#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "cli/disk.h"

/* Numbers, in this machine's order: an overlay stays on one machine, or on one of its kind. */
static int add_numbers(struct fc_hasher *h, const uint64_t *numbers, size_t n)
{
    return fc_hasher_add(h, numbers, n * sizeof(*numbers));
}

/* The position in the stack of the layer that @fd is the pack of; else (edits, layers that left) one beyond all. */
static uint64_t source_of(const struct fc_snapshot *snapshot, int fd)
{
    uint32_t n;
    const struct fc_snap_source *sources = fc_snapshot_sources(snapshot, &n);

    for (uint32_t i = 0; i < n; i++)
        if (sources[i].fd == fd && sources[i].layer != FC_TREE_NONE)
            return sources[i].layer;
    return UINT64_MAX;
}

static int add_segment(struct fc_hasher *h, const struct fc_snapshot *snapshot, const struct fc_segment *s)
{
    uint64_t about[5] = {s->offset, s->length, s->kind, 0, 0};
    int r;

    if (s->kind == FC_SEGMENT_FILE) {
        about[3] = source_of(snapshot, s->file.fd);
        about[4] = s->file.offset;
    }
    r = add_numbers(h, about, FC_LENGTH(about));
    return r == 0 && s->kind == FC_SEGMENT_MEMORY ? fc_hasher_add(h, s->memory, (size_t)s->length) : r;
}

/* Files whose content is in no layer of the stack. */
static int add_edits(struct fc_hasher *h, const struct fc_snapshot *snapshot)
{
    const struct fc_snap_extent *extents = fc_snapshot_extents(snapshot, NULL);
    const struct fc_snap_source *sources = fc_snapshot_sources(snapshot, NULL);
    uint32_t n;
    const struct fc_snap_inode *inodes = fc_snapshot_inodes(snapshot, &n);
    int r = 0;

    for (uint32_t i = 0; i < n && r == 0; i++) {
        const struct fc_snap_inode *t = &inodes[i];
        bool edited = false;

        for (uint32_t k = 0; k < t->n_extents && !edited; k++)
            edited = sources[extents[t->first_extent + k].source].layer == FC_TREE_NONE;
        if (edited) {
            const uint64_t about[] = {t->ino, t->size, (uint64_t)t->ctime.tv_sec, (uint64_t)t->ctime.tv_nsec};

            r = add_numbers(h, about, FC_LENGTH(about));
        }
    }
    return r;
}

int cli_disk_digest(const struct fc_image *image, const struct fc_snapshot *snapshot, const struct fc_digest *stack,
                    struct fc_digest *ret, struct fc_error *err)
{
    __attribute__((cleanup(fc_hasher_free_auto))) struct fc_hasher *h = fc_hasher_new();
    const struct fc_segment *segments;
    size_t n;
    int r;

    if (!h)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_hasher_add(h, stack, sizeof(*stack));
    segments = fc_image_segments(image, &n);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add_segment(h, snapshot, &segments[i]);
    if (r == 0)
        r = add_edits(h, snapshot);
    if (r == 0)
        r = fc_hasher_finish(h, ret);
    return r < 0 ? fc_fail_errno(err, -r, "cannot make a digest of the plan") : 0;
}

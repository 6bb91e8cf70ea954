/* SPDX-License-Identifier: Apache-2.0 */
/* Pass an entry stream on and digest the tar that our writer makes of it. */
#include <errno.h>
#include <stdlib.h>

#include "archive/archive.h"
#include "stack/stack.h"

struct fc_tee {
    struct fc_entry_iter iter; /* first: it is what readers hold */
    struct fc_entry_iter *inner;
    struct fc_tar_writer *writer;
    struct fc_hasher *hasher;
    struct fc_progress *progress;
    uint64_t size;
};

static int take_bytes(void *arg, const void *data, size_t size, struct fc_error *err)
{
    struct fc_tee *tee = arg;
    int r = fc_hasher_add(tee->hasher, data, size);

    tee->size += size;
    if (tee->progress && tee->progress->update)
        tee->progress->update(tee->progress, tee->size);
    return r < 0 ? fc_fail(err, -r, "cannot digest the layer") : 0;
}

static int tee_read(struct fc_entry_iter *base, struct fc_block *ret_block, struct fc_error *err)
{
    struct fc_tee *tee = (struct fc_tee *)base;
    int r = fc_entry_read(tee->inner, ret_block, err), w;

    if (r <= 0)
        return r;
    w = fc_tar_writer_data(tee->writer, ret_block, err);
    return w < 0 ? w : r;
}

static int tee_next(struct fc_entry_iter *base, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct fc_tee *tee = (struct fc_tee *)base;
    const struct fc_entry *e;
    int r = fc_entry_next(tee->inner, &e, err), w;

    if (r <= 0)
        return r;
    w = fc_tar_writer_entry(tee->writer, e, err);
    if (w < 0)
        return w;
    *ret_entry = e;
    return r;
}

static void tee_free(struct fc_entry_iter *base) { fc_tee_free((struct fc_tee *)base); }

int fc_tee_new(struct fc_entry_iter *inner, struct fc_progress *progress, struct fc_tee **ret, struct fc_error *err)
{
    fc_auto(fc_tee_free) struct fc_tee *tee = calloc(1, sizeof(*tee));
    int r;

    if (!tee) {
        fc_entry_iter_free(inner);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    *tee = (struct fc_tee){.iter = {.next = tee_next, .read = tee_read, .free = tee_free},
                           .inner = inner,
                           .hasher = fc_hasher_new(),
                           .progress = progress};
    if (!tee->hasher)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_tar_writer_new(take_bytes, tee, &tee->writer, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&tee);
    return 0;
}

struct fc_entry_iter *fc_tee_iter(struct fc_tee *tee) { return &tee->iter; }

int fc_tee_finish(struct fc_tee *tee, struct fc_digest *ret_diffid, uint64_t *ret_size, struct fc_error *err)
{
    int r = fc_tar_writer_finish(tee->writer, err);

    if (r < 0)
        return r;
    r = fc_hasher_finish(tee->hasher, ret_diffid);
    if (r < 0)
        return fc_fail(err, -r, "cannot digest the layer");
    *ret_size = tee->size;
    return 0;
}

void fc_tee_free(struct fc_tee *tee)
{
    if (!tee)
        return;
    fc_entry_iter_free(tee->inner);
    fc_tar_writer_free(tee->writer);
    fc_hasher_free(tee->hasher);
    free(tee);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Write only what an image has other than its predecessor, by the origin of the bytes where that tells, else by them. */
#include "image/delta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "image/emit.h"
#include "image/previous.h"

#define PIECE (256u << 10) /* compared at once */
#define UNIT 4096u

struct delta {
    const struct fc_image *image;
    const struct fc_record *record;
    const struct fc_image_previous *previous; /* that the image was planned over, or NULL */
    int old;
    bool write;  /* otherwise only count */
    uint64_t at; /* the record's segment that ends behind the current byte */
    unsigned char *before, *now;
    struct fc_image_emitter emitter;
    struct fc_image_write_result *result;
    struct fc_error *err;
};

static struct fc_segment part_of(const struct fc_segment *s, uint64_t skip, uint64_t length)
{
    struct fc_segment part = *s;

    part.offset += skip;
    part.length = length;
    if (s->kind == FC_SEGMENT_FILE)
        part.file.offset += skip;
    else if (s->kind == FC_SEGMENT_MEMORY)
        part.memory = (const char *)s->memory + skip;
    return part;
}

static int rewrite(struct delta *d, const struct fc_segment *part)
{
    return d->write ? fc_image_emitter_segment(&d->emitter, part) : 0;
}

static void keep(struct delta *d, uint64_t n)
{
    d->result->kept += n;
    if (d->write)
        fc_image_emitter_advance(&d->emitter, n);
}

/* Read @n bytes of a file; what is behind its end is zeros. */
static int read_padded(struct delta *d, int fd, uint64_t offset, unsigned char *to, size_t n)
{
    ssize_t got = fc_pread_full(fd, to, n, offset);

    if (got < 0)
        return fc_fail_errno(d->err, (int)-got, "cannot compare with the image before");
    memset(to + got, 0, n - (size_t)got);
    return 0;
}

/* The bytes of @part, at most PIECE, in *ret. A source that is too short for them is found by the one who writes them. */
static int bytes_of(struct delta *d, const struct fc_segment *part, const unsigned char **ret)
{
    *ret = part->kind == FC_SEGMENT_MEMORY ? part->memory : d->now;
    return part->kind == FC_SEGMENT_MEMORY
               ? 0
               : read_padded(d, part->file.fd, part->file.offset, d->now, (size_t)part->length);
}

static bool same_unit(const struct delta *d, const unsigned char *now, size_t at, size_t n)
{
    return memcmp(now + at, d->before + at, n - at < UNIT ? n - at : UNIT) == 0;
}

/* Compare at most PIECE bytes, and rewrite each run of blocks that differ. */
static int compare_piece(struct delta *d, const struct fc_segment *part)
{
    const unsigned char *now = NULL;
    size_t n = (size_t)part->length, end;
    int r = read_padded(d, d->old, part->offset, d->before, n);

    if (r == 0)
        r = bytes_of(d, part, &now);
    for (size_t from = 0; r == 0 && from < n; from = end) {
        bool same = same_unit(d, now, from, n);

        end = from;
        do
            end = n - end < UNIT ? n : end + UNIT;
        while (end < n && same_unit(d, now, end, n) == same);
        if (same) {
            keep(d, end - from);
        } else {
            struct fc_segment run = part_of(part, from, end - from);

            r = rewrite(d, &run);
        }
    }
    return r;
}

static int compare(struct delta *d, const struct fc_segment *part)
{
    int r = 0;

    for (uint64_t done = 0; done < part->length && r == 0; done += PIECE) {
        uint64_t left = part->length - done;
        struct fc_segment piece = part_of(part, done, left < PIECE ? left : PIECE);

        r = compare_piece(d, &piece);
    }
    return r;
}

/* Was @old, a segment of the record, taken from the place in the same file that @part is taken from? */
static bool same_origin(const struct delta *d, const struct fc_segment *part, const struct fc_digest *key,
                        const struct fc_record_segment *old)
{
    return old->source < d->record->n_keys && memcmp(&d->record->keys[old->source], key, sizeof(*key)) == 0 &&
           old->source_offset + (part->offset - old->offset) == part->file.offset;
}

/* @part lies in the segment @old of the record, or where that says zeros (NULL). */
static int take_part(struct delta *d, const struct fc_segment *part, const struct fc_record_segment *old)
{
    const struct fc_digest *key;

    if (part->kind == FC_SEGMENT_ZERO) {
        if (old)
            return rewrite(d, part);
        keep(d, part->length);
        return 0;
    }
    if (part->kind == FC_SEGMENT_FILE && d->previous && part->file.fd == d->previous->fd &&
        part->file.offset == part->offset) { /* the planner says that it is the same */
        keep(d, part->length);
        return 0;
    }
    key = part->kind == FC_SEGMENT_FILE ? fc_image_source_key(d->image, part->file.fd) : NULL;
    if (!key)
        return compare(d, part);
    if (!old || !same_origin(d, part, key, old))
        return rewrite(d, part);
    keep(d, part->length);
    return 0;
}

/* Cut @s where the record's segments begin and end. */
static int take_segment(struct delta *d, const struct fc_segment *s)
{
    const struct fc_record *old = d->record;
    uint64_t there;
    /* A source that was cut short is a failure, also where its bytes are not needed. */
    int r = s->kind == FC_SEGMENT_FILE ? fc_image_source_length(&d->emitter.sources, s, &there, d->err) : 0;

    for (uint64_t done = 0, n; done < s->length && r == 0; done += n) {
        uint64_t at = s->offset + done, left = s->length - done;
        const struct fc_record_segment *o;
        struct fc_segment part;

        while (d->at < old->n_segments && old->segments[d->at].offset + old->segments[d->at].length <= at)
            d->at++;
        o = d->at < old->n_segments ? &old->segments[d->at] : NULL;
        n = left;
        if (o && o->offset > at && o->offset - at < n)
            n = o->offset - at;
        else if (o && o->offset <= at && o->offset + o->length - at < n)
            n = o->offset + o->length - at;
        part = part_of(s, done, n);
        r = take_part(d, &part, o && o->offset <= at ? o : NULL);
    }
    return r;
}

static int take_all(struct delta *d)
{
    size_t n;
    const struct fc_segment *s = fc_image_segments(d->image, &n);
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = take_segment(d, &s[i]);
    return r == 0 && d->write ? fc_gather_flush(&d->emitter.gather, d->err) : r;
}

int fc_image_emit_delta(const struct fc_image *image, int fd, int old, const struct fc_record *record,
                        const struct fc_image_write_options *options, struct fc_image_write_result *result,
                        struct fc_error *err)
{
    fc_auto(fc_free) unsigned char *buffers = malloc(2 * PIECE);
    struct delta d = {.image = image, .record = record, .old = old, .write = fd >= 0, .result = result, .err = err};

    int r;

    if (!buffers)
        return fc_fail(err, ENOMEM, "out of memory");
    d.previous = options->previous;
    d.before = buffers;
    d.now = buffers + PIECE;
    result->compared = true;
    r = d.write ? fc_image_emitter_init(&d.emitter, fd, options, result, err) : 0;
    if (r < 0)
        return r;
    if (d.write)
        fc_image_progress_begin(options->progress, fc_image_size(image));
    r = take_all(&d);
    if (d.write)
        fc_image_progress_end(options->progress, r == 0);
    fc_image_emitter_release(&d.emitter);
    return r;
}

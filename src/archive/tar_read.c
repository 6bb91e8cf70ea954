/* SPDX-License-Identifier: Apache-2.0 */
/* A tar stream as an entry iterator: ustar, PAX, GNU, star and v7 headers. */
#include "archive/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "archive/tar_read.h"
#include "base/path.h"

/* Room for the attributes that Linux allows and a large sparse map; an extended header beyond it is not believed. */
#define EXTENDED_MAX (64u << 20)

/* Put label, entry and offset in front of the words in @err. */
static int tar_wrap(struct fc_tar_reader *t, int r, struct fc_error *err)
{
    char show[200];

    if (err)
        err->code = -r;
    if (t->named)
        fc_wrap(err, "%s: entry \"%s\" at offset %llu", t->label,
                fc_name_show(show, sizeof(show), t->path.data, t->path.len), (unsigned long long)t->offset);
    else
        fc_wrap(err, "%s: at offset %llu", t->label, (unsigned long long)t->offset);
    return r;
}

static int truncated(struct fc_error *err) { return fc_fail(err, EBADMSG, "the archive is truncated"); }

static int skip(struct fc_tar_reader *t, uint64_t size, struct fc_error *err)
{
    int r = fc_stream_skip(t->stream, size, err);

    return r < 0 ? r : r == 0 ? truncated(err) : 0;
}

/* Read the @size bytes that follow an extension header, and their padding, into @ret. */
static int read_extension(struct fc_tar_reader *t, uint64_t size, uint64_t limit, struct fc_buf *ret,
                          struct fc_error *err)
{
    fc_buf_clear(ret);
    if (size > limit)
        return fc_fail(err, EBADMSG, "extended header of %llu bytes", (unsigned long long)size);
    /* By pieces: a size alone must not make us take memory. */
    while (ret->len < size) {
        const void *data;
        size_t n;
        int r = fc_stream_peek(t->stream, &data, &n, err);

        if (r <= 0)
            return r < 0 ? r : truncated(err);
        n = n < size - ret->len ? n : (size_t)(size - ret->len);
        if (fc_buf_add(ret, data, n) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        fc_stream_take(t->stream, n);
    }
    return skip(t, fc_tar_padding(size), err);
}

static int read_long_text(struct fc_tar_reader *t, uint64_t size, struct fc_buf *ret, struct fc_error *err)
{
    int r = read_extension(t, size, FC_PATH_MAX + FC_TAR_BLOCK, ret, err);

    if (r == 0 && ret->len)
        ret->len = strnlen(ret->data, ret->len); /* the NUL at its end is counted */
    return r;
}

/* Take in a header that describes the next one. Returns 1 if it was none of those, 0 if it was, or -errno. */
static int take_extension(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err)
{
    int r;

    switch (h->raw.typeflag) {
    case 'x':
    case 'X': /* Solaris, before POSIX had settled */
        r = read_extension(t, h->size, EXTENDED_MAX, &t->extended, err);
        return r < 0 ? r : fc_pax_parse(&t->local, t->extended.data, t->extended.len, err);
    case 'g':
        r = read_extension(t, h->size, EXTENDED_MAX, &t->extended, err);
        if (r == 0)
            r = fc_pax_parse(&t->global, t->extended.data, t->extended.len, err);
        return r;
    case 'L':
        t->have_name = true;
        return read_long_text(t, h->size, &t->long_name, err);
    case 'K':
        t->have_link = true;
        return read_long_text(t, h->size, &t->long_link, err);
    case 'V': /* the volume's label */
        return skip(t, h->size + fc_tar_padding(h->size), err);
    case 'A': /* a Solaris ACL */
        t->n_notes++;
        return skip(t, h->size + fc_tar_padding(h->size), err);
    case 'M':
        return fc_fail(err, EOPNOTSUPP, "the archive begins in another volume");
    case 'N':
        return fc_fail(err, EOPNOTSUPP, "names in the form of GNU tar before 1.11");
    default:
        return 1;
    }
}

/* Read the next header. Returns 1, 0 at the end of the archive, or -errno. */
static int read_header(struct fc_tar_reader *t, bool extended, struct fc_tar_head *h, struct fc_error *err)
{
    uint8_t next[FC_TAR_BLOCK];
    ssize_t n = fc_stream_read(t->stream, &h->raw, sizeof(h->raw), err);
    int64_t size;
    int r;

    if (n < 0)
        return (int)n;
    if (n > 0 && n < (ssize_t)sizeof(h->raw) && t->any)
        return truncated(err);
    if (n == 0 && t->any && !extended) {
        t->n_notes++; /* no mark at the end */
        return 0;
    }
    if (n == 0)
        return extended ? truncated(err) : fc_fail(err, EBADMSG, "no tar archive: there are no bytes in it");
    switch (n < (ssize_t)sizeof(h->raw) ? FC_TAR_IS_OTHER : fc_tar_block_kind((const uint8_t *)&h->raw)) {
    case FC_TAR_IS_ZERO:
        if (extended)
            return fc_fail(err, EBADMSG, "the archive ends behind an extended header");
        r = fc_stream_look(t->stream, next, err);
        if (r < 0)
            return r;
        /* A lone zero block ends the archive, too, as for other readers. */
        if (r == 0 || fc_tar_block_kind(next) != FC_TAR_IS_ZERO)
            t->n_notes++;
        return 0;
    case FC_TAR_IS_OTHER:
        return fc_fail(err, EBADMSG, t->any ? "damaged header (wrong checksum)" : "this is not a tar archive");
    case FC_TAR_IS_HEADER:
        break;
    }
    t->any = true;
    h->dialect = fc_tar_dialect(&h->raw);
    if (fc_tar_number(h->raw.size, sizeof(h->raw.size), &size) < 0)
        return fc_fail(err, EBADMSG, "damaged or absurd size");
    if (size < 0 || size > INT64_MAX - (int64_t)FC_TAR_BLOCK)
        return fc_fail(err, EBADMSG, "negative or absurd size");
    h->size = (uint64_t)size;
    return 1;
}

static int next_entry(struct fc_tar_reader *t, struct fc_error *err)
{
    struct fc_tar_head h;
    bool extended = false;
    int r;

    if (t->end)
        return 0;
    r = skip(t, t->left, err);
    if (r < 0)
        return r;
    /* umoci insert leaves the padding of the last file out, all of it; nothing is lost with it. */
    if (t->padding > 0) {
        r = fc_stream_peek(t->stream, &(const void *){NULL}, &(size_t){0}, err);
        if (r <= 0) {
            t->end = r == 0;
            return r;
        }
    }
    r = skip(t, t->padding, err);
    if (r < 0)
        return r;
    t->left = t->padding = 0;
    t->map.n = t->run = 0;
    t->run_done = 0;
    t->named = t->have_name = t->have_link = false;
    t->offset = fc_stream_offset(t->stream);
    if (fc_pax_inherit(&t->local, &t->global) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    for (;;) {
        r = read_header(t, extended, &h, err);
        if (r <= 0) {
            t->end = r == 0;
            return r;
        }
        r = take_extension(t, &h, err);
        if (r < 0)
            return r;
        if (r > 0)
            break;
        /* These say nothing about a next entry. */
        extended = extended || !strchr("gVA", h.raw.typeflag);
        if (extended)
            continue;
        t->offset = fc_stream_offset(t->stream);
        if (fc_pax_inherit(&t->local, &t->global) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    t->n_notes += t->local.n_notes;
    r = fc_tar_take_entry(t, &h, err);
    return r < 0 ? r : 1;
}

static int tar_next(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct fc_tar_reader *t = (struct fc_tar_reader *)it;
    int r = next_entry(t, err);

    if (r < 0)
        return tar_wrap(t, r, err);
    if (r > 0)
        *ret_entry = &t->entry;
    return r;
}

static int tar_read(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err)
{
    struct fc_tar_reader *t = (struct fc_tar_reader *)it;
    const struct fc_tar_extent *run;
    const void *data;
    size_t n;
    int r;

    if (t->run == t->map.n)
        return 0;
    run = &t->map.runs[t->run];
    r = fc_stream_peek(t->stream, &data, &n, err);
    if (r <= 0)
        return tar_wrap(t, r < 0 ? r : truncated(err), err);
    if (n > run->length - t->run_done)
        n = (size_t)(run->length - t->run_done);
    *ret_block = (struct fc_block){.data = data, .size = n, .offset = run->offset + t->run_done};
    fc_stream_take(t->stream, n);
    t->left -= n;
    t->run_done += n;
    if (t->run_done == run->length) {
        t->run++;
        t->run_done = 0;
    }
    return 1;
}

static void tar_free(struct fc_entry_iter *it)
{
    struct fc_tar_reader *t = (struct fc_tar_reader *)it;

    fc_stream_free(t->stream);
    fc_pax_release(&t->local);
    fc_pax_release(&t->global);
    fc_buf_release(&t->long_name);
    fc_buf_release(&t->long_link);
    fc_buf_release(&t->extended);
    fc_buf_release(&t->raw_path);
    fc_buf_release(&t->path);
    fc_buf_release(&t->target);
    fc_attrs_release(&t->attrs);
    free(t->map.runs);
    free(t->label);
    free(t);
}

int fc_tar_iter(struct fc_byte_source *source, const struct fc_tar_options *options, struct fc_entry_iter **ret,
                struct fc_error *err)
{
    struct fc_tar_reader *t = calloc(1, sizeof(*t));
    const char *label = options && options->label ? options->label : "tar";
    int r;

    if (!t)
        return fc_fail(err, ENOMEM, "out of memory");
    t->base = (struct fc_entry_iter){.next = tar_next, .read = tar_read, .free = tar_free};
    t->base.label = t->label = strdup(label);
    r = t->label ? fc_stream_new(source, options, &t->stream, err) : fc_fail(err, ENOMEM, "out of memory");
    if (r < 0) {
        if (t->label)
            tar_wrap(t, r, err);
        tar_free(&t->base);
        return r;
    }
    *ret = &t->base;
    return 0;
}

int fc_tar_finish(struct fc_entry_iter *it, struct fc_tar_result *ret, struct fc_error *err)
{
    struct fc_tar_reader *t = (struct fc_tar_reader *)it;
    struct fc_stream_result stream;
    int r;

    if (!t->end)
        return fc_fail(err, EINVAL, "%s: not read to its end yet", t->label);
    r = fc_stream_finish(t->stream, &stream, err);
    t->named = false;
    t->offset = fc_stream_offset(t->stream);
    if (r < 0)
        return tar_wrap(t, r, err);
    if (stream.nonzero && !t->any)
        return tar_wrap(t,
                        fc_fail(err, EBADMSG,
                                "this is not a tar archive: zeros, and then something else (of the image of a "
                                "file system fccompose export -i makes one)"),
                        err);
    t->n_notes += stream.nonzero; /* something hides behind the end */
    ret->diffid = stream.digest;
    ret->source_digest = stream.source_digest;
    ret->source_bytes = stream.source_bytes;
    ret->tar_bytes = t->offset;
    ret->n_notes = t->n_notes;
    return 0;
}

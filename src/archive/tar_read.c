/* SPDX-License-Identifier: Apache-2.0 */
/* A tar stream as an entry iterator: ustar, PAX, GNU, star and v7 headers. */
#include "archive/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/attrs.h"
#include "archive/header.h"
#include "archive/pax.h"
#include "archive/stream.h"
#include "base/path.h"
#include "entry/entry.h"

/* Room for the attributes that Linux allows and a large sparse map; an extended header beyond it is not believed. */
#define EXTENDED_MAX (64u << 20)

struct tar_iter {
    struct fc_entry_iter base;
    struct fc_stream *stream;
    char *label;
    struct fc_pax local, global;
    struct fc_buf long_name, long_link, extended;
    bool have_name, have_link;
    struct fc_buf raw_path, path, target;
    struct fc_attrs attrs;
    struct fc_entry entry;
    uint64_t offset; /* of the entry's first header */
    bool named;      /* @path is that of the entry under way */
    bool any, end;
    struct fc_sparse_map map; /* where the entry's data goes; one run if it is not sparse */
    size_t run;               /* the current run, */
    uint64_t run_done;        /* how much of it is read, */
    uint64_t left;            /* and how many bytes of data are left in the archive, */
    uint64_t padding;         /* followed by this */
    uint32_t n_notes;
};

/* A header and what it says about itself. */
struct header {
    struct fc_tar_raw raw;
    enum fc_tar_dialect dialect;
    uint64_t size; /* of the data that follows */
};

/* Put label, entry and offset in front of the words in @err. */
static int tar_wrap(struct tar_iter *t, int r, struct fc_error *err)
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

static int no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

static uint64_t padding_of(uint64_t size) { return -size % FC_TAR_BLOCK; }

static int skip(struct tar_iter *t, uint64_t size, struct fc_error *err)
{
    int r = fc_stream_skip(t->stream, size, err);

    return r < 0 ? r : r == 0 ? truncated(err) : 0;
}

/* Read the @size bytes that follow an extension header, and their padding, into @ret. */
static int read_extension(struct tar_iter *t, uint64_t size, uint64_t limit, struct fc_buf *ret, struct fc_error *err)
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
            return no_memory(err);
        fc_stream_take(t->stream, n);
    }
    return skip(t, padding_of(size), err);
}

static int read_long_text(struct tar_iter *t, uint64_t size, struct fc_buf *ret, struct fc_error *err)
{
    int r = read_extension(t, size, FC_PATH_MAX + FC_TAR_BLOCK, ret, err);

    if (r == 0 && ret->len)
        ret->len = strnlen(ret->data, ret->len); /* the NUL at its end is counted */
    return r;
}

/* Take in a header that describes the next one. Returns 1 if it was none of those, 0 if it was, or -errno. */
static int take_extension(struct tar_iter *t, const struct header *h, struct fc_error *err)
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
        return skip(t, h->size + padding_of(h->size), err);
    case 'A': /* a Solaris ACL */
        t->n_notes++;
        return skip(t, h->size + padding_of(h->size), err);
    case 'M':
        return fc_fail(err, EOPNOTSUPP, "the archive begins in another volume");
    case 'N':
        return fc_fail(err, EOPNOTSUPP, "names in the form of GNU tar before 1.11");
    default:
        return 1;
    }
}

/* Read the next header. Returns 1, 0 at the end of the archive, or -errno. */
static int read_header(struct tar_iter *t, bool extended, struct header *h, struct fc_error *err)
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

/* Put the name in the header, or the one that replaces it, into raw_path; normalise it into path. */
static int take_path(struct tar_iter *t, const struct header *h, struct fc_error *err)
{
    size_t prefix_size = h->dialect == FC_TAR_USTAR ? 155 : h->dialect == FC_TAR_STAR ? 131 : 0;
    size_t prefix = strnlen(h->raw.prefix, prefix_size);
    const struct fc_buf *from = t->local.set & FC_PAX_SPARSE_NAME ? &t->local.sparse_name
                                : t->local.set & FC_PAX_PATH      ? &t->local.path
                                : t->have_name                    ? &t->long_name
                                                                  : NULL;
    int r;

    fc_buf_clear(&t->raw_path);
    if (from)
        r = fc_buf_add(&t->raw_path, from->data, from->len);
    else if (fc_buf_add(&t->raw_path, h->raw.prefix, prefix) < 0 || (prefix && fc_buf_add(&t->raw_path, "/", 1) < 0))
        r = -ENOMEM;
    else
        r = fc_buf_add(&t->raw_path, h->raw.name, strnlen(h->raw.name, sizeof(h->raw.name)));
    if (r < 0)
        return no_memory(err);
    if (t->raw_path.len == 0)
        return fc_fail(err, EBADMSG, "entry without a name");
    r = fc_path_normalise(t->raw_path.data, t->raw_path.len, &t->path, err);
    if (r < 0) { /* show the name as it is in the archive */
        fc_buf_clear(&t->path);
        fc_buf_add(&t->path, t->raw_path.data, t->raw_path.len);
    }
    t->named = true;
    return r;
}

static int take_target(struct tar_iter *t, const struct header *h, struct fc_error *err)
{
    const char *text = h->raw.linkname;
    size_t len = strnlen(text, sizeof(h->raw.linkname));

    if (t->local.set & FC_PAX_LINK) {
        text = t->local.link.data;
        len = t->local.link.len;
    } else if (t->have_link) {
        text = t->long_link.data;
        len = t->long_link.len;
    }
    if (len == 0)
        return fc_fail(err, EBADMSG, "link without a target");
    if (t->entry.op == FC_ENTRY_HARDLINK) {
        int r = fc_path_normalise(text, len, &t->target, err);

        if (r < 0)
            return fc_wrap(err, "target of the hard link"), r;
        if (t->target.len == 0)
            return fc_fail(err, EBADMSG, "hard link to the root directory");
    } else {
        if (len > FC_TARGET_MAX)
            return fc_fail(err, EBADMSG, "symlink text of %zu bytes (at most %u are allowed)", len, FC_TARGET_MAX);
        if (memchr(text, '\0', len))
            return fc_fail(err, EBADMSG, "symlink text with a NUL byte in it");
        fc_buf_clear(&t->target);
        if (fc_buf_add(&t->target, text, len) < 0)
            return no_memory(err);
    }
    t->entry.target = t->target.data;
    return 0;
}

/* The type bits for the header; 0 for a hard link. */
static uint32_t type_of(struct tar_iter *t, const struct header *h)
{
    bool slash = t->raw_path.data[t->raw_path.len - 1] == '/';

    switch (h->raw.typeflag) {
    case '1':
        return 0;
    case '2':
        return S_IFLNK;
    case '3':
        return S_IFCHR;
    case '4':
        return S_IFBLK;
    case '5':
    case 'D': /* GNU: a directory with a list of its names */
        return S_IFDIR;
    case '6':
        return S_IFIFO;
    case 'S':
        return S_IFREG;
    case '0':
    case '7':
    case '\0':
        if (t->local.set & FC_PAX_SOCKET)
            return S_IFSOCK;
        return slash ? S_IFDIR : S_IFREG;
    default: /* POSIX: as a regular file */
        t->n_notes++;
        return S_IFREG;
    }
}

static int take_id(const char *field, bool overridden, uint32_t value, uint32_t *ret, struct fc_error *err)
{
    int64_t v = value;

    if (!overridden && fc_tar_number(field, 8, &v) < 0)
        return fc_fail(err, EBADMSG, "damaged owner");
    if (v < 0 || v > UINT32_MAX)
        return fc_fail(err, EOPNOTSUPP, "the owner %lld does not fit into 32 bits", (long long)v);
    *ret = (uint32_t)v;
    return 0;
}

static int take_device(struct tar_iter *t, const struct header *h, struct fc_error *err)
{
    int64_t major = t->local.major, minor = t->local.minor;

    if ((!(t->local.set & FC_PAX_MAJOR) && fc_tar_number(h->raw.devmajor, 8, &major) < 0) ||
        (!(t->local.set & FC_PAX_MINOR) && fc_tar_number(h->raw.devminor, 8, &minor) < 0) || major < 0 ||
        major > UINT32_MAX || minor < 0 || minor > UINT32_MAX)
        return fc_fail(err, EBADMSG, "damaged device number");
    t->entry.rdev_major = (uint32_t)major;
    t->entry.rdev_minor = (uint32_t)minor;
    return 0;
}

/* Owner, mode, time, attributes. */
static int take_metadata(struct tar_iter *t, const struct header *h, uint32_t type, struct fc_error *err)
{
    int64_t mode, mtime;
    int r = take_id(h->raw.uid, t->local.set & FC_PAX_UID, t->local.uid, &t->entry.uid, err);

    if (r == 0)
        r = take_id(h->raw.gid, t->local.set & FC_PAX_GID, t->local.gid, &t->entry.gid, err);
    if (r < 0)
        return r;
    if (fc_tar_number(h->raw.mode, sizeof(h->raw.mode), &mode) < 0)
        return fc_fail(err, EBADMSG, "damaged mode");
    t->entry.mode = type | ((uint32_t)mode & 07777);
    if (t->local.set & FC_PAX_MTIME)
        t->entry.mtime = t->local.mtime;
    else if (fc_tar_number(h->raw.mtime, sizeof(h->raw.mtime), &mtime) < 0)
        return fc_fail(err, EBADMSG, "damaged time");
    else
        t->entry.mtime.tv_sec = mtime;
    r = fc_attrs_build(&t->attrs, &t->local, &t->entry.mode, &t->n_notes, err);
    t->entry.xattrs = t->attrs.list;
    t->entry.n_xattrs = t->attrs.n;
    return r;
}

/* Find out where the content of a regular file is: sets map, left, padding and the entry's size. */
static int take_content(struct tar_iter *t, const struct header *h, uint64_t stored, struct fc_error *err)
{
    const struct fc_pax *p = &t->local;
    uint64_t size = stored, used = 0;
    bool pax_sparse = p->set & (FC_PAX_SPARSE_MAP | FC_PAX_REALSIZE);
    int r = 0;

    if (p->sparse_major > 1 || (p->sparse_major == 1 && p->sparse_minor != 0))
        return fc_fail(err, EOPNOTSUPP, "sparse file of version %u.%u", p->sparse_major, p->sparse_minor);
    if (h->raw.typeflag == 'S') {
        r = fc_sparse_read_gnu(&t->map, &h->raw, t->stream, &size, err);
    } else if (p->sparse_major == 1 || pax_sparse) {
        if (!(p->set & FC_PAX_REALSIZE))
            return fc_fail(err, EBADMSG, "sparse file without its size");
        size = p->realsize;
        if (p->sparse_major == 1)
            r = fc_sparse_read_1_0(&t->map, t->stream, stored, &used, err);
        for (size_t i = 0; r == 0 && p->sparse_major == 0 && i < p->map.n; i++)
            r = fc_sparse_add(&t->map, p->map.runs[i].offset, p->map.runs[i].length, err);
    } else {
        r = fc_sparse_add(&t->map, 0, stored, err);
    }
    if (r == 0)
        r = fc_sparse_check(&t->map, size, stored - used, err);
    if (r < 0)
        return r;
    t->entry.size = size;
    t->left = stored - used;
    t->padding = padding_of(stored);
    return 0;
}

/*
 * Hard links have no content by most writers, whatever the size field says, and content by some. If the next block
 * is a header (or the end) there is none; else it is a copy of the target's, and skipped.
 */
static int take_link_content(struct tar_iter *t, uint64_t stored, struct fc_error *err)
{
    uint8_t block[FC_TAR_BLOCK];
    int r;

    if (stored == 0)
        return 0;
    r = fc_stream_look(t->stream, block, err);
    if (r < 0)
        return r;
    if (r == 0 || fc_tar_block_kind(block) != FC_TAR_IS_OTHER)
        return 0;
    t->left = stored;
    t->padding = padding_of(stored);
    return 0;
}

static int take_entry(struct tar_iter *t, const struct header *h, struct fc_error *err)
{
    uint64_t stored = t->local.set & FC_PAX_SIZE ? t->local.size : h->size;
    uint32_t type;
    int r = take_path(t, h, err);

    if (r < 0)
        return r;
    if (stored > INT64_MAX - FC_TAR_BLOCK)
        return fc_fail(err, EBADMSG, "absurd size");
    type = type_of(t, h);
    t->entry = (struct fc_entry){.op = FC_ENTRY_ADD, .path = t->path.data, .offset = t->offset};
    if (!S_ISDIR(type) && t->path.len == 0)
        return fc_fail(err, EBADMSG, "the root of the tree must be a directory");
    if (type == 0) {
        t->entry.op = FC_ENTRY_HARDLINK;
        r = take_target(t, h, err);
        return r < 0 ? r : take_link_content(t, stored, err);
    }
    r = take_metadata(t, h, type, err);
    if (r == 0 && S_ISLNK(type))
        r = take_target(t, h, err);
    if (r == 0 && (S_ISCHR(type) || S_ISBLK(type)))
        r = take_device(t, h, err);
    if (r == 0 && S_ISREG(type))
        r = take_content(t, h, stored, err);
    /* Content that is none of ours: GNU's lists of names, and old directories (and sockets), which should have none. */
    if (r == 0 && h->raw.typeflag != '5' && (S_ISDIR(type) || S_ISSOCK(type))) {
        t->left = stored;
        t->padding = padding_of(stored);
    }
    return r;
}

static int next_entry(struct tar_iter *t, struct fc_error *err)
{
    struct header h;
    bool extended = false;
    int r;

    if (t->end)
        return 0;
    r = skip(t, t->left, err);
    if (r == 0)
        r = skip(t, t->padding, err);
    if (r < 0)
        return r;
    t->left = t->padding = 0;
    t->map.n = t->run = 0;
    t->run_done = 0;
    t->named = t->have_name = t->have_link = false;
    t->offset = fc_stream_offset(t->stream);
    if (fc_pax_inherit(&t->local, &t->global) < 0)
        return no_memory(err);
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
            return no_memory(err);
    }
    t->n_notes += t->local.n_notes;
    r = take_entry(t, &h, err);
    return r < 0 ? r : 1;
}

static int tar_next(struct fc_entry_iter *it, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct tar_iter *t = (struct tar_iter *)it;
    int r = next_entry(t, err);

    if (r < 0)
        return tar_wrap(t, r, err);
    if (r > 0)
        *ret_entry = &t->entry;
    return r;
}

static int tar_read(struct fc_entry_iter *it, struct fc_block *ret_block, struct fc_error *err)
{
    struct tar_iter *t = (struct tar_iter *)it;
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
    struct tar_iter *t = (struct tar_iter *)it;

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
    struct tar_iter *t = calloc(1, sizeof(*t));
    const char *label = options && options->label ? options->label : "tar";
    int r;

    if (!t)
        return no_memory(err);
    t->base = (struct fc_entry_iter){.next = tar_next, .read = tar_read, .free = tar_free};
    t->label = strdup(label);
    r = t->label ? fc_stream_new(source, options ? options->max_bytes : 0, &t->stream, err) : no_memory(err);
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
    struct tar_iter *t = (struct tar_iter *)it;
    bool nonzero = false;
    int r;

    if (!t->end)
        return fc_fail(err, EINVAL, "%s: not read to its end yet", t->label);
    r = fc_stream_finish(t->stream, &ret->diffid, &nonzero, err);
    t->named = false;
    t->offset = fc_stream_offset(t->stream);
    if (r < 0)
        return tar_wrap(t, r, err);
    t->n_notes += nonzero; /* something hides behind the end */
    ret->tar_bytes = t->offset;
    ret->n_notes = t->n_notes;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Write tars reproducibly: ustar headers, PAX records for what those cannot say. */
#include "archive/archive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/acl.h"
#include "archive/header.h"
#include "archive/sparse.h"
#include "base/buf.h"
#include "base/path.h"

#define RECORD_SIZE 10240u /* tar ends on a multiple of 20 blocks */

struct fc_tar_writer {
    fc_tar_sink sink;
    void *arg;
    uint64_t written;
    struct fc_buf path, pax, acl, map_text;
    struct fc_sparse_map map; /* where the current file's data is */
    size_t run;
    uint64_t pos;     /* in the file: all before is written */
    uint64_t padding; /* to write behind the current file */
    bool in_file;
    int failed; /* the failure that ended it all */
};

static int no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

static int put(struct fc_tar_writer *w, const void *data, size_t size, struct fc_error *err)
{
    int r = size ? w->sink(w->arg, data, size, err) : 0;

    if (r < 0)
        return w->failed = r;
    w->written += size;
    return 0;
}

static int put_zeros(struct fc_tar_writer *w, uint64_t size, struct fc_error *err)
{
    static const char zeros[16384];
    int r = 0;

    while (size > 0 && r == 0) {
        size_t n = size < sizeof(zeros) ? (size_t)size : sizeof(zeros);

        r = put(w, zeros, n, err);
        size -= n;
    }
    return r;
}

static uint64_t padding_of(uint64_t size) { return -size % FC_TAR_BLOCK; }

/* Add a PAX record; its length counts its own digits. */
static int add_record(struct fc_tar_writer *w, const char *key, const void *value, size_t size)
{
    size_t rest = strlen(key) + size + 3, len = rest + 1;

    for (size_t digits = 1, limit = 10; len >= limit; limit *= 10)
        len = rest + ++digits;
    if (fc_buf_addf(&w->pax, "%zu %s=", len, key) < 0 || fc_buf_add(&w->pax, value, size) < 0)
        return -ENOMEM;
    return fc_buf_add(&w->pax, "\n", 1);
}

static int add_number(struct fc_tar_writer *w, const char *key, uint64_t value)
{
    char text[24];

    return add_record(w, key, text, (size_t)snprintf(text, sizeof(text), "%llu", (unsigned long long)value));
}

/* Put the path into name and prefix if it can be split so; returns whether it could. */
static bool put_name(struct fc_tar_raw *raw, const char *path, size_t len)
{
    if (len <= sizeof(raw->name)) {
        memcpy(raw->name, path, len);
        return true;
    }
    /* The leftmost slash that leaves a short enough name, not counting one at the very end. */
    for (size_t i = len - sizeof(raw->name) - 1; i < len - 1 && i <= sizeof(raw->prefix); i++) {
        if (path[i] == '/' && i > 0) {
            memcpy(raw->prefix, path, i);
            memcpy(raw->name, path + i + 1, len - i - 1);
            return true;
        }
    }
    memcpy(raw->name, path, sizeof(raw->name));
    return false;
}

static int put_header(struct fc_tar_writer *w, struct fc_tar_raw *raw, struct fc_error *err)
{
    memcpy(raw->magic, "ustar\00000", 8);
    fc_tar_put_checksum(raw);
    return put(w, raw, sizeof(*raw), err);
}

/* The extended header, if there are records. */
static int put_pax(struct fc_tar_writer *w, struct fc_error *err)
{
    struct fc_tar_raw raw = {.typeflag = 'x', .name = "PaxHeaders/entry"};
    int r;

    if (w->pax.len == 0)
        return 0;
    fc_tar_put_octal(raw.mode, sizeof(raw.mode), 0644);
    fc_tar_put_octal(raw.uid, sizeof(raw.uid), 0);
    fc_tar_put_octal(raw.gid, sizeof(raw.gid), 0);
    fc_tar_put_octal(raw.mtime, sizeof(raw.mtime), 0);
    fc_tar_put_octal(raw.devmajor, sizeof(raw.devmajor), 0);
    fc_tar_put_octal(raw.devminor, sizeof(raw.devminor), 0);
    fc_tar_put_octal(raw.size, sizeof(raw.size), w->pax.len);
    r = put_header(w, &raw, err);
    if (r == 0)
        r = put(w, w->pax.data, w->pax.len, err);
    return r < 0 ? r : put_zeros(w, padding_of(w->pax.len), err);
}

static int set_number(struct fc_tar_writer *w, char *field, size_t size, const char *key, uint64_t value)
{
    return fc_tar_put_octal(field, size, value) ? 0 : add_number(w, key, value);
}

static int set_mtime(struct fc_tar_writer *w, struct fc_tar_raw *raw, const struct timespec *t)
{
    char text[40], *end;
    int64_t sec = t->tv_sec;
    long nsec = t->tv_nsec;
    bool negative = sec < 0, fits = fc_tar_put_octal(raw->mtime, sizeof(raw->mtime), negative ? 0 : (uint64_t)sec);
    uint64_t whole;

    if (!negative && fits && nsec == 0)
        return 0;
    /* -2 s and 0.5 s forward is -1.5 s. */
    if (negative && nsec > 0) {
        sec++;
        nsec = 1000000000 - nsec;
    }
    whole = negative ? -(uint64_t)sec : (uint64_t)sec;
    end = text + snprintf(text, sizeof(text), "%s%llu.%09ld", negative ? "-" : "", (unsigned long long)whole, nsec);
    while (end[-1] == '0')
        end--;
    if (end[-1] == '.')
        end--;
    return add_record(w, "mtime", text, (size_t)(end - text));
}

/* "SCHILY.xattr." and the name, in which "%" and "=" are encoded as GNU tar does. */
static int add_xattr(struct fc_tar_writer *w, const struct fc_xattr *x)
{
    fc_auto(fc_buf_release) struct fc_buf key = {0};
    int r = fc_buf_adds(&key, "SCHILY.xattr.");

    for (const char *p = x->name; *p && r == 0; p++)
        r = *p == '%' ? fc_buf_adds(&key, "%25") : *p == '=' ? fc_buf_adds(&key, "%3D") : fc_buf_add(&key, p, 1);
    return r < 0 ? r : add_record(w, key.data, x->value, x->size);
}

static int add_xattrs(struct fc_tar_writer *w, const struct fc_entry *e)
{
    int r = 0;

    for (size_t i = 0; i < e->n_xattrs && r == 0; i++) {
        const struct fc_xattr *x = &e->xattrs[i];
        const char *key = strcmp(x->name, "system.posix_acl_access") == 0    ? "SCHILY.acl.access"
                          : strcmp(x->name, "system.posix_acl_default") == 0 ? "SCHILY.acl.default"
                                                                             : NULL;

        if (key && fc_acl_valid(x->value, x->size)) {
            fc_buf_clear(&w->acl);
            r = fc_acl_to_text(x->value, x->size, &w->acl);
            if (r == 0)
                r = add_record(w, key, w->acl.data, w->acl.len);
        } else {
            r = add_xattr(w, x);
        }
    }
    return r;
}

static int set_metadata(struct fc_tar_writer *w, struct fc_tar_raw *raw, const struct fc_entry *e)
{
    int r = set_number(w, raw->uid, sizeof(raw->uid), "uid", e->uid);

    fc_tar_put_octal(raw->mode, sizeof(raw->mode), e->mode & 07777);
    if (r == 0)
        r = set_number(w, raw->gid, sizeof(raw->gid), "gid", e->gid);
    if (r == 0)
        r = set_mtime(w, raw, &e->mtime);
    if (r == 0)
        r = set_number(w, raw->devmajor, sizeof(raw->devmajor), "SCHILY.devmajor", e->rdev_major);
    if (r == 0)
        r = set_number(w, raw->devminor, sizeof(raw->devminor), "SCHILY.devminor", e->rdev_minor);
    return r < 0 ? r : add_xattrs(w, e);
}

/* The typeflag, or '\0' for what no tar can hold. */
static char typeflag_of(const struct fc_entry *e)
{
    if (e->op == FC_ENTRY_HARDLINK)
        return '1';
    switch (e->mode & S_IFMT) {
    case S_IFLNK:
        return '2';
    case S_IFCHR:
        return '3';
    case S_IFBLK:
        return '4';
    case S_IFDIR:
        return '5';
    case S_IFIFO:
        return '6';
    case S_IFREG:
    case S_IFSOCK: /* an empty file, which a PAX record makes a socket for those who know it */
        return '0';
    default:
        return e->op == FC_ENTRY_ADD ? '\0' : '0';
    }
}

/* The path as tar has it: "./" for the root, "/" after directories, whiteout names. */
static int make_path(struct fc_tar_writer *w, const struct fc_entry *e)
{
    const char *slash = strrchr(e->path, '/');
    size_t parent = slash ? (size_t)(slash - e->path) + 1 : 0;

    fc_buf_clear(&w->path);
    if (e->op == FC_ENTRY_WHITEOUT)
        return fc_buf_add(&w->path, e->path, parent) < 0 || fc_buf_adds(&w->path, ".wh.") < 0
                   ? -ENOMEM
                   : fc_buf_adds(&w->path, e->path + parent);
    if (fc_buf_adds(&w->path, *e->path || e->op != FC_ENTRY_ADD ? e->path : ".") < 0)
        return -ENOMEM;
    if (e->op == FC_ENTRY_OPAQUE)
        return fc_buf_addf(&w->path, "%s.wh..wh..opq", *e->path ? "/" : "");
    return e->op == FC_ENTRY_ADD && S_ISDIR(e->mode) ? fc_buf_add(&w->path, "/", 1) : 0;
}

/* Choose the content's form; a map with gaps becomes the text of a sparse 1.0 map. Sets *ret_stored. */
static int plan_content(struct fc_tar_writer *w, const struct fc_entry *e, uint64_t *ret_stored)
{
    uint64_t data = 0;
    size_t n = w->map.n;
    bool tail;
    int r;

    fc_buf_clear(&w->map_text);
    for (size_t i = 0; i < n; i++)
        data += w->map.runs[i].length;
    *ret_stored = data;
    if (data == e->size)
        return 0;
    /* A run without length marks the end of a file that ends in a hole. */
    tail = n == 0 || w->map.runs[n - 1].offset + w->map.runs[n - 1].length < e->size;
    r = fc_buf_addf(&w->map_text, "%zu\n", n + tail);
    for (size_t i = 0; i < n && r == 0; i++)
        r = fc_buf_addf(&w->map_text, "%llu\n%llu\n", (unsigned long long)w->map.runs[i].offset,
                        (unsigned long long)w->map.runs[i].length);
    if (r == 0 && tail)
        r = fc_buf_addf(&w->map_text, "%llu\n0\n", (unsigned long long)e->size);
    while (r == 0 && w->map_text.len % FC_TAR_BLOCK)
        r = fc_buf_add(&w->map_text, "", 1);
    *ret_stored += w->map_text.len;
    if (r == 0)
        r = add_record(w, "GNU.sparse.major", "1", 1);
    if (r == 0)
        r = add_record(w, "GNU.sparse.minor", "0", 1);
    if (r == 0)
        r = add_record(w, "GNU.sparse.name", w->path.data, w->path.len);
    return r < 0 ? r : add_number(w, "GNU.sparse.realsize", e->size);
}

/* Names and targets of the header, with records for the long ones. */
static int set_names(struct fc_tar_writer *w, struct fc_tar_raw *raw, const struct fc_entry *e)
{
    size_t len = e->target ? strlen(e->target) : 0;
    int r = 0;

    if (w->map_text.len) /* readers that know no maps must not take it for the file */
        memcpy(raw->name, "GNUSparseFile.0/entry", 21);
    else if (!put_name(raw, w->path.data, w->path.len))
        r = add_record(w, "path", w->path.data, w->path.len);
    if (r == 0 && len > sizeof(raw->linkname))
        r = add_record(w, "linkpath", e->target, len);
    memcpy(raw->linkname, e->target ? e->target : "", len < sizeof(raw->linkname) ? len : sizeof(raw->linkname));
    return r;
}

/* Zeros in the runs from where we are up to file position @until. */
static int fill(struct fc_tar_writer *w, uint64_t until, struct fc_error *err)
{
    int r = 0;

    for (; r == 0 && w->run < w->map.n; w->run++) {
        const struct fc_tar_extent *run = &w->map.runs[w->run];
        uint64_t from = w->pos > run->offset ? w->pos : run->offset, end = run->offset + run->length;

        if (until <= from)
            break;
        r = put_zeros(w, (until < end ? until : end) - from, err);
        if (until < end)
            break;
    }
    if (w->pos < until)
        w->pos = until;
    return r;
}

/* Write what the current file lacks. */
static int end_file(struct fc_tar_writer *w, struct fc_error *err)
{
    int r = w->in_file ? fill(w, UINT64_MAX, err) : 0;

    if (r == 0 && w->in_file)
        r = put_zeros(w, w->padding, err);
    w->in_file = false;
    return r;
}

static int write_entry(struct fc_tar_writer *w, const struct fc_entry *e, struct fc_error *err)
{
    struct fc_tar_raw raw = {.typeflag = typeflag_of(e)};
    bool regular = e->op == FC_ENTRY_ADD && S_ISREG(e->mode);
    uint64_t stored = 0;
    char show[200];
    int r;

    if (!raw.typeflag)
        return fc_fail(err, EINVAL, "\"%s\" is of no type that a tar can hold",
                       fc_name_show(show, sizeof(show), e->path, strlen(e->path)));
    fc_buf_clear(&w->pax);
    r = make_path(w, e);
    fc_buf_clear(&w->map_text);
    if (r == 0 && regular)
        r = plan_content(w, e, &stored);
    if (r == 0)
        r = set_names(w, &raw, e);
    if (r == 0)
        r = set_number(w, raw.size, sizeof(raw.size), "size", stored);
    if (r == 0)
        r = set_metadata(w, &raw, e);
    if (r == 0 && e->op == FC_ENTRY_ADD && S_ISSOCK(e->mode))
        r = add_record(w, "SCHILY.filetype", "socket", 6);
    if (r < 0)
        return no_memory(err);
    r = put_pax(w, err);
    if (r == 0)
        r = put_header(w, &raw, err);
    if (r == 0)
        r = put(w, w->map_text.data, w->map_text.len, err);
    w->in_file = regular;
    w->padding = padding_of(stored);
    w->run = 0;
    w->pos = 0;
    return r;
}

int fc_tar_writer_sparse_entry(struct fc_tar_writer *w, const struct fc_entry *e, const struct fc_tar_extent *extents,
                               size_t n, struct fc_error *err)
{
    int r = w->failed ? fc_fail(err, -w->failed, "an earlier write failed") : end_file(w, err);

    w->map.n = 0;
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (extents[i].offset > e->size || extents[i].length > e->size - extents[i].offset)
            return fc_fail(err, EINVAL, "data beyond the end of a file");
        r = fc_sparse_add(&w->map, extents[i].offset, extents[i].length, err);
    }
    return r < 0 ? r : write_entry(w, e, err);
}

int fc_tar_writer_entry(struct fc_tar_writer *w, const struct fc_entry *e, struct fc_error *err)
{
    struct fc_tar_extent whole = {0, e->size};

    return fc_tar_writer_sparse_entry(w, e, &whole, 1, err);
}

/* One piece of a block that lies in the run @run. */
static int put_piece(struct fc_tar_writer *w, const struct fc_block *b, const struct fc_tar_extent *run,
                     struct fc_error *err)
{
    uint64_t end = run->offset + run->length, done = w->pos - b->offset, n = b->size - done;
    int r;

    if (n > end - w->pos)
        n = end - w->pos;
    r = put(w, (const char *)b->data + done, (size_t)n, err);
    w->pos += n;
    if (w->pos == end)
        w->run++;
    return r;
}

int fc_tar_writer_data(struct fc_tar_writer *w, const struct fc_block *block, struct fc_error *err)
{
    uint64_t end = block->offset + block->size;
    int r = w->failed ? fc_fail(err, -w->failed, "an earlier write failed") : 0;

    if (r < 0)
        return r;
    if (!w->in_file || block->offset < w->pos || end < block->offset)
        return fc_fail(err, EINVAL, "file content out of order");
    r = fill(w, block->offset, err);
    while (r == 0 && w->pos < end) {
        const struct fc_tar_extent *run = w->run < w->map.n ? &w->map.runs[w->run] : NULL;

        if (!run || w->pos < run->offset)
            return fc_fail(err, EINVAL, "file content where a hole was announced");
        r = put_piece(w, block, run, err);
    }
    return r;
}

int fc_tar_writer_new(fc_tar_sink sink, void *arg, struct fc_tar_writer **ret, struct fc_error *err)
{
    struct fc_tar_writer *w = calloc(1, sizeof(*w));

    if (!w)
        return no_memory(err);
    w->sink = sink;
    w->arg = arg;
    *ret = w;
    return 0;
}

int fc_tar_writer_finish(struct fc_tar_writer *w, struct fc_error *err)
{
    int r = w->failed ? fc_fail(err, -w->failed, "an earlier write failed") : end_file(w, err);

    if (r == 0)
        r = put_zeros(w, 2 * (uint64_t)FC_TAR_BLOCK, err);
    return r < 0 ? r : put_zeros(w, (RECORD_SIZE - w->written % RECORD_SIZE) % RECORD_SIZE, err);
}

void fc_tar_writer_free(struct fc_tar_writer *w)
{
    if (!w)
        return;
    fc_buf_release(&w->path);
    fc_buf_release(&w->pax);
    fc_buf_release(&w->acl);
    fc_buf_release(&w->map_text);
    free(w->map.runs);
    free(w);
}

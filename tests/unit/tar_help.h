/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of entry streams: bytes in memory as a source, and a stream as text that can be compared. */
#ifndef TESTS_TAR_HELP_H
#define TESTS_TAR_HELP_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "archive/archive.h"
#include "base/buf.h"
#include "base/io.h"
#include "base/path.h"
#include "entry/entry.h"

struct memory_source {
    struct fc_byte_source base;
    const char *data;
    size_t size, at, step; /* at most @step bytes at once; 0: no limit */
};

static inline ssize_t memory_read(struct fc_byte_source *s, void *buffer, size_t size, struct fc_error *err)
{
    struct memory_source *m = (struct memory_source *)s;
    size_t n = m->size - m->at < size ? m->size - m->at : size;

    (void)err;
    if (m->step && n > m->step)
        n = m->step;
    if (n)
        memcpy(buffer, m->data + m->at, n);
    m->at += n;
    return (ssize_t)n;
}

static inline struct memory_source memory_source(const void *data, size_t size)
{
    return (struct memory_source){.base = {.read = memory_read}, .data = data, .size = size};
}

/* Append the extents and the content's hash of the current file. */
static inline int describe_content(struct fc_entry_iter *it, struct fc_buf *out, struct fc_error *err)
{
    uint64_t from = 0, end = 0, hash = 14695981039346656037u;
    struct fc_block b;
    int r;

    while ((r = fc_entry_read(it, &b, err)) > 0) {
        assert_true(b.size > 0 && b.offset >= end);
        if (b.offset != end && end > from)
            fc_buf_addf(out, " [%llu+%llu]", (unsigned long long)from, (unsigned long long)(end - from));
        if (b.offset != end)
            from = b.offset;
        end = b.offset + b.size;
        for (size_t i = 0; i < b.size; i++)
            hash = (hash ^ ((const uint8_t *)b.data)[i]) * 1099511628211u;
    }
    if (end > from)
        fc_buf_addf(out, " [%llu+%llu]", (unsigned long long)from, (unsigned long long)(end - from));
    if (end)
        fc_buf_addf(out, " #%08x", (unsigned)(hash ^ hash >> 32));
    return r;
}

/* One line for each entry. Returns what fc_entry_next() or fc_entry_read() returned at last. */
static inline int describe_stream(struct fc_entry_iter *it, bool content, struct fc_buf *out, struct fc_error *err)
{
    static const char *const ops[] = {"add", "link", "whiteout", "opaque"};
    const struct fc_entry *e;
    int r;

    fc_buf_add(out, "", 0);
    while ((r = fc_entry_next(it, &e, err)) > 0) {
        fc_buf_addf(out, "%s ", ops[e->op]);
        fc_name_quote(out, e->path, strlen(e->path));
        fc_buf_addf(out, " %o %u:%u %llu %lld.%09ld", e->mode, e->uid, e->gid, (unsigned long long)e->size,
                    (long long)e->mtime.tv_sec, e->mtime.tv_nsec);
        if (S_ISCHR(e->mode) || S_ISBLK(e->mode))
            fc_buf_addf(out, " dev=%u,%u", e->rdev_major, e->rdev_minor);
        if (e->target) {
            fc_buf_adds(out, " -> ");
            fc_name_quote(out, e->target, strlen(e->target));
        }
        for (size_t i = 0; i < e->n_xattrs; i++) {
            fc_buf_addf(out, " %s=", e->xattrs[i].name);
            for (size_t k = 0; k < e->xattrs[i].size; k++)
                fc_buf_addf(out, "%02x", ((const uint8_t *)e->xattrs[i].value)[k]);
        }
        if (content && e->op == FC_ENTRY_ADD && S_ISREG(e->mode)) {
            r = describe_content(it, out, err);
            if (r < 0)
                return r;
        }
        fc_buf_adds(out, "\n");
    }
    return r;
}

/* Read a whole tar. Returns 0 or -errno. */
static inline int describe_tar(const void *data, size_t size, size_t step, bool content, struct fc_buf *out,
                               struct fc_tar_result *ret, struct fc_error *err)
{
    struct memory_source source = memory_source(data, size);
    struct fc_tar_options options = {.label = "layer"};
    struct fc_entry_iter *it = NULL;
    int r;

    source.step = step;
    r = fc_tar_iter(&source.base, &options, &it, err);
    if (r == 0)
        r = describe_stream(it, content, out, err);
    if (r == 0)
        r = fc_tar_finish(it, ret, err);
    if (r == 0)
        assert_int_equal(source.at, source.size);
    fc_entry_iter_free(it);
    return r;
}

/* A scratch folder that is the current one until leave_scratch(). */
static inline int enter_scratch(void **state)
{
    char *dir = strdup("/tmp/fc-unit-XXXXXX");

    *state = mkdtemp(dir);
    return *state && chdir(dir) == 0 ? 0 : -1;
}

static inline int leave_scratch(void **state)
{
    int r = chdir("/") == 0 ? fc_remove_all(AT_FDCWD, *state) : -1;

    free(*state);
    return r;
}

/* Run a shell command that must succeed. */
static inline void sh(const char *command)
{
    if (system(command) != 0)
        fail_msg("failed: %s", command);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the image reader says when it fails: image, path, why; and the bound on the work that an image may cause. */
#include <errno.h>
#include <et/com_err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "ext4/read.h"

#define SHOWN_MOST 240u /* bytes of a path */

/* Put the path of the inode at hand into @out; its end when it is long. */
static void show_path(const struct fc_ext4_reader *r, char *out, size_t size)
{
    char path[SHOWN_MOST];
    size_t at = sizeof(path);
    uint32_t i = r->at;

    while (r->tables.n_inodes > i && r->found[i].name && at) {
        const struct fc_ext4_found *f = &r->found[i];
        size_t n = f->name_len < at ? f->name_len : at;

        at -= n;
        memcpy(path + at, f->name + f->name_len - n, n);
        if (at)
            path[--at] = '/';
        i = f->parent;
    }
    fc_name_show(out, size, at == sizeof(path) ? "/" : path + at, at == sizeof(path) ? 1 : sizeof(path) - at);
}

int fc_ext4_read_fail(struct fc_ext4_reader *r, int code, const char *fmt, ...)
{
    char what[200], path[SHOWN_MOST];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(what, sizeof(what), fmt, ap);
    va_end(ap);
    if (!r->fs || !r->tables.n_inodes)
        return fc_fail(r->err, code, "%s: %s", r->label, what);
    show_path(r, path, sizeof(path));
    return fc_fail(r->err, code, "%s: \"%s\" (inode %u): %s", r->label, path, r->found[r->at].ino, what);
}

/* The errno for what the library says; its own codes are above those of the system. */
static int code_of(errcode_t code)
{
    if (code == EXT2_ET_NO_MEMORY)
        return ENOMEM;
    if (code == EXT2_ET_UNSUPP_FEATURE || code == EXT2_ET_REV_TOO_HIGH)
        return EOPNOTSUPP;
    return code > 0 && code < 256 ? (int)code : EBADMSG;
}

int fc_ext4_read_fail_lib(struct fc_ext4_reader *r, errcode_t code, const char *what)
{
    return fc_ext4_read_fail(r, code_of(code), "%s: %s", what, error_message(code));
}

int fc_ext4_read_no_memory(struct fc_ext4_reader *r)
{
    return fc_fail(r->err, ENOMEM, "%s: out of memory while reading it", r->label);
}

int fc_ext4_spend(struct fc_ext4_reader *r, uint64_t units)
{
    if (units > r->budget)
        return fc_ext4_read_fail(
            r, EBADMSG, "the image refers to the same blocks again and again: it is damaged, or made to waste memory");
    r->budget -= units;
    return 0;
}

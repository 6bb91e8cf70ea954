/* SPDX-License-Identifier: Apache-2.0 */
/* Look users and groups up in the tree. */
#include "compose/owner.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FILE_MAX_BYTES = 16 << 20 };

static int read_text(struct fc_live *live, const char *path, struct fc_buf *ret, struct fc_error *err)
{
    struct fc_attr attr;
    ssize_t n;
    int r = fc_live_resolve(live, path, true, &attr, err);

    if (r < 0)
        return r;
    if (!S_ISREG(attr.mode) || attr.size > FILE_MAX_BYTES)
        return fc_fail(err, EINVAL, "the tree's %s is no file that names could be read from", path);
    if (fc_buf_reserve(ret, attr.size) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    n = fc_live_read(live, attr.ino, ret->data, attr.size, 0);
    if (n < 0)
        return fc_fail_errno(err, (int)-n, "cannot read the tree's %s", path);
    ret->len = (size_t)n;
    ret->data[n] = '\0';
    return 0;
}

/* Field @i (from 0) of a line of passwd(5) or group(5); NULL when it has fewer. */
static const char *field(const char *line, size_t len, unsigned i, size_t *ret_len)
{
    const char *end = line + len;

    for (; i; i--) {
        line = memchr(line, ':', (size_t)(end - line));
        if (!line)
            return NULL;
        line++;
    }
    *ret_len = strcspn(line, ":\n");
    if (line + *ret_len > end)
        *ret_len = (size_t)(end - line);
    return line;
}

static bool parse_number(const char *text, size_t len, uint32_t *ret)
{
    char digits[16], *end;
    unsigned long long n;

    if (len == 0 || len >= sizeof(digits) || strspn(text, "0123456789") < len)
        return false;
    memcpy(digits, text, len);
    digits[len] = '\0';
    n = strtoull(digits, &end, 10);
    if (*end || n >= UINT32_MAX)
        return false;
    *ret = (uint32_t)n;
    return true;
}

/* The line of @file whose first field is @name (@len bytes); NULL: none is. */
static const char *find_line(const char *file, const char *name, size_t len, size_t *ret_len)
{
    for (const char *p = file; p && *p;) {
        size_t line = strcspn(p, "\n"), n;
        const char *f = field(p, line, 0, &n);

        if (f && n == len && memcmp(f, name, len) == 0) {
            *ret_len = line;
            return p;
        }
        p += line + (p[line] == '\n');
    }
    return NULL;
}

/* Field 2 of both files is the number of what field 0 names. */
static int look_up(struct fc_live *live, const char *path, const char *what, const char *name, size_t len,
                   uint32_t *ret, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *line, *number;
    size_t line_len, n = 0;
    int r;

    if (parse_number(name, len, ret))
        return 0;
    r = read_text(live, path, &text, err);
    if (r < 0)
        return r == -ENOMEM ? r : fc_wrap(err, "the %s \"%.*s\" cannot be looked up", what, (int)len, name);
    line = find_line(text.data, name, len, &line_len);
    number = line ? field(line, line_len, 2, &n) : NULL;
    if (!line)
        return fc_fail(err, ENOENT, "the tree's %s has no %s \"%.*s\"", path, what, (int)len, name);
    if (!number || !parse_number(number, n, ret))
        return fc_fail(err, EINVAL, "the tree's %s has no number for \"%.*s\"", path, (int)len, name);
    return 0;
}

int fc_owner_resolve(struct fc_live *live, const char *text, struct fc_verb *verb, struct fc_error *err)
{
    size_t user = strcspn(text, ":");
    const char *group = text[user] ? text + user + 1 : NULL;
    int r = 0;

    if (user) {
        r = look_up(live, "/etc/passwd", "user", text, user, &verb->uid, err);
        verb->flags |= FC_VERB_SET_UID;
    }
    if (r < 0 || !group)
        return r;
    verb->flags |= FC_VERB_SET_GID;
    return look_up(live, "/etc/group", "group", group, strlen(group), &verb->gid, err);
}

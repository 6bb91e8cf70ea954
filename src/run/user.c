/* SPDX-License-Identifier: Apache-2.0 */
/* Find a user in the tree's own passwd and group files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/internal.h"

/** A line of passwd or group: pieces between colons, not terminated. */
struct line {
    struct piece {
        const char *at;
        size_t len;
    } pieces[7];
    size_t n;
};

/* The next line of *text; false at the end. */
static bool next_line(const char **text, struct line *ret)
{
    const char *at = *text;

    if (!*at)
        return false;
    ret->n = 0;
    while (ret->n < FC_LENGTH(ret->pieces)) {
        size_t len = strcspn(at, ":\n");

        ret->pieces[ret->n++] = (struct piece){at, len};
        at += len;
        if (*at != ':')
            break;
        at++;
    }
    at += strcspn(at, "\n");
    *text = *at ? at + 1 : at;
    return true;
}

static bool is(const struct piece *p, const char *text, size_t len)
{
    return p->len == len && memcmp(p->at, text, len) == 0;
}

static bool number(const char *text, size_t len, uint32_t *ret)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
        if (value >= UINT32_MAX)
            return false;
    }
    *ret = (uint32_t)value;
    return len > 0;
}

/* The line of user @name, or of number @uid if @name is NULL. A name that is in no line, but is a number, is that. */
static bool find_user(const char *passwd, const char *name, size_t len, uint32_t uid, struct line *ret)
{
    uint32_t value;

    while (next_line(&passwd, ret)) {
        if (ret->n < 6 || !number(ret->pieces[2].at, ret->pieces[2].len, &value))
            continue;
        if (name ? is(&ret->pieces[0], name, len) : value == uid)
            return true;
    }
    return false;
}

static int take_user(const char *passwd, const char *name, size_t len, struct run_user *ret, struct piece *ret_name,
                     struct fc_error *err)
{
    struct line l;
    bool found = find_user(passwd, name, len, 0, &l);

    if (!found) {
        if (!number(name, len, &ret->uid))
            return fc_fail(err, ENOENT, "no user %.*s in the tree's /etc/passwd", (int)len, name);
        found = find_user(passwd, NULL, 0, ret->uid, &l);
    }
    if (!found)
        return 0;
    (void)number(l.pieces[2].at, l.pieces[2].len, &ret->uid);
    (void)number(l.pieces[3].at, l.pieces[3].len, &ret->gid);
    if (l.pieces[5].len > 0 && l.pieces[5].len < sizeof(ret->home))
        snprintf(ret->home, sizeof(ret->home), "%.*s", (int)l.pieces[5].len, l.pieces[5].at);
    if (l.n > 6 && l.pieces[6].len < sizeof(ret->shell))
        snprintf(ret->shell, sizeof(ret->shell), "%.*s", (int)l.pieces[6].len, l.pieces[6].at);
    *ret_name = l.pieces[0];
    return 0;
}

static int take_group(const char *group, const char *name, struct run_user *ret, struct fc_error *err)
{
    struct line l;

    while (next_line(&group, &l))
        if (l.n >= 3 && is(&l.pieces[0], name, strlen(name)) && number(l.pieces[2].at, l.pieces[2].len, &ret->gid))
            return 0;
    return number(name, strlen(name), &ret->gid) ? 0
                                                 : fc_fail(err, ENOENT, "no group %s in the tree's /etc/group", name);
}

static bool is_member(const struct piece *members, const struct piece *name)
{
    const char *at = members->at, *end = members->at + members->len;

    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma ? comma : end) - at);

        if (is(name, at, len))
            return true;
        at += len + 1;
    }
    return false;
}

static void take_memberships(const char *group, const struct piece *name, struct run_user *ret)
{
    struct line l;
    uint32_t gid;

    while (next_line(&group, &l) && ret->n_groups < FC_LENGTH(ret->groups))
        if (l.n >= 4 && number(l.pieces[2].at, l.pieces[2].len, &gid) && gid != ret->gid &&
            is_member(&l.pieces[3], name))
            ret->groups[ret->n_groups++] = gid;
}

int run_user_find(const char *text, const char *passwd, const char *group, struct run_user *ret, struct fc_error *err)
{
    size_t len = strcspn(text, ":");
    struct piece name = {"", 0};
    int r;

    *ret = (struct run_user){.home = "/"};
    r = take_user(passwd, text, len, ret, &name, err);
    if (r < 0)
        return r;
    if (text[len] == ':')
        return take_group(group, text + len + 1, ret, err);
    if (name.len > 0)
        take_memberships(group, &name, ret);
    return 0;
}

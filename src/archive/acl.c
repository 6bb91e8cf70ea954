/* SPDX-License-Identifier: Apache-2.0 */
/* Convert POSIX ACLs between tar's text and Linux's binary form (include/uapi/linux/posix_acl_xattr.h). */
#include "archive/acl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

enum { USER_OBJ = 0x01, USER = 0x02, GROUP_OBJ = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };

#define VERSION 2u
#define NO_ID UINT32_MAX
#define HEADER_SIZE 4u
#define ENTRY_SIZE 8u
#define MAX_ENTRIES 8000u /* what fits into an xattr of 64 KiB */

struct acl_entry {
    unsigned tag, perm;
    uint32_t id;
};

struct acl {
    struct acl_entry *entries;
    size_t n, cap;
};

/* A piece of text. */
struct part {
    const char *p;
    size_t len;
};

static bool part_is(struct part s, const char *text) { return s.len == strlen(text) && memcmp(s.p, text, s.len) == 0; }

static struct part trim(struct part s)
{
    while (s.len && (*s.p == ' ' || *s.p == '\t')) {
        s.p++;
        s.len--;
    }
    while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* Cut the part before @separator off @s. */
static struct part cut(struct part *s, char separator)
{
    const char *at = s->len ? memchr(s->p, separator, s->len) : NULL;
    struct part head = {s->p, at ? (size_t)(at - s->p) : s->len};

    s->p += head.len + (at ? 1 : 0);
    s->len -= head.len + (at ? 1 : 0);
    return head;
}

static bool parse_id(struct part s, uint32_t *ret)
{
    uint64_t v = 0;

    if (!s.len || s.len > 10)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        v = v * 10 + (uint64_t)(s.p[i] - '0');
    }
    if (v >= NO_ID)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static int parse_perm(struct part s, unsigned *ret)
{
    *ret = 0;
    if (!s.len)
        return -EBADMSG;
    for (size_t i = 0; i < s.len; i++) {
        switch (s.p[i]) {
        case 'r':
            *ret |= 4;
            break;
        case 'w':
            *ret |= 2;
            break;
        case 'x':
            *ret |= 1;
            break;
        case '-':
            break;
        default:
            return -EBADMSG;
        }
    }
    return 0;
}

static int parse_tag(struct part s, unsigned *ret)
{
    if (part_is(s, "user") || part_is(s, "u"))
        *ret = USER_OBJ;
    else if (part_is(s, "group") || part_is(s, "g"))
        *ret = GROUP_OBJ;
    else if (part_is(s, "mask") || part_is(s, "m"))
        *ret = MASK;
    else if (part_is(s, "other") || part_is(s, "o"))
        *ret = OTHER;
    else
        return -EBADMSG;
    return 0;
}

static int add(struct acl *acl, struct acl_entry e)
{
    if (acl->n >= MAX_ENTRIES)
        return -EBADMSG;
    if (fc_grow(&acl->entries, &acl->cap, acl->n + 1, sizeof(e)) < 0)
        return -ENOMEM;
    acl->entries[acl->n++] = e;
    return 0;
}

/* One entry: TAG:[NAME]:PERM[:ID]; mask and other may leave the empty name out. */
static int parse_entry(struct acl *acl, struct part s, unsigned *dropped)
{
    struct acl_entry e = {.id = NO_ID};
    struct part tag = trim(cut(&s, ':')), name, perm;

    if (part_is(tag, "default") || part_is(tag, "d"))
        tag = trim(cut(&s, ':'));
    if (parse_tag(tag, &e.tag) < 0)
        return -EBADMSG;
    name = trim(cut(&s, ':'));
    if ((e.tag == MASK || e.tag == OTHER) && name.len) {
        perm = name;
    } else {
        perm = trim(cut(&s, ':'));
        if (name.len)
            e.tag = e.tag == USER_OBJ ? USER : GROUP;
    }
    if (parse_perm(perm, &e.perm) < 0)
        return -EBADMSG;
    if ((e.tag == USER || e.tag == GROUP) && !parse_id(trim(s), &e.id) && !parse_id(name, &e.id)) {
        ++*dropped;
        return 0;
    }
    return add(acl, e);
}

static bool has_tag(const struct acl *acl, unsigned tag)
{
    for (size_t i = 0; i < acl->n; i++)
        if (acl->entries[i].tag == tag)
            return true;
    return false;
}

/* Add what the text left out. */
static int complete(struct acl *acl, uint32_t mode)
{
    unsigned mask = 0;
    int r = 0;

    if (!has_tag(acl, USER_OBJ))
        r = add(acl, (struct acl_entry){USER_OBJ, mode >> 6 & 7, NO_ID});
    if (r == 0 && !has_tag(acl, GROUP_OBJ))
        r = add(acl, (struct acl_entry){GROUP_OBJ, mode >> 3 & 7, NO_ID});
    if (r == 0 && !has_tag(acl, OTHER))
        r = add(acl, (struct acl_entry){OTHER, mode & 7, NO_ID});
    if (r < 0 || has_tag(acl, MASK) || (!has_tag(acl, USER) && !has_tag(acl, GROUP)))
        return r;
    for (size_t i = 0; i < acl->n; i++)
        if (acl->entries[i].tag & (USER | GROUP_OBJ | GROUP))
            mask |= acl->entries[i].perm;
    return add(acl, (struct acl_entry){MASK, mask, NO_ID});
}

static int compare(const void *pa, const void *pb)
{
    const struct acl_entry *a = pa, *b = pb;

    if (a->tag != b->tag)
        return a->tag < b->tag ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

static void put_le(char *p, uint32_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (char)(v >> (8 * i));
}

static uint32_t get_le(const uint8_t *p, size_t bytes)
{
    uint32_t v = 0;

    for (size_t i = 0; i < bytes; i++)
        v |= (uint32_t)p[i] << (8 * i);
    return v;
}

static int encode(const struct acl *acl, struct fc_buf *ret)
{
    char bytes[ENTRY_SIZE];

    put_le(bytes, VERSION, 4);
    if (fc_buf_add(ret, bytes, HEADER_SIZE) < 0)
        return -ENOMEM;
    for (size_t i = 0; i < acl->n; i++) {
        put_le(bytes, acl->entries[i].tag, 2);
        put_le(bytes + 2, acl->entries[i].perm, 2);
        put_le(bytes + 4, acl->entries[i].id, 4);
        if (fc_buf_add(ret, bytes, ENTRY_SIZE) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* Cut the next entry off @text: up to a comma or the end of the line, without a comment. */
static struct part next_entry(struct part *text)
{
    struct part e = {text->p, 0}, comment;
    size_t skip;

    while (e.len < text->len && e.p[e.len] != ',' && e.p[e.len] != '\n' && e.p[e.len] != '#')
        e.len++;
    skip = e.len;
    if (skip < text->len && text->p[skip] == '#')
        while (skip < text->len && text->p[skip] != '\n')
            skip++;
    if (skip < text->len)
        skip++;
    comment = (struct part){text->p + skip, text->len - skip};
    *text = comment;
    return trim(e);
}

int fc_acl_from_text(const char *text, size_t len, uint32_t mode, struct fc_buf *ret, unsigned *ret_dropped)
{
    struct part rest = {text, len};
    struct acl acl = {0};
    int r = 0;

    *ret_dropped = 0;
    while (r == 0 && rest.len) {
        struct part e = next_entry(&rest);

        if (e.len)
            r = parse_entry(&acl, e, ret_dropped);
    }
    if (r == 0)
        r = complete(&acl, mode);
    if (r == 0) {
        qsort(acl.entries, acl.n, sizeof(*acl.entries), compare);
        for (size_t i = 1; r == 0 && i < acl.n; i++)
            if (compare(&acl.entries[i - 1], &acl.entries[i]) == 0)
                r = -EBADMSG;
    }
    if (r == 0)
        r = encode(&acl, ret);
    free(acl.entries);
    return r;
}

static struct acl_entry decode_entry(const uint8_t *p)
{
    return (struct acl_entry){get_le(p, 2), get_le(p + 2, 2), get_le(p + 4, 4)};
}

bool fc_acl_valid(const void *data, size_t size)
{
    const uint8_t *p = data;
    unsigned seen = 0;
    struct acl_entry last = {0};

    if (size < HEADER_SIZE + 3 * ENTRY_SIZE || (size - HEADER_SIZE) % ENTRY_SIZE || get_le(p, 4) != VERSION)
        return false;
    for (size_t at = HEADER_SIZE; at < size; at += ENTRY_SIZE) {
        struct acl_entry e = decode_entry(p + at);
        bool named = e.tag == USER || e.tag == GROUP;

        if (e.tag == 0 || e.tag > OTHER || (e.tag & (e.tag - 1)) || e.perm > 7)
            return false;
        if (!named) /* the kernel does not look at this id */
            e.id = NO_ID;
        else if (e.id == NO_ID)
            return false;
        if (at > HEADER_SIZE && compare(&last, &e) >= 0)
            return false;
        seen |= e.tag;
        last = e;
    }
    if ((seen & (USER_OBJ | GROUP_OBJ | OTHER)) != (USER_OBJ | GROUP_OBJ | OTHER))
        return false;
    return !(seen & (USER | GROUP)) || (seen & MASK);
}

uint32_t fc_acl_mode(const void *data, size_t size, uint32_t mode, bool *ret_minimal)
{
    const uint8_t *p = data;
    unsigned user = 0, group = 0, other = 0, mask = 8;

    for (size_t at = HEADER_SIZE; at < size; at += ENTRY_SIZE) {
        struct acl_entry e = decode_entry(p + at);

        if (e.tag == USER_OBJ)
            user = e.perm;
        else if (e.tag == GROUP_OBJ)
            group = e.perm;
        else if (e.tag == OTHER)
            other = e.perm;
        else if (e.tag == MASK)
            mask = e.perm;
    }
    *ret_minimal = size == HEADER_SIZE + 3 * ENTRY_SIZE;
    return (mode & ~0777u) | user << 6 | (mask < 8 ? mask : group) << 3 | other;
}

int fc_acl_to_text(const void *data, size_t size, struct fc_buf *ret)
{
    const uint8_t *p = data;

    if (!fc_acl_valid(data, size))
        return -EBADMSG;
    for (size_t at = HEADER_SIZE; at < size; at += ENTRY_SIZE) {
        struct acl_entry e = decode_entry(p + at);
        const char *tag = e.tag & (USER_OBJ | USER)     ? "user"
                          : e.tag & (GROUP_OBJ | GROUP) ? "group"
                          : e.tag == MASK               ? "mask"
                                                        : "other";
        char id[16] = "";

        if (e.tag & (USER | GROUP))
            snprintf(id, sizeof(id), "%u", e.id);
        if (fc_buf_addf(ret, "%s%s:%s:%c%c%c", at > HEADER_SIZE ? "," : "", tag, id, e.perm & 4 ? 'r' : '-',
                        e.perm & 2 ? 'w' : '-', e.perm & 1 ? 'x' : '-') < 0)
            return -ENOMEM;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Encode one extended attribute: prefix numbers, ACLs in ext4's own form, entries and hashes. */
#include <errno.h>
#include <string.h>

#include "ext4/xattr.h"

#define ACL_XATTR_VERSION 2u
#define ACL_EXT4_VERSION 1u

enum { ACL_USER_OBJ = 1, ACL_USER = 2, ACL_GROUP_OBJ = 4, ACL_GROUP = 8, ACL_MASK = 16, ACL_OTHER = 32 };

static const struct prefix {
    const char *text;
    uint8_t index;
    bool whole; /* the name is just this */
} prefixes[] = {
    {"user.", 1, false},
    {"system.posix_acl_access", 2, true},
    {"system.posix_acl_default", 3, true},
    {"trusted.", 4, false},
    {"security.", 6, false},
};

/* The kernel's xattr form has an id in every entry; on disk only named users and groups have one. */
static int encode_acl(const struct fc_xattr *x, struct fc_arena *arena, struct fc_ext4_attr *ret)
{
    const unsigned char *from = x->value;
    unsigned char *out, *to;
    uint32_t version;

    if (x->size < 4 || (x->size - 4) % 8)
        return -EBADMSG;
    memcpy(&version, from, 4);
    if (version != ACL_XATTR_VERSION)
        return -EBADMSG;
    out = fc_arena_alloc(arena, x->size);
    if (!out)
        return -ENOMEM;
    memcpy(out, &(uint32_t){ACL_EXT4_VERSION}, 4);
    to = out + 4;
    for (size_t at = 4; at < x->size; at += 8) {
        uint16_t tag;

        memcpy(&tag, from + at, 2);
        switch (tag) {
        case ACL_USER:
        case ACL_GROUP:
            memcpy(to, from + at, 8);
            to += 8;
            break;
        case ACL_USER_OBJ:
        case ACL_GROUP_OBJ:
        case ACL_MASK:
        case ACL_OTHER:
            memcpy(to, from + at, 4);
            to += 4;
            break;
        default:
            return -EBADMSG;
        }
    }
    ret->value = out;
    ret->size = (size_t)(to - out);
    return 0;
}

int fc_ext4_attr_from(const struct fc_xattr *x, struct fc_arena *arena, struct fc_ext4_attr *ret)
{
    for (size_t i = 0; i < FC_LENGTH(prefixes); i++) {
        const struct prefix *p = &prefixes[i];
        size_t len = strlen(p->text);

        if (strncmp(x->name, p->text, len) || (p->whole ? x->name[len] != '\0' : x->name[len] == '\0'))
            continue;
        *ret = (struct fc_ext4_attr){
            .index = p->index, .name = x->name + len, .len = strlen(x->name + len), .value = x->value, .size = x->size};
        if (ret->len > 255)
            return -EOPNOTSUPP;
        return p->whole ? encode_acl(x, arena, ret) : 0;
    }
    return -EOPNOTSUPP;
}

/* The hash of name and value that ext4 keeps in block entries, and wherever the value is in another inode; names count as signed bytes, as on x86 ever since. */
static uint32_t entry_hash(const struct fc_ext4_attr *a, const unsigned char *padded, size_t padded_size)
{
    uint32_t hash = 0, word;

    for (size_t i = 0; i < a->len; i++)
        hash = (hash << 5) ^ (hash >> 27) ^ (uint32_t)(int32_t)(signed char)a->name[i];
    for (size_t at = 0; at < padded_size; at += 4) {
        memcpy(&word, padded + at, 4);
        hash = (hash << 16) ^ (hash >> 16) ^ word;
    }
    return hash;
}

bool fc_ext4_attr_put(struct fc_ext4_attr_area *area, const struct fc_ext4_attr *a)
{
    struct ext2_ext_attr_entry e = {.e_name_len = (uint8_t)a->len, .e_name_index = a->index};
    size_t entry_size = sizeof(e) + ((a->len + 3) & ~(size_t)3), padded = (a->size + 3) & ~(size_t)3;

    if (a->value_ino)
        padded = 0;
    if (padded > FC_EXT4_BLOCK || area->front + entry_size + padded + 4 > area->back)
        return false;
    area->back -= padded;
    if (padded) {
        memcpy(area->base + area->back, a->value, a->size);
        e.e_value_offs = (uint16_t)area->back;
    }
    e.e_value_size = (uint32_t)a->size;
    e.e_value_inum = a->value_ino;
    if (a->value_ino)
        e.e_hash = entry_hash(a, (const unsigned char *)&a->value_hash, sizeof(a->value_hash));
    else if (area->hashed)
        e.e_hash = entry_hash(a, area->base + area->back, padded);
    memcpy(area->base + area->front, &e, sizeof(e));
    memcpy(area->base + area->front + sizeof(e), a->name, a->len);
    area->front += entry_size;
    return true;
}

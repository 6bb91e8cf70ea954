/* SPDX-License-Identifier: Apache-2.0 */
/* Read the attributes of an inode: in the inode, in its block, or with values in inodes of their own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/path.h"
#include "ext4/read.h"

#define VALUE_MOST 65536u /* XATTR_SIZE_MAX of the kernel */
#define VALUE_UNIT 64u    /* bytes of a value for which one unit of work is spent */
#define INDEX_SYSTEM 7    /* "system.", where inline data is */

/* Attributes as they stand somewhere: entries one after the other, values at offsets from @values. */
struct area {
    const unsigned char *entries, *values;
    size_t size, values_size;
};

static const struct {
    uint8_t index;
    const char *text;
} prefixes[] = {
    {1, "user."}, {2, "system.posix_acl_access"}, {3, "system.posix_acl_default"}, {4, "trusted."}, {6, "security."},
};

/* A copy of the bytes that lives as long as the snapshot, the same one for the same bytes. NULL when out of memory. */
static const void *keep(struct fc_ext4_reader *r, const void *data, size_t size)
{
    uint64_t key = fc_hash(size, data, size) >> 1, index;
    const void *copy;

    if (fc_map_get(&r->kept_by_hash, key, &index) && r->kept[index].size == size &&
        memcmp(r->kept[index].data, data, size) == 0)
        return r->kept[index].data;
    copy = fc_arena_copy(&r->tables.arena, data, size);
    if (!copy || fc_grow(&r->kept, &r->cap_kept, r->n_kept + 1, sizeof(*r->kept)) < 0 ||
        fc_map_set(&r->kept_by_hash, key, r->n_kept) < 0)
        return NULL;
    r->kept[r->n_kept++] = (struct fc_ext4_kept){copy, size};
    return copy;
}

/* Whether the value inode was made by Lustre, which keeps no hash there but the inode that it belongs to. */
static bool is_lustre(const struct fc_ext4_reader *r, const struct ext2_inode_large *value)
{
    return value->i_mtime == r->found[r->at].ino && value->i_generation == r->inode->i_generation;
}

static int read_value_inode(struct fc_ext4_reader *r, uint32_t ino, unsigned char *to, size_t size)
{
    struct ext2_inode_large *inode = calloc(1, EXT2_INODE_SIZE(r->fs->super) + sizeof(*inode));
    int ret = inode ? fc_ext4_read_bare_inode(r, ino, inode) : fc_ext4_read_no_memory(r);

    if (ret == 0 && (!(inode->i_flags & EXT4_EA_INODE_FL) || fc_ext4_is_inline(inode) || !inode->i_links_count ||
                     EXT2_I_SIZE(inode) != size))
        ret = fc_ext4_read_fail(r, EBADMSG, "damaged: inode %u does not hold the value of an attribute", ino);
    if (ret == 0)
        ret = fc_ext4_read_map(r, ino, (struct ext2_inode *)inode);
    if (ret == 0)
        ret = fc_ext4_read_mapped(r, to, size);
    if (ret == 0 && ext2fs_crc32c_le(r->fs->csum_seed, to, size) != inode->i_atime && !is_lustre(r, inode))
        ret = fc_ext4_read_fail(r, EBADMSG, "damaged: the checksum of an attribute's value in inode %u is wrong", ino);
    free(inode);
    return ret;
}

static int fail_unknown(struct fc_ext4_reader *r, const struct ext2_ext_attr_entry *e, const unsigned char *name)
{
    char shown[100];

    fc_name_show(shown, sizeof(shown), (const char *)name, e->e_name_len);
    return fc_ext4_read_fail(r, EOPNOTSUPP, "an attribute \"%s\" of a kind that is not known here (%u)", shown,
                             e->e_name_index);
}

/* Give the value the form and the name that getxattr(2) knows. */
static int add(struct fc_ext4_reader *r, const struct ext2_ext_attr_entry *e, const unsigned char *name,
               const void *value)
{
    struct fc_xattr x = {.size = e->e_value_size};
    char text[sizeof("system.posix_acl_default") + 256];
    size_t i = 0;
    int ret;

    while (i < FC_LENGTH(prefixes) && prefixes[i].index != e->e_name_index)
        i++;
    if (i == FC_LENGTH(prefixes))
        return fail_unknown(r, e, name);
    snprintf(text, sizeof(text), "%s%.*s", prefixes[i].text, (int)e->e_name_len, (const char *)name);
    x.name = keep(r, text, strlen(text));
    if (e->e_name_index == 2 || e->e_name_index == 3) {
        void *acl;

        ret = fc_ext4_acl_decode(value, x.size, &r->tables.arena, &acl, &x.size);
        if (ret == -EBADMSG)
            return fc_ext4_read_fail(r, EBADMSG, "damaged: its %s", text);
        x.value = ret == 0 ? acl : NULL;
    } else {
        x.value = keep(r, value, x.size);
    }
    if (!x.name || !x.value || fc_grow(&r->tables.xattrs, &r->cap_xattrs, r->tables.n_xattrs + 1, sizeof(x)) < 0)
        return fc_ext4_read_no_memory(r);
    r->tables.xattrs[r->tables.n_xattrs++] = x;
    return 0;
}

static int take_entry(struct fc_ext4_reader *r, const struct area *a, const struct ext2_ext_attr_entry *e,
                      const unsigned char *name)
{
    unsigned char *own = NULL;
    const void *value = "";
    int ret = fc_ext4_spend(r, 1 + (e->e_value_inum ? e->e_value_size / VALUE_UNIT : 0));

    if (ret < 0)
        return ret;
    if (e->e_value_size > VALUE_MOST ||
        (!e->e_value_inum && e->e_value_size &&
         (e->e_value_offs > a->values_size || e->e_value_size > a->values_size - e->e_value_offs)))
        return fc_ext4_read_fail(r, EBADMSG, "damaged: the value of an attribute is outside its place");
    if (e->e_value_inum) {
        own = malloc(e->e_value_size + 1);
        ret = own ? read_value_inode(r, e->e_value_inum, own, e->e_value_size) : fc_ext4_read_no_memory(r);
        value = own;
    } else if (e->e_value_size) {
        value = a->values + e->e_value_offs;
    }
    if (ret == 0 && e->e_name_index == INDEX_SYSTEM && e->e_name_len == 4 && memcmp(name, "data", 4) == 0) {
        r->inlined = keep(r, value, e->e_value_size);
        r->inlined_size = e->e_value_size;
        ret = r->inlined ? 0 : fc_ext4_read_no_memory(r);
    } else if (ret == 0) {
        ret = add(r, e, name, value);
    }
    free(own);
    return ret;
}

static int read_area(struct fc_ext4_reader *r, const struct area *a)
{
    size_t at = 0;
    int ret = 0;

    while (ret == 0) {
        struct ext2_ext_attr_entry e;
        uint32_t end;

        if (a->size - at < sizeof(end))
            return fc_ext4_read_fail(r, EBADMSG, "damaged: its attributes do not end");
        memcpy(&end, a->entries + at, sizeof(end));
        if (!end)
            return 0;
        if (a->size - at < sizeof(e))
            return fc_ext4_read_fail(r, EBADMSG, "damaged: an attribute is cut off");
        memcpy(&e, a->entries + at, sizeof(e));
        if (EXT2_EXT_ATTR_LEN(e.e_name_len) > a->size - at)
            return fc_ext4_read_fail(r, EBADMSG, "damaged: the name of an attribute is cut off");
        ret = take_entry(r, a, &e, a->entries + at + sizeof(e));
        at += EXT2_EXT_ATTR_LEN(e.e_name_len);
    }
    return ret;
}

static int read_body(struct fc_ext4_reader *r)
{
    size_t size = EXT2_INODE_SIZE(r->fs->super), begin = EXT2_GOOD_OLD_INODE_SIZE;
    const unsigned char *bytes = (const unsigned char *)r->inode;
    struct area a;
    uint32_t magic;

    if (size <= EXT2_GOOD_OLD_INODE_SIZE)
        return 0;
    begin += r->inode->i_extra_isize;
    if (begin > size || r->inode->i_extra_isize % 4)
        return fc_ext4_read_fail(r, EBADMSG, "damaged: the size of its inode's extra fields");
    if (size - begin < sizeof(magic) || r->inode->i_extra_isize == 0)
        return 0;
    memcpy(&magic, bytes + begin, sizeof(magic));
    if (magic != EXT2_EXT_ATTR_MAGIC)
        return 0;
    a.entries = a.values = bytes + begin + sizeof(magic);
    a.size = a.values_size = size - begin - sizeof(magic);
    return read_area(r, &a);
}

static int read_block(struct fc_ext4_reader *r)
{
    size_t size = r->fs->blocksize, header = sizeof(struct ext2_ext_attr_header);
    uint64_t block = ext2fs_file_acl_block(r->fs, (struct ext2_inode *)r->inode);
    struct area a = {r->block + header, r->block, size - header, size};
    errcode_t code;

    if (!block)
        return 0;
    if (!fc_ext4_is_block(r, block))
        return fc_ext4_read_fail(r, EBADMSG, "damaged: the block of its attributes is outside the image");
    code = ext2fs_read_ext_attr3(r->fs, block, r->block, r->found[r->at].ino);
    if (code)
        return fc_ext4_read_fail_lib(r, code, "cannot read the block of its attributes");
    if (((const struct ext2_ext_attr_header *)(const void *)r->block)->h_magic != EXT2_EXT_ATTR_MAGIC)
        return fc_ext4_read_fail(r, EOPNOTSUPP, "its attributes are in a form that has been out of use since 2001");
    return read_area(r, &a);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct fc_xattr *)a)->name, ((const struct fc_xattr *)b)->name);
}

int fc_ext4_read_xattrs(struct fc_ext4_reader *r, struct fc_snap_inode *to)
{
    struct fc_xattr *x;
    int ret;

    r->inlined = NULL;
    r->inlined_size = 0;
    to->first_xattr = (uint32_t)r->tables.n_xattrs;
    ret = read_body(r);
    if (ret == 0)
        ret = read_block(r);
    if (ret < 0)
        return ret;
    to->n_xattrs = (uint32_t)(r->tables.n_xattrs - to->first_xattr);
    if (to->n_xattrs < 2)
        return 0;
    x = r->tables.xattrs + to->first_xattr;
    qsort(x, to->n_xattrs, sizeof(*x), by_name);
    for (uint32_t i = 1; i < to->n_xattrs; i++)
        if (by_name(&x[i - 1], &x[i]) == 0)
            return fc_ext4_read_fail(r, EBADMSG, "damaged: it has an attribute twice");
    return 0;
}

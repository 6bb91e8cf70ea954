/* SPDX-License-Identifier: Apache-2.0 */
/* From a tar header, and the extension headers before it, to an entry. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/tar_read.h"

/* Put the name in the header, or the one that replaces it, into raw_path; normalise it into path. */
static int take_path(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err)
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
        return fc_fail(err, ENOMEM, "out of memory");
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

static int take_target(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err)
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
            return fc_fail(err, ENOMEM, "out of memory");
    }
    t->entry.target = t->target.data;
    return 0;
}

/* The type bits for the header; 0 for a hard link. */
static uint32_t type_of(struct fc_tar_reader *t, const struct fc_tar_head *h)
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

static int take_device(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err)
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
static int take_metadata(struct fc_tar_reader *t, const struct fc_tar_head *h, uint32_t type, struct fc_error *err)
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
static int take_content(struct fc_tar_reader *t, const struct fc_tar_head *h, uint64_t stored, struct fc_error *err)
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
    t->padding = fc_tar_padding(stored);
    return 0;
}

/*
 * Hard links have no content by most writers, whatever the size field says, and content by some. If the next block
 * is a header (or the end) there is none; else it is a copy of the target's, and skipped.
 */
static int take_link_content(struct fc_tar_reader *t, uint64_t stored, struct fc_error *err)
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
    t->padding = fc_tar_padding(stored);
    return 0;
}

int fc_tar_take_entry(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err)
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
        t->padding = fc_tar_padding(stored);
    }
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Answer the requests that libfuse does not know: statx(2) with the time of birth, and O_TMPFILE. */
#include <errno.h>
#include <linux/fuse.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fuse/session.h"

/*
 * libfuse hands TMPFILE on since 3.17 and STATX since 3.18; before, it answers ENOSYS, and the kernel stops asking. Both
 * are answered here by every version, so that all behave alike. The layouts are those of linux/fuse.h, where STATX came
 * with 7.39 (Linux 6.6), which is newer than the header that this compiles with.
 */
enum { TMPFILE = 51, STATX = 52 };

struct sx_time {
    int64_t sec;
    uint32_t nsec;
    int32_t reserved;
};
struct statx_in {
    uint32_t getattr_flags, reserved;
    uint64_t fh;
    uint32_t flags, mask;
};
struct statx_out {
    uint64_t attr_valid;
    uint32_t attr_valid_nsec, flags;
    uint64_t spare[2];
    uint32_t mask, blksize;
    uint64_t attributes;
    uint32_t nlink, uid, gid;
    uint16_t mode, spare0;
    uint64_t ino, size, blocks, attributes_mask;
    struct sx_time atime, btime, ctime, mtime;
    uint32_t rdev_major, rdev_minor, dev_major, dev_minor;
    uint64_t spare2[14];
};
_Static_assert(sizeof(struct statx_in) == 24 && sizeof(struct statx_out) == 32 + 256, "the kernel's layout");

/* A request on its way: its header and what follows. */
struct raw {
    struct fc_mount *m;
    const struct fuse_in_header *header;
    const void *body;
    size_t size; /* of the body */
    int fd;
};

/* Returns false if the kernel does not want the answer any more. */
static bool reply(const struct raw *r, int code, const void *data, size_t size)
{
    struct fuse_out_header out = {.len = (uint32_t)(sizeof(out) + size), .error = -code, .unique = r->header->unique};
    union {
        const void *c;
        void *v;
    } body = {.c = data};
    struct iovec v[2] = {{&out, sizeof(out)}, {body.v, size}};

    return writev(r->fd, v, size ? 2 : 1) >= 0;
}

static struct sx_time sx_time_of(const struct timespec *ts)
{
    return (struct sx_time){.sec = ts->tv_sec, .nsec = (uint32_t)ts->tv_nsec};
}

static void reply_statx(const struct raw *r, const struct fc_attr *attr)
{
    const struct fc_attr a = *attr;
    struct statx_out out;
    struct stat st;

    fuse_stat_of(r->m, &a, &st);
    out = (struct statx_out){.attr_valid = (uint64_t)FUSE_FOREVER,
                             .mask = STATX_BASIC_STATS | STATX_BTIME,
                             .blksize = FUSE_BLOCK,
                             .nlink = a.nlink,
                             .uid = st.st_uid,
                             .gid = st.st_gid,
                             .mode = (uint16_t)a.mode,
                             .ino = a.ino,
                             .size = a.size,
                             .blocks = a.blocks,
                             .atime = sx_time_of(&a.atime),
                             .btime = sx_time_of(&a.crtime),
                             .ctime = sx_time_of(&a.ctime),
                             .mtime = sx_time_of(&a.mtime),
                             .rdev_major = a.rdev_major,
                             .rdev_minor = a.rdev_minor};
    reply(r, 0, &out, sizeof(out));
}

static void answer_statx(const struct raw *r)
{
    struct fc_attr a;
    int code = r->size < sizeof(struct statx_in) ? -EINVAL : fc_live_getattr(r->m->live, r->header->nodeid, &a);

    if (code < 0)
        reply(r, -code, NULL, 0);
    else
        reply_statx(r, &a);
}

/** The answer to TMPFILE, and to CREATE: an entry and an open file. */
struct created {
    struct fuse_entry_out entry;
    struct fuse_open_out open;
};

static void fill_created(const struct fc_mount *m, const struct fc_attr *a, struct created *ret)
{
    struct stat st;

    fuse_stat_of(m, a, &st);
    *ret = (struct created){
        .entry = {.nodeid = a->ino, .entry_valid = (uint64_t)FUSE_FOREVER, .attr_valid = (uint64_t)FUSE_FOREVER},
        .open.open_flags = FOPEN_KEEP_CACHE};
    ret->entry.attr = (struct fuse_attr){.ino = a->ino,
                                         .size = a->size,
                                         .blocks = a->blocks,
                                         .atime = (uint64_t)a->atime.tv_sec,
                                         .mtime = (uint64_t)a->mtime.tv_sec,
                                         .ctime = (uint64_t)a->ctime.tv_sec,
                                         .atimensec = (uint32_t)a->atime.tv_nsec,
                                         .mtimensec = (uint32_t)a->mtime.tv_nsec,
                                         .ctimensec = (uint32_t)a->ctime.tv_nsec,
                                         .mode = a->mode,
                                         .nlink = a->nlink,
                                         .uid = st.st_uid,
                                         .gid = st.st_gid,
                                         .blksize = FUSE_BLOCK};
}

static void answer_tmpfile(const struct raw *r)
{
    const struct fuse_create_in *in = r->body;
    struct fc_cred cred = fuse_cred_for(r->m, r->header->uid, r->header->gid);
    struct created out;
    struct fc_attr a;
    int code = -EINVAL;

    if (r->size >= sizeof(*in))
        code = fc_live_tmpfile(r->m->live, r->header->nodeid, in->mode, in->umask, &cred, &a);
    if (code < 0) {
        reply(r, -code, NULL, 0);
        return;
    }
    fill_created(r->m, &a, &out);
    fuse_known_add(r->m, a.ino);
    if (!reply(r, 0, &out, sizeof(out)))
        fuse_known_forget(r->m, a.ino, 1);
}

/* A place has no times, no owner but root, and nothing in it. */
static void answer_place(const struct raw *r, const struct fuse_place_reply *p)
{
    const struct fc_attr a = {
        .ino = p->ino, .mode = p->directory ? S_IFDIR | 0755 : S_IFREG | 0644, .nlink = p->directory ? 2 : 1};
    const struct fuse_attr attr = {.ino = a.ino, .mode = a.mode, .nlink = a.nlink, .blksize = FUSE_BLOCK};
    struct fuse_entry_out entry = {
        .nodeid = p->ino, .entry_valid = (uint64_t)FUSE_FOREVER, .attr_valid = (uint64_t)FUSE_FOREVER, .attr = attr};
    struct fuse_attr_out alone = {.attr_valid = (uint64_t)FUSE_FOREVER, .attr = attr};

    if (p->has_entry)
        reply(r, 0, &entry, sizeof(entry));
    else if (p->has_attr && r->header->opcode == STATX)
        reply_statx(r, &a);
    else if (p->has_attr)
        reply(r, 0, &alone, sizeof(alone));
    else
        reply(r, p->code, NULL, 0);
}

bool fuse_raw(void *userdata, const struct fuse_buf *request, int fd)
{
    struct raw r = {.m = userdata, .header = request->mem, .fd = fd};
    struct fuse_place_reply place;

    if ((request->flags & FUSE_BUF_IS_FD) || request->size < sizeof(*r.header))
        return false;
    r.body = r.header + 1;
    r.size = request->size - sizeof(*r.header);
    if (fuse_place_answer(r.m, r.header->opcode, r.header->nodeid, r.body, r.size, &place)) {
        answer_place(&r, &place);
        return true;
    }
    switch (r.header->opcode) {
    case TMPFILE:
        answer_tmpfile(&r);
        return true;
    case STATX:
        answer_statx(&r);
        return true;
    default:
        return false;
    }
}

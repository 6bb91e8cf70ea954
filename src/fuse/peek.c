/* SPDX-License-Identifier: Apache-2.0 */
/* What a request says that libfuse does not pass on, or not before it is being answered. */
#include <linux/fuse.h>
#include <string.h>

#include "fuse/session.h"

/* Larger WRITEs may take long. */
enum { SMALL_WRITE = 32 << 10 };

/* Of the request that this thread answers. */
static _Thread_local bool kills, offers, may_wait;

static void peek_setattr(const char *body, size_t size)
{
    struct fuse_setattr_in in;

    if (size < sizeof(in))
        return;
    memcpy(&in, body, sizeof(in));
    kills = in.valid & FATTR_KILL_SUIDGID;
    may_wait = in.valid & FATTR_SIZE;
}

/* What is small goes into the host's page cache, and waits only when all writers there have to. */
static void peek_write(const char *body, size_t size)
{
    struct fuse_write_in in;

    if (size < sizeof(in))
        return;
    memcpy(&in, body, sizeof(in));
    kills = in.write_flags & FUSE_WRITE_KILL_SUIDGID;
    may_wait = in.size > SMALL_WRITE;
}

static void peek_init(const char *body, size_t size)
{
    struct fuse_init_in in = {0};

    memcpy(&in, body, size < sizeof(in) ? size : sizeof(in)); /* old kernels send less */
    offers = in.flags & FUSE_HANDLE_KILLPRIV_V2;
}

static void peek_body(uint32_t opcode, const char *body, size_t size)
{
    switch (opcode) {
    case FUSE_SETATTR:
        peek_setattr(body, size);
        break;
    case FUSE_WRITE:
        peek_write(body, size);
        break;
    case FUSE_INIT:
        peek_init(body, size);
        break;
    case FUSE_READ:
    case FUSE_STATFS:
    case FUSE_FSYNC:
    case FUSE_FSYNCDIR:
    case FUSE_SYNCFS:
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
    case FUSE_LSEEK:
        may_wait = true;
        break;
    default:
        break;
    }
}

void fuse_request_peek(const struct fuse_buf *buf)
{
    struct fuse_in_header head;

    kills = offers = may_wait = false;
    if ((buf->flags & FUSE_BUF_IS_FD) || buf->size < sizeof(head))
        return;
    memcpy(&head, buf->mem, sizeof(head));
    peek_body(head.opcode, (const char *)buf->mem + sizeof(head), buf->size - sizeof(head));
}

bool fuse_request_kills(void) { return kills; }

bool fuse_request_offers(void) { return offers; }

bool fuse_request_may_wait(void) { return may_wait; }

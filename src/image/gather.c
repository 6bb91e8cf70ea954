/* SPDX-License-Identifier: Apache-2.0 */
/* Gather adjacent pieces of an image, from memory and from files, into few large writes. */
#include "image/gather.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

/* What the read brings in is still in the core's cache when the write takes it. */
#define STAGE (512u << 10)
#define IOV_MOST 512u
#define PIECE_MOST (1u << 30) /* a single call moves less than 2 GiB */

int fc_gather_init(struct fc_gather *g, int fd, bool stream)
{
    *g = (struct fc_gather){.fd = fd, .stream = stream};
    g->iov = malloc(IOV_MOST * sizeof(*g->iov));
    g->stage = malloc(STAGE);
    if (g->iov && g->stage)
        return 0;
    fc_gather_release(g);
    return -ENOMEM;
}

void fc_gather_release(struct fc_gather *g)
{
    free(g->iov);
    free(g->stage);
    *g = (struct fc_gather){.fd = -1};
}

static int write_all(struct fc_gather *g)
{
    struct iovec *iov = g->iov;
    uint64_t offset = g->offset;
    size_t n = g->n;

    while (n > 0) {
        ssize_t done = g->stream ? writev(g->fd, iov, (int)n) : pwritev(g->fd, iov, (int)n, (off_t)offset);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? -errno : -EIO;
        offset += (uint64_t)done;
        while (n > 0 && (size_t)done >= iov->iov_len) {
            done -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + done;
            iov->iov_len -= (size_t)done;
        }
    }
    return 0;
}

int fc_gather_flush(struct fc_gather *g, struct fc_error *err)
{
    int r = write_all(g);

    g->n = 0;
    g->staged = 0;
    g->length = 0;
    return r < 0 ? fc_fail_errno(err, -r, "cannot write the image at byte %llu", (unsigned long long)g->offset) : 0;
}

/* Make the output's position @offset, with room for a piece more. */
static int reach(struct fc_gather *g, uint64_t offset, struct fc_error *err)
{
    bool full = g->n == IOV_MOST || g->staged == STAGE || g->length >= PIECE_MOST;
    int r = g->n && (full || g->offset + g->length != offset) ? fc_gather_flush(g, err) : 0;

    if (g->n == 0)
        g->offset = offset;
    return r;
}

/* Append @n bytes at @memory; those that follow the last piece in memory lengthen it. */
static void push(struct fc_gather *g, const void *memory, size_t n)
{
    struct iovec *last = g->n ? &g->iov[g->n - 1] : NULL;

    if (last && (char *)last->iov_base + last->iov_len == memory)
        last->iov_len += n;
    else
        g->iov[g->n++] = (struct iovec){.iov_base = (void *)(uintptr_t)memory, .iov_len = n};
    g->length += n;
}

int fc_gather_memory(struct fc_gather *g, uint64_t offset, const void *memory, uint64_t length, struct fc_error *err)
{
    for (uint64_t done = 0; done < length;) {
        size_t n = length - done < PIECE_MOST ? (size_t)(length - done) : PIECE_MOST;
        int r = reach(g, offset + done, err);

        if (r < 0)
            return r;
        if (n > PIECE_MOST - g->length)
            n = (size_t)(PIECE_MOST - g->length);
        push(g, (const char *)memory + done, n);
        done += n;
    }
    return 0;
}

int fc_gather_file(struct fc_gather *g, uint64_t offset, int source_fd, uint64_t source_offset, uint64_t length,
                   struct fc_error *err)
{
    for (uint64_t done = 0; done < length;) {
        int r = reach(g, offset + done, err);
        size_t n = STAGE - g->staged;
        char name[512];
        ssize_t got;

        if (r < 0)
            return r;
        if (n > length - done)
            n = (size_t)(length - done);
        got = fc_pread_full(source_fd, g->stage + g->staged, n, source_offset + done);
        if (got < 0)
            return fc_fail_errno(err, (int)-got, "cannot read %s, a source of the image",
                                 fc_fd_path(source_fd, name, sizeof(name)));
        if ((size_t)got < n)
            return fc_fail(err, EIO, "%s, a source of the image, ends at byte %llu, %llu bytes too early",
                           fc_fd_path(source_fd, name, sizeof(name)),
                           (unsigned long long)(source_offset + done + (uint64_t)got),
                           (unsigned long long)(length - done - (uint64_t)got));
        push(g, g->stage + g->staged, n);
        g->staged += n;
        done += n;
    }
    return 0;
}

int fc_gather_zeros(struct fc_gather *g, uint64_t offset, uint64_t length, struct fc_error *err)
{
    static const unsigned char zeros[1 << 16];

    for (uint64_t done = 0; done < length;) {
        size_t n = length - done < sizeof(zeros) ? (size_t)(length - done) : sizeof(zeros);
        int r = fc_gather_memory(g, offset + done, zeros, n, err);

        if (r < 0)
            return r;
        done += n;
    }
    return 0;
}

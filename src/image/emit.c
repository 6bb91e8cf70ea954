/* SPDX-License-Identifier: Apache-2.0 */
/* Put an image's segments into a seekable output: shared blocks, copies, gathered memory, holes. */
#include <errno.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/io.h"
#include "image/sink.h"

#define STEP (32u << 20) /* between two progress reports */
#define IOV_MOST 512

struct output {
    int fd;
    bool fresh, no_clone;
    unsigned clone_failures;
    uint64_t done;
    struct fc_image_sources sources;
    struct fc_progress *progress;
    struct fc_image_write_result *result;
    struct fc_error *err;
};

static void output_release(struct output *o) { fc_image_sources_release(&o->sources); }

int fc_image_source_length(struct fc_image_sources *sources, const struct fc_segment *s, uint64_t *ret_length,
                           struct fc_error *err)
{
    uint64_t size, there;
    struct stat st;

    if (!fc_map_get(&sources->lengths, (uint64_t)s->file.fd, &size)) {
        if (fstat(s->file.fd, &st) < 0)
            return fc_fail_errno(err, errno, "cannot read a source of the image");
        size = (uint64_t)st.st_size;
        if (fc_map_set(&sources->lengths, (uint64_t)s->file.fd, size) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    there = size > s->file.offset ? size - s->file.offset : 0;
    if (there >= s->length) {
        *ret_length = s->length;
        return 0;
    }
    if (s->length - there >= 4096)
        return fc_fail(err, EIO, "a source of the image ends at byte %llu, %llu bytes too early",
                       (unsigned long long)size, (unsigned long long)(s->length - there));
    *ret_length = there;
    return 0;
}

void fc_image_sources_release(struct fc_image_sources *sources)
{
    fc_map_release(&sources->lengths);
    fc_map_release(&sources->foreign);
}

void fc_image_progress_begin(struct fc_progress *p, uint64_t total)
{
    if (p && p->begin)
        p->begin(p, "write image", total, FC_PROGRESS_BYTES);
}

void fc_image_progress_update(struct fc_progress *p, uint64_t done)
{
    if (p && p->update)
        p->update(p, done);
}

void fc_image_progress_end(struct fc_progress *p, int ok)
{
    if (p && p->end)
        p->end(p, ok);
}

static void advance(struct output *o, uint64_t n)
{
    o->done += n;
    fc_image_progress_update(o->progress, o->done);
}

static int write_zeros(struct output *o, uint64_t offset, uint64_t length)
{
    static const unsigned char zeros[1 << 16];
    uint64_t range[2] = {offset, length};
    int r;

    if (o->fresh)
        return 0;
    if (offset % 4096 == 0 && length % 4096 == 0 && ioctl(o->fd, BLKZEROOUT, range) == 0)
        return 0;
    while (length) {
        size_t n = length < sizeof(zeros) ? (size_t)length : sizeof(zeros);

        r = fc_pwrite_full(o->fd, zeros, n, offset);
        if (r < 0)
            return fc_fail_errno(o->err, -r, "cannot write the image at byte %llu", (unsigned long long)offset);
        offset += n;
        length -= n;
    }
    return 0;
}

/*
 * Share blocks with the source. Returns 1 when done, 0 when it has to be copied. A source on another file system is
 * asked once; a file system that refuses for reasons of alignment is given up after some tries.
 */
static int try_clone(struct output *o, const struct fc_segment *s, uint64_t length)
{
    struct file_clone_range range = {
        .src_fd = s->file.fd, .src_offset = s->file.offset, .src_length = length, .dest_offset = s->offset};

    if (o->no_clone || !length || fc_map_get(&o->sources.foreign, (uint64_t)s->file.fd, NULL))
        return 0;
    if (s->file.offset % 4096 || s->offset % 4096 || length % 4096)
        return 0;
    if (ioctl(o->fd, FICLONERANGE, &range) == 0) {
        o->clone_failures = 0;
        return 1;
    }
    if (errno == EXDEV && fc_map_set(&o->sources.foreign, (uint64_t)s->file.fd, 1) == 0)
        return 0;
    if (errno != EINVAL || ++o->clone_failures == 16)
        o->no_clone = true;
    return 0;
}

static int copy_part(struct output *o, const struct fc_segment *s, uint64_t skip, uint64_t length)
{
    int r = fc_copy_range(s->file.fd, s->file.offset + skip, o->fd, s->offset + skip, length);

    if (r < 0)
        return fc_fail_errno(o->err, -r, "cannot copy %llu bytes to byte %llu of the image", (unsigned long long)length,
                             (unsigned long long)(s->offset + skip));
    o->result->copied += length;
    advance(o, length);
    return 0;
}

static int write_file_segment(struct output *o, const struct fc_segment *s)
{
    uint64_t length = 0, whole, done = 0;
    int r = fc_image_source_length(&o->sources, s, &length, o->err);

    if (r < 0)
        return r;
    whole = length & ~(uint64_t)4095;
    if (try_clone(o, s, whole)) {
        o->result->cloned += whole;
        advance(o, whole);
        done = whole;
    }
    while (done < length) {
        uint64_t n = length - done < STEP ? length - done : STEP;

        r = copy_part(o, s, done, n);
        if (r < 0)
            return r;
        done += n;
    }
    r = length < s->length ? write_zeros(o, s->offset + length, s->length - length) : 0;
    if (r < 0)
        return r;
    advance(o, s->length - length);
    return 0;
}

/* Write all of @iov at @offset; it is changed on short writes. */
static int pwritev_full(int fd, struct iovec *iov, int n, uint64_t offset)
{
    while (n > 0) {
        ssize_t done = pwritev(fd, iov, n, (off_t)offset);

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

/* Write the run of adjacent memory segments that starts at @s in few calls; sets *ret_used to their number. */
static int write_memory_run(struct output *o, const struct fc_segment *s, size_t left, size_t *ret_used)
{
    struct iovec iov[IOV_MOST];
    uint64_t total = 0;
    size_t n = 0;
    int r;

    while (n < left && n < IOV_MOST && s[n].kind == FC_SEGMENT_MEMORY && s[n].offset == s[0].offset + total &&
           total + s[n].length < 1u << 30) {
        iov[n].iov_base = (void *)(uintptr_t)s[n].memory;
        iov[n].iov_len = (size_t)s[n].length;
        total += s[n++].length;
    }
    if (n == 0) { /* one piece beyond what a single call takes */
        r = fc_pwrite_full(o->fd, s->memory, (size_t)s->length, s->offset);
        total = s->length;
        n = 1;
    } else {
        r = pwritev_full(o->fd, iov, (int)n, s->offset);
    }
    if (r < 0)
        return fc_fail_errno(o->err, -r, "cannot write the image at byte %llu", (unsigned long long)s->offset);
    o->result->memory += total;
    advance(o, total);
    *ret_used = n;
    return 0;
}

static int emit_all(struct output *o, const struct fc_segment *segments, size_t n)
{
    size_t used;
    int r;

    for (size_t i = 0; i < n; i += used) {
        const struct fc_segment *s = &segments[i];

        used = 1;
        switch (s->kind) {
        case FC_SEGMENT_MEMORY:
            r = write_memory_run(o, s, n - i, &used);
            break;
        case FC_SEGMENT_FILE:
            r = write_file_segment(o, s);
            break;
        default:
            r = write_zeros(o, s->offset, s->length);
            o->result->zero += s->length;
            advance(o, s->length);
            break;
        }
        if (r < 0)
            return r;
    }
    return 0;
}

int fc_image_emit(const struct fc_image *image, int fd, bool fresh, const struct fc_image_write_options *options,
                  struct fc_image_write_result *result, struct fc_error *err)
{
    struct output o = {.fd = fd,
                       .fresh = fresh,
                       .no_clone = !fresh || options->no_clone,
                       .progress = options->progress,
                       .result = result,
                       .err = err};
    size_t n;
    const struct fc_segment *segments = fc_image_segments(image, &n);
    int r;

    fc_image_progress_begin(o.progress, fc_image_size(image));
    r = emit_all(&o, segments, n);
    fc_image_progress_end(o.progress, r >= 0);
    output_release(&o);
    return r;
}

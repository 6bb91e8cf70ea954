/* SPDX-License-Identifier: Apache-2.0 */
/* Put an image's segments into a seekable output: shared blocks, copies, gathered memory, holes. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/io.h"
#include "image/emit.h"

#define STEP (32u << 20) /* between two progress reports */

int fc_image_source_length(struct fc_image_sources *sources, const struct fc_segment *s, uint64_t *ret_length,
                           struct fc_error *err)
{
    uint64_t size, there;
    char name[512];
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
        return fc_fail(err, EIO, "%s, a source of the image, ends at byte %llu, %llu bytes too early",
                       fc_fd_path(s->file.fd, name, sizeof(name)), (unsigned long long)size,
                       (unsigned long long)(s->length - there));
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

void fc_image_emitter_advance(struct fc_image_emitter *o, uint64_t n)
{
    o->done += n;
    fc_image_progress_update(o->progress, o->done);
}

static int write_zeros(struct fc_image_emitter *o, uint64_t offset, uint64_t length)
{
    uint64_t range[2] = {offset, length};

    if (o->zeros_there)
        return 0;
    if (offset % 4096 == 0 && length % 4096 == 0 &&
        (ioctl(o->gather.fd, BLKZEROOUT, range) == 0 ||
         fallocate(o->gather.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length) == 0))
        return 0;
    return fc_gather_zeros(&o->gather, offset, length, o->err);
}

/*
 * Share blocks with the source. Returns 1 when done, 0 when it has to be copied. A source on another file system is
 * asked once; a file system that refuses for reasons of alignment is given up after some tries.
 */
static int try_clone(struct fc_image_emitter *o, const struct fc_segment *s, uint64_t length)
{
    struct file_clone_range range = {
        .src_fd = s->file.fd, .src_offset = s->file.offset, .src_length = length, .dest_offset = s->offset};

    if (o->no_clone || !length || fc_map_get(&o->sources.foreign, (uint64_t)s->file.fd, NULL))
        return 0;
    if (s->file.offset % 4096 || s->offset % 4096 || length % 4096)
        return 0;
    if (ioctl(o->gather.fd, FICLONERANGE, &range) == 0) {
        o->clone_failures = 0;
        return 1;
    }
    if (errno == EXDEV && fc_map_set(&o->sources.foreign, (uint64_t)s->file.fd, 1) == 0)
        return 0;
    if (errno != EINVAL || ++o->clone_failures == 16)
        o->no_clone = true;
    return 0;
}

static int copy_file(struct fc_image_emitter *o, const struct fc_segment *s, uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t n = end - from < STEP ? end - from : STEP;
        int r = fc_gather_file(&o->gather, s->offset + from, s->file.fd, s->file.offset + from, n, o->err);

        if (r < 0)
            return r;
        o->result->copied += n;
        fc_image_emitter_advance(o, n);
        from += n;
    }
    return 0;
}

static int write_file_segment(struct fc_image_emitter *o, const struct fc_segment *s)
{
    uint64_t length = 0, whole, done = 0;
    int r = fc_image_source_length(&o->sources, s, &length, o->err);

    if (r < 0)
        return r;
    whole = length & ~(uint64_t)4095;
    if (try_clone(o, s, whole)) {
        o->result->cloned += whole;
        fc_image_emitter_advance(o, whole);
        done = whole;
    }
    r = copy_file(o, s, done, length);
    if (r == 0 && length < s->length)
        r = fc_gather_zeros(&o->gather, s->offset + length, s->length - length, o->err);
    if (r < 0)
        return r;
    fc_image_emitter_advance(o, s->length - length);
    return 0;
}

int fc_image_emitter_segment(struct fc_image_emitter *o, const struct fc_segment *s)
{
    int r;

    if (s->kind == FC_SEGMENT_FILE)
        return write_file_segment(o, s);
    if (s->kind == FC_SEGMENT_MEMORY) {
        r = fc_gather_memory(&o->gather, s->offset, s->memory, s->length, o->err);
        o->result->memory += s->length;
    } else {
        r = write_zeros(o, s->offset, s->length);
        o->result->zero += s->length;
    }
    if (r < 0)
        return r;
    fc_image_emitter_advance(o, s->length);
    return 0;
}

/* Allocate the run of bytes other than zeros that begins with @s, unless that was done. */
static int allocate_run(struct fc_image_emitter *o, const struct fc_segment *s, size_t left)
{
    uint64_t end = s->offset;

    if (!o->allocate || s->kind == FC_SEGMENT_ZERO || s->offset < o->allocated)
        return 0;
    for (size_t i = 0; i < left && s[i].kind != FC_SEGMENT_ZERO; i++)
        end += s[i].length;
    o->allocated = end;
    if (fallocate(o->gather.fd, 0, (off_t)s->offset, (off_t)(end - s->offset)) == 0)
        return 0;
    if (errno == ENOSPC || errno == EDQUOT)
        return fc_fail_errno(o->err, errno, "cannot write the image at byte %llu", (unsigned long long)s->offset);
    o->allocate = false;
    return 0;
}

int fc_image_emitter_init(struct fc_image_emitter *o, int fd, const struct fc_image_write_options *options,
                          struct fc_image_write_result *result, struct fc_error *err)
{
    *o = (struct fc_image_emitter){
        .progress = options->progress, .result = result, .err = err, .no_clone = options->no_clone};
    return fc_gather_init(&o->gather, fd, false) < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

void fc_image_emitter_release(struct fc_image_emitter *o)
{
    fc_image_sources_release(&o->sources);
    fc_gather_release(&o->gather);
}

static int emit_all(struct fc_image_emitter *o, const struct fc_image *image)
{
    size_t n;
    const struct fc_segment *segments = fc_image_segments(image, &n);

    for (size_t i = 0; i < n; i++) {
        int r = allocate_run(o, &segments[i], n - i);

        if (r == 0)
            r = fc_image_emitter_segment(o, &segments[i]);
        if (r < 0)
            return r;
    }
    return fc_gather_flush(&o->gather, o->err);
}

int fc_image_emit(const struct fc_image *image, int fd, bool fresh, const struct fc_image_write_options *options,
                  struct fc_image_write_result *result, struct fc_error *err)
{
    __attribute__((cleanup(fc_image_emitter_release))) struct fc_image_emitter o;
    int r = fc_image_emitter_init(&o, fd, options, result, err);

    if (r < 0)
        return r;
    o.zeros_there = fresh;
    o.no_clone |= !fresh;
    o.allocate = fresh && fc_gains_by_allocating(fd);
    fc_image_progress_begin(o.progress, fc_image_size(image));
    r = emit_all(&o, image);
    fc_image_progress_end(o.progress, r >= 0);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Write an image in order to what need not be seekable: a pipe, a terminal line, a character device. */
#include <errno.h>
#include <fcntl.h>

#include "image/gather.h"
#include "image/sink.h"

#define STEP (32u << 20) /* between two progress reports */
#define PIPE_SIZE (1 << 20)

struct stream {
    struct fc_gather gather;
    struct fc_image_sources sources;
    struct fc_progress *progress;
    struct fc_error *err;
};

static int stream_file(struct stream *st, const struct fc_segment *s)
{
    uint64_t length = 0;
    int r = fc_image_source_length(&st->sources, s, &length, st->err);

    for (uint64_t done = 0; r == 0 && done < length;) {
        uint64_t n = length - done < STEP ? length - done : STEP;

        r = fc_gather_file(&st->gather, s->offset + done, s->file.fd, s->file.offset + done, n, st->err);
        done += n;
        fc_image_progress_update(st->progress, s->offset + done);
    }
    return r == 0 ? fc_gather_zeros(&st->gather, s->offset + length, s->length - length, st->err) : r;
}

static int stream_segment(struct stream *st, const struct fc_segment *s)
{
    if (s->kind == FC_SEGMENT_FILE)
        return stream_file(st, s);
    if (s->kind == FC_SEGMENT_MEMORY)
        return fc_gather_memory(&st->gather, s->offset, s->memory, s->length, st->err);
    return fc_gather_zeros(&st->gather, s->offset, s->length, st->err);
}

static int stream_all(struct stream *st, const struct fc_image *image)
{
    size_t n;
    const struct fc_segment *s = fc_image_segments(image, &n);

    for (size_t i = 0; i < n; i++) {
        int r = stream_segment(st, &s[i]);

        if (r < 0)
            return r;
        fc_image_progress_update(st->progress, s[i].offset + s[i].length);
    }
    return fc_gather_flush(&st->gather, st->err);
}

int fc_image_emit_stream(const struct fc_image *image, int fd, const struct fc_image_write_options *options,
                         struct fc_error *err)
{
    struct stream st = {.progress = options->progress, .err = err};
    int r = fc_gather_init(&st.gather, fd, true);

    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    (void)fcntl(fd, F_SETPIPE_SZ, PIPE_SIZE); /* fewer turns between the two ends; refused where it is no pipe */
    fc_image_progress_begin(st.progress, fc_image_size(image));
    r = stream_all(&st, image);
    fc_image_progress_end(st.progress, r >= 0);
    fc_gather_release(&st.gather);
    fc_image_sources_release(&st.sources);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Read an image that was never written: at any offset. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/io.h"
#include "image/sink.h"

/* Read @n bytes at @skip of segment @s; a source that ends inside its last block goes on with zeros. */
static int read_segment(const struct fc_segment *s, uint64_t skip, void *buffer, size_t n, struct fc_error *err)
{
    char name[512];
    ssize_t got;

    switch (s->kind) {
    case FC_SEGMENT_MEMORY:
        memcpy(buffer, (const char *)s->memory + skip, n);
        return 0;
    case FC_SEGMENT_FILE:
        got = fc_pread_full(s->file.fd, buffer, n, s->file.offset + skip);
        if (got < 0)
            return fc_fail_errno(err, (int)-got, "cannot read %s, a source of the image",
                                 fc_fd_path(s->file.fd, name, sizeof(name)));
        if (s->length - skip - (uint64_t)got >= 4096 && (size_t)got < n)
            return fc_fail(err, EIO, "%s, a source of the image, is too short",
                           fc_fd_path(s->file.fd, name, sizeof(name)));
        memset((char *)buffer + got, 0, n - (size_t)got);
        return 0;
    default:
        memset(buffer, 0, n);
        return 0;
    }
}

ssize_t fc_image_read(const struct fc_image *image, void *buffer, size_t size, uint64_t offset, struct fc_error *err)
{
    uint64_t total = fc_image_size(image);
    size_t n_segments, done = 0, i;
    const struct fc_segment *segments = fc_image_segments(image, &n_segments);

    if (offset >= total)
        return 0;
    if (size > total - offset)
        size = (size_t)(total - offset);
    if (size > SSIZE_MAX)
        size = SSIZE_MAX;
    for (i = fc_image_find(image, offset); done < size; i++) {
        uint64_t skip = offset + done - segments[i].offset, left = segments[i].length - skip;
        size_t n = size - done < left ? size - done : (size_t)left;
        int r = read_segment(&segments[i], skip, (char *)buffer + done, n, err);

        if (r < 0)
            return r;
        done += n;
    }
    return (ssize_t)done;
}

uint64_t fc_image_seek(const struct fc_image *image, uint64_t offset, bool hole)
{
    size_t n, i;
    const struct fc_segment *segments = fc_image_segments(image, &n);

    if (offset >= fc_image_size(image))
        return fc_image_size(image);
    for (i = fc_image_find(image, offset); i < n; i++, offset = 0)
        if ((segments[i].kind == FC_SEGMENT_ZERO) == hole)
            return offset > segments[i].offset ? offset : segments[i].offset;
    return fc_image_size(image);
}

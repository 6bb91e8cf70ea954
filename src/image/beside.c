/* SPDX-License-Identifier: Apache-2.0 */
/* Write the small files that stand beside an image. */
#include "image/beside.h"

#include <errno.h>
#include <string.h>

#include <fccompose/image.h>

#include "base/io.h"

int fc_image_put_file(const char *path, const void *data, size_t size, bool sync, struct fc_error *err)
{
    __attribute__((cleanup(fc_atomic_release_auto))) struct fc_atomic a = {.fd = -1};
    int r = fc_atomic_begin(&a, path, err);

    if (r < 0)
        return r;
    r = fc_pwrite_full(a.fd, data, size, 0);
    return r < 0 ? fc_fail_errno(err, -r, "cannot write %s", path) : fc_atomic_commit(&a, sync, err);
}

int fc_image_put_chunks(const char *path, uint64_t size, const struct fc_digest *chunks, uint64_t n, bool sync,
                        struct fc_error *err)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf text = {0};
    int r = fc_buf_addf(&text, "fccompose-chunks 1\nsize %llu\nchunk-size %u\nalgorithm sha256\n",
                        (unsigned long long)size, FC_IMAGE_CHUNK);

    for (uint64_t i = 0; i < n && r == 0; i++) {
        char digest[FC_DIGEST_TEXT];

        fc_digest_format(&chunks[i], digest);
        r = fc_buf_addf(&text, "%s\n", digest + strlen("sha256:"));
    }
    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_image_put_file(path, text.data, text.len, sync, err);
}

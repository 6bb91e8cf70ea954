/* SPDX-License-Identifier: Apache-2.0 */
/* Grow byte buffers and arrays. */
#include "base/buf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define LARGE_PAGE ((uintptr_t)2 << 20)

void *fc_large(void *mem, size_t bytes)
{
    uintptr_t start = ((uintptr_t)mem + LARGE_PAGE - 1) & ~(LARGE_PAGE - 1),
              end = ((uintptr_t)mem + bytes) & ~(LARGE_PAGE - 1);

    if (mem && end >= start + 2 * LARGE_PAGE)
        madvise((void *)start, end - start, MADV_HUGEPAGE); /* a wish: without it all works, too */
    return mem;
}

int fc_grow(void *p, size_t *cap, size_t need, size_t size)
{
    size_t n = *cap ? *cap : 16;
    void *old, *mem;

    if (need <= *cap)
        return 0;
    while (n < need) {
        if (n > SIZE_MAX / 2)
            return -ENOMEM;
        n *= 2;
    }
    memcpy(&old, p, sizeof(old));
    mem = fc_large(reallocarray(old, n, size), n * size);
    if (!mem)
        return -ENOMEM;
    memcpy(p, &mem, sizeof(mem));
    *cap = n;
    return 0;
}

int fc_buf_reserve(struct fc_buf *b, size_t extra)
{
    if (extra > SIZE_MAX - b->len - 1)
        return -ENOMEM;
    return fc_grow(&b->data, &b->cap, b->len + extra + 1, 1);
}

int fc_buf_add(struct fc_buf *b, const void *data, size_t len)
{
    int r = fc_buf_reserve(b, len);

    if (r < 0)
        return r;
    if (len)
        memcpy(b->data + b->len, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return 0;
}

int fc_buf_adds(struct fc_buf *b, const char *s) { return fc_buf_add(b, s, strlen(s)); }

int fc_buf_addf(struct fc_buf *b, const char *fmt, ...)
{
    va_list ap;
    int n, r;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return -EINVAL;
    r = fc_buf_reserve(b, (size_t)n);
    if (r < 0)
        return r;
    va_start(ap, fmt);
    vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}

void fc_buf_clear(struct fc_buf *b)
{
    b->len = 0;
    if (b->data)
        b->data[0] = '\0';
}

void fc_buf_release(struct fc_buf *b)
{
    free(b->data);
    *b = (struct fc_buf){0};
}

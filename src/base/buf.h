/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer that is always NUL-terminated. */
#ifndef FC_BASE_BUF_H
#define FC_BASE_BUF_H

#include <stddef.h>

#include <fccompose/error.h>

/** All zero is an empty buffer. @data is NULL or holds @len bytes and a NUL after them. */
struct fc_buf {
    char *data;
    size_t len, cap;
};

/** Make room for @extra more bytes. Returns 0 or -ENOMEM; on failure the buffer is unchanged. */
int fc_buf_reserve(struct fc_buf *b, size_t extra);
/** Append @len bytes at @data. Returns 0 or -ENOMEM. */
int fc_buf_add(struct fc_buf *b, const void *data, size_t len);
/** Append a NUL-terminated string. Returns 0 or -ENOMEM. */
int fc_buf_adds(struct fc_buf *b, const char *s);
/** Append formatted text. Returns 0 or -ENOMEM. */
int fc_buf_addf(struct fc_buf *b, const char *fmt, ...) FC_PRINTF(2, 3);
/** Forget the content, keep the memory. */
void fc_buf_clear(struct fc_buf *b);
/** Free the memory; the buffer is empty and usable again. */
void fc_buf_release(struct fc_buf *b);

static inline void fc_buf_release_auto(struct fc_buf *b) { fc_buf_release(b); }

/**
 * Grow an array, doubling, until it holds @need elements of @size bytes: @p points to the array pointer, *cap counts.
 *
 * Returns 0, or -ENOMEM with the array as it was. New elements are not cleared.
 */
int fc_grow(void *p, size_t *cap, size_t need, size_t size);

/**
 * Ask for large pages behind the @bytes at @mem, fresh from malloc(3) and its like, when there are so many that it pays:
 * a tree of a million entries is half a gigabyte of tables, which otherwise cost a fault for each 4 KiB. Returns @mem, which
 * may be NULL.
 */
void *fc_large(void *mem, size_t bytes);

#endif

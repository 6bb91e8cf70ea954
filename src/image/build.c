/* SPDX-License-Identifier: Apache-2.0 */
/* Build the sorted segment list of an image, and own its memory. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/map.h"
#include "image/image.h"

#define CHUNK_SIZE (8u << 20)

struct chunk {
    struct chunk *next;
    size_t used, size;
    _Alignas(16) unsigned char data[];
};

struct fc_image {
    uint64_t size;
    struct fc_segment *segments;
    size_t n, cap;
    struct chunk *chunks;
    struct fc_map key_of; /* descriptor to index in keys */
    struct fc_digest *keys;
    size_t n_keys, cap_keys;
};

int fc_image_new(uint64_t size, struct fc_image **ret_image)
{
    struct fc_image *image = calloc(1, sizeof(*image));

    if (!image)
        return -ENOMEM;
    image->size = size;
    *ret_image = image;
    return 0;
}

void fc_image_set_size(struct fc_image *image, uint64_t size) { image->size = size; }

void *fc_image_alloc(struct fc_image *image, size_t size)
{
    struct chunk *c = image->chunks;
    void *p;

    if (size > SIZE_MAX - CHUNK_SIZE)
        return NULL;
    size = (size + 15) & ~(size_t)15;
    if (!c || c->size - c->used < size) {
        size_t want = size > CHUNK_SIZE / 4 ? size : CHUNK_SIZE;

        /* calloc of this much comes from fresh pages, which cost nothing until they are touched. */
        c = fc_large(calloc(1, sizeof(*c) + want), sizeof(*c) + want);
        if (!c)
            return NULL;
        c->size = want;
        if (want == size && image->chunks) { /* a block of its own; the open chunk stays first */
            c->next = image->chunks->next;
            image->chunks->next = c;
        } else {
            c->next = image->chunks;
            image->chunks = c;
        }
    }
    p = c->data + c->used;
    c->used += size;
    return p;
}

void fc_image_free(struct fc_image *image)
{
    if (!image)
        return;
    while (image->chunks) {
        struct chunk *next = image->chunks->next;

        free(image->chunks);
        image->chunks = next;
    }
    fc_map_release(&image->key_of);
    free(image->keys);
    free(image->segments);
    free(image);
}

int fc_image_name_source(struct fc_image *image, int fd, const struct fc_digest *key)
{
    if (fc_grow(&image->keys, &image->cap_keys, image->n_keys + 1, sizeof(*key)) < 0 ||
        fc_map_set(&image->key_of, (uint64_t)fd, image->n_keys) < 0)
        return -ENOMEM;
    image->keys[image->n_keys++] = *key;
    return 0;
}

const struct fc_digest *fc_image_source_key(const struct fc_image *image, int fd)
{
    uint64_t index;

    return fc_map_get(&image->key_of, (uint64_t)fd, &index) ? &image->keys[index] : NULL;
}

/* Does @b go on where @a ends, so that one segment can say both? */
static bool continues(const struct fc_segment *a, const struct fc_segment *b)
{
    if (a->kind != b->kind || a->offset + a->length != b->offset)
        return false;
    if (a->kind == FC_SEGMENT_FILE)
        return a->file.fd == b->file.fd && a->file.offset + a->length == b->file.offset;
    if (a->kind == FC_SEGMENT_MEMORY)
        return (const char *)a->memory + a->length == b->memory;
    return true;
}

static int append(struct fc_image *image, struct fc_segment s)
{
    if (!s.length)
        return 0;
    if (image->n && continues(&image->segments[image->n - 1], &s)) {
        image->segments[image->n - 1].length += s.length;
        return 0;
    }
    if (fc_grow(&image->segments, &image->cap, image->n + 1, sizeof(s)) < 0)
        return -ENOMEM;
    image->segments[image->n++] = s;
    return 0;
}

int fc_image_add_memory(struct fc_image *image, uint64_t offset, const void *memory, uint64_t length)
{
    return append(image,
                  (struct fc_segment){.offset = offset, .length = length, .kind = FC_SEGMENT_MEMORY, .memory = memory});
}

int fc_image_add_file(struct fc_image *image, uint64_t offset, int fd, uint64_t source_offset, uint64_t length)
{
    return append(image, (struct fc_segment){.offset = offset,
                                             .length = length,
                                             .kind = FC_SEGMENT_FILE,
                                             .file = {.fd = fd, .offset = source_offset}});
}

static int by_offset(const void *a, const void *b)
{
    const struct fc_segment *x = a, *y = b;

    return (x->offset > y->offset) - (x->offset < y->offset);
}

static void sort_segments(struct fc_image *image)
{
    for (size_t i = 1; i < image->n; i++) {
        if (image->segments[i - 1].offset > image->segments[i].offset) {
            qsort(image->segments, image->n, sizeof(*image->segments), by_offset);
            return;
        }
    }
}

int fc_image_finish(struct fc_image *image, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_segment *old = NULL;
    size_t n = image->n;
    uint64_t end = 0;

    sort_segments(image);
    old = fc_steal(&image->segments);
    image->n = image->cap = 0;
    for (size_t i = 0; i < n; i++) {
        const struct fc_segment *s = &old[i];

        if (s->offset < end || s->offset > image->size || s->length > image->size - s->offset)
            return fc_fail(err, EINVAL, "image segments overlap or pass the end at byte %llu",
                           (unsigned long long)s->offset);
        if (append(image, (struct fc_segment){.offset = end, .length = s->offset - end, .kind = FC_SEGMENT_ZERO}) < 0 ||
            append(image, *s) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        end = s->offset + s->length;
    }
    if (append(image, (struct fc_segment){.offset = end, .length = image->size - end, .kind = FC_SEGMENT_ZERO}) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return 0;
}

uint64_t fc_image_size(const struct fc_image *image) { return image->size; }

const struct fc_segment *fc_image_segments(const struct fc_image *image, size_t *ret_n)
{
    *ret_n = image->n;
    return image->segments;
}

size_t fc_image_find(const struct fc_image *image, uint64_t offset)
{
    size_t low = 0, high = image->n;

    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;

        if (image->segments[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

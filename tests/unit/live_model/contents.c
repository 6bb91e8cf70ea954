/* SPDX-License-Identifier: Apache-2.0 */
/* The model's file contents: blocks of 4 KiB that are there or not. */
#include "model.h"

static uint64_t down(uint64_t x) { return x / M_BLOCK * M_BLOCK; }
static uint64_t up(uint64_t x) { return (x + M_BLOCK - 1) / M_BLOCK * M_BLOCK; }

/* The first block at or behind @number. */
static size_t position(const struct m_node *n, uint64_t number)
{
    size_t lo = 0, hi = n->n_blocks;

    while (lo < hi) {
        size_t mid = (lo + hi) / 2;

        if (n->blocks[mid].number < number)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

struct m_block *m_block_at(const struct m_node *n, uint64_t number)
{
    size_t i = position(n, number);

    return i < n->n_blocks && n->blocks[i].number == number ? &n->blocks[i] : NULL;
}

static struct m_block *need(struct m_node *n, uint64_t number)
{
    size_t i = position(n, number);

    if (i < n->n_blocks && n->blocks[i].number == number)
        return &n->blocks[i];
    if (n->n_blocks == n->cap_blocks) {
        n->cap_blocks = n->cap_blocks ? n->cap_blocks * 2 : 8;
        n->blocks = realloc(n->blocks, n->cap_blocks * sizeof(*n->blocks));
    }
    memmove(&n->blocks[i + 1], &n->blocks[i], (n->n_blocks - i) * sizeof(*n->blocks));
    n->blocks[i] = (struct m_block){.number = number};
    n->n_blocks++;
    return &n->blocks[i];
}

void m_write(struct m_node *n, uint64_t offset, const void *data, size_t size)
{
    const unsigned char *p = data;
    uint64_t end = offset + size;

    if (end > n->size)
        n->size = end;
    while (offset < end) {
        uint64_t stop = down(offset) + M_BLOCK < end ? down(offset) + M_BLOCK : end;
        struct m_block *b = need(n, offset / M_BLOCK);

        if (!b->data)
            b->data = calloc(1, M_BLOCK);
        memcpy(b->data + offset % M_BLOCK, p, (size_t)(stop - offset));
        b->own = true;
        p += stop - offset;
        offset = stop;
    }
}

void m_read(const struct m_node *n, uint64_t offset, void *data, size_t size)
{
    unsigned char *p = data;
    uint64_t end = offset + size;

    while (offset < end) {
        uint64_t stop = down(offset) + M_BLOCK < end ? down(offset) + M_BLOCK : end;
        const struct m_block *b = m_block_at(n, offset / M_BLOCK);

        if (b && b->data)
            memcpy(p, b->data + offset % M_BLOCK, (size_t)(stop - offset));
        else
            memset(p, 0, (size_t)(stop - offset));
        p += stop - offset;
        offset = stop;
    }
}

/* Zeros within one block, if it is there: then it is the workspace's own. */
static void zero_in_block(struct m_node *n, uint64_t from, uint64_t to)
{
    struct m_block *b = from < to ? m_block_at(n, from / M_BLOCK) : NULL;

    if (!b)
        return;
    b->own = true;
    if (b->data)
        memset(b->data + from % M_BLOCK, 0, (size_t)(to - from));
}

static void cut(struct m_node *n, uint64_t from_block, uint64_t to_block)
{
    size_t i = position(n, from_block), k = position(n, to_block);

    for (size_t j = i; j < k; j++)
        free(n->blocks[j].data);
    if (k > i)
        memmove(&n->blocks[i], &n->blocks[k], (n->n_blocks - k) * sizeof(*n->blocks));
    n->n_blocks -= k - i;
}

void m_truncate(struct m_node *n, uint64_t size)
{
    if (size < n->size) {
        zero_in_block(n, size, up(size));
        cut(n, up(size) / M_BLOCK, UINT64_MAX);
    }
    n->size = size;
}

void m_punch(struct m_node *n, uint64_t from, uint64_t to)
{
    if (up(from) > down(to)) {
        zero_in_block(n, from, to);
        return;
    }
    zero_in_block(n, from, up(from));
    zero_in_block(n, down(to), to);
    cut(n, up(from) / M_BLOCK, to / M_BLOCK);
}

void m_preallocate(struct m_node *n, uint64_t from, uint64_t to)
{
    for (uint64_t b = from / M_BLOCK; b < up(to) / M_BLOCK; b++)
        if (!m_block_at(n, b))
            need(n, b)->own = true;
}

bool m_run(const struct m_node *n, uint64_t offset, uint64_t *ret_end)
{
    uint64_t b = offset / M_BLOCK;
    size_t i = position(n, b);
    bool there = i < n->n_blocks && n->blocks[i].number == b;

    if (there)
        for (; i < n->n_blocks && n->blocks[i].number == b; i++)
            b++;
    else
        b = i < n->n_blocks ? n->blocks[i].number : UINT64_MAX / M_BLOCK;
    *ret_end = b * M_BLOCK < n->size ? b * M_BLOCK : n->size;
    return there;
}

void m_blocks_copy(struct m_node *to, const struct m_node *from)
{
    to->blocks = NULL;
    to->n_blocks = to->cap_blocks = from->n_blocks;
    if (!from->n_blocks)
        return;
    to->blocks = calloc(from->n_blocks, sizeof(*to->blocks));
    for (size_t i = 0; i < from->n_blocks; i++) {
        to->blocks[i] = from->blocks[i];
        if (from->blocks[i].data) {
            to->blocks[i].data = malloc(M_BLOCK);
            memcpy(to->blocks[i].data, from->blocks[i].data, M_BLOCK);
        }
    }
}

void m_blocks_free(struct m_node *n)
{
    for (size_t i = 0; i < n->n_blocks; i++)
        free(n->blocks[i].data);
    free(n->blocks);
    n->blocks = NULL;
    n->n_blocks = n->cap_blocks = 0;
}

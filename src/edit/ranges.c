/* SPDX-License-Identifier: Apache-2.0 */
/* A set of byte ranges as a treap whose nodes know the longest range below them. */
#include "edit/ranges.h"

#include <errno.h>
#include <stdlib.h>

struct fc_ranges_node {
    uint64_t offset, length;
    uint64_t longest; /* of this node and all below */
    uint64_t priority;
    struct fc_ranges_node *left, *right;
};

typedef struct fc_ranges_node node;

static uint64_t node_end(const node *n) { return n->offset + n->length; }

static void node_update(node *n)
{
    n->longest = n->length;
    if (n->left && n->left->longest > n->longest)
        n->longest = n->left->longest;
    if (n->right && n->right->longest > n->longest)
        n->longest = n->right->longest;
}

/* Nodes that begin before @at go left, the others right. */
static void split(node *n, uint64_t at, node **ret_left, node **ret_right)
{
    if (!n) {
        *ret_left = *ret_right = NULL;
        return;
    }
    if (n->offset < at) {
        split(n->right, at, &n->right, ret_right);
        *ret_left = n;
    } else {
        split(n->left, at, ret_left, &n->left);
        *ret_right = n;
    }
    node_update(n);
}

static node *merge(node *a, node *b)
{
    if (!a)
        return b;
    if (!b)
        return a;
    if (a->priority > b->priority) {
        a->right = merge(a->right, b);
        node_update(a);
        return a;
    }
    b->left = merge(a, b->left);
    node_update(b);
    return b;
}

static node *pop_first(node **root)
{
    node *n = *root, *first;

    if (!n)
        return NULL;
    if (!n->left) {
        *root = n->right;
        n->right = NULL;
        return n;
    }
    first = pop_first(&n->left);
    node_update(n);
    return first;
}

static node *pop_last(node **root)
{
    node *n = *root, *last;

    if (!n)
        return NULL;
    if (!n->right) {
        *root = n->left;
        n->left = NULL;
        return n;
    }
    last = pop_last(&n->right);
    node_update(n);
    return last;
}

static const node *first_of(const node *n)
{
    while (n && n->left)
        n = n->left;
    return n;
}

static const node *last_of(const node *n)
{
    while (n && n->right)
        n = n->right;
    return n;
}

static node *node_new(struct fc_ranges *r)
{
    node *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    /* splitmix64: balanced in expectation, and the same on every run */
    r->seed += 0x9e3779b97f4a7c15u;
    n->priority = r->seed;
    n->priority = (n->priority ^ (n->priority >> 30)) * 0xbf58476d1ce4e5b9u;
    n->priority = (n->priority ^ (n->priority >> 27)) * 0x94d049bb133111ebu;
    n->priority ^= n->priority >> 31;
    return n;
}

/* Set a node that is in no tree to a range of its own. */
static node *node_set(struct fc_ranges *r, node *n, uint64_t offset, uint64_t end)
{
    n->offset = offset;
    n->length = end - offset;
    n->left = n->right = NULL;
    node_update(n);
    r->n++;
    r->bytes += n->length;
    return n;
}

/* The node was taken out of its tree; forget its range. */
static void node_unset(struct fc_ranges *r, const node *n)
{
    r->n--;
    r->bytes -= n->length;
}

int fc_ranges_add(struct fc_ranges *r, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length;
    node *a, *b, *n, *taken;

    if (!length)
        return 0;
    n = node_new(r);
    if (!n)
        return -ENOMEM;
    split(r->root, offset, &a, &b);
    if (a && node_end(last_of(a)) >= offset) {
        taken = pop_last(&a);
        node_unset(r, taken);
        offset = taken->offset;
        if (node_end(taken) > end)
            end = node_end(taken);
        free(taken);
    }
    while (b && first_of(b)->offset <= end) {
        taken = pop_first(&b);
        node_unset(r, taken);
        if (node_end(taken) > end)
            end = node_end(taken);
        free(taken);
    }
    r->root = merge(merge(a, node_set(r, n, offset, end)), b);
    return 0;
}

int fc_ranges_remove(struct fc_ranges *r, uint64_t offset, uint64_t length)
{
    uint64_t end = offset + length, last_end = 0;
    node *a, *b, *n, *rest = NULL;

    if (!length || !r->root)
        return 0;
    rest = node_new(r);
    if (!rest)
        return -ENOMEM;
    split(r->root, offset, &a, &b);
    if (a && node_end(last_of(a)) > offset) {
        n = pop_last(&a);
        node_unset(r, n);
        last_end = node_end(n);
        a = merge(a, node_set(r, n, n->offset, offset));
    }
    while (b && first_of(b)->offset < end) {
        n = pop_first(&b);
        node_unset(r, n);
        last_end = node_end(n);
        free(n);
    }
    if (last_end > end)
        b = merge(node_set(r, rest, end, last_end), b);
    else
        free(rest);
    r->root = merge(a, b);
    return 0;
}

/* The last node that begins at or before @at. */
static const node *node_before(const struct fc_ranges *r, uint64_t at)
{
    const node *n = r->root, *found = NULL;

    while (n) {
        if (n->offset <= at) {
            found = n;
            n = n->right;
        } else {
            n = n->left;
        }
    }
    return found;
}

/* The lowest node from @from on that is at least @length long. */
static const node *node_fit(const node *n, uint64_t from, uint64_t length)
{
    const node *found;

    if (!n || n->longest < length)
        return NULL;
    if (n->offset < from)
        return node_fit(n->right, from, length);
    found = node_fit(n->left, from, length);
    if (found)
        return found;
    return n->length >= length ? n : node_fit(n->right, from, length);
}

bool fc_ranges_fit(const struct fc_ranges *r, uint64_t from, uint64_t length, uint64_t *ret_offset)
{
    const node *n = node_before(r, from);

    if (n && node_end(n) > from && node_end(n) - from >= length) {
        *ret_offset = from;
        return true;
    }
    n = node_fit(r->root, from, length);
    if (!n)
        return false;
    *ret_offset = n->offset;
    return true;
}

bool fc_ranges_covers(const struct fc_ranges *r, uint64_t offset, uint64_t length)
{
    const node *n = node_before(r, offset);

    return n && node_end(n) >= offset && node_end(n) - offset >= length;
}

bool fc_ranges_next(const struct fc_ranges *r, uint64_t from, struct fc_range *ret)
{
    const node *n = r->root, *found = NULL;

    while (n) {
        if (node_end(n) > from) {
            found = n;
            n = n->left;
        } else {
            n = n->right;
        }
    }
    if (found)
        *ret = (struct fc_range){found->offset, found->length};
    return found;
}

bool fc_ranges_last(const struct fc_ranges *r, struct fc_range *ret)
{
    const node *n = last_of(r->root);

    if (n)
        *ret = (struct fc_range){n->offset, n->length};
    return n;
}

static void free_below(node *n)
{
    if (!n)
        return;
    free_below(n->left);
    free_below(n->right);
    free(n);
}

void fc_ranges_release(struct fc_ranges *r)
{
    free_below(r->root);
    *r = (struct fc_ranges){.seed = r->seed};
}

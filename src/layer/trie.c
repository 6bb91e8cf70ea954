/* SPDX-License-Identifier: Apache-2.0 */
/* Keep the paths of a layer under construction as a trie with a hash table over (parent, name). */
#include "layer/trie.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/map.h"

int fc_strings_add(struct fc_buf *strings, const void *data, size_t len, uint32_t *ret_offset)
{
    size_t offset = strings->len;
    int r;

    if (len >= UINT32_MAX || offset >= UINT32_MAX - 1 - len)
        return -EOVERFLOW;
    r = fc_buf_reserve(strings, len + 1);
    if (r < 0)
        return r;
    fc_buf_add(strings, data, len);
    fc_buf_add(strings, "", 1);
    *ret_offset = (uint32_t)offset;
    return 0;
}

static uint32_t hash_of(uint32_t parent, const char *name, size_t len) { return (uint32_t)fc_hash(parent, name, len); }

static void put_slot(struct fc_trie *t, uint32_t node)
{
    size_t i = t->nodes[node].hash & (t->n_slots - 1);

    while (t->slots[i])
        i = (i + 1) & (t->n_slots - 1);
    t->slots[i] = node + 1;
    t->n_used++;
}

/* Make the table larger, leaving out what is dead. */
static int grow_slots(struct fc_trie *t)
{
    size_t n = t->n_slots ? t->n_slots : 256;
    uint32_t *slots;

    while (n < 2 * (t->n + 1))
        n *= 2;
    slots = calloc(n, sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    free(t->slots);
    t->slots = slots;
    t->n_slots = n;
    t->n_used = 0;
    for (size_t i = 1; i < t->n; i++)
        if (!(t->nodes[i].flags & FC_TRIE_DEAD))
            put_slot(t, (uint32_t)i);
    return 0;
}

int fc_trie_init(struct fc_trie *t)
{
    int r = fc_grow(&t->nodes, &t->cap, 1, sizeof(*t->nodes));

    if (r < 0)
        return r;
    t->nodes[0] = (struct fc_trie_node){
        .inode = FC_LAYER_NONE, .link = FC_LAYER_NONE, .first_child = FC_LAYER_NONE, .next_sibling = FC_LAYER_NONE};
    t->n = 1;
    return grow_slots(t);
}

void fc_trie_release(struct fc_trie *t)
{
    free(t->nodes);
    free(t->slots);
    *t = (struct fc_trie){0};
}

uint32_t fc_trie_child(const struct fc_trie *t, const struct fc_buf *strings, uint32_t parent, const char *name,
                       size_t len)
{
    uint32_t hash = hash_of(parent, name, len);

    for (size_t i = hash & (t->n_slots - 1); t->slots[i]; i = (i + 1) & (t->n_slots - 1)) {
        const struct fc_trie_node *n = &t->nodes[t->slots[i] - 1];

        if (n->hash == hash && n->parent == parent && n->name_len == len && !(n->flags & FC_TRIE_DEAD) &&
            memcmp(strings->data + n->name, name, len) == 0)
            return t->slots[i] - 1;
    }
    return FC_LAYER_NONE;
}

uint32_t fc_trie_find(const struct fc_trie *t, const struct fc_buf *strings, const char *path)
{
    uint32_t node = 0;

    while (*path && node != FC_LAYER_NONE) {
        size_t len = strcspn(path, "/");

        node = fc_trie_child(t, strings, node, path, len);
        path += len;
        path += *path == '/';
    }
    return node;
}

int fc_trie_add(struct fc_trie *t, struct fc_buf *strings, uint32_t parent, const char *name, size_t len,
                uint32_t *ret_node)
{
    struct fc_trie_node *n;
    uint32_t offset;
    int r;

    if (t->n >= FC_LAYER_NONE - 1)
        return -EOVERFLOW;
    r = fc_grow(&t->nodes, &t->cap, t->n + 1, sizeof(*t->nodes));
    if (r == 0 && (t->n_used + 1) * 4 > t->n_slots * 3)
        r = grow_slots(t);
    if (r == 0)
        r = fc_strings_add(strings, name, len, &offset);
    if (r < 0)
        return r;
    n = &t->nodes[t->n];
    *n = (struct fc_trie_node){.parent = parent,
                               .inode = FC_LAYER_NONE,
                               .name = offset,
                               .link = FC_LAYER_NONE,
                               .first_child = FC_LAYER_NONE,
                               .next_sibling = t->nodes[parent].first_child,
                               .hash = hash_of(parent, name, len),
                               .name_len = (uint16_t)len};
    t->nodes[parent].first_child = (uint32_t)t->n;
    put_slot(t, (uint32_t)t->n);
    *ret_node = (uint32_t)t->n++;
    return 0;
}

void fc_trie_drop_children(struct fc_trie *t, uint32_t node)
{
    uint32_t at = t->nodes[node].first_child;

    /* Down first, then sideways, then up: no stack, whatever the depth. */
    while (at != FC_LAYER_NONE) {
        struct fc_trie_node *n = &t->nodes[at];

        n->flags |= FC_TRIE_DEAD;
        if (n->first_child != FC_LAYER_NONE) {
            at = n->first_child;
            continue;
        }
        while (at != node && t->nodes[at].next_sibling == FC_LAYER_NONE)
            at = t->nodes[at].parent;
        at = at == node ? FC_LAYER_NONE : t->nodes[at].next_sibling;
    }
    t->nodes[node].first_child = FC_LAYER_NONE;
}

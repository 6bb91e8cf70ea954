/* SPDX-License-Identifier: Apache-2.0 */
/* The values of a recipe's files as one tree: aliases written out, includes merged. */
#include <string.h>

#include "compose/reader.h"

/* Of one map: they are looked up one after the other. */
enum { KEYS_MAX = 2000 };

static void *alloc(struct reader *r, size_t size)
{
    void *p = fc_arena_alloc(&r->arena, size);

    if (p)
        memset(p, 0, size);
    else
        r->oom = true;
    return p;
}

bool node_is_null(const struct node *n)
{
    return n->kind == FC_YAML_TEXT && n->plain &&
           (!*n->text || strcmp(n->text, "~") == 0 || strcmp(n->text, "null") == 0);
}

bool node_is_cleared(const struct node *n)
{
    return n->reset && (node_is_null(n) || (n->kind != FC_YAML_TEXT && !n->n));
}

struct node *node_get(const struct node *n, const char *key)
{
    if (!n || n->kind != FC_YAML_MAP)
        return NULL;
    for (size_t i = 0; i < n->n; i++) {
        if (strcmp(n->keys[i]->text, key) == 0)
            return node_is_cleared(n->items[i]) ? NULL : n->items[i];
    }
    return NULL;
}

static struct node *convert(struct reader *r, struct fc_yaml *y, int from, const struct source *source)
{
    struct node *n = alloc(r, sizeof(*n));
    const char *text;

    if (!n)
        return NULL;
    *n = (struct node){.kind = fc_yaml_kind(y, from),
                       .plain = fc_yaml_is_plain(y, from),
                       .reset = fc_yaml_is_reset(y, from),
                       .line = fc_yaml_line(y, from),
                       .column = fc_yaml_column(y, from),
                       .source = source,
                       .n = fc_yaml_count(y, from)};
    if (n->kind == FC_YAML_MAP && n->n > KEYS_MAX)
        reader_problem(r, n, "more than %d keys", KEYS_MAX);
    text = fc_yaml_bytes(y, from, &n->size);
    n->text = text ? reader_copy(r, text, n->size) : NULL;
    n->items = alloc(r, (n->n + 1) * sizeof(*n->items));
    n->keys = n->kind == FC_YAML_MAP ? alloc(r, (n->n + 1) * sizeof(*n->keys)) : NULL;
    for (size_t i = 0; i < n->n && !r->oom; i++) {
        n->items[i] = convert(r, y, fc_yaml_item(y, from, i, NULL), source);
        if (n->keys)
            n->keys[i] = convert(r, y, fc_yaml_key(y, from, i), source);
    }
    return r->oom ? NULL : n;
}

struct node *node_of_yaml(struct reader *r, struct fc_yaml *y, const struct source *source)
{
    int root = fc_yaml_root(y);

    return root ? convert(r, y, root, source) : NULL;
}

static struct node *merge_lists(struct reader *r, const struct node *under, struct node *over)
{
    struct node **items = alloc(r, (under->n + over->n + 1) * sizeof(*items));

    if (!items)
        return NULL;
    memcpy(items, under->items, under->n * sizeof(*items));
    memcpy(items + under->n, over->items, over->n * sizeof(*items));
    over->items = items;
    over->n += under->n;
    return over;
}

/* The place of @key among the first @n of @map, or @n. */
static size_t find(const struct node *map, size_t n, const char *key)
{
    size_t i = 0;

    while (i < n && strcmp(map->keys[i]->text, key) != 0)
        i++;
    return i;
}

/* Keys of @under come first, in its order; so lists of maps and args read naturally. */
static struct node *merge_maps(struct reader *r, const struct node *under, struct node *over)
{
    struct node *all = alloc(r, sizeof(*all));
    size_t max = under->n + over->n + 1;

    if (!all)
        return NULL;
    *all = *over;
    all->keys = alloc(r, max * sizeof(*all->keys));
    all->items = alloc(r, max * sizeof(*all->items));
    if (r->oom)
        return NULL;
    memcpy(all->keys, under->keys, under->n * sizeof(*all->keys));
    memcpy(all->items, under->items, under->n * sizeof(*all->items));
    all->n = under->n;
    for (size_t i = 0; i < over->n; i++) {
        size_t at = find(all, under->n, over->keys[i]->text);

        all->items[at < under->n ? at : all->n] =
            at < under->n ? node_merge(r, all->items[at], over->items[i]) : over->items[i];
        all->keys[at < under->n ? at : all->n] = over->keys[i];
        all->n += at == under->n;
    }
    return all;
}

struct node *node_merge(struct reader *r, struct node *under, struct node *over)
{
    if (!under || !over)
        return over ? over : under;
    if (over->reset)
        return over;
    if (node_is_null(over))
        return under;
    if (under->kind == FC_YAML_LIST && over->kind == FC_YAML_LIST)
        return merge_lists(r, under, over);
    if (under->kind == FC_YAML_MAP && over->kind == FC_YAML_MAP)
        return merge_maps(r, under, over);
    return over;
}

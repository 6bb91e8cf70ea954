/* SPDX-License-Identifier: Apache-2.0 */
/* Globs in the tree: a component at a time; a name that begins with a dot needs a pattern that does. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "compose/apply.h"
#include "live/verb.h"

/* The names of one directory that match. */
struct listing {
    struct fc_recipe_list *into;
    const char *dir, *pattern;
};

static int put(struct fc_recipe_list *list, char *path)
{
    char **more = path ? realloc(list->items, (list->n + 2) * sizeof(*more)) : NULL;

    if (!more) {
        free(path);
        return -ENOMEM;
    }
    list->items = more;
    more[list->n++] = path;
    more[list->n] = NULL;
    return 0;
}

static int put_joined(struct fc_recipe_list *list, const char *dir, const char *name, size_t len)
{
    char *path;

    if (asprintf(&path, "%s/%.*s", dir, (int)len, name) < 0)
        path = NULL;
    return put(list, path);
}

static int take_name(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    const struct listing *l = arg;
    char text[FC_NAME_MAX + 1];

    (void)next, (void)attr;
    memcpy(text, name, len);
    text[len] = '\0';
    if (strcmp(text, ".") == 0 || strcmp(text, "..") == 0 || fnmatch(l->pattern, text, FNM_PERIOD) != 0)
        return 0;
    return put_joined(l->into, l->dir, name, len);
}

/* Go from the paths of @from to those below them that the component @pattern stands for. */
static int step(struct fc_live *live, const struct fc_recipe_list *from, const char *pattern, struct fc_recipe_list *to)
{
    bool plain = !strpbrk(pattern, "*?[");
    struct fc_attr attr;
    int r = 0;

    for (size_t i = 0; i < from->n && r == 0; i++) {
        struct listing l = {to, from->items[i], pattern};
        const char *dir = *from->items[i] ? from->items[i] : "/";

        if (plain)
            r = put_joined(to, from->items[i], pattern, strlen(pattern));
        else if (fc_live_resolve(live, dir, true, &attr, NULL) == 0 && S_ISDIR(attr.mode))
            r = fc_live_readdir(live, attr.ino, 0, false, take_name, &l);
    }
    return r;
}

static int by_bytes(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* What a plain component was put behind need not exist. */
static void drop_missing(struct fc_live *live, struct fc_recipe_list *list)
{
    struct fc_attr attr;
    size_t n = 0;

    for (size_t i = 0; i < list->n; i++) {
        if (fc_live_resolve(live, list->items[i], false, &attr, NULL) == 0)
            list->items[n++] = list->items[i];
        else
            free(list->items[i]);
    }
    list->n = n;
}

int fc_tree_glob(struct fc_live *live, const char *pattern, struct fc_recipe_list *ret, struct fc_error *err)
{
    struct fc_recipe_list at __attribute__((cleanup(fc_tree_glob_release_auto))) = {0};
    fc_auto(fc_free) char *copy = strdup(pattern);
    char *rest = copy, *part;
    int r = copy ? put(&at, strdup("")) : -ENOMEM;

    while (r == 0 && (part = strsep(&rest, "/")) != NULL) {
        struct fc_recipe_list next = {0};

        if (!*part)
            continue;
        r = step(live, &at, part, &next);
        fc_tree_glob_release(&at);
        at = next;
    }
    if (r < 0)
        return fc_fail_errno(err, -r, "\"%s\"", pattern);
    drop_missing(live, &at);
    if (at.n)
        qsort(at.items, at.n, sizeof(*at.items), by_bytes);
    *ret = at;
    at = (struct fc_recipe_list){0};
    return 0;
}

void fc_tree_glob_release(struct fc_recipe_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct fc_recipe_list){0};
}

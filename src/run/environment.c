/* SPDX-License-Identifier: Apache-2.0 */
/* The environment of a command: little by itself, nothing of the caller's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/internal.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/** A list that grows. */
struct list {
    char **items;
    size_t n, cap;
    bool failed;
};

/* Put "K=V" in; a K that is there is replaced. */
static void put(struct list *l, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    char *copy = strdup(entry);

    if (!copy || fc_grow(&l->items, &l->cap, l->n + 2, sizeof(*l->items)) < 0) {
        free(copy);
        l->failed = true;
        return;
    }
    for (size_t i = 0; i < l->n; i++)
        if (strncmp(l->items[i], copy, name) == 0) {
            free(l->items[i]);
            l->items[i] = copy;
            return;
        }
    l->items[l->n++] = copy;
    l->items[l->n] = NULL;
}

char **run_environment(const struct run *r, const char *home)
{
    const char *term = getenv("TERM");
    struct list l = {0};
    char text[300];

    put(&l, DEFAULT_PATH);
    snprintf(text, sizeof(text), "HOME=%s", home);
    put(&l, text);
    if (r->ids.single)
        put(&l, "APT_CONFIG=" RUN_APT_CONF);
    if (r->slave_fd >= 0) {
        snprintf(text, sizeof(text), "TERM=%s", term && *term ? term : "xterm");
        put(&l, text);
    }
    for (size_t i = 0; r->o->env && r->o->env[i]; i++)
        put(&l, r->o->env[i]);
    if (!l.failed)
        return l.items;
    for (size_t i = 0; i < l.n; i++)
        free(l.items[i]);
    free(l.items);
    return NULL;
}

const char *run_environment_get(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], name, len) == 0 && env[i][len] == '=')
            return env[i] + len + 1;
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Locks in memory. */
#include "lock/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fc_lock_entry_release(struct fc_lock_entry *e)
{
    free(e->locator);
    free(e->resolved);
    free(e->url);
    free(e->index);
    free(e->manifest);
    free(e->config);
    free(e->platform);
    free(e->layers);
    *e = (struct fc_lock_entry){0};
}

static void kernel_release(struct fc_lock_kernel *k)
{
    free(k->locator);
    free(k->origin);
    free(k->digest);
}

void fc_lock_release(struct fc_lock *l)
{
    for (size_t i = 0; i < l->n_kernels; i++)
        kernel_release(&l->kernels[i]);
    free(l->kernels);
    for (size_t i = 0; i < l->n; i++)
        fc_lock_entry_release(&l->entries[i]);
    free(l->entries);
    *l = (struct fc_lock){0};
}

const struct fc_lock_entry *fc_lock_find(const struct fc_lock *l, const char *locator)
{
    for (size_t i = 0; i < l->n; i++)
        if (strcmp(l->entries[i].locator, locator) == 0)
            return &l->entries[i];
    return NULL;
}

int fc_lock_add(struct fc_lock *l, struct fc_lock_entry *e)
{
    if (fc_grow(&l->entries, &l->cap, l->n + 1, sizeof(*l->entries)) < 0)
        return -ENOMEM;
    l->entries[l->n++] = *e;
    *e = (struct fc_lock_entry){0};
    return 0;
}

const struct fc_lock_kernel *fc_lock_find_kernel(const struct fc_lock *l, const char *locator)
{
    for (size_t i = 0; i < l->n_kernels; i++)
        if (strcmp(l->kernels[i].locator, locator) == 0)
            return &l->kernels[i];
    return NULL;
}

int fc_lock_set_kernel(struct fc_lock *l, const char *locator, const char *origin, const char *digest)
{
    struct fc_lock_kernel k = {strdup(locator), strdup(origin), strdup(digest)};
    size_t at = 0;

    while (at < l->n_kernels && strcmp(l->kernels[at].locator, locator) != 0)
        at++;
    if (!k.locator || !k.origin || !k.digest ||
        fc_grow(&l->kernels, &l->kernels_cap, l->n_kernels + 1, sizeof(*l->kernels)) < 0) {
        kernel_release(&k);
        return -ENOMEM;
    }
    if (at == l->n_kernels)
        l->n_kernels++;
    else
        kernel_release(&l->kernels[at]);
    l->kernels[at] = k;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The conditions under which a layer or step counts. */
#include <string.h>

#include <jansson.h>

#include "compose/schema.h"

struct conditions {
    struct fc_recipe_list arch, profile;
};

static const struct field fields[] = {
    {"arch", "one of these architectures is built for", &kind_list, AT(struct conditions, arch), &scalar_arch, 0, 0,
     NULL},
    {"profile", "one of these is the profile that was asked for (--profile)", &kind_list,
     AT(struct conditions, profile), &scalar_id, 0, 0, NULL},
    {0},
};

const struct shape shape_when = {"when", "Conditions, all of which must hold", fields, NULL, NULL};

static bool holds(const struct node *n, const char *key, const struct fc_recipe_list *list, const char *is)
{
    if (!node_get(n, key))
        return true;
    for (size_t i = 0; is && i < list->n; i++) {
        if (strcmp(list->items[i], is) == 0)
            return true;
    }
    return false;
}

static void read_when(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct conditions c = {0};

    (void)f;
    (void)into;
    shape_read(r, n, &shape_when, &c);
    r->applies = holds(n, "arch", &c.arch, r->recipe->arch) && holds(n, "profile", &c.profile, r->options->profile);
    list_release(&c.arch);
    list_release(&c.profile);
}

static json_t *schema_when(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_shape(&shape_when, defs);
}

const struct kind kind_when = {read_when, schema_when};

/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of strings that a recipe owns. */
#include <string.h>

#include "compose/reader.h"

void list_add(struct reader *r, struct fc_recipe_list *list, const char *text)
{
    char **items = realloc(list->items, (list->n + 2) * sizeof(*items));

    if (!items) {
        r->oom = true;
        return;
    }
    list->items = items;
    items[list->n] = strdup(text);
    r->oom |= !items[list->n];
    list->n += items[list->n] != NULL;
    items[list->n] = NULL;
}

void list_release(struct fc_recipe_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct fc_recipe_list){0};
}

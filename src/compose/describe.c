/* SPDX-License-Identifier: Apache-2.0 */
/* A step in a few words, for progress, plans and the names of layers. */
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "compose/build.h"

static const char *const verbs[] = {
    [FC_STEP_RUN] = "run",     [FC_STEP_COPY] = "copy",   [FC_STEP_WRITE] = "write", [FC_STEP_MKDIR] = "mkdir",
    [FC_STEP_MV] = "mv",       [FC_STEP_LN] = "ln",       [FC_STEP_MKNOD] = "mknod", [FC_STEP_SYMLINK] = "symlink",
    [FC_STEP_CHMOD] = "chmod", [FC_STEP_CHOWN] = "chown", [FC_STEP_XATTR] = "xattr", [FC_STEP_RM] = "rm",
    [FC_STEP_GUEST] = "guest",
};

/* A path of the host as the recipe may have named it. */
static const char *shorten(const struct fc_recipe *recipe, const char *path)
{
    size_t len = recipe->dir ? strlen(recipe->dir) : 0;

    return len && strncmp(path, recipe->dir, len) == 0 && path[len] == '/' ? path + len + 1 : path;
}

static int add_list(struct fc_buf *b, const struct fc_recipe *recipe, const struct fc_recipe_list *list)
{
    int r = 0;

    for (size_t i = 0; i < list->n && i < 3 && r == 0; i++)
        r = fc_buf_addf(b, " %s", recipe ? shorten(recipe, list->items[i]) : list->items[i]);
    return r == 0 && list->n > 3 ? fc_buf_adds(b, " ...") : r;
}

static int describe(struct fc_buf *b, const struct fc_recipe *recipe, const struct fc_recipe_step *s)
{
    int r = fc_buf_adds(b, verbs[s->verb]);

    if (r < 0)
        return r;
    switch (s->verb) {
    case FC_STEP_RUN:
        return s->argv.n ? add_list(b, NULL, &s->argv) : fc_buf_addf(b, " %.*s", (int)strcspn(s->text, "\n"), s->text);
    case FC_STEP_COPY:
        r = add_list(b, recipe, &s->from);
        return r < 0 ? r : fc_buf_addf(b, " to %s", s->path.items[0]);
    case FC_STEP_MV:
        r = add_list(b, NULL, &s->path);
        return r < 0 ? r : fc_buf_addf(b, " to %s", s->to);
    case FC_STEP_CHMOD:
        r = fc_buf_addf(b, " %s", s->mode);
        return r < 0 ? r : add_list(b, NULL, &s->path);
    case FC_STEP_CHOWN:
        r = fc_buf_addf(b, " %s", s->owner);
        return r < 0 ? r : add_list(b, NULL, &s->path);
    default:
        return add_list(b, NULL, &s->path);
    }
}

char *fc_recipe_build_describe(const struct fc_recipe *recipe, const struct fc_recipe_step *step, char *out,
                               size_t size)
{
    struct fc_buf b __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (describe(&b, recipe, step) < 0)
        return fc_name_show(out, size, verbs[step->verb], strlen(verbs[step->verb]));
    return fc_name_show(out, size, b.data, b.len);
}

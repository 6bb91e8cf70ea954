/* SPDX-License-Identifier: Apache-2.0 */
/* What an image was built from, as a rule for make: as compilers write it with -MMD -MP. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "cli/build.h"
#include "compose/sources.h"
#include "stack/stack.h"

/* The two parts of the file. */
struct rule {
    struct fc_buf line, phony;
};

/* A name as make reads it. */
static int add_name(struct fc_buf *b, const char *name)
{
    int r = 0;

    for (; *name && r == 0; name++) {
        if (*name == ' ' || *name == '#' || *name == ':' || *name == '%')
            r = fc_buf_add(b, "\\", 1);
        else if (*name == '$')
            r = fc_buf_add(b, "$", 1);
        if (r == 0)
            r = fc_buf_add(b, name, 1);
    }
    return r;
}

static int add(void *arg, const char *path)
{
    struct rule *rule = arg;
    int r = strchr(path, '\n') ? 1 : 0; /* make has no word for it */

    if (r)
        return 0;
    r = fc_buf_adds(&rule->line, " \\\n ");
    if (r == 0)
        r = add_name(&rule->line, path);
    if (r == 0)
        r = add_name(&rule->phony, path);
    return r == 0 ? fc_buf_adds(&rule->phony, ":\n") : r;
}

static int add_layer(struct rule *rule, const char *locator, struct fc_error *err)
{
    struct fc_sources s __attribute__((cleanup(fc_sources_release_auto))) = {0};
    struct fc_recipe_list from = {0};
    struct fc_locator l;
    char *path[2] = {NULL, NULL};

    if (fc_locator_parse(locator, &l, NULL) < 0 || !fc_locator_has_path(&l))
        return 0;
    if (l.kind == FC_LOCATOR_FILE)
        return add(rule, l.rest);
    if (l.kind != FC_LOCATOR_DIR)
        return 0;
    path[0] = strdup(l.rest);
    from = (struct fc_recipe_list){path, 1};
    if (!path[0])
        return -ENOMEM;
    if (fc_sources_expand(&from, &s, err) == 0)
        (void)fc_sources_each(&s, add, rule, err);
    free(path[0]);
    return 0;
}

int build_depfile(const struct build_job *job, struct fc_error *err)
{
    const struct fc_recipe *recipe = job->recipe;
    struct rule rule = {0};
    /* The target as it was asked for, as compilers have it: make compares texts. */
    const char *out = cli_value(job->args, 'o');
    const char *target = out && !strstr(out, "{arch}") ? out : job->image ? job->image : recipe->file;
    int r = add_name(&rule.line, target);

    if (r == 0)
        r = fc_buf_adds(&rule.line, ":");
    if (r == 0)
        r = add(&rule, recipe->file);
    for (size_t i = 0; i < recipe->included.n && r == 0; i++)
        r = add(&rule, recipe->included.items[i]);
    for (size_t i = 0; i < recipe->n_layers && r == 0; i++)
        r = add_layer(&rule, recipe->layers[i].locator, err);
    if (r == 0)
        r = fc_recipe_build_inputs(recipe, add, &rule, err);
    if (r == 0)
        r = fc_buf_addf(&rule.line, "\n\n%s", rule.phony.data ? rule.phony.data : "");
    if (r == 0)
        r = fc_atomic_write(job->depfile, rule.line.data, rule.line.len, false, err);
    else if (r == -ENOMEM)
        fc_fail(err, ENOMEM, "out of memory");
    fc_buf_release(&rule.line);
    fc_buf_release(&rule.phony);
    return r;
}

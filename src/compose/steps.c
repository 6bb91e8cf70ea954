/* SPDX-License-Identifier: Apache-2.0 */
/* The list of steps, and what `when` leaves out of it. */
#include <string.h>

#include <jansson.h>

#include "compose/guest_section.h"
#include "compose/step.h"

void step_release(struct fc_recipe_step *s)
{
    free(s->text);
    free(s->user);
    free(s->workdir);
    free(s->to);
    free(s->mode);
    free(s->owner);
    list_release(&s->argv);
    list_release(&s->env);
    list_release(&s->cache);
    list_release(&s->from);
    list_release(&s->exclude);
    list_release(&s->path);
    for (size_t i = 0; i < s->n_secrets; i++) {
        free(s->secrets[i].id);
        free(s->secrets[i].file);
    }
    free(s->secrets);
    for (size_t i = 0; i < s->n_xattrs; i++) {
        free(s->xattrs[i].name);
        free(s->xattrs[i].value);
    }
    free(s->xattrs);
    guest_free(s->guest);
}

static void add(struct reader *r, struct fc_recipe_step *step)
{
    struct fc_recipe *recipe = r->recipe;
    struct fc_recipe_step *more = realloc(recipe->steps, (recipe->n_steps + 1) * sizeof(*more));

    if (!more) {
        r->oom = true;
        return;
    }
    recipe->steps = more;
    more[recipe->n_steps++] = *step;
    *step = (struct fc_recipe_step){0};
}

static void read_one(struct reader *r, const struct node *n)
{
    struct step_build b = {.step.place = reader_place(n)};

    r->applies = true;
    shape_read(r, n, &shape_step, &b);
    if (r->applies)
        add(r, &b.step);
    free(b.xattr_name);
    step_release(&b.step);
}

static void read_steps(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    (void)into;
    if (n->kind != FC_YAML_LIST && !node_is_null(n))
        reader_problem(r, n, "%s: expected a list", f->name);
    for (size_t i = 0; n->kind == FC_YAML_LIST && i < n->n && !reader_is_done(r); i++)
        read_one(r, n->items[i]);
}

static json_t *schema_steps(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_list(schema_shape(&shape_step, defs));
}

const struct kind kind_steps = {read_steps, schema_steps};

/* The section is a step that comes last, wherever it stands in the file. */
void guest_section_append(struct reader *r, const struct node *root)
{
    const struct node *n = node_get(root, "guest") ? node_get(root, "guest") : node_get(root, "init");
    struct fc_recipe_step step = {.verb = FC_STEP_GUEST};

    if (!n || node_is_null(n))
        return;
    if (node_get(root, "guest") && node_get(root, "init"))
        reader_problem(r, node_get(root, "init"), "init is another name of guest: write one of them");
    step.place = reader_place(n);
    step.guest = read_guest_section(r, n);
    add(r, &step);
    step_release(&step);
}

static void read_nothing(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    (void)r;
    (void)n;
    (void)f;
    (void)into;
}

static json_t *schema_guest(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_either(schema_shape(&shape_guest, defs), json_pack("{s:s}", "type", "null"));
}

const struct kind kind_guest_section = {read_nothing, schema_guest};

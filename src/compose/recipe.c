/* SPDX-License-Identifier: Apache-2.0 */
/* Read a recipe: its keys, in the order in which one needs the other. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

#include "base/arch.h"
#include "base/path.h"
#include "compose/guest_section.h"
#include "compose/schema.h"

void reader_problem(struct reader *r, const struct node *n, const char *fmt, ...)
{
    struct fc_error err = {0};
    char words[400];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    fc_fail(&err, EBADMSG, "%s:%u:%u: %s", n->source->shown, n->line, n->column, words);
    if (r->n_problems++ == 0)
        r->first = err;
    if (r->options->problem)
        r->options->problem(r->options->arg, err.msg);
}

bool reader_is_done(const struct reader *r) { return r->oom || r->n_problems >= PROBLEMS_MAX; }

char *reader_copy(struct reader *r, const char *data, size_t len)
{
    char *copy = fc_arena_copy(&r->arena, data, len);

    r->oom |= !copy;
    return copy;
}

struct fc_recipe_place reader_place(const struct node *n)
{
    return (struct fc_recipe_place){n->source->shown, n->line, n->column};
}

static const struct scalar scalar_version = {"1", "^1$", NULL, NULL};

static void read_version(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    (void)into;
    free(scalar_read(r, n, f->name, &scalar_version));
}

static json_t *schema_version(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return json_pack("{s:[i,s]}", "enum", 1, "1");
}

static const struct kind kind_version = {read_version, schema_version};

/* arch, args and include are needed before the rest can be read: see below and load.c. */
static void read_noted(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    (void)r;
    (void)n;
    (void)f;
    (void)into;
}

static json_t *schema_args(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_names("^[A-Za-z_][A-Za-z0-9_]*$",
                        json_pack("{s:[s,s,s,s]}", "type", "string", "number", "boolean", "null"));
}

static const struct kind kind_early_list = {read_noted, schema_of_list}, kind_args = {read_noted, schema_args};

/* A section, and where it stands. */
static void read_section(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    if (node_is_null(n))
        return;
    *MEMBER(struct fc_recipe_place, into, f) = reader_place(n);
    shape_read(r, n, f->param, (char *)into + f->offset);
}

static json_t *schema_section(const struct field *f, json_t *defs)
{
    return schema_either(schema_shape(f->param, defs), json_pack("{s:s}", "type", "null"));
}

static const struct kind kind_section = {read_section, schema_section};
_Static_assert(AT(struct fc_recipe_image, place) == 0 && AT(struct fc_recipe_kernel, place) == 0 &&
                   AT(struct fc_recipe_vm, place) == 0,
               "a section begins with its place");

#define R(member) AT(struct fc_recipe, member)
static const struct field fields[] = {
    {"version", "of this format: 1", &kind_version, 0, NULL, 0, 0, NULL},
    {"name", "what the recipe makes, for people", &kind_scalar, R(name), &scalar_id, 0, 0, NULL},
    {"arch", "the architectures it is for, the first being the default (without it: this machine's)", &kind_early_list,
     0, &scalar_arch, 0, 0, NULL},
    {"args", "names and defaults of what ${NAME} and ${NAME:-default} stand for; --set NAME=VALUE sets one", &kind_args,
     0, NULL, 0, 0, NULL},
    {"include", "recipes that this one is put on top of: maps merge, lists append, !reset clears", &kind_early_list, 0,
     &scalar_text, 0, 0, NULL},
    {"layers", "what the tree is made of, the lowest first", &kind_layers, 0, NULL, 0, 0, NULL},
    {"steps", "what is done to it, in order; each is a layer in the cache", &kind_steps, 0, NULL, 0, 0, NULL},
    {"guest", "the last step: make the tree bootable", &kind_guest_section, 0, NULL, 0, 0, NULL},
    {"init", "another name of guest", &kind_guest_section, 0, NULL, 0, 0, NULL},
    {"image", "the disk image that is written", &kind_section, R(image), &shape_image, 0, 0, NULL},
    {"kernel", "the kernel that goes with it", &kind_section, R(kernel), &shape_kernel, 0, 0, NULL},
    {"vm", "the machine that boots it", &kind_section, R(vm), &shape_vm, 0, 0, NULL},
    {0},
};

const struct shape shape_recipe = {"recipe", "A recipe of fccompose: a root file system, its image and its kernel",
                                   fields, NULL, NULL};

static bool has(const struct fc_recipe_list *list, const char *text)
{
    for (size_t i = 0; i < list->n; i++) {
        if (strcmp(list->items[i], text) == 0)
            return true;
    }
    return false;
}

/* The architecture decides what `when` leaves out. */
static int choose_arch(struct reader *r, const struct node *root, struct fc_error *err)
{
    static const struct field as_list = {"arch", "", &kind_list, R(archs), &scalar_arch, 0, 0, NULL};
    const struct fc_arch *named = r->options->arch ? fc_arch_find(r->options->arch) : NULL;
    const char *wanted = named ? named->machine : NULL, *chosen;
    const struct node *n = node_get(root, "arch");
    struct fc_recipe *recipe = r->recipe;
    char shown[64];

    if (r->options->arch && !wanted)
        return fc_fail(err, EINVAL, "%s: no machine has this name",
                       fc_name_show(shown, sizeof(shown), r->options->arch, strlen(r->options->arch)));
    if (n)
        kind_list.read(r, n, &as_list, recipe);
    if (wanted && recipe->archs.n && !has(&recipe->archs, wanted))
        return fc_fail(err, EINVAL, "%s:%u:%u: this recipe is not for %s", n->source->shown, n->line, n->column,
                       wanted);
    chosen = wanted ? wanted : recipe->archs.n ? recipe->archs.items[0] : fc_arch_host();
    recipe->arch = strdup(chosen);
    return recipe->arch ? 0 : fc_fail_errno(err, ENOMEM, "%s", recipe->file);
}
#undef R

static int finish(struct reader *r, struct fc_error *err)
{
    if (r->oom)
        return fc_fail_errno(err, ENOMEM, "%s", r->recipe->file);
    if (r->n_problems == 0)
        return 0;
    if (r->n_problems == 1)
        return fc_fail(err, EBADMSG, "%s", r->first.msg);
    return fc_fail(err, EBADMSG, "%.440s (and %u more problem%s)", r->first.msg, r->n_problems - 1,
                   r->n_problems == 2 ? "" : "s");
}

static int read_all(struct reader *r, const char *file, struct fc_error *err)
{
    struct node *root = NULL;
    int code = recipe_load(r, file, &root, err);

    if (code == 0 && !root)
        code =
            fc_fail(err, EBADMSG, "%s:1:1: nothing is in it: a recipe has layers: at least", r->recipe->shown.items[0]);
    if (code == -EBADMSG && r->options->problem)
        r->options->problem(r->options->arg, err->msg);
    if (code < 0)
        return code;
    code = args_read(r, root, err);
    if (code == 0)
        code = choose_arch(r, root, err);
    if (code < 0)
        return code;
    shape_read(r, root, &shape_recipe, r->recipe);
    if (!reader_is_done(r))
        guest_section_append(r, root);
    return finish(r, err);
}

int fc_recipe_read(const char *file, const struct fc_recipe_options *options, struct fc_recipe **ret_recipe,
                   struct fc_error *err)
{
    static const struct fc_recipe_options defaults = {0};
    fc_auto(fc_recipe_free) struct fc_recipe *recipe = calloc(1, sizeof(*recipe));
    struct reader r = {.recipe = recipe, .options = options ? options : &defaults};
    struct fc_error own = {0};
    int code = recipe ? read_all(&r, file, err ? err : &own) : fc_fail_errno(err, ENOMEM, "%s", file);

    patterns_free(r.patterns);
    fc_arena_release(&r.arena);
    if (code == 0)
        *ret_recipe = fc_steal(&recipe);
    return code;
}

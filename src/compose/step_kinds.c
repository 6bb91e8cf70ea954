/* SPDX-License-Identifier: Apache-2.0 */
/* Values of steps that are no plain texts: scripts, contents, environments, secrets; and the list of steps. */
#include <string.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/path.h"
#include "compose/guest_section.h"
#include "compose/schema.h"
#include "compose/step.h"

static void read_verb(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct step_build *b = into;

    b->step.verb = (enum fc_recipe_verb)f->number;
    b->step.recursive = f->number == FC_STEP_COPY;
    shape_read(r, n, f->param, into);
}

const struct kind kind_verb = {read_verb, schema_of_shape};

static const struct field run_word = {"run", "a word of the command", NULL, 0, &scalar_any, 0, 0, NULL};

static void read_run(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct step_build *b = into;

    b->step.verb = FC_STEP_RUN;
    if (n->kind != FC_YAML_LIST) {
        b->step.text = scalar_read(r, n, f->name, &scalar_text);
        b->step.size = b->step.text ? strlen(b->step.text) : 0;
        return;
    }
    if (n->n == 0)
        reader_problem(r, n, "run: an empty list: expected a command and its arguments");
    for (size_t i = 0; i < n->n && !reader_is_done(r); i++) {
        fc_auto(fc_free) char *word = scalar_read(r, n->items[i], run_word.name, run_word.param);

        if (word)
            list_add(r, &b->step.argv, word);
    }
}

static json_t *schema_run(const struct field *f, json_t *defs)
{
    json_t *command = schema_list(schema_scalar(&scalar_any));

    (void)f;
    (void)defs;
    json_object_set_new(command, "minItems", json_integer(1));
    json_object_set_new(command, "type", json_string("array"));
    return schema_either(schema_scalar(&scalar_text), command);
}

const struct kind kind_run = {read_run, schema_run};

static void take_content(struct reader *r, struct step_build *b, const char *data, size_t size)
{
    char *copy = malloc(size + 1);

    if (!copy) {
        r->oom = true;
        return;
    }
    memcpy(copy, data, size);
    copy[size] = '\0';
    free(b->step.text);
    b->step.text = copy;
    b->step.size = size;
}

/* Any byte may stand in a file, NUL too. */
static void read_bytes(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    const char *text;
    size_t size;

    if (n->kind != FC_YAML_TEXT || node_is_null(n)) {
        reader_problem(r, n, "%s: expected a text (an empty one is written \"\")", f->name);
        return;
    }
    text = args_expand(r, n, &size);
    if (text)
        take_content(r, into, text, size);
}

static json_t *schema_bytes(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_scalar(&scalar_any);
}

const struct kind kind_bytes = {read_bytes, schema_bytes};

static void read_base64(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, &scalar_base64);

    if (!text)
        return;
    r->oom |= scalar_decode_base64(text, &out) < 0;
    take_content(r, into, out.data ? out.data : "", out.len);
}

static json_t *schema_base64(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_scalar(&scalar_base64);
}

const struct kind kind_base64 = {read_base64, schema_base64};

#define ENV_NAME "^[A-Za-z_][A-Za-z0-9_.-]*$"
static const struct scalar scalar_env_name = {"the name of a variable", ENV_NAME, NULL, NULL};
static const struct scalar scalar_env = {"NAME=VALUE", "^[A-Za-z_][A-Za-z0-9_.-]*=", NULL, NULL};

static void read_env(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct fc_recipe_list *list = MEMBER(struct fc_recipe_list, into, f);

    if (n->kind != FC_YAML_MAP) {
        const struct field as_list = {"env", "", &kind_list, f->offset, &scalar_env, 0, 0, NULL};

        kind_list.read(r, n, &as_list, into);
        return;
    }
    for (size_t i = 0; i < n->n && !reader_is_done(r); i++) {
        struct fc_buf one __attribute__((cleanup(fc_buf_release_auto))) = {0};
        fc_auto(fc_free) char *name = scalar_read(r, n->keys[i], "env", &scalar_env_name);
        fc_auto(fc_free) char *value = scalar_read(r, n->items[i], n->keys[i]->text, &scalar_any);

        if (!name || !value)
            continue;
        r->oom |= fc_buf_addf(&one, "%s=%s", name, value) < 0;
        if (!r->oom)
            list_add(r, list, one.data);
    }
}

static json_t *schema_env(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_either(schema_names(ENV_NAME, schema_scalar(&scalar_any)),
                         schema_either(schema_list(schema_scalar(&scalar_env)), schema_scalar(&scalar_env)));
}

const struct kind kind_env = {read_env, schema_env};

static void read_secret(struct reader *r, const struct node *n, struct fc_recipe_step *step)
{
    struct fc_recipe_secret one = {0}, *more;
    unsigned before = r->n_problems;

    shape_read(r, n, &shape_secret, &one);
    for (size_t i = 0; one.id && i < step->n_secrets; i++) {
        if (strcmp(step->secrets[i].id, one.id) == 0)
            reader_problem(r, n, "secret: %s stands here twice", one.id);
    }
    more = r->n_problems == before ? realloc(step->secrets, (step->n_secrets + 1) * sizeof(*more)) : NULL;
    if (more) {
        step->secrets = more;
        more[step->n_secrets++] = one;
        return;
    }
    r->oom |= r->n_problems == before;
    free(one.id);
    free(one.file);
}

static void read_secrets(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct step_build *b = into;

    (void)f;
    if (n->kind != FC_YAML_LIST)
        read_secret(r, n, &b->step);
    for (size_t i = 0; n->kind == FC_YAML_LIST && i < n->n && !reader_is_done(r); i++)
        read_secret(r, n->items[i], &b->step);
}

static json_t *schema_secrets(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_either(schema_shape(&shape_secret, defs), schema_list(schema_shape(&shape_secret, defs)));
}

const struct kind kind_secrets = {read_secrets, schema_secrets};

static void read_guest(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct step_build *b = into;

    (void)f;
    b->step.verb = FC_STEP_GUEST;
    b->step.guest = read_guest_section(r, n);
}

static json_t *schema_guest(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_shape(&shape_guest, defs);
}

const struct kind kind_guest_step = {read_guest, schema_guest};

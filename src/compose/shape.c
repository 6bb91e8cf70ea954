/* SPDX-License-Identifier: Apache-2.0 */
/* Read maps by the tables that describe them. */
#include <string.h>

#include "base/path.h"
#include "base/words.h"
#include "compose/schema.h"
#include "compose/shape.h"

static void read_scalar(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    char **text = MEMBER(char *, into, f), *value = scalar_read(r, n, f->name, f->param);

    if (value) {
        free(*text);
        *text = value;
    }
}

static void read_list(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct fc_recipe_list *list = MEMBER(struct fc_recipe_list, into, f);

    if (n->kind == FC_YAML_MAP) {
        reader_problem(r, n, "%s: expected a list", f->name);
        return;
    }
    if (n->kind == FC_YAML_TEXT && node_is_null(n))
        return;
    for (size_t i = 0; i < (n->kind == FC_YAML_LIST ? n->n : 1) && !reader_is_done(r); i++) {
        const struct node *one = n->kind == FC_YAML_LIST ? n->items[i] : n;
        fc_auto(fc_free) char *value = scalar_read(r, one, f->name, f->param);

        if (value)
            list_add(r, list, value);
    }
}

int shape_word(struct reader *r, const struct node *n, const char *key, const char *const *words)
{
    struct fc_buf all __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *text = scalar_read(r, n, key, &scalar_text);
    char shown[64];
    size_t i = 0;

    if (!text)
        return -1;
    for (; words[i]; i++) {
        if (strcmp(text, words[i]) == 0)
            return (int)i;
    }
    for (size_t k = 0; k < i; k++)
        r->oom |= fc_buf_addf(&all, "%s%s", k == 0 ? "" : k + 1 < i ? ", " : " or ", words[k]) < 0;
    fc_name_show(shown, sizeof(shown), text, strlen(text));
    if (!r->oom)
        reader_problem(r, n, "%s: %s: expected %s", key, shown, all.data);
    return -1;
}

static void read_bool(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    int word = shape_word(r, n, f->name, schema_booleans);

    if (word >= 0)
        *MEMBER(bool, into, f) = word % 2 == 0;
}

static void read_word(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    const char *const *words = f->param;
    char **text = MEMBER(char *, into, f);
    int word = shape_word(r, n, f->name, words);

    if (word < 0)
        return;
    free(*text);
    *text = strdup(words[word]);
    r->oom |= !*text;
}

static void read_enum(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    int word = shape_word(r, n, f->name, f->param);

    if (word >= 0)
        *MEMBER(int, into, f) = word + f->number;
}

static void read_shape(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    shape_read(r, n, f->param, (char *)into + f->offset);
}

const struct kind kind_scalar = {read_scalar, schema_of_scalar};
const struct kind kind_list = {read_list, schema_of_list};
const struct kind kind_bool = {read_bool, schema_of_bool};
const struct kind kind_word = {read_word, schema_of_words};
const struct kind kind_enum = {read_enum, schema_of_words};
const struct kind kind_shape = {read_shape, schema_of_shape};

static const struct field *find(const struct shape *shape, const char *name)
{
    for (const struct field *f = shape->fields; f->name; f++) {
        if (strcmp(f->name, name) == 0)
            return f;
    }
    return NULL;
}

static void complain_of_key(struct reader *r, const struct node *key, const struct shape *shape)
{
    const char *names[64], *close;
    char shown[64];
    size_t n = 0;

    for (const struct field *f = shape->fields; f->name && n < FC_LENGTH(names); f++)
        names[n++] = f->name;
    close = fc_closest(key->text, names, n);
    fc_name_show(shown, sizeof(shown), key->text, key->size);
    if (strcmp(key->text, "<<") == 0)
        reader_problem(r, key, "%s: there are no merge keys (<<); use include, or repeat the keys", shape->name);
    else
        reader_problem(r, key, "%s: unknown key %s%s%s%s", shape->name, shown, close ? ": did you mean " : "",
                       close ? close : "", close ? "?" : "");
}

/* Append the names of the fields with @flag. */
static void name_fields(struct reader *r, const struct shape *shape, unsigned flag, struct fc_buf *out)
{
    size_t n = 0, i = 0;

    for (const struct field *f = shape->fields; f->name; f++)
        n += (f->flags & flag) != 0;
    for (const struct field *f = shape->fields; f->name; f++) {
        if (f->flags & flag) {
            r->oom |= fc_buf_addf(out, "%s%s", i == 0 ? "" : i + 1 < n ? ", " : " or ", f->name) < 0;
            i++;
        }
    }
}

static void check_one_of(struct reader *r, const struct node *n, const struct shape *shape)
{
    struct fc_buf all __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const struct field *have = NULL;
    bool wanted = false;

    for (const struct field *f = shape->fields; f->name; f++)
        wanted |= (f->flags & FIELD_ONE_OF) != 0;
    for (size_t i = 0; wanted && i < n->n; i++) {
        const struct field *f = find(shape, n->keys[i]->text);

        if (!f || !(f->flags & FIELD_ONE_OF) || node_is_cleared(n->items[i]))
            continue;
        if (have)
            reader_problem(r, n->keys[i], "%s: %s and %s exclude each other", shape->name, have->name, f->name);
        have = f;
    }
    if (!wanted || have)
        return;
    name_fields(r, shape, FIELD_ONE_OF, &all);
    if (!r->oom)
        reader_problem(r, n, "%s: one of these is missing: %s", shape->name, all.data);
}

static void check_keys(struct reader *r, const struct node *n, const struct shape *shape)
{
    for (const struct field *f = shape->fields; f->name; f++) {
        const struct node *value = node_get(n, f->name);

        if (!value && (f->flags & FIELD_REQUIRED))
            reader_problem(r, n, "%s: %s is missing", shape->name, f->name);
        if (value && f->needs && !node_get(n, f->needs))
            reader_problem(r, value, "%s: %s goes with %s only", shape->name, f->name, f->needs);
    }
    check_one_of(r, n, shape);
}

static bool is_extension(const struct shape *shape, const char *key)
{
    return shape == &shape_recipe && strncmp(key, "x-", 2) == 0;
}

void shape_read(struct reader *r, const struct node *n, const struct shape *shape, void *into)
{
    unsigned before = r->n_problems;

    if (n->kind != FC_YAML_MAP && shape->shorthand && !node_is_null(n)) {
        const struct field *f = find(shape, shape->shorthand);

        f->kind->read(r, n, f, into);
    } else if (n->kind != FC_YAML_MAP) {
        reader_problem(r, n, "%s: expected keys and values", shape->name);
        return;
    }
    for (size_t i = 0; n->kind == FC_YAML_MAP && i < n->n && !reader_is_done(r); i++) {
        const struct field *f = find(shape, n->keys[i]->text);

        if (f && !node_is_cleared(n->items[i]))
            f->kind->read(r, n->items[i], f, into);
        else if (!f && !is_extension(shape, n->keys[i]->text))
            complain_of_key(r, n->keys[i], shape);
    }
    if (n->kind == FC_YAML_MAP)
        check_keys(r, n, shape);
    if (shape->check && r->n_problems == before && !r->oom)
        shape->check(r, n, into);
}

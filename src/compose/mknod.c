/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the step mknod. */
#include <string.h>

#include <jansson.h>

#include "compose/step.h"

static const char *const types[] = {"b", "c", "p", "s", "f", NULL};

static void read_type(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    int word = shape_word(r, n, f->name, types);

    if (word >= 0)
        *MEMBER(char, into, f) = types[word][0];
}

static json_t *schema_type(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_words(types);
}

const struct kind kind_node_type = {read_type, schema_type};

static void read_number(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, &scalar_number);
    unsigned long value = text ? strtoul(text, NULL, 10) : 0;

    if (value > (unsigned long)f->number)
        reader_problem(r, n, "%s: %s: at most %d", f->name, text, f->number);
    else
        *MEMBER(uint32_t, into, f) = (uint32_t)value;
}

static json_t *schema_number(const struct field *f, json_t *defs)
{
    json_t *o = schema_scalar(&scalar_number);

    (void)defs;
    json_object_set_new(o, "maximum", json_integer(f->number));
    return o;
}

const struct kind kind_device_number = {read_number, schema_number};

void mknod_check(struct reader *r, const struct node *n, void *into)
{
    const struct step_build *b = into;
    bool device = b->step.type == 'b' || b->step.type == 'c', numbers = node_get(n, "major") && node_get(n, "minor");

    if (device && !numbers)
        reader_problem(r, n, "mknod: a device needs major and minor");
    if (!device && (node_get(n, "major") || node_get(n, "minor")))
        reader_problem(r, n, "mknod: only devices have major and minor");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Print the tables of a recipe as JSON Schema (draft 2020-12), for editors and other checkers. */
#include <ctype.h>
#include <string.h>

#include <jansson.h>

#include "compose/schema.h"

/* A text that has a variable in it fits everywhere: what it will be is not known yet. */
#define VARIABLE "[$][{]"

const char *const schema_booleans[] = {"true", "false", "yes", "no", "on", "off", NULL};

/* Other readers of YAML make numbers and booleans of some texts; here all are texts. */
static json_t *any_text(void) { return json_pack("{s:[s,s,s]}", "type", "string", "number", "boolean"); }

json_t *schema_scalar(const struct scalar *s)
{
    struct fc_buf pattern __attribute__((cleanup(fc_buf_release_auto))) = {0};
    json_t *o = any_text();

    if (s->pattern && !*s->pattern)
        return o;
    if (!s->pattern)
        json_object_set_new(o, "minLength", json_integer(1));
    else if (fc_buf_addf(&pattern, "(%s)|%s", s->pattern, VARIABLE) == 0)
        json_object_set_new(o, "pattern", json_string(pattern.data));
    return o;
}

json_t *schema_either(json_t *a, json_t *b) { return json_pack("{s:[o,o]}", "anyOf", a, b); }

json_t *schema_list(json_t *item) { return json_pack("{s:[s,s], s:o}", "type", "array", "null", "items", item); }

json_t *schema_names(const char *names, json_t *value)
{
    json_t *o = json_pack("{s:[s,s], s:o}", "type", "object", "null", "additionalProperties", value);

    if (names)
        json_object_set_new(o, "propertyNames", json_pack("{s:s}", "pattern", names));
    return o;
}

json_t *schema_words(const char *const *words)
{
    json_t *list = json_array(), *o;
    bool numbers = false, booleans = false;

    for (; *words; words++) {
        json_array_append_new(list, json_string(*words));
        numbers |= isdigit((unsigned char)**words) != 0;
        booleans |= strcmp(*words, "off") == 0;
    }
    o = json_pack("{s:[{s:o},{s:s,s:s}]}", "anyOf", "enum", list, "type", "string", "pattern", VARIABLE);
    if (numbers)
        json_array_append_new(json_object_get(o, "anyOf"), json_pack("{s:s}", "type", "number"));
    if (booleans)
        json_array_append_new(json_object_get(o, "anyOf"), json_pack("{s:s}", "type", "boolean"));
    return o;
}

json_t *schema_of_scalar(const struct field *f, json_t *defs)
{
    (void)defs;
    return f->param ? schema_scalar(f->param) : any_text();
}

json_t *schema_of_list(const struct field *f, json_t *defs)
{
    (void)defs;
    return schema_either(schema_list(schema_scalar(f->param)), schema_scalar(f->param));
}

json_t *schema_of_bool(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_words(schema_booleans);
}

json_t *schema_of_words(const struct field *f, json_t *defs)
{
    (void)defs;
    return schema_words(f->param);
}

json_t *schema_of_shape(const struct field *f, json_t *defs) { return schema_shape(f->param, defs); }

/* The keys of @shape, with what goes with what. */
static json_t *object_of(const struct shape *shape, json_t *defs)
{
    json_t *properties = json_object(), *required = json_array(), *one_of = json_array(), *needs = json_object();
    json_t *o = json_pack("{s:s, s:s, s:o, s:b}", "type", "object", "description", shape->about, "properties",
                          properties, "additionalProperties", 0);

    for (const struct field *f = shape->fields; f->name; f++) {
        json_t *value = json_pack("{s:s}", "description", f->about), *inner = f->kind->schema(f, defs);

        json_object_update(value, inner);
        json_decref(inner);
        json_object_set_new(properties, f->name, value);
        if (f->flags & FIELD_REQUIRED)
            json_array_append_new(required, json_string(f->name));
        if (f->flags & FIELD_ONE_OF)
            json_array_append_new(one_of, json_pack("{s:[s]}", "required", f->name));
        if (f->needs)
            json_object_set_new(needs, f->name, json_pack("[s]", f->needs));
    }
    if (json_array_size(required))
        json_object_set(o, "required", required);
    if (json_array_size(one_of))
        json_object_set(o, "oneOf", one_of);
    if (json_object_size(needs))
        json_object_set(o, "dependentRequired", needs);
    json_decref(required);
    json_decref(one_of);
    json_decref(needs);
    return o;
}

json_t *schema_shape(const struct shape *shape, json_t *defs)
{
    struct fc_buf ref __attribute__((cleanup(fc_buf_release_auto))) = {0};
    json_t *o;

    if (!json_object_get(defs, shape->name)) {
        json_object_set_new(defs, shape->name, json_null());
        o = object_of(shape, defs);
        for (const struct field *f = shape->fields; shape->shorthand && f->name; f++) {
            if (strcmp(f->name, shape->shorthand) == 0)
                o = schema_either(o, f->kind->schema(f, defs));
        }
        json_object_set_new(defs, shape->name, o);
    }
    return fc_buf_addf(&ref, "#/$defs/%s", shape->name) < 0 ? NULL : json_pack("{s:s}", "$ref", ref.data);
}

char *fc_recipe_schema(void)
{
    json_t *defs = json_object(), *top = object_of(&shape_recipe, defs), *o;
    char *text;

    o = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title", "fccompose.yaml");
    json_object_update(o, top);
    json_object_set_new(o, "patternProperties",
                        json_pack("{s:{s:s}}", "^x-", "description", "ignored: for anchors, and other programs"));
    json_object_set_new(o, "$defs", defs);
    json_decref(top);
    text = json_dumps(o, JSON_INDENT(2));
    json_decref(o);
    return text;
}

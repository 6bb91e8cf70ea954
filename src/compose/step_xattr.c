/* SPDX-License-Identifier: Apache-2.0 */
/* The values that the step xattr takes: text, hexadecimal, base64, capabilities, or none. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "compose/caps.h"
#include "compose/schema.h"
#include "compose/step.h"

/* Append an attribute, whose name is set when all keys are read, unless it is @name. */
static void add(struct reader *r, struct step_build *b, const char *name, const void *value, size_t size)
{
    struct fc_recipe_xattr *more = realloc(b->step.xattrs, (b->step.n_xattrs + 1) * sizeof(*more)), *x;

    if (!more) {
        r->oom = true;
        return;
    }
    b->step.xattrs = more;
    x = &more[b->step.n_xattrs++];
    *x = (struct fc_recipe_xattr){
        .name = name ? strdup(name) : NULL, .value = value ? malloc(size + 1) : NULL, .size = size};
    if ((name && !x->name) || (value && !x->value))
        r->oom = true;
    else if (value)
        memcpy(x->value, value, size);
}

static void read_name(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct step_build *b = into;

    free(b->xattr_name);
    b->xattr_name = scalar_read(r, n, f->name, f->param);
}

static void read_text(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, &scalar_any);

    if (text)
        add(r, into, NULL, text, strlen(text));
}

static unsigned digit(char c) { return (unsigned)(isdigit((unsigned char)c) ? c - '0' : (c | 32) - 'a' + 10); }

static void read_hex(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, f->param);
    const char *from = text && strncmp(text, "0x", 2) == 0 ? text + 2 : text;
    size_t size = text ? strlen(from) / 2 : 0;

    for (size_t i = 0; i < size; i++)
        text[i] = (char)(digit(from[2 * i]) * 16 + digit(from[2 * i + 1]));
    if (text)
        add(r, into, NULL, text, size);
}

static void read_base64(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, f->param);

    if (!text)
        return;
    r->oom |= scalar_decode_base64(text, &out) < 0;
    add(r, into, NULL, out.data ? out.data : "", out.len);
}

static void read_remove(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    bool remove = false;
    const struct field as_bool = {f->name, "", &kind_bool, 0, NULL, 0, 0, NULL};

    kind_bool.read(r, n, &as_bool, &remove);
    if (remove)
        add(r, into, NULL, NULL, 0);
    else if (!reader_is_done(r))
        reader_problem(r, n, "remove: only true makes sense here");
}

static void read_caps(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    unsigned char value[CAPS_SIZE];
    struct fc_error err = {0};
    fc_auto(fc_free) char *text = scalar_read(r, n, f->name, &scalar_text);

    if (text && caps_from_text(text, value, &err) < 0)
        reader_problem(r, n, "caps: %s: %s", text, err.msg);
    else if (text)
        add(r, into, "security.capability", value, sizeof(value));
}

void xattr_check(struct reader *r, const struct node *n, void *into)
{
    struct step_build *b = into;

    if (node_get(n, "caps") && b->xattr_name)
        reader_problem(r, n, "xattr: caps is a value with a name of its own: leave name away");
    for (size_t i = 0; i < b->step.n_xattrs; i++) {
        if (!b->step.xattrs[i].name)
            b->step.xattrs[i].name = fc_steal(&b->xattr_name);
    }
}

static json_t *schema_any(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_scalar(&scalar_any);
}

static json_t *schema_text(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_scalar(&scalar_text);
}

static json_t *schema_true(const struct field *f, json_t *defs)
{
    static const char *const words[] = {"true", "yes", "on", NULL};

    (void)f;
    (void)defs;
    return schema_either(schema_words(words), json_pack("{s:b}", "const", 1));
}

const struct kind kind_xattr_name = {read_name, schema_of_scalar};
const struct kind kind_xattr_text = {read_text, schema_any};
const struct kind kind_xattr_hex = {read_hex, schema_of_scalar};
const struct kind kind_xattr_base64 = {read_base64, schema_of_scalar};
const struct kind kind_xattr_remove = {read_remove, schema_true};
const struct kind kind_xattr_caps = {read_caps, schema_text};

/* SPDX-License-Identifier: Apache-2.0 */
/* The args of a recipe, and texts with ${VAR} and ${VAR:-default} filled in. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "base/words.h"
#include "compose/reader.h"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"

/* How much filling in may make of one text, and of all of them. */
enum { TEXT_MAX = 16 << 20, TEXTS_MAX = 64 << 20 };

static bool is_name(const char *text, size_t len)
{
    return len > 0 && strchr(LETTERS, text[0]) && strspn(text, LETTERS "0123456789") >= len;
}

static struct arg *find(const struct reader *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->n_args; i++) {
        if (strlen(r->args[i].name) == len && memcmp(r->args[i].name, name, len) == 0)
            return &r->args[i];
    }
    return NULL;
}

static const char *closest(const struct reader *r, const char *name)
{
    const char *names[64];
    size_t n = 0;

    for (; n < r->n_args && n < FC_LENGTH(names); n++)
        names[n] = r->args[n].name;
    return fc_closest(name, names, n);
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct arg *)a)->name, ((const struct arg *)b)->name);
}

static void declare(struct reader *r, const struct node *key, const struct node *value)
{
    if (!is_name(key->text, key->size)) {
        reader_problem(r, key, "args: a name consists of letters, digits and underscores, and begins with no digit");
    } else if (value->kind != FC_YAML_TEXT || strlen(value->text) != value->size) {
        reader_problem(r, value, "args: %s: expected a text", key->text);
    } else {
        r->args[r->n_args++] = (struct arg){key->text, node_is_null(value) ? NULL : value->text};
    }
}

static int set_one(struct reader *r, const char *text, struct fc_error *err)
{
    const char *equals = strchr(text, '='), *name, *close;
    struct arg *arg;
    char shown[64];

    fc_name_show(shown, sizeof(shown), text, strlen(text));
    if (!equals || equals == text)
        return fc_fail(err, EINVAL, "--set %s: expected NAME=VALUE", shown);
    arg = find(r, text, (size_t)(equals - text));
    name = reader_copy(r, text, (size_t)(equals - text));
    if (!name)
        return fc_fail_errno(err, ENOMEM, "--set");
    if (!arg) {
        close = closest(r, name);
        return fc_fail(err, EINVAL, "--set %s: the args of %s declare no such name%s%s%s", shown,
                       r->recipe->shown.items[0], close ? ": did you mean " : "", close ? close : "", close ? "?" : "");
    }
    arg->text = equals + 1;
    return 0;
}

int args_read(struct reader *r, const struct node *root, struct fc_error *err)
{
    const struct node *args = node_get(root, "args");
    const char *const *set = r->options->set;
    struct fc_buf one __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int code = 0;

    if (args && args->kind != FC_YAML_MAP && !node_is_null(args)) {
        reader_problem(r, args, "args: expected names and values");
        args = NULL;
    }
    r->args = args ? fc_arena_alloc(&r->arena, (args->n + 1) * sizeof(*r->args)) : NULL;
    if (args && !r->args)
        return fc_fail_errno(err, ENOMEM, "args");
    for (size_t i = 0; args && i < args->n; i++)
        declare(r, args->keys[i], args->items[i]);
    for (; set && *set && code == 0; set++)
        code = set_one(r, *set, err);
    if (r->n_args)
        qsort(r->args, r->n_args, sizeof(*r->args), compare);
    for (size_t i = 0; i < r->n_args; i++) {
        fc_buf_clear(&one);
        if (!r->args[i].text)
            continue;
        if (fc_buf_addf(&one, "%s=%s", r->args[i].name, r->args[i].text) < 0)
            r->oom = true;
        else
            list_add(r, &r->recipe->args, one.data);
    }
    return code;
}

/* What ${...} stands for, @body being what is between the braces. */
static bool fill_in(struct reader *r, const struct node *n, const char *body, size_t len, struct fc_buf *out)
{
    size_t name_len = strspn(body, LETTERS "0123456789");
    const struct arg *arg;
    const char *name, *close;
    bool fallback;

    name_len = name_len < len ? name_len : len;
    fallback = len - name_len >= 2 && memcmp(body + name_len, ":-", 2) == 0;
    name = reader_copy(r, body, name_len);
    if (!name)
        return false;
    if (!is_name(body, name_len) || (name_len < len && !fallback)) {
        reader_problem(r, n, "${%.*s}: expected ${NAME} or ${NAME:-default}; a dollar sign itself is written $$",
                       (int)(len < 40 ? len : 40), body);
        return false;
    }
    arg = find(r, body, name_len);
    if (!arg) {
        close = closest(r, name);
        reader_problem(r, n,
                       "${%s}: args declares no %s%s%s%s; a dollar sign itself (of a shell's variable) is written $$",
                       name, name, close ? " (did you mean " : "", close ? close : "", close ? "?)" : "");
        return false;
    }
    if ((!arg->text || !*arg->text) && fallback) {
        r->oom |= fc_buf_add(out, body + name_len + 2, len - name_len - 2) < 0;
        return !r->oom;
    }
    if (!arg->text) {
        reader_problem(r, n, "${%s} has no value: give it one with --set %s=..., or write ${%s:-default}", name, name,
                       name);
        return false;
    }
    r->oom |= fc_buf_adds(out, arg->text) < 0;
    return !r->oom;
}

/* One dollar sign at @at, and what belongs to it. Returns how many bytes that is, 0 after a problem. */
static size_t expand_dollar(struct reader *r, const struct node *n, const char *at, size_t left, struct fc_buf *out)
{
    const char *end;

    if (left >= 2 && at[1] == '$') {
        r->oom |= fc_buf_adds(out, "$") < 0;
        return 2;
    }
    if (left < 2 || at[1] != '{') {
        r->oom |= fc_buf_adds(out, "$") < 0;
        return 1;
    }
    end = memchr(at, '}', left);
    if (!end) {
        reader_problem(r, n, "${ without a }; a dollar sign itself is written $$");
        return 0;
    }
    return fill_in(r, n, at + 2, (size_t)(end - at - 2), out) ? (size_t)(end - at + 1) : 0;
}

const char *args_expand(struct reader *r, const struct node *n, size_t *ret_size)
{
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};
    size_t at = 0;

    *ret_size = n->size;
    if (!memchr(n->text, '$', n->size))
        return n->text;
    while (at < n->size && !r->oom) {
        const char *dollar = memchr(n->text + at, '$', n->size - at);
        size_t len = dollar ? (size_t)(dollar - n->text) - at : n->size - at;

        r->oom |= fc_buf_add(&out, n->text + at, len) < 0;
        at += len;
        if (!dollar)
            break;
        len = expand_dollar(r, n, dollar, n->size - at, &out);
        if (!len)
            return NULL;
        at += len;
        if (out.len > TEXT_MAX || r->expanded + out.len > TEXTS_MAX) {
            reader_problem(r, n, "longer than %s when variables are filled in",
                           out.len > TEXT_MAX ? "16 MiB" : "64 MiB with the texts above");
            return NULL;
        }
    }
    r->expanded += out.len;
    *ret_size = out.len;
    return r->oom ? NULL : reader_copy(r, out.data ? out.data : "", out.len);
}

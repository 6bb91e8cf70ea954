/* SPDX-License-Identifier: Apache-2.0 */
/* Read, merge and write kernel configurations. */
#include "kernel/kconfig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/map.h"
#include "base/path.h"

#define CONFIG_MAX (16u << 20)

struct fc_kconfig {
    struct fc_koption *list;
    size_t n, cap;
    struct fc_map by_name; /* hash of the name to index */
    char **files;
    size_t n_files, files_cap;
};

struct fc_kconfig *fc_kconfig_new(void) { return calloc(1, sizeof(struct fc_kconfig)); }

void fc_kconfig_free(struct fc_kconfig *c)
{
    for (size_t i = 0; c && i < c->n; i++) {
        free(c->list[i].name);
        free(c->list[i].value);
    }
    for (size_t i = 0; c && i < c->n_files; i++)
        free(c->files[i]);
    if (c) {
        free(c->list);
        free(c->files);
        fc_map_release(&c->by_name);
    }
    free(c);
}

static const char *keep_file(struct fc_kconfig *c, const char *file)
{
    if (fc_grow(&c->files, &c->files_cap, c->n_files + 1, sizeof(*c->files)) < 0)
        return NULL;
    c->files[c->n_files] = strdup(file);
    return c->files[c->n_files] ? c->files[c->n_files++] : NULL;
}

/* The key under which @name stands or would stand; *ret_option is NULL for the latter. */
static uint64_t key_of(const struct fc_kconfig *c, const char *name, size_t len, struct fc_koption **ret_option)
{
    uint64_t key = fc_hash(0, name, len) >> 1, i;

    for (*ret_option = NULL; fc_map_get(&c->by_name, key, &i); key++) {
        if (strlen(c->list[i].name) == len && memcmp(c->list[i].name, name, len) == 0) {
            *ret_option = &c->list[i];
            break;
        }
    }
    return key;
}

static int add_new(struct fc_kconfig *c, uint64_t key, const char *name, size_t len, struct fc_koption **ret)
{
    struct fc_koption *o;

    if (fc_grow(&c->list, &c->cap, c->n + 1, sizeof(*c->list)) < 0 || fc_map_set(&c->by_name, key, c->n) < 0)
        return -ENOMEM;
    o = &c->list[c->n];
    *o = (struct fc_koption){.name = strndup(name, len)};
    if (!o->name) {
        fc_map_del(&c->by_name, key);
        return -ENOMEM;
    }
    c->n++;
    *ret = o;
    return 0;
}

/* A line taken apart. */
struct setting {
    const char *name, *value;
    size_t name_len, value_len;
    const char *file;
    unsigned line;
};

static int set(struct fc_kconfig *c, const struct setting *s, const struct fc_kconfig_add *how)
{
    struct fc_koption *o;
    uint64_t key = key_of(c, s->name, s->name_len, &o);
    char *value = strndup(s->value, s->value_len);

    if (!value || (!o && add_new(c, key, s->name, s->name_len, &o) < 0)) {
        free(value);
        return -ENOMEM;
    }
    if (o->value && !o->base && how->conflict && strcmp(o->value, value) != 0)
        how->conflict(how->arg, &(struct fc_kconflict){o, value, s->file, s->line});
    free(o->value);
    o->value = value;
    o->file = s->file;
    o->line = s->line;
    o->base = how->base;
    return 0;
}

static size_t name_length(const char *p, const char *end)
{
    const char *at = p;

    while (at < end &&
           (*at == '_' || (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z')))
        at++;
    return (size_t)(at - p);
}

/* Returns 1 for a setting, 0 for a line that sets nothing, -EBADMSG. */
static int read_line(const char *p, const char *end, struct setting *s)
{
    static const char prefix[] = "CONFIG_", off[] = " is not set";
    bool comment;

    while (end > p && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    comment = p < end && *p == '#';
    if (p == end || (comment && (end - p < 2 || p[1] != ' ')))
        return 0;
    p += comment ? 2 : 0;
    if ((size_t)(end - p) < sizeof(prefix) || memcmp(p, prefix, sizeof(prefix) - 1) != 0)
        return comment ? 0 : -EBADMSG;
    s->name = p + sizeof(prefix) - 1;
    s->name_len = name_length(s->name, end);
    p = s->name + s->name_len;
    if (comment) {
        s->value = "n";
        s->value_len = 1;
        return s->name_len && (size_t)(end - p) == sizeof(off) - 1 && memcmp(p, off, sizeof(off) - 1) == 0;
    }
    if (s->name_len == 0 || p == end || *p != '=')
        return -EBADMSG;
    s->value = p + 1;
    s->value_len = (size_t)(end - p - 1);
    return s->value_len ? 1 : -EBADMSG;
}

static int bad_line(const struct setting *s, const char *p, const char *end, struct fc_error *err)
{
    char shown[80];

    return fc_fail(err, EBADMSG, "%s:%u: expected CONFIG_NAME=VALUE or # CONFIG_NAME is not set, not \"%s\"", s->file,
                   s->line, fc_name_show(shown, sizeof(shown), p, (size_t)(end - p)));
}

int fc_kconfig_add(struct fc_kconfig *c, const char *text, size_t size, const char *file,
                   const struct fc_kconfig_add *how, struct fc_error *err)
{
    static const struct fc_kconfig_add defaults;
    struct setting s = {.file = keep_file(c, file)};
    const char *end = text + size;
    int r;

    if (!s.file)
        return fc_fail(err, ENOMEM, "out of memory");
    if (size && memchr(text, 0, size))
        return fc_fail(err, EBADMSG, "%s: not a text", file);
    for (const char *p = text, *next; p < end; p = next) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));

        stop = stop ? stop : end;
        next = stop + 1;
        s.line++;
        r = read_line(p, stop, &s);
        if (r < 0)
            return bad_line(&s, p, stop, err);
        if (r > 0 && set(c, &s, how ? how : &defaults) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

int fc_kconfig_add_file(struct fc_kconfig *c, const char *path, const struct fc_kconfig_add *how, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_read_file(AT_FDCWD, path, CONFIG_MAX, &text);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read the configuration %s", path);
    return fc_kconfig_add(c, text.data ? text.data : "", text.len, path, how, err);
}

const struct fc_koption *fc_kconfig_find(const struct fc_kconfig *c, const char *name)
{
    struct fc_koption *o;

    if (strncmp(name, "CONFIG_", 7) == 0)
        name += 7;
    key_of(c, name, strlen(name), &o);
    return o;
}

const char *fc_kconfig_value(const struct fc_kconfig *c, const char *name)
{
    const struct fc_koption *o = fc_kconfig_find(c, name);

    return o ? o->value : "n";
}

bool fc_kconfig_is_y(const struct fc_kconfig *c, const char *name)
{
    return strcmp(fc_kconfig_value(c, name), "y") == 0;
}

bool fc_kconfig_is_on(const struct fc_kconfig *c, const char *name)
{
    return fc_kconfig_is_y(c, name) || strcmp(fc_kconfig_value(c, name), "m") == 0;
}

size_t fc_kconfig_count(const struct fc_kconfig *c) { return c->n; }

const struct fc_koption *fc_kconfig_at(const struct fc_kconfig *c, size_t i) { return &c->list[i]; }

int fc_koption_write(const char *name, const char *value, struct fc_buf *ret)
{
    if (strcmp(value, "n") == 0)
        return fc_buf_addf(ret, "# CONFIG_%s is not set\n", name);
    return fc_buf_addf(ret, "CONFIG_%s=%s\n", name, value);
}

static int by_name(const void *a, const void *b)
{
    const struct fc_koption *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

int fc_kconfig_write(const struct fc_kconfig *c, struct fc_buf *ret)
{
    fc_auto(fc_free) const struct fc_koption **sorted = calloc(c->n + 1, sizeof(*sorted));
    int r = sorted ? 0 : -ENOMEM;

    for (size_t i = 0; i < c->n && r == 0; i++)
        sorted[i] = &c->list[i];
    if (r == 0)
        qsort(sorted, c->n, sizeof(*sorted), by_name);
    for (size_t i = 0; i < c->n && r == 0; i++)
        r = fc_koption_write(sorted[i]->name, sorted[i]->value, ret);
    return r;
}

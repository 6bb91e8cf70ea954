/* SPDX-License-Identifier: Apache-2.0 */
/* Read a recipe's file and the files that it includes. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "base/path.h"
#include "compose/reader.h"

/* Bytes of one file; includes of one recipe. */
enum { FILE_MAX = 4 << 20, INCLUDES_MAX = 64 };

static int read_stdin(struct fc_buf *text)
{
    ssize_t n;
    int r = fc_buf_reserve(text, FILE_MAX + 1);

    if (r < 0)
        return r;
    n = fc_read_full(STDIN_FILENO, text->data, FILE_MAX + 1);
    if (n < 0)
        return (int)n;
    text->len = (size_t)n;
    return n > FILE_MAX ? -EFBIG : 0;
}

static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash > path ? strndup(path, (size_t)(slash - path)) : strdup("/");
}

/* What is known of a file before it is read; strings belong to the recipe. */
static int describe(struct reader *r, const char *shown, const char *path, const struct source **ret,
                    struct fc_error *err)
{
    struct source *s = fc_arena_alloc(&r->arena, sizeof(*s));
    fc_auto(fc_free) char *dir = dir_of(path);
    char quoted[160];

    fc_name_show(quoted, sizeof(quoted), shown, strlen(shown));
    list_add(r, &r->recipe->shown, quoted);
    if (s && dir)
        *s = (struct source){.dir = reader_copy(r, dir, strlen(dir))};
    if (!s || !dir || r->oom)
        return fc_fail_errno(err, ENOMEM, "%s", quoted);
    s->shown = r->recipe->shown.items[r->recipe->shown.n - 1];
    *ret = s;
    return 0;
}

static int read_one(struct reader *r, const struct source *source, const char *path, struct node **ret,
                    struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    int code = path ? fc_read_file(AT_FDCWD, path, FILE_MAX, &text) : read_stdin(&text);

    if (code == -EFBIG)
        return fc_fail(err, EBADMSG, "%s:1:1: longer than 4 MiB", source->shown);
    if (code < 0)
        return fc_fail_errno(err, -code, "%s", source->shown);
    code = fc_yaml_parse_strict(text.data ? text.data : "", text.len, source->shown, &y, err);
    if (code < 0)
        return code;
    *ret = node_of_yaml(r, y, source);
    if (r->oom)
        return fc_fail_errno(err, ENOMEM, "%s", source->shown);
    if (*ret && node_is_null(*ret))
        *ret = NULL;
    if (*ret && (*ret)->kind != FC_YAML_MAP)
        return fc_fail(err, EBADMSG, "%s:%u:%u: expected keys and values such as \"layers:\"", source->shown,
                       (*ret)->line, (*ret)->column);
    return 0;
}

/* One file that the node @at names. */
static int include_one(struct reader *r, const struct node *at, struct node **all, struct fc_error *err)
{
    struct fc_buf path __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf shown __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const struct source *source;
    struct node *more = NULL, *inner;
    const char *from = at->source->shown, *slash = strrchr(from, '/');
    bool absolute = at->kind == FC_YAML_TEXT && at->text[0] == '/';
    int code;

    if (at->kind != FC_YAML_TEXT || node_is_null(at) || strlen(at->text) != at->size)
        return fc_fail(err, EBADMSG, "%s:%u:%u: include: expected the path of a file", from, at->line, at->column);
    if (fc_buf_addf(&path, "%s%s%s", absolute ? "" : at->source->dir, absolute ? "" : "/", at->text) < 0 ||
        fc_buf_addf(&shown, "%.*s%s", absolute || !slash ? 0 : (int)(slash - from + 1), from, at->text) < 0)
        return fc_fail_errno(err, ENOMEM, "%s", from);
    code = describe(r, shown.data, path.data, &source, err);
    if (code == 0)
        code = read_one(r, source, path.data, &more, err);
    if (code < 0 && code != -EBADMSG)
        return fc_fail(err, EBADMSG, "%s:%u:%u: include: %s: %s", from, at->line, at->column, at->text,
                       strerror(-code));
    if (code < 0)
        return code;
    inner = node_get(more, "include");
    if (inner)
        return fc_fail(err, EBADMSG, "%s:%u:%u: an included file cannot include others: name them in %s too",
                       source->shown, inner->line, inner->column, from);
    list_add(r, &r->recipe->included, path.data);
    *all = node_merge(r, *all, more);
    return r->oom ? fc_fail_errno(err, ENOMEM, "%s", from) : 0;
}

static int include_all(struct reader *r, const struct node *list, struct node **all, struct fc_error *err)
{
    int code = 0;

    if (list->kind == FC_YAML_TEXT && !node_is_null(list))
        return include_one(r, list, all, err);
    if (list->kind == FC_YAML_MAP || list->n > INCLUDES_MAX)
        return fc_fail(err, EBADMSG, "%s:%u:%u: include: expected %s", list->source->shown, list->line, list->column,
                       list->kind == FC_YAML_MAP ? "a list of files" : "at most 64 files");
    for (size_t i = 0; i < list->n && code == 0; i++)
        code = include_one(r, list->items[i], all, err);
    return code;
}

int recipe_load(struct reader *r, const char *file, struct node **ret, struct fc_error *err)
{
    bool is_stdin = strcmp(file, "-") == 0;
    const struct source *source;
    struct node *own = NULL, *all = NULL;
    const struct node *include;
    int code;

    r->recipe->file = fc_abspath(is_stdin ? "fccompose.yaml" : file);
    r->recipe->dir = r->recipe->file ? dir_of(r->recipe->file) : NULL;
    if (!r->recipe->dir)
        return fc_fail_errno(err, ENOMEM, "%s", file);
    code = describe(r, is_stdin ? "stdin" : file, r->recipe->file, &source, err);
    if (code == 0)
        code = read_one(r, source, is_stdin ? NULL : r->recipe->file, &own, err);
    include = code == 0 ? node_get(own, "include") : NULL;
    if (include)
        code = include_all(r, include, &all, err);
    if (code == 0)
        *ret = node_merge(r, all, own);
    return code;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose diff: what the edits change. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/view.h"
#include "base/io.h"
#include "compose/as_steps.h"
#include "live/diff.h"

enum { OPT_NAME_ONLY = CLI_LONG_ONLY, OPT_EXIT_CODE, OPT_AS_STEPS, OPT_FILES };

static const struct cli_option options[] = {
    {OPT_NAME_ONLY, 0, "name-only", NULL, "print the paths alone", 0},
    {'z', 'z', "null", NULL, "end lines with NUL, and print paths as they are", 0},
    {OPT_EXIT_CODE, 0, "exit-code", NULL, "exit 1 when something is changed", 0},
    {OPT_AS_STEPS, 0, "as-steps", NULL, "print the steps of a recipe that make the same changes", 0},
    {OPT_FILES, 0, "files", "DIR", "with --as-steps: put long and binary contents there (it is made)", CLI_WORD_DIR},
    {0, 0, NULL, NULL, NULL, 0},
};

static const struct {
    unsigned bit;
    const char *name;
} parts[] = {
    {FC_CHANGED_CONTENT, "content"}, {FC_CHANGED_MODE, "mode"},     {FC_CHANGED_OWNER, "owner"},
    {FC_CHANGED_MTIME, "mtime"},     {FC_CHANGED_XATTRS, "xattrs"}, {FC_CHANGED_LINKS, "links"},
    {FC_CHANGED_RDEV, "device"},
};

static const char letters[] = {
    [FC_CHANGE_ADDED] = 'A', [FC_CHANGE_MODIFIED] = 'M', [FC_CHANGE_DELETED] = 'D', [FC_CHANGE_REPLACED] = 'T'};
static const char *const kinds[] = {
    [FC_CHANGE_ADDED] = "added",
    [FC_CHANGE_MODIFIED] = "modified",
    [FC_CHANGE_DELETED] = "deleted",
    [FC_CHANGE_REPLACED] = "replaced",
};

/* What to print, and how. */
struct printer {
    const struct cli_view *view;
    struct cli_paths only;
    bool name_only, null;
    json_t *list; /* NULL: lines */
    size_t n_shown;
};

static uint32_t type_of(const struct printer *p, const struct fc_change *c)
{
    if (c->now != FC_TREE_NONE)
        return cli_inodes(p->view->snapshot)[c->now].mode & S_IFMT;
    return fc_tree_inodes(p->view->tree, NULL)[c->lower].mode & S_IFMT;
}

static void put_line(const struct printer *p, const struct fc_change *c)
{
    const char *lead = "  (";

    if (!p->name_only)
        printf("%c ", letters[c->kind]);
    putchar('/');
    cli_put_name(c->path, strlen(c->path), p->null);
    if (S_ISDIR(type_of(p, c)) && *c->path && !p->null)
        putchar('/');
    for (size_t i = 0; i < FC_LENGTH(parts) && !p->name_only && c->kind == FC_CHANGE_MODIFIED && !p->null; i++) {
        if (!(c->what & parts[i].bit))
            continue;
        printf("%s%s", lead, parts[i].name);
        lead = ", ";
    }
    if (*lead == ',')
        putchar(')');
    putchar(p->null ? '\0' : '\n');
}

static void put_json(const struct printer *p, const struct fc_change *c)
{
    json_t *o = json_pack("{s:s}", "change", kinds[c->kind]), *what = json_array();
    struct fc_buf path __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (fc_buf_addf(&path, "/%s", c->path) == 0)
        cli_json_name(o, "path", path.data, path.len);
    json_object_set_new(o, "type",
                        json_string(S_ISDIR(type_of(p, c))   ? "directory"
                                    : S_ISREG(type_of(p, c)) ? "file"
                                    : S_ISLNK(type_of(p, c)) ? "symlink"
                                                             : "special"));
    for (size_t i = 0; i < FC_LENGTH(parts) && c->kind == FC_CHANGE_MODIFIED; i++)
        if (c->what & parts[i].bit)
            json_array_append_new(what, json_string(parts[i].name));
    json_object_set_new(o, "what", what);
    json_array_append_new(p->list, o);
}

/* The edits as steps. The diff is whole: a step may need what another makes. */
static int show_steps(const struct cli_args *args, struct printer *p, const struct fc_diff *d, struct fc_error *err)
{
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *files = cli_value(args, OPT_FILES);
    const struct fc_as_steps in = {p->view->tree, p->view->snapshot, d, files, files};
    int r = files ? fc_mkdir_all(files, err) : 0;

    if (r == 0)
        r = fc_as_steps(&in, &out, err);
    if (r < 0)
        return r;
    p->n_shown = (size_t)r;
    fwrite(out.data, 1, out.len, stdout);
    return cli_flush(err);
}

static int show(struct cli *cli, const struct cli_args *args, struct printer *p, struct fc_error *err)
{
    fc_auto(fc_diff_free) struct fc_diff *d = NULL;
    const struct fc_change *changes;
    size_t n;
    int r = fc_diff_new(p->view->tree, p->view->snapshot, &d, err);

    if (r < 0)
        return r;
    if (cli_has(args, OPT_AS_STEPS))
        return show_steps(args, p, d, err);
    p->name_only = cli_has(args, OPT_NAME_ONLY);
    p->null = cli_has(args, 'z');
    p->list = cli->json ? json_array() : NULL;
    changes = fc_diff_changes(d, &n);
    for (size_t i = 0; i < n; i++) {
        if (!cli_paths_cover(&p->only, changes[i].path))
            continue;
        p->n_shown++;
        if (p->list)
            put_json(p, &changes[i]);
        else
            put_line(p, &changes[i]);
    }
    return p->list ? cli_json_print(p->list, err) : cli_flush(err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_view v = {0};
    struct printer p = {.view = &v};
    int r;

    if (cli_has(args, OPT_FILES) && !cli_has(args, OPT_AS_STEPS))
        return cli_usage(err, "diff: --files goes with --as-steps");
    if (cli_has(args, OPT_AS_STEPS) &&
        (args->n_operands || cli->json || cli_has(args, OPT_NAME_ONLY) || cli_has(args, 'z')))
        return cli_usage(err,
                         "diff: --as-steps prints all edits as YAML; --json, --name-only, -z and paths are not for it");
    r = cli_paths_take(args->operands, args->n_operands, &p.only, err);
    if (r == 0)
        r = cli_view_open(cli, NULL, 0, &v, err);
    if (r == 0)
        r = show(cli, args, &p, err);
    cli_view_release(&v);
    cli_paths_release(&p.only);
    return r < 0 ? r : cli_has(args, OPT_EXIT_CODE) && p.n_shown ? 1 : 0;
}

static const struct cli_example examples[] = {
    {"Everything that was changed", "fccompose diff"},
    {"What was done by hand, for the recipe", "fccompose diff --as-steps --files contents >> fccompose.yaml"},
    {"Paths for another program", "fccompose diff --name-only -z /etc | xargs -0 -n 1 echo"},
    {0},
};

const struct cli_command cmd_diff = {
    .name = "diff",
    .group = CLI_GROUP_LIVE,
    .summary = "Show what the edits change",
    .usage = "[OPTIONS] [PATH...]",
    .options = options,
    .about =
        "One line a change, in path order: A added, M modified (and what of it), D deleted with all below it, T "
        "replaced by "
        "another type. Control bytes, bytes that are not UTF-8 and backslashes in names are printed as \\xHH and \\\\; "
        "with "
        "-z names are printed as they are. In JSON a name that is not UTF-8 has U+FFFD for its bad bytes, and all its "
        "bytes in hexadecimal under path_hex.\n\n"
        "With --as-steps the edits become the steps of a recipe, which make the same tree but for times, which are a "
        "build's own. Contents of up to 64 KiB stand in the recipe; with --files only short texts do, and the others "
        "are "
        "files of that folder, whose name in the steps is relative to the recipe.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose fsck: check a workspace with everything that it refers to, and repair it. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "layer/layer.h"
#include "workspace/check.h"

enum { OPT_DATA = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {'n', 'n', "dry-run", NULL, "only check, and say what --repair would do (so it is without --repair, too)", 0},
    {'y', 'y', "repair", NULL, "repair what can be repaired, without asking", 0},
    {OPT_DATA, 0, "data", NULL, "read the layers' contents too, and compare their digests", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* Words */

static void put_quoted(const char *text, size_t len) { cli_put_name(text, len, false); }

/* What is known of where it is. */
static void put_where(const struct fc_finding *f)
{
    if (f->path) {
        putchar('/');
        put_quoted(f->path, strlen(f->path));
    } else if (f->name) {
        putchar('"');
        put_quoted(f->name, f->name_len);
        printf("\" in inode %llu", (unsigned long long)f->ino);
    } else if (f->ino) {
        printf("inode %llu", (unsigned long long)f->ino);
    } else {
        fputs(f->table ? f->table : "workspace", stdout);
    }
}

static void put_finding(const struct fc_finding *f, const char *word, const char *lead)
{
    struct fc_buf safe __attribute__((cleanup(fc_buf_release_auto))) = {0};

    printf("%s: ", word);
    put_where(f);
    /* Words may hold bytes of the database. */
    for (const char *p = f->what; *p;) {
        size_t n = strcspn(p, "\\");

        if (fc_name_quote(&safe, p, n) < 0 || (p[n] && fc_buf_add(&safe, "\\", 1) < 0))
            break;
        p += n + (p[n] != 0);
    }
    printf(": %s\n    [%s%s%s", safe.data ? safe.data : "", f->code, f->table ? ", " : "", f->table ? f->table : "");
    if (f->ino)
        printf(", %sinode %llu", f->name ? "in " : "", (unsigned long long)f->ino);
    if (f->repair)
        printf("] %s: %s\n", lead, f->repair);
    else
        puts(f->error ? "] cannot be repaired here" : "]");
}

static const char *plural(size_t n) { return n == 1 ? "" : "s"; }

static void put_findings(const struct fc_workspace_check *c)
{
    for (size_t i = 0; i < c->found.n; i++) {
        const struct fc_finding *f = &c->found.items[i];

        if (!c->repaired)
            put_finding(f, f->error ? "error" : "note", "repair");
        else if (f->repair)
            put_finding(f, "repaired", "done");
    }
    for (size_t i = 0; i < c->left.n; i++)
        put_finding(&c->left.items[i], c->left.items[i].error ? "error" : "note", "repair");
}

static void put_summary(const struct fc_workspace_check *c)
{
    size_t left = fc_workspace_check_errors(c);

    if (c->mounted)
        puts("It is mounted: this is what it was at one moment of the check.");
    if (c->partly)
        puts("Names and contents were not checked against the layers, because not all of them can be read.");
    if (c->backup) {
        fputs("The database as it was: ", stdout);
        put_quoted(c->backup, strlen(c->backup));
        putchar('\n');
    }
    if (left)
        return;
    put_quoted(c->dir, strlen(c->dir));
    if (c->repaired)
        printf(": repaired; checked again, no errors\n");
    else
        puts(": no errors");
}

/* JSON */

static json_t *finding_json(const struct fc_finding *f)
{
    json_t *o = json_pack("{s:s, s:s}", "severity", f->error ? "error" : "note", "code", f->code);

    if (f->table)
        json_object_set_new(o, "table", json_string(f->table));
    if (f->ino)
        json_object_set_new(o, "inode", json_integer((json_int_t)f->ino));
    if (f->name)
        cli_json_name(o, "name", f->name, f->name_len);
    if (f->path)
        cli_json_name(o, "path", f->path, strlen(f->path));
    cli_json_name(o, "what", f->what, strlen(f->what));
    json_object_set_new(o, "repair", f->repair ? json_string(f->repair) : json_null());
    return o;
}

static json_t *findings_json(const struct fc_findings *f)
{
    json_t *list = json_array();

    for (size_t i = 0; i < f->n; i++)
        json_array_append_new(list, finding_json(&f->items[i]));
    return list;
}

static int put_json(const struct fc_workspace_check *c, struct fc_error *err)
{
    json_t *o = json_object();

    cli_json_name(o, "workspace", c->dir, strlen(c->dir));
    json_object_set_new(o, "mounted", json_boolean(c->mounted));
    json_object_set_new(o, "complete", json_boolean(!c->partly));
    json_object_set_new(o, "repaired", json_boolean(c->repaired));
    json_object_set_new(o, "errors", json_integer((json_int_t)fc_workspace_check_errors(c)));
    if (c->backup)
        cli_json_name(o, "backup", c->backup, strlen(c->backup));
    json_object_set_new(o, "found", findings_json(&c->found));
    if (c->repaired)
        json_object_set_new(o, "left", findings_json(&c->left));
    return cli_json_print(o, err);
}

/* How many of the errors that are left a repair would deal with. */
static size_t repairable(const struct fc_findings *f)
{
    size_t n = 0;

    for (size_t i = 0; i < f->n; i++)
        n += f->items[i].error && f->items[i].repair;
    return n;
}

static int verdict(struct cli *cli, const struct fc_workspace_check *c, struct fc_error *err)
{
    size_t left = fc_workspace_check_errors(c), can = repairable(c->repaired ? &c->left : &c->found);

    if (!left)
        return CLI_OK;
    if (can && !c->partly && !c->repaired)
        cli_hint(cli, "next: %sfccompose fsck --repair (deals with %zu of them, and keeps a copy of the database)",
                 c->mounted ? "fccompose umount, then " : "", can);
    else if (c->partly && can)
        cli_hint(cli, "next: bring the layers back (fccompose pull), for nothing is repaired without them");
    return fc_fail(err, EBADMSG, c->repaired ? "%s: %zu error%s could not be repaired" : "%s: %zu error%s", c->dir,
                   left, plural(left));
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_workspace_check_options how = {
        .repair = cli_has(args, 'y'), .data = cli_has(args, OPT_DATA), .progress = cli->progress};
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct fc_workspace_check c = {0};
    int r;

    if (how.repair && cli_has(args, 'n'))
        return cli_usage(err, "fsck: --repair and --dry-run exclude each other");
    r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = fc_workspace_check(args->n_operands ? args->operands[0] : NULL, cache, &how, &c, err);
    if (r < 0)
        return r;
    if (cli->json) {
        r = put_json(&c, err);
    } else {
        put_findings(&c);
        put_summary(&c);
        r = cli_flush(err);
    }
    if (r == 0)
        r = verdict(cli, &c, err);
    fc_workspace_check_release(&c);
    return r;
}

static const struct cli_example fsck_examples[] = {
    {"Is everything whole? (in a script: the exit status tells)", "fccompose fsck && echo whole"},
    {"After a crash of the machine or a doubtful disk", "fccompose fsck --data"},
    {"Repair what can be repaired", "fccompose fsck --repair"},
    {0},
};

const struct cli_command cmd_fsck = {
    .name = "fsck",
    .group = CLI_GROUP_LIVE,
    .summary = "Check a workspace and everything that it refers to, and repair it",
    .usage = "[--repair|--dry-run] [--data] [--json] [WORKSPACE]",
    .options = options,
    .about =
        "Checks the database, every row in it, the file with the contents of edits, and the layers against each other, "
        "in "
        "the workspace that WORKSPACE is, or else in that of the current directory. Without --repair nothing is "
        "changed; "
        "of each fault it is told what a repair would do.\n"
        "\n"
        "--repair keeps all that can be kept: it first copies the database to workspace.db.before-fsck-TIME beside it, "
        "then makes all changes in one transaction, and checks again. Objects that no name leads to get one in "
        "/lost+found. Of a database that cannot be read any more the readable rows go into a new one. Content that is "
        "lost becomes a hole. To go back, move the copy over workspace.db (and a copy that ends in -wal over "
        "workspace.db-wal) before the workspace is used again: later the space of dropped content is given to others.\n"
        "\n"
        "A mounted workspace can be checked, but not repaired. Layers are repaired by `fccompose pull`, not here.\n"
        "\n"
        "The exit status is 0 when there is no error, or all were repaired, 1 when errors are left or the check "
        "failed, "
        "and 2 for wrong usage.",
    .examples = fsck_examples,
    .min_operands = 0,
    .max_operands = 1,
    .completes = CLI_WORD_DIR,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose status: the stack, the mount, the edits, the conflicts. */
#include <errno.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/disk.h"
#include "cli/json.h"
#include "fuse/fuse.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

static int put_conflict(void *arg, const char *path, const char *what)
{
    (void)arg;
    fputs("  /", stdout);
    cli_put_name(path, strlen(path), false);
    printf(": %s\n", what);
    return 0;
}

static int add_conflict(void *arg, const char *path, const char *what)
{
    json_t *o = json_pack("{s:s}", "what", what);

    cli_json_name(o, "path", path, strlen(path));
    return json_array_append_new(arg, o) < 0 ? -ENOMEM : 0;
}

static int as_json(struct fc_workspace *ws, const struct fc_workspace_status *s, struct fc_error *err)
{
    json_t *o = json_object(), *layers = json_array(), *conflicts = json_array();
    const struct fc_workspace_layer *stack;
    uint32_t n;
    int r;

    stack = fc_workspace_stack(ws, &n);
    for (uint32_t i = 0; i < n; i++) {
        char digest[FC_DIGEST_TEXT];
        json_t *l = json_pack("{s:s}", "diffid", fc_digest_format(&stack[i].diffid, digest));

        cli_json_name(l, "name", stack[i].name, strlen(stack[i].name));
        json_array_append_new(layers, l);
    }
    r = fc_workspace_conflicts(ws, add_conflict, conflicts, err);
    cli_json_name(o, "workspace", fc_workspace_dir(ws), strlen(fc_workspace_dir(ws)));
    json_object_set_new(o, "layers", layers);
    json_object_set_new(o, "mounted", json_boolean(s->mounted));
    if (s->pid)
        json_object_set_new(o, "pid", json_integer(s->pid));
    if (s->mounted)
        cli_json_name(o, "mountpoint", s->mountpoint, strlen(s->mountpoint));
    if (s->disk && *s->disk)
        cli_json_name(o, "disk", s->disk, strlen(s->disk));
    json_object_set_new(o, "changed_objects", json_integer((json_int_t)s->n_inodes));
    json_object_set_new(o, "changed_names", json_integer((json_int_t)s->n_names));
    json_object_set_new(o, "data_bytes", json_integer((json_int_t)s->data_bytes));
    json_object_set_new(o, "conflicts", conflicts);
    if (r < 0) {
        json_decref(o);
        return r;
    }
    return cli_json_print(o, err);
}

static void put_mount(const struct fc_workspace *ws, const struct fc_workspace_status *s)
{
    fc_auto(fc_free) char *rootfs = NULL;

    if (s->mounted) {
        fputs("mount      ", stdout);
        cli_put_name(s->mountpoint, strlen(s->mountpoint), false);
        printf(" (process %d)\n", s->pid);
        return;
    }
    if (asprintf(&rootfs, "%s/rootfs", fc_workspace_dir(ws)) < 0)
        rootfs = NULL;
    printf("mount      %s\n",
           rootfs && fc_mount_probe(rootfs) == 2 ? "dead: its process has ended (fccompose umount cleans up)" : "none");
}

static void put_disk(const struct fc_workspace *ws, const struct fc_workspace_status *s)
{
    fc_auto(fc_free) char *dir = s->pid ? NULL : cli_disk_dir(fc_workspace_dir(ws));

    if (dir && fc_mount_probe(dir) == 2)
        puts("disk       dead: its process has ended (fccompose umount cleans up)");
    if (!s->disk || !*s->disk)
        return;
    fputs("disk       ", stdout);
    cli_put_name(s->disk, strlen(s->disk), false);
    if (s->mounted)
        putchar('\n');
    else
        printf(" (process %d)\n", s->pid);
}

static int as_text(struct fc_workspace *ws, const struct fc_workspace_status *s, struct fc_error *err)
{
    const struct fc_workspace_layer *stack;
    char size[32];
    uint32_t n;
    int r = 0;

    fputs("workspace  ", stdout);
    cli_put_name(fc_workspace_dir(ws), strlen(fc_workspace_dir(ws)), false);
    stack = fc_workspace_stack(ws, &n);
    printf("\nstack      %u layer%s\n", n, n == 1 ? "" : "s");
    for (uint32_t i = n; i-- > 0;) {
        char digest[FC_DIGEST_TEXT];

        printf("  %3u  %.12s  ", i, fc_digest_format(&stack[i].diffid, digest) + 7);
        cli_put_name(stack[i].name, strlen(stack[i].name), false);
        putchar('\n');
    }
    put_mount(ws, s);
    put_disk(ws, s);
    if (s->n_inodes || s->n_names)
        printf("edits      objects %llu, names %llu, content %s (fccompose diff shows them)\n",
               (unsigned long long)s->n_inodes, (unsigned long long)s->n_names, cli_size(size, s->data_bytes));
    else
        printf("edits      none\n");
    if (s->n_conflicts) {
        printf("conflicts  %llu: the stack changed under these edits, which are kept but not shown\n",
               (unsigned long long)s->n_conflicts);
        r = fc_workspace_conflicts(ws, put_conflict, NULL, err);
    }
    return r < 0 ? r : cli_flush(err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    struct fc_workspace_status status = {0};
    int r = fc_cache_open(NULL, &cache, err);

    (void)args;
    if (r == 0)
        r = fc_workspace_open(NULL, cache, FC_WORKSPACE_READ, &ws, err);
    if (r == 0)
        r = fc_workspace_status(ws, &status, err);
    if (r < 0)
        return r;
    r = cli->json ? as_json(ws, &status, err) : as_text(ws, &status, err);
    fc_workspace_status_release(&status);
    return r;
}

static const struct cli_example status_examples[] = {
    {"Whether it is mounted, for a script", "fccompose status --json | jq .mounted"},
    {0},
};

const struct cli_command cmd_status = {
    .name = "status",
    .group = CLI_GROUP_LIVE,
    .summary = "Show the stack, the mount, the edits and conflicts",
    .usage = "[--json]",
    .examples = status_examples,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};

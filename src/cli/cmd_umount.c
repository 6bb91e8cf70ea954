/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose umount: unmount and wait until everything is committed. */
#include <errno.h>
#include <libgen.h>
#include <string.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/disk.h"
#include "fuse/fuse.h"
#include "workspace/workspace.h"

static const struct cli_option options[] = {
    {'l', 'l', "lazy", NULL, "detach at once, also when it is in use", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static bool same_place(const char *a, const char *b)
{
    fc_auto(fc_free) char *real_a = realpath(a, NULL), *real_b = realpath(b, NULL);

    return strcmp(real_a ? real_a : a, real_b ? real_b : b) == 0;
}

/* Ask the mount process of the workspace in @dir. Returns 1 when there is none, or it serves another place than @at. */
static int stop(struct cli *cli, const char *dir, const char *at, bool lazy, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(dir);
    fc_auto(fc_control_info_release) struct fc_control_info info = {0};
    fc_auto(fc_close) int fd = -1;
    const char *where;
    int r;

    if (!socket)
        return fc_fail_errno(err, ENOMEM, "%s", dir);
    fd = fc_control_connect(socket, NULL);
    if (fd < 0 || fc_control_info(fd, &info, NULL) < 0)
        return 1;
    if (!*info.mountpoint && !*info.disk) /* a command that serves itself; it has nothing to unmount */
        return at ? 1
                  : fc_fail(err, EINVAL, "%s: not mounted, but in use by fccompose run (process %d)", dir, info.pid);
    where = *info.mountpoint ? info.mountpoint : dirname(info.disk); /* no mount: a virtual disk alone */
    if (at && !same_place(at, where))
        return 1;
    close(fc_steal_fd(&fd)); /* one request a connection */
    fd = fc_control_connect(socket, err);
    r = fd < 0 ? fd : fc_control_stop(fd, lazy, err);
    if (r == 0)
        cli_say(cli, "%s: unmounted", where);
    return r;
}

/* A mount that no workspace answers for: of layers, or dead. */
static int undo(struct cli *cli, const char *at, bool lazy, struct fc_error *err)
{
    int state = fc_mount_probe(at), r;

    if (state == 0)
        return fc_fail(err, EINVAL, "%s: nothing of fccompose is mounted there", at);
    r = fc_mount_undo(at, lazy || state == 2, err);
    if (r == 0)
        cli_say(cli, state == 2 ? "%s: cleaned up a dead mount (its process had ended)" : "%s: unmounted", at);
    return r;
}

/* A killed process leaves the mount of its virtual disk, too. Returns 1 when there was one, 0, or a failure. */
static int clean_disk(struct cli *cli, const char *workspace, struct fc_error *err)
{
    fc_auto(fc_free) char *dir = cli_disk_dir(workspace);
    int r;

    if (!dir)
        return fc_fail_errno(err, ENOMEM, "umount");
    if (fc_mount_probe(dir) != 2)
        return 0;
    r = undo(cli, dir, true, err);
    return r < 0 ? r : 1;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    bool lazy = cli_has(args, 'l');
    fc_auto(fc_free) char *at = args->n_operands ? fc_abspath(args->operands[0]) : NULL, *dir = NULL, *copy = NULL;
    struct fc_error none = {0};
    int r = fc_workspace_find(NULL, &dir, args->n_operands ? &none : err);

    if (r < 0 && !at)
        return r;
    if (r == 0) {
        r = stop(cli, dir, at, lazy, err);
        if (r <= 0)
            return r;
    }
    if (at) { /* rootfs of a workspace that is not above us */
        copy = strdup(at);
        free(fc_steal(&dir));
        if (copy && fc_workspace_find(dirname(copy), &dir, NULL) == 0) {
            r = stop(cli, dir, at, lazy, err);
            if (r <= 0)
                return r;
        }
        return undo(cli, at, lazy, err);
    }
    r = clean_disk(cli, dir, err);
    if (r < 0)
        return r;
    if (asprintf(&at, "%s/rootfs", dir) < 0) {
        at = NULL;
        return fc_fail_errno(err, ENOMEM, "umount");
    }
    return r == 1 && fc_mount_probe(at) == 0 ? 0 : undo(cli, at, lazy, err);
}

static const struct cli_example umount_examples[] = {
    {"The mount of the workspace that this directory is in", "fccompose umount"},
    {"Of another one, though a shell is still in it", "fccompose umount --lazy ../other/rootfs"},
    {0},
};

const struct cli_command cmd_umount = {
    .name = "umount",
    .group = CLI_GROUP_LIVE,
    .summary = "Unmount the live tree, take the virtual disk away",
    .usage = "[-l] [DIR]",
    .options = options,
    .about = "Without DIR: the mount of the workspace, and its virtual disk (see `fccompose help freeze`). Returns "
             "when every change is committed. A mount whose process "
             "has died "
             "is cleaned up.",
    .examples = umount_examples,
    .min_operands = 0,
    .max_operands = 1,
    .completes = CLI_WORD_DIR,
    .run = run,
};

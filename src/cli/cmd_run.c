/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose run: a command inside the live tree. */
#include "cli/commands.h"
#include "cli/run.h"

static const struct cli_option options[] = {
    CLI_RUN_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    return cli_run(cli, args, args->operands, err);
}

static const struct cli_example examples[] = {
    {"Install a package with the tree's own tools", "fccompose run -- apk add openrc"},
    {"Without questions, into a Debian tree",
     "fccompose run -e DEBIAN_FRONTEND=noninteractive -- apt-get install -y openssh-server"},
    {"Build something from here, without network", "fccompose run --net none -v .:/src:ro -w /src -- make install"},
    {0},
};

const struct cli_command cmd_run = {
    .name = "run",
    .group = CLI_GROUP_LIVE,
    .summary = "Run a command inside the live tree",
    .usage = "[OPTIONS] [--] COMMAND [ARG...]",
    .options = options,
    .about =
        "The command sees the tree as its root, as root or USER of the tree, in mount, pid, ipc, uts and user "
        "namespaces of "
        "its own. What it changes shows in a mount at once, and the other way round; without a mount the workspace is "
        "opened for the time of the command. Everything is committed and on the disk when `run` returns.\n\n"
        "An ordinary user needs /dev/fuse and, for more owners than root, ranges in /etc/subuid and /etc/subgid and "
        "the "
        "programs newuidmap and newgidmap. Without them there is one id: everything looks as if it were root's, and "
        "who is "
        "to own a file is recorded in the tree.\n\n"
        "Not of the tree, and not left in it: /proc, /sys (read-only), /dev, /etc/hosts and, with the host's network, "
        "/etc/resolv.conf; what is written to these goes nowhere. In trees of Debian and Ubuntu no service starts "
        "(/usr/sbin/policy-rc.d says no, unless the tree has one). /tmp and /run are the tree's.\n\n"
        "The network is that of the host, unlike for a step of a recipe, where it is none. fsync returns at once "
        "(--fsync=batch), since package managers call it for every file; one sync at the end does for all.\n\n"
        "On a terminal the command has one of its own. Signals are passed on; what the command leaves running ends "
        "with it. "
        "The exit status is the command's, 128 and the signal that killed it, 125 when it could not be started by us, "
        "126 "
        "when the program cannot be run, 127 when it is not there. Programs for other machines run through "
        "binfmt_misc, when "
        "qemu-user is installed.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .completes = CLI_WORD_NONE,
    .wraps = true,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cp: bring host files into the tree. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/editor.h"

enum { OPT_CP_OWNER = CLI_LONG_ONLY, OPT_CP_MODE };

static const struct cli_option options[] = {
    {'r', 'r', "recursive", NULL, "copy directories with all that is in them; symbolic links stay links", 0},
    {'R', 'R', NULL, NULL, "the same as -r", 0},
    {'a', 'a', "archive", NULL, "-r, and keep numeric owners", 0},
    {'p', 'p', "keep-owner", NULL, "keep numeric owners; else copies belong to 0:0", 0},
    {OPT_CP_OWNER, 0, "owner", "UID:GID", "the copies' owner", 0},
    {OPT_CP_MODE, 'm', "mode", "MODE", "permissions of the copy (of SOURCE itself, not of what is below it)", 0},
    {'f', 'f', "force", NULL, "accepted: what is there is replaced anyway", 0},
    {'n', 'n', "no-clobber", NULL, "leave what is there as it is", 0},
    {'D', 'D', "parents", NULL, "make missing directories on the way to DEST", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* As cp does: a link on the command line is followed unless the copy is recursive. */
static int open_source(const char *path, bool recursive, struct fc_error *err)
{
    struct stat st;
    int flags = O_CLOEXEC | O_NONBLOCK | (recursive ? O_NOFOLLOW : 0), fd;

    if (fstatat(AT_FDCWD, path, &st, recursive ? AT_SYMLINK_NOFOLLOW : 0) < 0)
        return fc_fail_errno(err, errno, "%s", path);
    fd = open(path, flags | (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? O_RDONLY : O_PATH));
    return fd < 0 ? fc_fail_errno(err, errno, "%s", path) : fd;
}

static int copy_all(struct cli_editor *e, struct fc_verb *verb, const struct cli_args *args, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i + 1 < args->n_operands && r == 0; i++) {
        fc_auto(fc_close) int fd = open_source(args->operands[i], verb->flags & FC_VERB_RECURSIVE, err);

        if (fd < 0)
            return fd;
        verb->fd = fd;
        verb->source_name = args->operands[i];
        r = cli_editor_apply(e, verb, err);
    }
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_editor e __attribute__((cleanup(cli_editor_release_auto))) = {0};
    struct fc_verb verb = {.kind = FC_VERB_CP, .fd = -1, .mode_text = cli_value(args, OPT_CP_MODE)};
    struct fc_buf dest __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = cli_verb_owner(args, OPT_CP_OWNER, &verb, err), r2;

    if (r < 0)
        return r;
    if (cli_has(args, 'r') || cli_has(args, 'R') || cli_has(args, 'a'))
        verb.flags |= FC_VERB_RECURSIVE;
    if (cli_has(args, 'p') || cli_has(args, 'a'))
        verb.flags |= FC_VERB_KEEP_OWNER;
    verb.flags |= (cli_has(args, 'n') ? FC_VERB_NO_CLOBBER : 0u) | (cli_has(args, 'D') ? FC_VERB_PARENTS : 0u);
    if ((verb.flags & FC_VERB_KEEP_OWNER) && cli_has(args, OPT_CP_OWNER))
        return cli_usage(err, "cp: --owner and keeping owners contradict each other");
    /* Several sources go into a directory, which has to be there. */
    if (fc_buf_addf(&dest, "%s%s", args->operands[args->n_operands - 1], args->n_operands > 2 ? "/." : "") < 0)
        return fc_fail_errno(err, ENOMEM, "cp");
    verb.path = dest.data;
    r = cli_editor_open(cli, &e, err);
    if (r < 0)
        return r;
    r = copy_all(&e, &verb, args, err);
    r2 = cli_editor_finish(&e, r < 0 ? NULL : err);
    return r < 0 ? r : r2;
}

static const struct cli_example examples[] = {
    {"A file, and a whole directory, owned by root", "fccompose cp app.conf /etc/ && fccompose cp -r site /srv/www"},
    {"What is in a directory, with an owner of the guest", "fccompose cp -r --owner 1000:1000 home/. /home/user"},
    {0},
};

const struct cli_command cmd_cp = {
    .name = "cp",
    .group = CLI_GROUP_EDIT,
    .summary = "Copy files of this host into the tree",
    .usage = "[OPTIONS] SOURCE... DEST",
    .options = options,
    .about = "SOURCE is a path of this host, DEST a path of the tree. When DEST is a directory the copy goes into it. "
             "Modes, "
             "times, extended attributes, hard links and holes come along; owners do when asked for.\n\n"
             "Needs no mount; while the workspace is mounted the mount shows the change at once.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = -1,
    .completes = CLI_WORD_FILE,
    .run = run,
};

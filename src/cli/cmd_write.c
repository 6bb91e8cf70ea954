/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose write: set a file's content from the command line or standard input. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/editor.h"

enum { OPT_WRITE_OWNER = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {'a', 'a', "append", NULL, "put it after what is there", 0},
    {'n', 'n', "no-newline", NULL, "no newline after TEXT", 0},
    {'m', 'm', "mode", "MODE", "permissions, octal or like u+x (a new file's default is 0644)", 0},
    {OPT_WRITE_OWNER, 0, "owner", "UID:GID", "owner (a new file's default is 0:0)", 0},
    {'p', 'p', "parents", NULL, "make missing directories on the way", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* TEXT as a file, so that one way of handing content over is enough. */
static int open_text(const char *text, bool newline, struct fc_error *err)
{
    fc_auto(fc_close) int fd = memfd_create("fccompose", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : fc_write_full(fd, text, strlen(text));

    if (r == 0 && newline)
        r = fc_write_full(fd, "\n", 1);
    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    return r < 0 ? fc_fail_errno(err, -r, "write: cannot hold the text") : fc_steal_fd(&fd);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_WRITE, .fd = STDIN_FILENO, .mode_text = cli_value(args, 'm')};
    fc_auto(fc_close) int text = -1;
    int r = cli_verb_owner(args, OPT_WRITE_OWNER, &verb, err);

    if (r < 0)
        return r;
    verb.flags |= (cli_has(args, 'a') ? FC_VERB_APPEND : 0u) | (cli_has(args, 'p') ? FC_VERB_PARENTS : 0u);
    if (args->n_operands == 2) {
        text = open_text(args->operands[1], !cli_has(args, 'n'), err);
        if (text < 0)
            return text;
        verb.fd = text;
    } else if (isatty(STDIN_FILENO)) {
        cli_say(cli, "reading %s from the terminal; end with Ctrl-D", args->operands[0]);
    }
    return cli_edit_each(cli, &verb, args->operands, 1, err);
}

static const struct cli_example examples[] = {
    {"A line of text", "fccompose write /etc/hostname web"},
    {"A file from standard input", "fccompose write -m 0600 /etc/shadow < shadow"},
    {"A line after those that are there", "fccompose write -a /etc/modules virtio_net"},
    {0},
};

const struct cli_command cmd_write = {
    .name = "write",
    .group = CLI_GROUP_EDIT,
    .summary = "Set or extend the content of a file of the tree",
    .usage = "[OPTIONS] PATH [TEXT]",
    .options = options,
    .about = "The content is TEXT and a newline, or, without TEXT, standard input as it is. The file appears whole or "
             "not at all.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = 2,
    .run = run,
};

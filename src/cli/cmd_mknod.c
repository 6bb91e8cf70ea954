/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose mknod: make device nodes, FIFOs, sockets and empty files in the tree. */
#include <string.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/editor.h"

enum { OPT_MKNOD_OWNER = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {'m', 'm', "mode", "MODE", "permissions, octal (default 0644)", 0},
    {OPT_MKNOD_OWNER, 0, "owner", "UID:GID", "owner (default 0:0)", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static int parse_type(const char *text, uint32_t *ret, struct fc_error *err)
{
    static const char letters[] = "bcupsf";
    static const uint32_t types[] = {S_IFBLK, S_IFCHR, S_IFCHR, S_IFIFO, S_IFSOCK, S_IFREG};
    const char *at = text[0] && !text[1] ? strchr(letters, text[0]) : NULL;

    if (!at)
        return cli_usage(err, "mknod: %s: expected b, c, p, s or f", text);
    *ret = types[at - letters];
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_MKNOD, .fd = -1};
    uint64_t major = 0, minor = 0;
    uint32_t type = 0, mode = 0644;
    const char *mode_text = cli_value(args, 'm');
    bool device;
    int r = parse_type(args->operands[1], &type, err);

    if (r < 0)
        return r;
    device = S_ISBLK(type) || S_ISCHR(type);
    if (args->n_operands != (device ? 4u : 2u))
        return cli_usage(err,
                         device ? "mknod: a device needs MAJOR and MINOR" : "mknod: only devices have MAJOR and MINOR");
    if (device) {
        r = cli_parse_number("MAJOR", args->operands[2], 0xfff, &major, err);
        if (r == 0)
            r = cli_parse_number("MINOR", args->operands[3], 0xfffff, &minor, err);
    }
    if (r == 0 && mode_text)
        r = cli_parse_octal("--mode", mode_text, &mode, err);
    if (r == 0)
        r = cli_verb_owner(args, OPT_MKNOD_OWNER, &verb, err);
    if (r < 0)
        return r;
    verb.flags |= FC_VERB_SET_MODE;
    verb.mode = type | mode;
    verb.rdev_major = (uint32_t)major;
    verb.rdev_minor = (uint32_t)minor;
    return cli_edit_each(cli, &verb, args->operands, 1, err);
}

static const struct cli_example examples[] = {
    {"The serial console", "fccompose mknod -m 0620 --owner 0:5 /dev/ttyS0 c 4 64"},
    {0},
};

const struct cli_command cmd_mknod = {
    .name = "mknod",
    .group = CLI_GROUP_EDIT,
    .summary = "Make device nodes, FIFOs and sockets in the tree",
    .usage = "[OPTIONS] PATH b|c MAJOR MINOR\n[OPTIONS] PATH p|s|f",
    .options = options,
    .about = "b is a block device, c a character device, p a FIFO, s a socket, f an empty file. Needs no privilege: "
             "the node "
             "exists in the tree and in the image, not on this host.",
    .examples = examples,
    .min_operands = 2,
    .max_operands = 4,
    .run = run,
};

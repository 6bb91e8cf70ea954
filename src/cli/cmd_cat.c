/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose cat: print files of the tree. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/view.h"

static const struct cli_option options[] = {
    {'l', 'l', "layer", "LAYER", "look into these layers, with no workspace; may be repeated", CLI_WORD_FILE},
    CLI_IMAGE_OPTION("look into this ext4 image, with no workspace"),
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int print(const struct cli_view *v, const char *path, struct fc_error *err)
{
    uint32_t inode, mode;
    int r = cli_view_find(v, path, true, &inode, err);

    if (r < 0)
        return r;
    mode = cli_inodes(v->snapshot)[inode].mode;
    if (S_ISDIR(mode))
        return fc_fail_errno(err, EISDIR, "%s", path);
    if (!S_ISREG(mode))
        return fc_fail(err, EINVAL, "%s: not a regular file", path);
    r = cli_view_cat(v, inode, STDOUT_FILENO, err);
    return r < 0 ? fc_wrap(err, "%s", path) : 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_view v = {0};
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_values(args, 'l', &n);
    int r = layers ? cli_view_open_args(cli, args, layers, n, false, &v, err) : fc_fail_errno(err, ENOMEM, "cat");

    for (size_t i = 0; i < args->n_operands && r == 0; i++)
        r = print(&v, args->operands[i], err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"A file of the workspace", "fccompose cat /etc/os-release"},
    {"A file of a tarball", "fccompose cat -l alpine.tar.gz /etc/os-release"},
    {"A file of an image", "fccompose cat -i rootfs.ext4 /etc/os-release"},
    {0},
};

const struct cli_command cmd_cat = {
    .name = "cat",
    .group = CLI_GROUP_OUT,
    .summary = "Print files of the tree",
    .usage = "[-l LAYER]... PATH...\n-i IMAGE PATH...",
    .options = options,
    .about = "Symbolic links are followed inside the tree.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = -1,
    .run = run,
};

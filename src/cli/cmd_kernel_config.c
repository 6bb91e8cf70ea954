/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel config: a base and fragments, merged. */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "cli/cmd_kernel.h"
#include "cli/kernel.h"

static const struct cli_option options[] = {
    CLI_KERNEL_CONFIG_OPTIONS,
    {'o', 'o', "output", "FILE", "write it there instead of standard output", CLI_WORD_FILE},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    __attribute__((cleanup(cli_kernel_release_auto))) struct cli_kernel k = {0};
    __attribute__((cleanup(fc_merged_release_auto))) struct fc_merged m = {0};
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *output = cli_value(args, 'o');
    int r = cli_kernel_take(cli, args, args->n_operands ? args->operands[0] : NULL, &k, err);

    if (r == 0)
        r = fc_merge(k.fetcher, &k.q, &m, err);
    if (r < 0)
        return r;
    if (fc_buf_addf(&text, "# Made by fccompose kernel config from %s\n", m.base) < 0 ||
        fc_kconfig_write(m.config, &text) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (output)
        return fc_atomic_write(output, text.data, text.len, false, err);
    fwrite(text.data, 1, text.len, stdout);
    return cli_flush(err);
}

static const struct cli_example examples[] = {
    {"Firecracker's 6.1 configuration with what Docker needs",
     "fccompose kernel config 6.1 --fragment docker -o my.config"},
    {"A configuration of your own, one option changed",
     "fccompose kernel config --config my.config --set CONFIG_TUN=y"},
    {0},
};

const struct cli_command cmd_kernel_config = {
    .name = "kernel config",
    .group = CLI_GROUP_MACHINE,
    .summary = "Merge a base configuration and fragments",
    .usage = "[OPTIONS] [VERSION]",
    .options = options,
    .about =
        "Puts the base, the fragments and the single options over each other, in this order; what comes later "
        "counts. A fragment may change the base without a word; where two fragments, or a fragment and --set, say "
        "different things of one option, a warning names both places.\n\n"
        "Nothing is asked and no source is needed, so this is what is requested, not yet what the kernel makes of it: "
        "`kernel build` runs olddefconfig and reports what did not survive.\n\n"
        "\"firecracker\" is the configuration with which Firecracker's own tests run, for the preset VERSION (5.10, "
        "5.10-no-acpi, 6.1, 6.18) or the newest that is not newer than it, from its repository at a pinned commit "
        "and with a pinned digest. \"minimal\" is ours: what booting an ext4 image and an init system need, and all "
        "else off.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .run = run,
};

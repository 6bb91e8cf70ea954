/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel check and kernel extract: what a built kernel is, and getting it out of what Firecracker refuses. */
#include <errno.h>
#include <string.h>

#include "base/io.h"
#include "base/arch.h"
#include "cli/cmd_kernel.h"
#include "cli/fetch.h"
#include "cli/json.h"
#include "kernel/kernel.h"

enum { OPT_CONFIG = CLI_LONG_ONLY, OPT_MACHINE };

static const struct cli_option check_options[] = {
    {OPT_CONFIG, 0, "config", "FILE", "its configuration, when it is not embedded and not in FILE.config beside it",
     CLI_WORD_FILE},
    {OPT_MACHINE, 0, "machine", "ARCH", "architecture of the machine that shall run it (default: the kernel's own)", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* Where findings go. */
struct findings {
    struct cli *cli;
    json_t *list; /* NULL: standard output */
};

static void put(void *arg, const struct fc_kernel_finding *f)
{
    static const char *const words[] = {"ok", "warn", "error"}, *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    struct findings *to = arg;
    bool color = to->cli->color;

    if (to->list) {
        json_t *o = json_pack("{s:s, s:s, s:s}", "severity", words[f->severity], "code", f->code, "finding", f->what);

        if (f->fix)
            json_object_set_new(o, "fix", json_string(f->fix));
        json_array_append_new(to->list, o);
        return;
    }
    printf("%s%-5s%s  %s: %s\n", color ? colors[f->severity] : "", words[f->severity], color ? "\033[0m" : "", f->code,
           f->what);
    if (f->fix)
        printf("       %s\n", f->fix);
}

static json_t *describe(const struct fc_kernel *k)
{
    json_t *o =
        json_pack("{s:s, s:s?, s:s?, s:s?, s:s?, s:b}", "format", fc_kernel_format_name(k->format), "arch", k->arch,
                  "version", k->version, "compression", k->compression, "config", k->config_from, "pvh", k->pvh);

    if (k->banner)
        cli_json_name(o, "banner", k->banner, strlen(k->banner));
    return o;
}

static int run_check(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_kernel_free) struct fc_kernel *k = NULL;
    struct findings to = {.cli = cli, .list = cli->json ? json_array() : NULL};
    const char *machine = cli_value(args, OPT_MACHINE), *arch = machine ? fc_arch_machine(machine) : NULL;
    enum fc_kernel_severity worst;
    int r;

    if (machine && !arch)
        return cli_usage(err, "--machine: %s: expected x86_64 or aarch64", machine);
    r = fc_kernel_read(args->operands[0], cli_value(args, OPT_CONFIG), &k, err);
    if (r < 0)
        return r;
    worst = fc_kernel_judge(k, arch, put, &to);
    if (to.list) {
        json_t *o = describe(k);

        json_object_set_new(o, "findings", to.list);
        r = cli_json_print(o, err);
    } else {
        r = cli_flush(err);
    }
    return r < 0 ? r : worst == FC_KERNEL_ERROR ? CLI_FAILED : CLI_OK;
}

static const struct cli_example check_examples[] = {
    {"Will this kernel boot?", "fccompose kernel check vmlinux-6.1.167"},
    {"What is wrong with a configuration, for a script", "fccompose kernel check my.config --json"},
    {0},
};

const struct cli_command cmd_kernel_check = {
    .name = "kernel check",
    .group = CLI_GROUP_MACHINE,
    .summary = "Judge a built kernel, or a .config, alone",
    .usage = "[OPTIONS] VMLINUX|CONFIG",
    .options = check_options,
    .about =
        "Reads the headers of the file (ELF, bzImage, arm64 Image, EFI zboot), the note that says it boots by PVH, its "
        "version, and the configuration that is embedded in it (CONFIG_IKCONFIG) or lies beside it, and compares "
        "that with what Firecracker needs. Each finding has a code, what was found, and what to do. Exits 1 when "
        "one is an error: the guest would not boot.",
    .examples = check_examples,
    .min_operands = 1,
    .max_operands = 1,
    .completes = CLI_WORD_FILE,
    .run = run_check,
};

static const struct cli_option extract_options[] = {
    {'o', 'o', "output", "FILE", "write it there (default: vmlinux-VERSION or Image-VERSION)", CLI_WORD_FILE},
    {0, 0, NULL, NULL, NULL, 0},
};

static int run_extract(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_buf core __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_kernel_free) struct fc_kernel *k = NULL;
    fc_auto(fc_free) char *name = NULL;
    const char *output = cli_value(args, 'o');
    enum fc_kernel_format format;
    int r = fc_kernel_extract(args->operands[0], &core, &format, err);

    if (r == 0 && !output) {
        r = fc_kernel_read(args->operands[0], NULL, &k, err);
        if (r == 0 && (!k->version || strchr(k->version, '/')))
            r = cli_usage(err, "%s does not say its version: name the file with --output", args->operands[0]);
        if (r == 0 && asprintf(&name, "%s-%s", format == FC_KERNEL_ELF ? "vmlinux" : "Image", k->version) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
        output = name;
    }
    if (r == 0 && strcmp(output, "-") == 0) {
        fwrite(core.data, 1, core.len, stdout);
        return cli_flush(err);
    }
    if (r == 0)
        r = fc_atomic_write(output, core.data, core.len, false, err);
    if (r == 0)
        cli_say(cli, "%s: %s", output, fc_kernel_format_name(format));
    return r;
}

static const struct cli_example extract_examples[] = {
    {"A distribution's kernel for Firecracker", "fccompose kernel extract /boot/vmlinuz-6.1.0-18-amd64 -o vmlinux"},
    {0},
};

const struct cli_command cmd_kernel_extract = {
    .name = "kernel extract",
    .group = CLI_GROUP_MACHINE,
    .summary = "Take vmlinux out of a bzImage, or Image out of an EFI zboot or Image.gz",
    .usage = "[-o FILE] KERNEL",
    .options = extract_options,
    .about = "Writes what Firecracker loads, as it was linked: gzip, bzip2, lzma, xz, lz4 and zstd are read by "
             "libraries, lzo "
             "by the program lzop. - as the output is standard output.",
    .examples = extract_examples,
    .min_operands = 1,
    .max_operands = 1,
    .completes = CLI_WORD_FILE,
    .run = run_extract,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose check: will image, kernel and command line work together? */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "check/check.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/json.h"
#include "cli/view.h"
#include "vm/vm.h"

enum {
    OPT_KERNEL = CLI_LONG_ONLY,
    OPT_CONFIG,
    OPT_CMDLINE,
    OPT_APPEND,
    OPT_INIT,
    OPT_RO,
    OPT_OVERLAY,
    OPT_PMEM,
    OPT_PCI,
    OPT_MACHINE,
    OPT_LIST
};

static const struct cli_option options[] = {
    {'l', 'l', "layer", "LAYER", "judge the tree of these layers, lowest first; may be repeated", CLI_WORD_LAYER},
    {OPT_KERNEL, 0, "kernel", "FILE", "the guest's kernel, or a .config", CLI_WORD_FILE},
    {OPT_CONFIG, 0, "config", "FILE", "its configuration, when it is not embedded and not in FILE.config beside it",
     CLI_WORD_FILE},
    {OPT_CMDLINE, 0, "cmdline", "TEXT", "the kernel's command line (default: that of fccompose vm)", 0},
    {OPT_APPEND, 0, "append", "TEXT", "more of the command line", 0},
    {OPT_INIT, 0, "init", "PATH", "the program that the guest's kernel starts", 0},
    {OPT_RO, 0, "ro", NULL, "the root drive is read-only", 0},
    {OPT_OVERLAY, 0, "overlay", NULL, "a writable drive over the then read-only root, by /sbin/overlay-init", 0},
    {OPT_PMEM, 0, "pmem", NULL, "the image is persistent memory (virtio-pmem)", 0},
    {OPT_PCI, 0, "pci", NULL, "devices on PCI: Firecracker is run with --enable-pci", 0},
    {OPT_MACHINE, 0, "machine", "x86_64|aarch64",
     "architecture of the machine (default: the kernel's, else that of the tree's programs)", 0},
    {OPT_LIST, 0, "list", NULL, "list the rules, and judge nothing", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static const char *color_of(const struct cli *cli, enum fc_preflight_severity s)
{
    static const char *const colors[] = {"\033[36m", "\033[33m", "\033[31m"};

    return cli->color ? colors[s] : "";
}

static int list_rules(struct cli *cli, struct fc_error *err)
{
    json_t *all = cli->json ? json_array() : NULL;

    for (size_t i = 0; i < FC_PREFLIGHT_N_RULES; i++) {
        const struct fc_preflight_rule *r = &fc_preflight_rules[i];

        if (all)
            json_array_append_new(all, json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", r->code, "severity",
                                                 fc_preflight_severities[r->severity], "group",
                                                 fc_preflight_groups[r->group], "about", r->about, "fix", r->fix));
        else
            printf("%-20s %-8s %s\n%29s next: %s\n", r->code, fc_preflight_severities[r->severity], r->about, "",
                   r->fix);
    }
    return all ? cli_json_print(all, err) : cli_flush(err);
}

static json_t *as_json(const struct fc_preflight_finding *f)
{
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:s}", "code", fc_preflight_rules[f->rule].code, "severity",
                  fc_preflight_severities[f->severity], "group", fc_preflight_groups[fc_preflight_rules[f->rule].group],
                  "about", fc_preflight_rules[f->rule].about);

    if (f->path)
        cli_json_name(o, "path", f->path, strlen(f->path));
    cli_json_name(o, "finding", f->what, strlen(f->what));
    cli_json_name(o, "fix", f->fix, strlen(f->fix));
    return o;
}

static void print_one(const struct cli *cli, const struct fc_preflight_finding *f)
{
    printf("%s%-7s%s %s: ", color_of(cli, f->severity), fc_preflight_severities[f->severity],
           cli->color ? "\033[0m" : "", fc_preflight_rules[f->rule].code);
    if (f->path) {
        cli_put_name(f->path, strlen(f->path), false);
        fputs(": ", stdout);
    }
    cli_put_name(f->what, strlen(f->what), false);
    printf("\n        %s\n        next: ", fc_preflight_rules[f->rule].about);
    cli_put_name(f->fix, strlen(f->fix), false);
    putchar('\n');
}

static int print(struct cli *cli, const struct fc_preflight *c, struct fc_error *err)
{
    json_t *all = cli->json ? json_array() : NULL;
    unsigned counts[3] = {0};
    const struct fc_preflight_finding *f;
    int group = -1, r;

    for (size_t i = 0; (f = fc_preflight_finding(c, i)); i++) {
        counts[f->severity]++;
        if (all) {
            json_array_append_new(all, as_json(f));
            continue;
        }
        if ((int)fc_preflight_rules[f->rule].group != group)
            printf("%s%s\n", i ? "\n" : "", fc_preflight_groups[fc_preflight_rules[f->rule].group]);
        group = (int)fc_preflight_rules[f->rule].group;
        print_one(cli, f);
    }
    if (!all)
        printf("%s%u error%s, %u warning%s, %u note%s\n", group >= 0 ? "\n" : "", counts[FC_PREFLIGHT_ERROR],
               counts[FC_PREFLIGHT_ERROR] == 1 ? "" : "s", counts[FC_PREFLIGHT_WARNING],
               counts[FC_PREFLIGHT_WARNING] == 1 ? "" : "s", counts[FC_PREFLIGHT_NOTE],
               counts[FC_PREFLIGHT_NOTE] == 1 ? "" : "s");
    r = all ? cli_json_print(all, err) : cli_flush(err);
    return r < 0 ? r : counts[FC_PREFLIGHT_ERROR] ? CLI_FAILED : CLI_OK;
}

/* The command line as Firecracker is given it, and how long it may be. */
static int take_cmdline(const struct cli_args *args, const struct fc_preflight_input *in, char **ret, size_t *ret_max,
                        struct fc_error *err)
{
    struct fc_vm vm = {.arch = in->arch     ? in->arch
                               : in->kernel ? in->kernel->arch
                                            : NULL,
                       .image = "rootfs",
                       .overlay = cli_has(args, OPT_OVERLAY) ? "overlay" : NULL,
                       .pmem = in->pmem,
                       .args = cli_value(args, OPT_CMDLINE),
                       .more_args = cli_value(args, OPT_APPEND),
                       .init = cli_value(args, OPT_INIT)};
    int r = fc_vm_boot_args(&vm, ret, err);

    if (r != -E2BIG)
        return r;
    /* Longer than what fits: the rule says so, with everything else that is to be said. */
    *ret_max = FC_VM_CMDLINE_MAX - 1;
    return asprintf(ret, "%s %s%s%s", vm.args ? vm.args : "console=ttyS0", vm.more_args ? vm.more_args : "",
                    vm.init ? " init=" : "", vm.init ? vm.init : "") < 0
               ? fc_fail_errno(err, ENOMEM, "check")
               : 0;
}

/* An image, the folder of a workspace, layers, or the workspace here. */
static int open_tree(struct cli *cli, const struct cli_args *args, struct fc_preflight_input *in, struct cli_view *v,
                     struct fc_snapshot **ret_read, struct fc_error *err)
{
    const char *operand = args->n_operands ? args->operands[0] : NULL;
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_values(args, 'l', &n);
    struct stat st;
    int r;

    if (!layers)
        return fc_fail_errno(err, ENOMEM, "check");
    if (n && operand)
        return cli_usage(err, "check: an image or workspace, or layers with -l, not both");
    if (operand && stat(operand, &st) < 0)
        return fc_fail_errno(err, errno, "%s", operand);
    if (operand && !S_ISDIR(st.st_mode)) {
        in->image = operand;
        r = fc_ext4_read_image(operand, NULL, ret_read, err);
        in->snapshot = *ret_read;
        return r;
    }
    r = operand ? cli_view_open_workspace(operand, v, err) : cli_view_open(cli, layers, n, v, err);
    if (r == 0)
        r = cli_view_snapshot(v, err);
    in->snapshot = v->snapshot;
    return r;
}

static int judge(struct cli *cli, const struct cli_args *args, struct fc_preflight_input *in, struct fc_error *err)
{
    fc_auto(fc_preflight_free) struct fc_preflight *c = NULL;
    fc_auto(fc_free) char *cmdline = NULL;
    int r = take_cmdline(args, in, &cmdline, &in->cmdline_max, err);

    in->cmdline = cmdline;
    if (r == 0)
        r = fc_preflight_run(in, &c, err);
    return r < 0 ? r : print(cli, c, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_kernel_free) struct fc_kernel *k = NULL;
    const char *kernel = cli_value(args, OPT_KERNEL);
    struct fc_snapshot *image = NULL;
    struct cli_view v = {0};
    struct fc_preflight_input in = {.arch = cli_value(args, OPT_MACHINE),
                                    .read_only = cli_has(args, OPT_RO) || cli_has(args, OPT_OVERLAY),
                                    .pmem = cli_has(args, OPT_PMEM),
                                    .pci = cli_has(args, OPT_PCI)};
    int r = 0;

    if (cli_has(args, OPT_LIST))
        return list_rules(cli, err);
    if (kernel)
        r = fc_kernel_read(kernel, cli_value(args, OPT_CONFIG), &k, err);
    in.kernel = k;
    if (r == 0)
        r = open_tree(cli, args, &in, &v, &image, err);
    if (r == 0)
        r = judge(cli, args, &in, err);
    fc_snapshot_free(image);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"The workspace, before it is frozen", "fccompose check"},
    {"Image and kernel together", "fccompose check rootfs.ext4 --kernel vmlinux-6.1"},
    {"Why does it panic with this command line?", "fccompose check rootfs.ext4 --cmdline 'noapic console=ttyS0'"},
    {"All rules", "fccompose check --list"},
    {0},
};

const struct cli_command cmd_check = {
    .name = "check",
    .group = CLI_GROUP_MACHINE,
    .summary = "Say before booting whether image, kernel and command line work together",
    .usage = "[IMAGE|WORKSPACE] [--kernel FILE] [OPTIONS]\n-l LAYER... [OPTIONS]\n--list",
    .options = options,
    .about =
        "Judges init and what it starts first (permissions, architecture, interpreters, shared libraries), the "
        "console's "
        "getty, mount points, fstab, machine-id, root's login, the image's size and features, the kernel's options "
        "and "
        "the command line. Without an operand it judges the workspace of the current directory; nothing is changed.\n\n"
        "Each finding has a code that does not change, a severity, where it is and what was found, and what to do "
        "next. "
        "An error is a guest that does not come up, a warning one in which something does not work or is not safe. "
        "Exits "
        "1 when there are errors. Without --kernel nothing is said of the kernel, and without its configuration "
        "little.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .completes = CLI_WORD_FILE,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose vm: Firecracker's configuration, and what goes with it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/vm.h"

enum { OPT_PRINT = CLI_LONG_ONLY, OPT_OUTPUT, OPT_KEEP_PATHS };

static const struct cli_option options[] = {
    CLI_VM_OPTIONS,
    {OPT_PRINT, 0, "print", "config|boot-args|tap-script", "what to print (default config)", 0},
    {'o', 'o', "output", "FILE", "write it to FILE, not to standard output", CLI_WORD_FILE},
    {OPT_KEEP_PATHS, 0, "keep-paths", NULL,
     "leave paths as they are given, and do not look at the files (for a jail or another host)", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

enum { SECTOR = 512, PMEM_UNIT = 2 << 20 };

/* Make *@path absolute in *ret, which the caller frees. */
static int absolute(const char **path, char **ret, struct fc_error *err)
{
    if (!*path)
        return 0;
    *ret = realpath(*path, NULL);
    if (!*ret)
        return fc_fail_errno(err, errno, "%s", *path);
    *path = *ret;
    return 0;
}

/* What Firecracker would not see, or refuse. */
static int check_size(struct cli *cli, const struct fc_vm *vm, struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(vm->image, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);

    if (size < 0)
        return fc_fail_errno(err, errno, "%s", vm->image);
    if (vm->pmem && (size == 0 || size % PMEM_UNIT)) {
        cli_hint(cli, "next: fccompose freeze --align 2M");
        return fc_fail(err, EINVAL, "%s: its size is no multiple of 2 MiB, which pmem needs", vm->image);
    }
    if (size % SECTOR)
        cli_warn("%s: its size is no multiple of 512: the guest will not see the last %d bytes", vm->image,
                 (int)(size % SECTOR));
    return 0;
}

static int print(const struct cli_args *args, const struct fc_vm *vm, struct fc_error *err)
{
    const char *what = cli_value(args, OPT_PRINT), *out = cli_value(args, 'o');
    fc_auto(fc_free) char *text = NULL, *line = NULL;
    int r;

    if (what && strcmp(what, "boot-args") == 0) {
        r = fc_vm_boot_args(vm, &line, err);
        if (r == 0 && asprintf(&text, "%s\n", line) < 0)
            r = fc_fail_errno(err, ENOMEM, "boot arguments");
    } else if (what && strcmp(what, "tap-script") == 0) {
        r = fc_vm_tap_script(vm, &text, err);
    } else {
        r = fc_vm_config(vm, &text, err);
    }
    if (r < 0)
        return r;
    if (out && strcmp(out, "-") != 0)
        return fc_atomic_write(out, text, strlen(text), true, err);
    return fputs(text, stdout) < 0 ? fc_fail_errno(err, errno, "standard output") : 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_free) char *kernel = NULL, *initrd = NULL, *image = NULL, *overlay = NULL;
    struct fc_vm vm;
    int r = cli_vm_take(args, &vm, err);

    if (r != 0)
        return r;
    vm.image = args->n_operands ? args->operands[0] : NULL;
    if (cli_value(args, OPT_PRINT) && strcmp(cli_value(args, OPT_PRINT), "config") != 0)
        return print(args, &vm, err);
    if (!vm.kernel)
        return cli_usage(err, "vm: --kernel is missing");
    if (!vm.image && !vm.initrd)
        return cli_usage(err, "vm: an image or --initrd is missing");
    if (!cli_has(args, OPT_KEEP_PATHS)) {
        r = absolute(&vm.kernel, &kernel, err);
        if (r == 0)
            r = absolute(&vm.initrd, &initrd, err);
        if (r == 0)
            r = absolute(&vm.image, &image, err);
        if (r == 0)
            r = absolute(&vm.overlay, &overlay, err);
        if (r == 0 && vm.image)
            r = check_size(cli, &vm, err);
    }
    return r == 0 ? print(args, &vm, err) : r;
}

static const struct cli_example examples[] = {
    {"A machine with a network",
     "fccompose vm rootfs.ext4 --kernel vmlinux-6.1 --net tap0,172.16.0.2/30,172.16.0.1 -o vm.json"},
    {"The host's side of that network",
     "fccompose vm --net tap0,172.16.0.2/30,172.16.0.1 --print tap-script | sudo sh"},
    {"Run it", "firecracker --no-api --config-file vm.json"},
    {"Many machines over one read-only image",
     "fccompose vm base.ext4 --overlay vm1.ext4 --kernel vmlinux-6.1 -o vm1.json"},
    {0},
};

const struct cli_command cmd_vm = {
    .name = "vm",
    .group = CLI_GROUP_MACHINE,
    .summary = "Print Firecracker's configuration for an image and a kernel",
    .usage = "IMAGE --kernel FILE [OPTIONS]\n--initrd FILE --kernel FILE [OPTIONS]\n--net NET... --print tap-script",
    .options = options,
    .about = "The configuration is for `firecracker --config-file`. Firecracker adds root= to the boot arguments "
             "itself. Paths become "
             "absolute. The script for the tap devices makes them for the user who runs it (with sudo: who called it), "
             "forwards "
             "what the guest sends, and undoes that when it is called with the argument down.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .completes = CLI_WORD_FILE,
    .run = run,
};

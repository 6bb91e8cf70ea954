/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose boot: run an image, or the workspace, in a machine here. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/freeze.h"
#include "cli/progress.h"
#include "cli/view.h"
#include "cli/vm.h"
#include "vm/boot.h"
#include "workspace/workspace.h"

enum { OPT_VMM = CLI_LONG_ONLY, OPT_EXPECT, OPT_TIMEOUT, OPT_SNAPSHOT, OPT_WRITE, OPT_FREE };
enum { FREE_DEFAULT = 256 << 20, EXPECT_TIMEOUT = 300 };

static const struct cli_option options[] = {
    CLI_VM_OPTIONS,
    {OPT_VMM, 0, "vmm", "auto|firecracker|qemu|uml",
     "what runs it (default auto: Firecracker where /dev/kvm works, else QEMU, else user-mode Linux, which is a kernel "
     "itself)",
     0},
    {OPT_EXPECT, 0, "expect", "REGEX",
     "end with status 0 as soon as a line of the console matches, and with 1 if none does", 0},
    {OPT_TIMEOUT, 0, "timeout", "SECONDS", "stop it then, with status 1 (default none; with --expect 300)", 0},
    {OPT_SNAPSHOT, 0, "snapshot", NULL, "what the guest writes is thrown away at the end (the default)", 0},
    {OPT_WRITE, 0, "write", NULL, "what the guest writes goes into the image", 0},
    {OPT_FREE, 0, "free", "N[KMGT]", "of a workspace: room for the guest to write (default 256M)", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* What is to be done. */
struct job {
    struct cli *cli;
    struct fc_vm vm;
    struct fc_vm_boot boot;
    char *frozen; /* an image of the workspace, to be removed; or NULL */
};

static void job_release(struct job *j)
{
    if (j->frozen)
        fc_remove_all(AT_FDCWD, j->frozen);
    free(j->frozen);
}

static void announce(void *arg, enum fc_vmm vmm, const char *program)
{
    const struct job *j = arg;
    bool unused = vmm == FC_VMM_UML && j->vm.kernel;

    cli_say(j->cli, "booting %s under %s (%s)%s%s",
            j->frozen     ? "the workspace"
            : j->vm.image ? j->vm.image
                          : j->vm.initrd,
            fc_vmm_name(vmm), program, unused ? "; it is a kernel itself: --kernel is not used" : "",
            isatty(STDIN_FILENO) ? "; Ctrl-A x ends it" : "");
}

static int take(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    static const char *const names[] = {"auto", "firecracker", "qemu", "uml"};
    const char *vmm = cli_value(args, OPT_VMM), *timeout = cli_value(args, OPT_TIMEOUT);
    uint64_t seconds = 0;
    int r = cli_vm_take(args, &j->vm, err);

    if (r == 0 && timeout)
        r = cli_parse_number("--timeout", timeout, 1000000, &seconds, err);
    if (r != 0)
        return r;
    if (cli_has(args, OPT_WRITE) && cli_has(args, OPT_SNAPSHOT))
        return cli_usage(err, "boot: --write and --snapshot contradict each other");
    j->boot = (struct fc_vm_boot){
        .vm = &j->vm,
        .write = cli_has(args, OPT_WRITE),
        .expect = cli_value(args, OPT_EXPECT),
        .in_fd = fcntl(STDIN_FILENO, F_GETFD) < 0 ? -1 : STDIN_FILENO,
        .out_fd = STDOUT_FILENO,
        .started = announce,
        .arg = j,
    };
    j->boot.timeout = timeout ? (unsigned)seconds : j->boot.expect ? EXPECT_TIMEOUT : 0;
    for (unsigned i = 0; vmm && i < FC_LENGTH(names); i++)
        if (strcmp(vmm, names[i]) == 0)
            j->boot.vmm = (enum fc_vmm)i;
    return 0;
}

/* The workspace in @dir (NULL: found as always) as an image in its folder. */
static int freeze_workspace(struct job *j, const char *dir, const struct cli_args *args, struct fc_error *err)
{
    struct freeze_request f __attribute__((cleanup(freeze_request_release))) = {
        .temporary = true, .write = {.no_sync = true, .progress = j->cli->progress}};
    const char *space = cli_value(args, OPT_FREE);
    struct freeze_report report;
    struct cli_view v = {0};
    int r = freeze_default_ext4(&f.ext4, err);

    f.ext4.free_bytes = FREE_DEFAULT;
    if (r == 0 && space)
        r = cli_parse_size("--free", space, &f.ext4.free_bytes, err);
    if (r != 0)
        return r;
    r = cli_view_open_workspace(dir, &v, err);
    if (r == 0 &&
        asprintf(&j->frozen, "%s/%s/boot-%d.ext4", fc_workspace_dir(v.ws), FC_WORKSPACE_FOLDER, (int)getpid()) < 0) {
        j->frozen = NULL;
        r = fc_fail_errno(err, ENOMEM, "boot");
    }
    if (r == 0) {
        f.out = j->frozen;
        r = freeze_write(j->cli, &f, &v, &report, err);
    }
    cli_view_release(&v);
    j->vm.image = j->frozen;
    j->boot.write = true; /* the image is thrown away itself */
    return r;
}

static int find_image(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    const char *operand = args->n_operands ? args->operands[0] : NULL;
    struct stat st;

    if (!operand && j->vm.initrd)
        return 0;
    if (operand && stat(operand, &st) < 0)
        return fc_fail_errno(err, errno, "%s", operand);
    if (operand && !S_ISDIR(st.st_mode)) {
        if (cli_has(args, OPT_FREE))
            return cli_usage(err, "boot: --free is for a workspace; %s is an image", operand);
        j->vm.image = operand;
        return 0;
    }
    if (j->boot.write)
        return cli_usage(err, "boot: --write is for an image: freeze the workspace first");
    return freeze_workspace(j, operand, args, err);
}

/* What the end means for the exit status. */
static int conclude(const struct job *j, const struct fc_vm_outcome *o, struct fc_error *err)
{
    const char *expect = j->boot.expect;

    if (o->guest_status >= 0)
        cli_say(j->cli, "the guest's program ended with status %d", o->guest_status);
    switch (o->end) {
    case FC_VM_EXPECTED:
        cli_say(j->cli, "seen: %s", o->words);
        return CLI_OK;
    case FC_VM_PANICKED:
        return fc_fail(err, EIO, "the guest's kernel panicked: %s", o->words);
    case FC_VM_TIMED_OUT:
        return fc_fail(err, ETIMEDOUT, "%s%s%sstopped after %u s", expect ? "no line of the console matched '" : "",
                       expect ? expect : "", expect ? "': " : "", j->boot.timeout);
    case FC_VM_STOPPED:
        return o->status > 128 ? o->status : CLI_FAILED;
    case FC_VM_FAILED:
        return fc_fail(err, EIO, "the program that runs the machine ended with status %d; its words are above",
                       o->status);
    case FC_VM_POWERED_OFF:
        break;
    }
    return expect ? fc_fail(err, ENODATA, "the guest powered off, and no line of its console matched '%s'", expect)
                  : CLI_OK;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct job j __attribute__((cleanup(job_release))) = {.cli = cli};
    struct fc_vm_outcome outcome;
    int r = take(&j, args, err);

    if (r == 0)
        r = find_image(&j, args, err);
    if (r != 0)
        return r;
    cli_progress_hide();
    r = fc_vm_boot_run(&j.boot, &outcome, err);
    return r < 0 ? r : conclude(&j, &outcome, err);
}

static const struct cli_example examples[] = {
    {"The workspace as it is now, with a kernel", "fccompose boot --kernel vmlinux-6.1"},
    {"An image under user-mode Linux, no kernel needed", "fccompose boot --vmm uml rootfs.ext4"},
    {"In a script: does it come up?", "fccompose boot rootfs.ext4 --kernel vmlinux-6.1 --expect 'login:' --timeout 60"},
    {0},
};

const struct cli_command cmd_boot = {
    .name = "boot",
    .group = CLI_GROUP_MACHINE,
    .summary = "Boot an image, or the workspace, here",
    .usage = "[IMAGE|WORKSPACE] [--kernel FILE] [OPTIONS]",
    .options = options,
    .about = "The guest's console is on the terminal (Ctrl-A x ends the machine, Ctrl-A Ctrl-A sends a Ctrl-A), or its "
             "text on "
             "standard output. The image is not changed unless --write is given.\n\n"
             "The status is 0 when the guest powered off by itself or, with --expect, when the expression was seen; 1 "
             "when its "
             "kernel panicked or time was up; 128 and the signal's number when it was stopped by a signal. An x86 "
             "guest under "
             "Firecracker or QEMU cannot power off: it ends by rebooting (reboot=k).\n\n"
             "Under QEMU and user-mode Linux, --pmem and --pci change nothing: the image is a drive. The environment "
             "variables "
             "FCCOMPOSE_FIRECRACKER, FCCOMPOSE_QEMU and FCCOMPOSE_UML name other programs.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .completes = CLI_WORD_FILE,
    .run = run,
};

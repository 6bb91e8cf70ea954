/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose doctor: what works here, what does not, and what to do about it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "cli/commands.h"
#include "cli/doctor.h"
#include "fetch/fetch.h"
#include "fetch/signature.h"
#include "layer/layer.h"

static const char *const verdicts[] = {"ok", "warn", "fail"};

void doctor_say(struct doctor *d, enum doctor_verdict v, const char *what, const char *words, const char *remedy)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool color = d->cli->color;

    d->n[v]++;
    if (d->list) {
        json_t *o = json_pack("{s:s, s:s, s:s}", "verdict", verdicts[v], "what", what, "finding", words);

        if (remedy)
            json_object_set_new(o, "remedy", json_string(remedy));
        json_array_append_new(d->list, o);
        return;
    }
    printf("%s%-4s%s  %s: %s\n", color ? colors[v] : "", verdicts[v], color ? "\033[0m" : "", what, words);
    if (remedy)
        printf("      %s\n", remedy);
}

static bool check_device(struct doctor *d)
{
    struct stat st;
    fc_auto(fc_close) int fd = -1;

    if (stat("/dev/fuse", &st) < 0) {
        doctor_say(d, DOCTOR_WARN, "/dev/fuse", "missing: no mount, but the edit commands and freeze work",
                   "load the module (modprobe fuse), or give the container the device (--device /dev/fuse)");
        return false;
    }
    fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        doctor_say(d, DOCTOR_WARN, "/dev/fuse", strerror(errno),
                   "root can allow it: chmod 666 /dev/fuse, or a udev rule");
        return false;
    }
    doctor_say(d, DOCTOR_OK, "/dev/fuse", "can be opened", NULL);
    return true;
}

static bool check_helper(struct doctor *d)
{
    static const char *const argv[] = {"fusermount3", "--version", NULL};
    static const struct doctor_package fuse3 = {.debian = "fuse3"};
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf remedy __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r;

    if (geteuid() == 0)
        return true;
    r = fc_child_run(argv, &said, NULL);
    if (r != 0) {
        doctor_say(d, DOCTOR_WARN, "fusermount3", "missing: an ordinary user cannot mount",
                   doctor_install(&remedy, &fuse3, 1));
        return false;
    }
    if (access("/etc/mtab", R_OK) < 0) {
        doctor_say(d, DOCTOR_WARN, "fusermount3", "reads /etc/mtab, which is missing: an ordinary user cannot unmount",
                   "ln -s ../proc/self/mounts /etc/mtab (as root)");
        return true;
    }
    doctor_say(d, DOCTOR_OK, "fusermount3", "is there", NULL);
    return true;
}

static void check_allow_other(struct doctor *d)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *at;

    if (geteuid() == 0)
        return;
    at = fc_read_file(AT_FDCWD, "/etc/fuse.conf", 1 << 16, &text) == 0 && text.data
             ? strstr(text.data, "user_allow_other")
             : NULL;
    if (at && (at == text.data || at[-1] == '\n'))
        doctor_say(d, DOCTOR_OK, "user_allow_other", "set: mount -o allow_other works", NULL);
    else
        doctor_say(d, DOCTOR_WARN, "user_allow_other", "not set: other users cannot look into your mounts",
                   "root can add the line user_allow_other to /etc/fuse.conf");
}

static int check_clone(const char *dir)
{
    fc_auto(fc_free) char *path = NULL;
    fc_auto(fc_close) int from = -1, to = -1;

    if (asprintf(&path, "%s/doctor.XXXXXX", dir) < 0)
        return path = NULL, -ENOMEM;
    from = mkostemp(path, O_CLOEXEC);
    if (from < 0)
        return -errno;
    unlink(path);
    to = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fc_pwrite_full(from, "fccompose", 9, 0) < 0)
        return -errno;
    return to >= 0 && ioctl(to, FICLONE, from) == 0 ? 1 : 0;
}

static bool check_cache(struct doctor *d)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct fc_error err = {0};
    int r = fc_cache_open(NULL, &cache, &err);

    if (r < 0) {
        doctor_say(d, DOCTOR_FAIL, "cache", err.msg, "set FCCOMPOSE_CACHE to a folder that can be written");
        return false;
    }
    r = check_clone(fc_cache_dir(cache));
    if (r < 0) {
        doctor_say(d, DOCTOR_FAIL, fc_cache_dir(cache), strerror(-r),
                   "set FCCOMPOSE_CACHE to a folder that can be written");
        return false;
    }
    doctor_say(d, DOCTOR_OK, fc_cache_dir(cache),
               r ? "can be written; its file system shares blocks, so images on it cost no copy"
                 : "can be written; its file system cannot share blocks, so freezing copies",
               NULL);
    return true;
}

/* Run ourselves: `fccompose -q -C DIR COMMAND`. */
static int self(const char *dir, const char *command, const char *operand, struct fc_buf *said)
{
    const char *const argv[] = {"/proc/self/exe", "-q", "-C", dir, command, operand, NULL};
    struct fc_error err = {0};
    int r = fc_child_run(argv, said, &err);

    if (r < 0)
        fc_buf_adds(said, err.msg);
    while (said->len && said->data[said->len - 1] == '\n')
        said->data[--said->len] = '\0';
    return r;
}

/* What the kernel lets through to us in the mount. */
static void try_mount(struct doctor *d, const char *rootfs)
{
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    fc_auto(fc_close) int dir = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fc_auto(fc_close) int fd = openat(dir, "file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    char value[8] = "";

    if (fd < 0 || fc_pwrite_full(fd, "text", 4, 0) < 0) {
        doctor_say(d, DOCTOR_FAIL, "writing in a mount", strerror(errno), NULL);
        return;
    }
    doctor_say(d, DOCTOR_OK, "writing in a mount", "works", NULL);
    if (fsetxattr(fd, "user.fccompose", "yes", 3, 0) == 0 &&
        fgetxattr(fd, "user.fccompose", value, sizeof(value)) == 3 && memcmp(value, "yes", 3) == 0)
        doctor_say(d, DOCTOR_OK, "user.* attributes in a mount", "work", NULL);
    else
        doctor_say(d, DOCTOR_WARN, "user.* attributes in a mount", strerror(errno), "fccompose xattr set does it");
    if (fchown(fd, 12345, 12345) == 0)
        doctor_say(d, DOCTOR_OK, "any owner in a mount", "works", NULL);
    else
        doctor_say(d, DOCTOR_WARN, "any owner in a mount", strerror(errno), "fccompose chown does it");
    if (fsetxattr(fd, "security.capability", capability, sizeof(capability), 0) == 0)
        doctor_say(d, DOCTOR_OK, "capabilities in a mount", "work", NULL);
    else
        doctor_say(d, geteuid() == 0 ? DOCTOR_WARN : DOCTOR_OK, "capabilities in a mount",
                   "refused by the kernel, as for every ordinary user",
                   "fccompose xattr set PATH security.capability VALUE does it");
    if (mknodat(dir, "node", S_IFCHR | 0600, makedev(1, 3)) == 0)
        doctor_say(d, DOCTOR_OK, "device nodes in a mount", "work", NULL);
    else
        doctor_say(d, geteuid() == 0 ? DOCTOR_WARN : DOCTOR_OK, "device nodes in a mount",
                   "refused by the kernel, as for every ordinary user", "fccompose mknod does it");
}

/* A workspace of its own, mounted for a moment. */
static void check_mount(struct doctor *d)
{
    const char *base = getenv("TMPDIR");
    fc_auto(fc_free) char *dir = NULL, *rootfs = NULL;
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (asprintf(&dir, "%s/fccompose-doctor-XXXXXX", base && *base ? base : "/tmp") < 0 || !mkdtemp(dir)) {
        doctor_say(d, DOCTOR_FAIL, "a mount", strerror(errno), "set TMPDIR to a folder that can be written");
        return;
    }
    if (self(dir, "init", NULL, &said) != 0 || self(dir, "mount", NULL, &said) != 0) {
        doctor_say(d, DOCTOR_FAIL, "a mount", said.data ? said.data : "failed", NULL);
    } else {
        if (asprintf(&rootfs, "%s/rootfs", dir) >= 0)
            try_mount(d, rootfs);
        if (self(dir, "umount", NULL, &said) != 0) {
            doctor_say(d, DOCTOR_FAIL, "unmounting", said.data ? said.data : "failed", NULL);
            return; /* what is still mounted is not removed */
        }
    }
    fc_remove_all(AT_FDCWD, dir);
}

/* What layers by URL and by name need. */
static void check_downloads(struct doctor *d)
{
    static const struct doctor_package curl = {"libcurl4", "libcurl", "libcurl", "curl"};
    static const struct doctor_package sqv = {"sqv", "sequoia-sqv", "gpgv", "sequoia-sqv"};
    const char *library = fc_fetch_library(), *verifier = fc_signature_verifier();
    struct fc_buf install_curl __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf install_sqv __attribute__((cleanup(fc_buf_release_auto))) = {0};

    doctor_say(d, library ? DOCTOR_OK : DOCTOR_WARN, "downloads", library ? library : "libcurl is not installed",
               library ? NULL : doctor_install(&install_curl, &curl, 1));
    doctor_say(d, verifier ? DOCTOR_OK : DOCTOR_WARN, "signatures of distributions",
               verifier ? verifier : "neither sqv nor gpgv is installed: they are not checked",
               verifier ? NULL : doctor_install(&install_sqv, &sqv, 1));
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct doctor d = {.cli = cli, .list = cli->json ? json_array() : NULL};
    bool device, helper, cache;
    int r;

    (void)args;
    cache = check_cache(&d);
    device = check_device(&d);
    helper = check_helper(&d);
    check_allow_other(&d);
    check_downloads(&d);
    fflush(stdout);
    if (cache && device && helper)
        check_mount(&d);
    doctor_check_run(&d);
    doctor_check_machines(&d);
    if (!d.list)
        printf("%u ok, %u warn, %u fail\n", d.n[DOCTOR_OK], d.n[DOCTOR_WARN], d.n[DOCTOR_FAIL]);
    r = d.list ? cli_json_print(d.list, err) : cli_flush(err);
    return r < 0 ? r : d.n[DOCTOR_FAIL] ? CLI_FAILED : CLI_OK;
}

static const struct cli_example doctor_examples[] = {
    {"What does not work, for a script", "fccompose doctor --json | jq '.[] | select(.verdict != \"ok\")'"},
    {0},
};

const struct cli_command cmd_doctor = {
    .name = "doctor",
    .group = CLI_GROUP_MACHINE,
    .summary = "Check what works on this machine, and say what to do",
    .usage = "[--json]",
    .about =
        "Looks at the cache and at FUSE, mounts an empty workspace for a moment to see what the kernel lets this user "
        "do, tries what `run` needs, and looks for what builds kernels and boots images. Exits 1 when something fails "
        "that has to work; a "
        "warning is about something that can be done without.",
    .examples = doctor_examples,
    .max_operands = 0,
    .run = run,
};

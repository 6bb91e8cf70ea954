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
#include "cli/json.h"
#include "fetch/fetch.h"
#include "fetch/signature.h"
#include "layer/layer.h"

enum verdict { OK, WARN, FAIL };
static const char *const verdicts[] = {"ok", "warn", "fail"};

/* What was found so far. */
struct report {
    struct cli *cli;
    json_t *list;
    unsigned n[3];
};

/* One line: @what is the thing, @words the finding, @remedy (may be NULL) what to do. */
static void say(struct report *p, enum verdict v, const char *what, const char *words, const char *remedy)
{
    static const char *const colors[] = {"\033[32m", "\033[33m", "\033[31m"};
    bool color = p->cli->color;

    p->n[v]++;
    if (p->list) {
        json_t *o = json_pack("{s:s, s:s, s:s}", "verdict", verdicts[v], "what", what, "finding", words);

        if (remedy)
            json_object_set_new(o, "remedy", json_string(remedy));
        json_array_append_new(p->list, o);
        return;
    }
    printf("%s%-4s%s  %s: %s\n", color ? colors[v] : "", verdicts[v], color ? "\033[0m" : "", what, words);
    if (remedy)
        printf("      %s\n", remedy);
}

static bool check_device(struct report *p)
{
    struct stat st;
    fc_auto(fc_close) int fd = -1;

    if (stat("/dev/fuse", &st) < 0) {
        say(p, WARN, "/dev/fuse", "missing: no mount, but the edit commands and freeze work",
            "load the module (modprobe fuse), or give the container the device (--device /dev/fuse)");
        return false;
    }
    fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        say(p, WARN, "/dev/fuse", strerror(errno), "root can allow it: chmod 666 /dev/fuse, or a udev rule");
        return false;
    }
    say(p, OK, "/dev/fuse", "can be opened", NULL);
    return true;
}

static bool check_helper(struct report *p)
{
    static const char *const argv[] = {"fusermount3", "--version", NULL};
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r;

    if (geteuid() == 0)
        return true;
    r = fc_child_run(argv, &said, NULL);
    if (r != 0) {
        say(p, WARN, "fusermount3", "missing: an ordinary user cannot mount", "install the package fuse3");
        return false;
    }
    if (access("/etc/mtab", R_OK) < 0) {
        say(p, WARN, "fusermount3", "reads /etc/mtab, which is missing: an ordinary user cannot unmount",
            "ln -s ../proc/self/mounts /etc/mtab (as root)");
        return true;
    }
    say(p, OK, "fusermount3", "is there", NULL);
    return true;
}

static void check_allow_other(struct report *p)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *at;

    if (geteuid() == 0)
        return;
    at = fc_read_file(AT_FDCWD, "/etc/fuse.conf", 1 << 16, &text) == 0 && text.data
             ? strstr(text.data, "user_allow_other")
             : NULL;
    if (at && (at == text.data || at[-1] == '\n'))
        say(p, OK, "user_allow_other", "set: mount -o allow_other works", NULL);
    else
        say(p, WARN, "user_allow_other", "not set: other users cannot look into your mounts",
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

static bool check_cache(struct report *p)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct fc_error err = {0};
    int r = fc_cache_open(NULL, &cache, &err);

    if (r < 0) {
        say(p, FAIL, "cache", err.msg, "set FCCOMPOSE_CACHE to a folder that can be written");
        return false;
    }
    r = check_clone(fc_cache_dir(cache));
    if (r < 0) {
        say(p, FAIL, fc_cache_dir(cache), strerror(-r), "set FCCOMPOSE_CACHE to a folder that can be written");
        return false;
    }
    say(p, OK, fc_cache_dir(cache),
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
static void try_mount(struct report *p, const char *rootfs)
{
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    fc_auto(fc_close) int dir = open(rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
    fc_auto(fc_close) int fd = openat(dir, "file", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    char value[8] = "";

    if (fd < 0 || fc_pwrite_full(fd, "text", 4, 0) < 0) {
        say(p, FAIL, "writing in a mount", strerror(errno), NULL);
        return;
    }
    say(p, OK, "writing in a mount", "works", NULL);
    if (fsetxattr(fd, "user.fccompose", "yes", 3, 0) == 0 &&
        fgetxattr(fd, "user.fccompose", value, sizeof(value)) == 3 && memcmp(value, "yes", 3) == 0)
        say(p, OK, "user.* attributes in a mount", "work", NULL);
    else
        say(p, WARN, "user.* attributes in a mount", strerror(errno), "fccompose xattr set does it");
    if (fchown(fd, 12345, 12345) == 0)
        say(p, OK, "any owner in a mount", "works", NULL);
    else
        say(p, WARN, "any owner in a mount", strerror(errno), "fccompose chown does it");
    if (fsetxattr(fd, "security.capability", capability, sizeof(capability), 0) == 0)
        say(p, OK, "capabilities in a mount", "work", NULL);
    else
        say(p, geteuid() == 0 ? WARN : OK, "capabilities in a mount",
            "refused by the kernel, as for every ordinary user",
            "fccompose xattr set PATH security.capability VALUE does it");
    if (mknodat(dir, "node", S_IFCHR | 0600, makedev(1, 3)) == 0)
        say(p, OK, "device nodes in a mount", "work", NULL);
    else
        say(p, geteuid() == 0 ? WARN : OK, "device nodes in a mount",
            "refused by the kernel, as for every ordinary user", "fccompose mknod does it");
}

/* A workspace of its own, mounted for a moment. */
static void check_mount(struct report *p)
{
    const char *base = getenv("TMPDIR");
    fc_auto(fc_free) char *dir = NULL, *rootfs = NULL;
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (asprintf(&dir, "%s/fccompose-doctor-XXXXXX", base && *base ? base : "/tmp") < 0 || !mkdtemp(dir)) {
        say(p, FAIL, "a mount", strerror(errno), "set TMPDIR to a folder that can be written");
        return;
    }
    if (self(dir, "init", NULL, &said) != 0 || self(dir, "mount", NULL, &said) != 0) {
        say(p, FAIL, "a mount", said.data ? said.data : "failed", NULL);
    } else {
        if (asprintf(&rootfs, "%s/rootfs", dir) >= 0)
            try_mount(p, rootfs);
        if (self(dir, "umount", NULL, &said) != 0) {
            say(p, FAIL, "unmounting", said.data ? said.data : "failed", NULL);
            return; /* what is still mounted is not removed */
        }
    }
    fc_remove_all(AT_FDCWD, dir);
}

/* What layers by URL and by name need. */
static void check_downloads(struct report *p)
{
    const char *library = fc_fetch_library(), *verifier = fc_signature_verifier();

    say(p, library ? OK : WARN, "downloads", library ? library : "libcurl is not installed",
        library ? NULL : "Debian and Ubuntu: apt-get install libcurl4");
    say(p, verifier ? OK : WARN, "signatures of distributions",
        verifier ? verifier : "neither sqv nor gpgv is installed: they are not checked",
        verifier ? NULL : "Debian and Ubuntu: apt-get install sqv");
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct report p = {.cli = cli, .list = cli->json ? json_array() : NULL};
    bool device, helper, cache;
    int r;

    (void)args;
    cache = check_cache(&p);
    device = check_device(&p);
    helper = check_helper(&p);
    check_allow_other(&p);
    check_downloads(&p);
    fflush(stdout);
    if (cache && device && helper)
        check_mount(&p);
    if (!p.list)
        printf("%u ok, %u warn, %u fail\n", p.n[OK], p.n[WARN], p.n[FAIL]);
    r = p.list ? cli_json_print(p.list, err) : cli_flush(err);
    return r < 0 ? r : p.n[FAIL] ? CLI_FAILED : CLI_OK;
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
        "Looks at the cache and at FUSE, and mounts an empty workspace for a moment to see what the kernel lets this "
        "user "
        "do. Exits 1 when something fails that has to work; a warning is about something that can be done without.",
    .examples = doctor_examples,
    .max_operands = 0,
    .run = run,
};

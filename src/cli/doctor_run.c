/* SPDX-License-Identifier: Apache-2.0 */
/* What `fccompose run` can do on this machine. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/doctor.h"
#include "run/probe.h"

#define BINFMT "/proc/sys/fs/binfmt_misc"

/* A program of root's that is one for everybody: by its mode, or by file capabilities. */
static bool has_privilege(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && ((st.st_mode & S_ISUID) || getxattr(path, "security.capability", NULL, 0) > 0);
}

/* Why newuidmap or newgidmap failed, though there are ranges. */
static const char *ids_remedy(void)
{
    fc_auto(fc_free) char *uid = doctor_find("newuidmap"), *gid = doctor_find("newgidmap");

    if (!uid || !gid || !has_privilege(uid) || !has_privilege(gid))
        return "as root: chmod u+s /usr/bin/newuidmap /usr/bin/newgidmap";
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1)
        return "start it without no_new_privs (of a container: --security-opt no-new-privileges=false)";
    return "give the user ranges that newuidmap accepts: usermod --add-subuids, --add-subgids; its folder must not be "
           "mounted nosuid";
}

static void check_namespaces(struct doctor *d)
{
    struct fc_run_probe_ids ids;
    struct fc_error err = {0};

    if (fc_run_probe(&ids, &err) < 0)
        doctor_say(d, DOCTOR_WARN, "namespaces for run", err.msg, NULL);
    else
        doctor_say(d, DOCTOR_OK, "namespaces for run", "can be made", NULL);
    if (ids.words.code)
        doctor_say(d, DOCTOR_WARN, "users and groups in run", ids.words.msg, ids_remedy());
    else if (*ids.how)
        doctor_say(d, ids.single ? DOCTOR_WARN : DOCTOR_OK, "users and groups in run", ids.how, NULL);
}

static void check_supervision(struct doctor *d)
{
    struct fc_error err = {0};

    if (fc_run_probe_supervision(&err) == 0)
        doctor_say(d, DOCTOR_OK, "device nodes in run", "reach the tree, by seccomp", NULL);
    else
        doctor_say(d, DOCTOR_WARN, "device nodes in run", err.msg,
                   "fccompose mknod and fccompose xattr make them; a container can be started with --security-opt "
                   "seccomp=unconfined");
}

/* Whether programs run by a handler; otherwise what is in the way, and what would help. */
static bool find_handler(const char *machine, struct fc_buf *words, struct fc_buf *remedy)
{
    const struct doctor_package arm = {"qemu-user-static", "qemu-user-static", "qemu-aarch64",
                                       "qemu-user-static-binfmt"};
    const struct doctor_package x86 = {"qemu-user-static", "qemu-user-static", "qemu-x86_64",
                                       "qemu-user-static-binfmt"};
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char path[64];
    const char *flags;

    if (access(BINFMT "/status", F_OK) < 0) {
        fc_buf_adds(words, "cannot be run: binfmt_misc is not mounted");
        fc_buf_adds(remedy, "as root: modprobe binfmt_misc; mount -t binfmt_misc none " BINFMT);
        return false;
    }
    snprintf(path, sizeof(path), BINFMT "/qemu-%s", machine);
    if (fc_read_file(AT_FDCWD, path, 1 << 16, &text) < 0 || !text.data || strncmp(text.data, "enabled", 7) != 0) {
        fc_buf_adds(words, "cannot be run: they have no handler in binfmt_misc");
        doctor_install(remedy, strcmp(machine, "aarch64") == 0 ? &arm : &x86, 1);
        return false;
    }
    flags = strstr(text.data, "\nflags: ");
    if (flags && !memchr(flags, 'F', strcspn(flags + 1, "\n") + 1)) {
        fc_buf_adds(words, "cannot be run in a tree: their handler lacks the flag F, so it is looked for in there");
        fc_buf_addf(remedy, "as root: echo -1 >%s, and register it anew with the flag F", path);
        return false;
    }
    fc_buf_addf(words, "are run by qemu-%s", machine);
    return true;
}

static void check_foreign(struct doctor *d)
{
    struct utsname u;
    const char *machine = uname(&u) == 0 && strcmp(u.machine, "aarch64") == 0 ? "x86_64" : "aarch64";
    struct fc_buf words __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf remedy __attribute__((cleanup(fc_buf_release_auto))) = {0};
    bool ok = find_handler(machine, &words, &remedy);
    char what[64];

    snprintf(what, sizeof(what), "programs of %s in run", machine);
    doctor_say(d, ok ? DOCTOR_OK : DOCTOR_WARN, what, words.data ? words.data : "", ok ? NULL : remedy.data);
}

void doctor_check_run(struct doctor *d)
{
    check_namespaces(d);
    check_supervision(d);
    check_foreign(d);
}

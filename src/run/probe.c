/* SPDX-License-Identifier: Apache-2.0 */
/* Try what a run needs, without a tree. */
#include "run/probe.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run/internal.h"
#include "run/wire.h"

/* Of the child: how far it came. */
enum { UNSHARED, MOUNTED };

/* In the child. The parent maps the ids in between. */
static int make_namespaces(int sock)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS, go = 0;

    if (unshare(CLONE_NEWUSER) < 0)
        return -errno;
    if (fc_wire_send_code(sock, UNSHARED, -1) < 0 || fc_wire_receive_code(sock, &go, NULL) != 1)
        return -EPIPE;
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || unshare(flags) < 0)
        return -errno;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount("tmpfs", "/", "tmpfs", 0, "size=4k") < 0
               ? -errno
               : MOUNTED;
}

/* In the parent. *ret_mapped becomes false when it was the ids that failed. */
static int follow(int sock, const struct run_ids *ids, pid_t pid, bool *ret_mapped, struct fc_error *err)
{
    int code = -EPIPE, r;

    *ret_mapped = true;
    if (fc_wire_receive_code(sock, &code, NULL) != 1 || code < 0)
        return run_explain_namespaces(-code, err);
    r = run_ids_apply(ids, pid, err);
    *ret_mapped = r == 0;
    if (r < 0)
        return r;
    code = -EPIPE;
    if (fc_wire_send_code(sock, 0, -1) < 0 || fc_wire_receive_code(sock, &code, NULL) != 1 || code < 0)
        return run_explain_mount(-code, "anything", err);
    return 0;
}

static int try_namespaces(const struct run_ids *ids, bool *ret_mapped, struct fc_error *err)
{
    int pair[2], r;
    pid_t pid;

    *ret_mapped = true;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return fc_fail_errno(err, errno, "cannot try namespaces");
    pid = fork();
    if (pid == 0) {
        close(pair[0]);
        fc_wire_send_code(pair[1], make_namespaces(pair[1]), -1);
        _exit(0);
    }
    close(pair[1]);
    r = pid < 0 ? fc_fail_errno(err, errno, "cannot start a process") : follow(pair[0], ids, pid, ret_mapped, err);
    close(pair[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return r;
}

int fc_run_probe(struct fc_run_probe_ids *ret_ids, struct fc_error *err)
{
    struct run_ids ids = {0};
    struct fc_error words = {0};
    bool mapped = true;
    int r = run_ids_plan(&ids, err);

    *ret_ids = (struct fc_run_probe_ids){0};
    if (r == 0)
        r = try_namespaces(&ids, &mapped, &words);
    if (r < 0 && !mapped && !ids.single && !ids.as_root) {
        ret_ids->words = words;
        run_ids_single(&ids, words.msg);
        r = try_namespaces(&ids, &mapped, &words);
    }
    if (r < 0 && err && words.code)
        *err = words;
    ret_ids->single = ids.single;
    snprintf(ret_ids->how, sizeof(ret_ids->how), "%s", ids.how);
    run_ids_release(&ids);
    return r;
}

int fc_run_probe_supervision(struct fc_error *err)
{
    char words[160];
    int status = 0, code;
    pid_t pid = fork();

    if (pid == 0)
        _exit(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? errno : -fc_supervise_try());
    if (pid < 0)
        return fc_fail_errno(err, errno, "cannot start a process");
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return fc_fail_errno(err, errno, "cannot wait for a process");
    code = WIFEXITED(status) ? WEXITSTATUS(status) : EPERM; /* some kill who makes a call that they do not allow */
    return code ? fc_fail(err, code, "%s", fc_supervise_explain(code, words, sizeof(words))) : 0;
}

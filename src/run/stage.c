/* SPDX-License-Identifier: Apache-2.0 */
/* Make the namespaces of a run, and the first process in them. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/internal.h"

/* What ids the parent gives us, nobody else's rights: of the caller's groups none stays. */
static int become_root(const struct run *r, struct fc_error *err)
{
    if (!r->ids.single && setgroups(0, NULL) < 0)
        return fc_fail_errno(err, errno, "cannot leave the groups of the caller");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fc_fail_errno(err, errno, "cannot become root of the namespace");
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* another user than before is not let look at its own /proc/self */
    return 0;
}

static void __attribute__((noreturn)) begin_init(struct run *r)
{
    struct fc_error err = {0};

    if (run_tree(r, &err) < 0)
        run_die(r, &err);
    run_init(r);
}

static int fork_init(struct run *r, struct fc_error *err)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    struct run_msg m = {.kind = RUN_CHILD};
    pid_t pid;

    if (r->o->net == FC_RUN_NET_NONE)
        flags |= CLONE_NEWNET;
    if (unshare(flags) < 0)
        return run_explain_namespaces(errno, err);
    /* It is to be the parent's child, so that this process can go. We are a single thread, so fork(3)'s care is not needed. */
    pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0)
        begin_init(r);
    if (pid < 0)
        return fc_fail_errno(err, errno, "cannot start a process");
    m.code = pid;
    run_send(r->child_fd, &m, -1);
    return 0;
}

void run_stage(struct run *r)
{
    struct run_msg m = {.kind = RUN_UNSHARED};
    struct fc_error err = {0};
    int e;

    run_default_signals();
    run_block_signals(); /* which come from a terminal: the parent decides */
    e = unshare(CLONE_NEWUSER) < 0 ? run_explain_namespaces(errno, &err) : 0;
    if (e == 0)
        e = run_ask(r, &m, -1, &err);
    if (e == 0)
        e = become_root(r, &err);
    if (e == 0)
        e = fork_init(r, &err);
    if (e < 0)
        run_die(r, &err);
    _exit(0);
}

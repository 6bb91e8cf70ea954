/* SPDX-License-Identifier: Apache-2.0 */
/* Become the command: its terminal, its user, its program. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

enum { PASSWD_MAX = 16 << 20, FILES = 1024 };

static void __attribute__((noreturn)) give_up(const struct run *r, int status, const struct fc_error *err)
{
    struct run_msg m = {.kind = RUN_WORDS, .code = err->code};

    memcpy(m.text, err->msg, sizeof(m.text));
    run_send(r->child_fd, &m, -1);
    _exit(status);
}

/* Its session and streams. */
static int take_streams(const struct run *r, struct fc_error *err)
{
    int out = r->o->out_fd, errors = r->o->err_fd;

    setsid();
    if (r->slave_fd >= 0) {
        if (ioctl(r->slave_fd, TIOCSCTTY, 0) < 0 || dup2(r->slave_fd, 0) < 0)
            return fc_fail_errno(err, errno, "cannot take the pseudo-terminal");
        out = errors = r->slave_fd;
    }
    /* Neither may overwrite the other before it is copied. */
    if (errors == 1)
        errors = dup(errors);
    if ((out > 0 && dup2(out, 1) < 0) || (errors > 0 && dup2(errors, 2) < 0))
        return fc_fail_errno(err, errno, "cannot redirect the output");
    return 0;
}

/* A file of the tree, which may be anything; what cannot be read is as good as empty. */
static char *read_text(const char *path)
{
    struct fc_buf text = {0};
    struct stat st;

    if (stat(path, &st) < 0 || !S_ISREG(st.st_mode) || fc_read_file(AT_FDCWD, path, PASSWD_MAX, &text) < 0 ||
        !text.data) {
        fc_buf_release(&text);
        return strdup("");
    }
    return text.data;
}

static int find_user(const struct run *r, struct run_user *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *passwd = read_text("/etc/passwd"), *group = read_text("/etc/group");
    const char *text = r->o->user ? r->o->user : "0:0";
    int e = passwd && group ? run_user_find(text, passwd, group, ret, err) : fc_fail(err, ENOMEM, "out of memory");

    if (e == 0 && ret->uid == 0 && strcmp(ret->home, "/") == 0)
        strcpy(ret->home, "/root"); /* a tree without passwd */
    return e;
}

static int become(const struct run *r, const struct run_user *u, struct fc_error *err)
{
    if (r->ids.single && (u->uid != 0 || u->gid != 0))
        return fc_fail(err, EINVAL, "user %u:%u: of users and groups this run has %s", u->uid, u->gid, r->ids.how);
    if (!r->ids.single && setgroups(u->n_groups, u->groups) < 0)
        return fc_fail_errno(err, errno, "cannot take the groups of user %u (ids of this run: %s)", u->uid, r->ids.how);
    if (setresgid(u->gid, u->gid, u->gid) < 0 || setresuid(u->uid, u->uid, u->uid) < 0)
        return fc_fail_errno(err, errno, "cannot become user %u:%u (ids of this run: %s)", u->uid, u->gid, r->ids.how);
    return 0;
}

/* As login(1) leaves it; many a program closes all descriptors up to the limit, so that is what it usually is. */
static void take_limits(void)
{
    struct rlimit files;

    umask(022);
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != FILES && files.rlim_max >= FILES) {
        files.rlim_cur = FILES;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

/* Try @path. Returns only on failure: whether the search goes on. */
static bool try(const char *path, char *const *argv, char *const *env, int *code)
{
    execve(path, argv, env);
    if (errno == ENOENT && access(path, F_OK) == 0) { /* it is there, but what it needs is not */
        *code = -ENOENT;
        return false;
    }
    if (errno == EACCES || (*code == 0 && errno != ENOENT && errno != ENOTDIR))
        *code = errno;
    return errno == ENOENT || errno == ENOTDIR || errno == EACCES;
}

static void __attribute__((noreturn)) explain(const struct run *r, const char *path, int code, struct fc_error *err)
{
    run_explain_exec(path, code < 0 ? -code : code, err);
    give_up(r, RUN_CANNOT, err);
}

static void __attribute__((noreturn))
search(const struct run *r, char *const *argv, char *const *env, struct fc_error *err)
{
    const char *at = run_environment_get(env, "PATH");
    char path[4200], refused[4200] = "";
    int code = 0;

    for (; at && *at; at += *at == ':') {
        size_t len = strcspn(at, ":");
        int before = code;

        if (len + strlen(argv[0]) + 2 < sizeof(path)) {
            snprintf(path, sizeof(path), "%.*s/%s", (int)len, len ? at : "", argv[0]);
            if (!try(path, argv, env, &code))
                explain(r, path, code ? code : errno, err);
            if (code != before)
                strcpy(refused, path);
        }
        at += len;
    }
    if (*refused)
        explain(r, refused, code, err);
    fc_fail(err, ENOENT, "%s: no such program in the tree (PATH is %s)", argv[0],
            run_environment_get(env, "PATH") ? run_environment_get(env, "PATH") : "not set");
    give_up(r, RUN_NOT_FOUND, err);
}

/* What passwd says, if it is there, else what there is. */
static const char *shell_of(const struct run_user *u)
{
    static const char *const usual[] = {"/bin/bash", "/bin/ash"};

    if (*u->shell == '/' && access(u->shell, X_OK) == 0)
        return u->shell;
    for (size_t i = 0; i < FC_LENGTH(usual); i++)
        if (access(usual[i], X_OK) == 0)
            return usual[i];
    return "/bin/sh";
}

static void __attribute__((noreturn))
execute(const struct run *r, const struct run_user *u, char *const *env, struct fc_error *err)
{
    const char *const shell[] = {shell_of(u), NULL};
    const char *const *wanted = r->o->argv ? r->o->argv : shell;
    char **argv = NULL;
    int code = 0;

    memcpy(&argv, &wanted, sizeof(argv)); /* execve takes them non-const for history's sake */
    if (!argv[0][0]) {
        fc_fail(err, ENOENT, "the command is empty");
        give_up(r, RUN_NOT_FOUND, err);
    }
    if (!strchr(argv[0], '/'))
        search(r, argv, env, err);
    if (try(argv[0], argv, env, &code) && !code) {
        fc_fail(err, ENOENT, "%s: no such program in the tree", argv[0]);
        give_up(r, RUN_NOT_FOUND, err);
    }
    explain(r, argv[0], code ? code : errno, err);
}

void run_command(struct run *r)
{
    struct run_user user;
    struct fc_error err = {0};
    char **env = NULL;
    int e = take_streams(r, &err);

    if (e == 0)
        e = find_user(r, &user, &err);
    if (e == 0) {
        take_limits();
        env = run_environment(r, user.home);
        e = env ? 0 : fc_fail(&err, ENOMEM, "out of memory");
    }
    if (e == 0 && r->supervise)
        fc_supervise_filter(r->supervise);
    if (e == 0)
        e = become(r, &user, &err);
    if (e == 0 && chdir(r->o->workdir ? r->o->workdir : "/") < 0)
        e = fc_fail_errno(&err, errno, "directory %s of the tree", r->o->workdir);
    if (e < 0)
        give_up(r, RUN_CANNOT, &err);
    run_default_signals();
    execute(r, &user, env, &err);
}

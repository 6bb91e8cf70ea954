/* SPDX-License-Identifier: Apache-2.0 */
/* Run programs and go into the background. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

enum { OUTPUT_MAX = 1 << 20, LINE_MAX_BYTES = 1 << 16 };

/* The child's standard streams, besides the one that its output goes to. */
struct streams {
    int input_fd;                           /* -1: ours */
    bool errors_too;                        /* what it says on stderr belongs to the output */
    const struct fc_child_options *options; /* NULL: none */
};

/* In the child. Returns whether it worked. */
static bool prepare(const struct fc_child_options *o)
{
    /* Who makes nothing of its output any more should not leave it running. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) < 0 || (o->dir && chdir(o->dir) < 0))
        return false;
    for (size_t i = 0; o->env && o->env[i]; i++) {
        const char *equals = strchr(o->env[i], '=');
        char name[64];

        if (!equals) {
            unsetenv(o->env[i]);
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equals - o->env[i]), o->env[i]);
        if (setenv(name, equals + 1, 1) < 0)
            return false;
    }
    return true;
}

/* In the child: become @argv or write errno into @status_fd, which closes by itself when the exec succeeds. */
static void __attribute__((noreturn))
become(const char *const argv[], const struct streams *s, int output_fd, int status_fd)
{
    char **args = NULL;
    int code;

    if (output_fd >= 0 && (dup2(output_fd, 1) < 0 || (s->errors_too && dup2(output_fd, 2) < 0)))
        _exit(127);
    if (s->input_fd >= 0 && dup2(s->input_fd, 0) < 0)
        _exit(127);
    if (s->options && !prepare(s->options))
        goto failed;
    memcpy(&args, &argv, sizeof(args)); /* execvp takes them non-const for history's sake */
    execvp(args[0], args);
failed:
    code = errno;
    if (write(status_fd, &code, sizeof(code)) != (ssize_t)sizeof(code))
        _exit(126);
    _exit(127);
}

static void collect(int fd, struct fc_buf *ret)
{
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && ret->len < OUTPUT_MAX && fc_buf_add(ret, chunk, (size_t)n) < 0)
            return;
}

/* Give whole lines at the start of @text away; with @all what is left, too. */
static void give_lines(struct fc_buf *text, const struct fc_child_options *o, bool all)
{
    char *p = text->data, *end;

    while (p && (end = memchr(p, '\n', text->len - (size_t)(p - text->data))) != NULL) {
        *end = '\0';
        o->line(o->arg, p);
        p = end + 1;
    }
    if (!p)
        return;
    text->len -= (size_t)(p - text->data);
    memmove(text->data, p, text->len + 1);
    if (text->len && (all || text->len > LINE_MAX_BYTES)) {
        o->line(o->arg, text->data);
        fc_buf_clear(text);
    }
}

static void collect_lines(int fd, const struct fc_child_options *o)
{
    struct fc_buf text = {0};
    char chunk[4096];
    ssize_t n;

    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))
        if (n > 0 && o->line && fc_buf_add(&text, chunk, (size_t)n) == 0)
            give_lines(&text, o, false);
    if (o->line)
        give_lines(&text, o, true);
    fc_buf_release(&text);
}

static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -errno;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run(const char *const argv[], const struct streams *s, struct fc_buf *ret_output, struct fc_error *err)
{
    int status_pipe[2] = {-1, -1}, output_pipe[2] = {-1, -1}, code = 0, r;
    bool reads = ret_output || s->options;
    pid_t pid;

    if (pipe2(status_pipe, O_CLOEXEC) < 0)
        return fc_fail_errno(err, errno, "cannot run %s", argv[0]);
    if (reads && pipe2(output_pipe, O_CLOEXEC) < 0) {
        r = fc_fail_errno(err, errno, "cannot run %s", argv[0]);
        close(status_pipe[0]);
        close(status_pipe[1]);
        return r;
    }
    pid = fork();
    if (pid == 0)
        become(argv, s, output_pipe[1], status_pipe[1]);
    r = pid < 0 ? -errno : 0;
    close(status_pipe[1]);
    if (reads)
        close(output_pipe[1]);
    if (pid > 0) {
        if (fc_read_full(status_pipe[0], &code, sizeof(code)) != (ssize_t)sizeof(code))
            code = 0;
        if (s->options)
            collect_lines(output_pipe[0], s->options);
        else if (ret_output)
            collect(output_pipe[0], ret_output);
        r = wait_for(pid);
        if (code)
            r = -code;
    }
    close(status_pipe[0]);
    if (reads)
        close(output_pipe[0]);
    return r < 0 ? fc_fail_errno(err, -r, "cannot run %s", argv[0]) : r;
}

char *fc_child_find(const char *program, const char *also)
{
    const char *path = getenv("PATH");
    fc_auto(fc_free) char *all = NULL;
    char *full, *rest = NULL;

    if (strchr(program, '/'))
        return access(program, X_OK) == 0 ? strdup(program) : NULL;
    if (asprintf(&all, "%s:%s", path && *path ? path : "/usr/bin:/bin", also ? also : "") < 0)
        return all = NULL;
    for (const char *dir = strtok_r(all, ":", &rest); dir; dir = strtok_r(NULL, ":", &rest)) {
        if (asprintf(&full, "%s/%s", dir, program) < 0)
            return NULL;
        if (access(full, X_OK) == 0)
            return full;
        free(full);
    }
    return NULL;
}

int fc_child_run(const char *const argv[], struct fc_buf *ret_output, struct fc_error *err)
{
    return run(argv, &(struct streams){.input_fd = -1, .errors_too = true}, ret_output, err);
}

int fc_child_ask(const char *const argv[], const void *input, size_t size, struct fc_buf *ret_output,
                 struct fc_error *err)
{
    /* A file in memory, not a pipe: nobody waits for the other. */
    fc_auto(fc_close) int fd = memfd_create("input", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : fc_pwrite_full(fd, input, size, 0);

    if (r < 0)
        return fc_fail_errno(err, -r, "cannot run %s", argv[0]);
    return run(argv, &(struct streams){.input_fd = fd}, ret_output, err);
}

/* In the child: lead a session whose terminal is @terminal_fd, with the signals as a new program expects them. */
static bool lead(int terminal_fd)
{
    sigset_t none;

    for (int n = 1; n < NSIG; n++)
        signal(n, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    return setsid() >= 0 && ioctl(terminal_fd, TIOCSCTTY, 0) == 0;
}

pid_t fc_child_start(const char *const argv[], int terminal_fd, struct fc_error *err)
{
    int status_pipe[2], code = 0;
    pid_t pid;

    if (pipe2(status_pipe, O_CLOEXEC) < 0)
        return fc_fail_errno(err, errno, "cannot run %s", argv[0]);
    pid = fork();
    if (pid == 0) {
        if (!lead(terminal_fd))
            _exit(127);
        become(argv, &(struct streams){.input_fd = terminal_fd, .errors_too = true}, terminal_fd, status_pipe[1]);
    }
    if (pid < 0)
        code = errno;
    close(status_pipe[1]);
    if (pid > 0 && fc_read_full(status_pipe[0], &code, sizeof(code)) != (ssize_t)sizeof(code))
        code = 0;
    close(status_pipe[0]);
    if (pid > 0 && code)
        waitpid(pid, NULL, 0);
    return code ? fc_fail_errno(err, code, "cannot run %s", argv[0]) : pid;
}

int fc_child_lines(const char *const argv[], const struct fc_child_options *options, struct fc_error *err)
{
    fc_auto(fc_close) int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (null < 0)
        return fc_fail_errno(err, errno, "cannot run %s", argv[0]);
    return run(argv, &(struct streams){.input_fd = null, .errors_too = true, .options = options}, NULL, err);
}

pid_t fc_child_background(int log_fd, int *ret_ready_fd, struct fc_error *err)
{
    int fds[2], null;
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0)
        return fc_fail_errno(err, errno, "cannot go into the background");
    pid = fork();
    if (pid < 0) {
        int code = errno;

        close(fds[0]);
        close(fds[1]);
        return fc_fail_errno(err, code, "cannot go into the background");
    }
    close(fds[pid > 0]);
    *ret_ready_fd = fds[pid == 0];
    if (pid > 0)
        return pid;
    setsid();
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        dup2(null, 0);
        dup2(null, 1);
        dup2(log_fd >= 0 ? log_fd : null, 2);
        if (null > 2)
            close(null);
    }
    return 0;
}

void fc_child_say_ready(int ready_fd, const struct fc_error *err)
{
    static const struct fc_error fine;

    /* Nobody is left to tell when the parent is gone. */
    (void)!write(ready_fd, err ? err : &fine, sizeof(*err));
    close(ready_fd);
}

int fc_child_wait_ready(int ready_fd, struct fc_error *err)
{
    struct fc_error word;
    ssize_t n = fc_read_full(ready_fd, &word, sizeof(word));

    close(ready_fd);
    if (n != (ssize_t)sizeof(word))
        return fc_fail(err, EPIPE, "the background process ended before it was ready");
    if (word.code && err)
        *err = word;
    return -word.code;
}

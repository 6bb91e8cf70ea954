/* SPDX-License-Identifier: Apache-2.0 */
/* Go on in a process of its own, with a log in the workspace. */
#include "cli/background.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/child.h"
#include "workspace/workspace.h"

static int open_log(const char *workspace)
{
    fc_auto(fc_free) char *path = NULL;

    if (!workspace || asprintf(&path, "%s/" FC_WORKSPACE_FOLDER "/mount.log", workspace) < 0) {
        path = NULL;
        return -1;
    }
    /* Not through a link: root may be at work in a folder that somebody else can write to. */
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
}

/* In the child: after the word to the parent nobody reads errors but the log. */
static void __attribute__((noreturn)) work(struct cli *cli, const struct cli_background *b, int ready_fd)
{
    struct fc_error err = {0};
    int r;

    /* Keep no other file system busy. */
    r = chdir("/") < 0 ? fc_fail_errno(&err, errno, "/") : b->work(b->arg, &ready_fd, &err);
    if (r < 0 && ready_fd >= 0)
        fc_child_say_ready(ready_fd, &err);
    if (r < 0)
        cli_print_error(cli, &err);
    _exit(r < 0 ? CLI_FAILED : CLI_OK);
}

int cli_background(struct cli *cli, const struct cli_background *b, struct fc_error *err)
{
    fc_auto(fc_close) int log = open_log(b->workspace);
    int ready_fd, r;
    pid_t pid = fc_child_background(log, &ready_fd, err);

    if (pid < 0)
        return (int)pid;
    if (pid == 0)
        work(cli, b, ready_fd);
    r = fc_child_wait_ready(ready_fd, err);
    if (r == -EPIPE && b->workspace)
        cli_hint(cli, "see %s/" FC_WORKSPACE_FOLDER "/mount.log", b->workspace);
    return r < 0 ? r : (int)pid;
}

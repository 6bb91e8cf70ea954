/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose freeze --virtual: offer the image as a file that is never written. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/digest.h"
#include "base/io.h"
#include "cli/background.h"
#include "cli/disk.h"
#include "cli/freeze.h"
#include "cli/json.h"
#include "cli/view.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

/** What is to be offered where. */
struct job {
    struct cli *cli;
    char *workspace; /* its directory, or NULL with -l */
    char *dir;       /* where the disk is to be, absolute */
    char *rw;        /* absolute, or NULL */
    struct cli_view view;
    struct cli_disk disk;
};

static void job_release(struct job *j)
{
    cli_view_release(&j->view);
    free(j->workspace);
    free(j->dir);
    free(j->rw);
}

/* On standard output for the program that called. */
static int print_path(const struct cli *cli, const char *path, int pid, struct fc_error *err)
{
    json_t *o;

    if (!cli->json) {
        puts(path);
        return cli_flush(err);
    }
    o = json_object();
    cli_json_name(o, "path", path, strlen(path));
    json_object_set_new(o, "pid", json_integer(pid));
    return cli_json_print(o, err);
}

/* Served already? Returns 1 when its path was printed, 0 when nobody serves it, or a failure with words. */
static int print_served(struct cli *cli, const struct freeze_request *f, const char *workspace, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(workspace);
    fc_auto(fc_close) int fd = socket ? fc_control_connect(socket, NULL) : -1;
    fc_auto(fc_control_info_release) struct fc_control_info info = {0};
    int r;

    if (fd < 0 || fc_control_info(fd, &info, NULL) < 0)
        return 0;
    if (!*info.disk) {
        cli_hint(cli, "next: fccompose umount, then again; %s/" FC_WORKSPACE_FOLDER "/mount.log may say why",
                 workspace);
        return fc_fail(err, ENOENT, "%s is mounted on %s (process %d), which offers no virtual disk", workspace,
                       info.mountpoint, info.pid);
    }
    if (f->has_options || f->foreground) {
        cli_hint(cli, "next: fccompose umount first, or write an image with these options: fccompose freeze OUT");
        return fc_fail(err, EBUSY, "%s is offered already as %s (process %d), whose options cannot be changed",
                       workspace, info.disk, info.pid);
    }
    r = print_path(cli, info.disk, info.pid, err);
    return r < 0 ? r : 1;
}

/* Root must not work in a folder that somebody else can exchange under its hands. */
static int check_owner(struct cli *cli, const char *workspace, struct fc_error *err)
{
    if (geteuid() != 0 || fc_workspace_check_owner(workspace, err) == 0)
        return 0;
    cli_hint(cli, "next: do it as that user, or, if you trust what is in it, chown it to root");
    return fc_wrap(err, "root does not mount in the workspace of somebody else");
}

static int prepare(struct job *j, const struct freeze_request *f, struct fc_error *err)
{
    int r = 0;

    j->disk.ext4 = f->ext4;
    if (f->rw && !(j->rw = fc_abspath(f->rw)))
        return fc_fail_errno(err, ENOMEM, "freeze");
    j->disk.rw = j->rw;
    if (f->n_layers) {
        j->dir = fc_abspath(f->out);
        return j->dir ? cli_view_open(j->cli, f->layers, f->n_layers, &j->view, err)
                      : fc_fail_errno(err, ENOMEM, "freeze");
    }
    r = fc_workspace_find(NULL, &j->workspace, err);
    if (r == 0)
        r = check_owner(j->cli, j->workspace, err);
    if (r < 0)
        return r;
    j->dir = cli_disk_dir(j->workspace);
    return j->dir ? print_served(j->cli, f, j->workspace, err) : fc_fail_errno(err, ENOMEM, "freeze");
}

/* Serve until the end. */
static int serve(struct job *j, const char *socket, int *ready_fd, struct fc_error *err)
{
    struct fc_control *control = NULL;
    int r = cli_disk_start(&j->disk, j->dir, err);

    if (r == 0)
        r = cli_disk_try(&j->disk, err);
    if (r == 0 && socket)
        r = fc_control_new(&(struct fc_control_options){socket, j->disk.live, NULL, j->disk.disk}, &control, err);
    if (r == 0 && *ready_fd >= 0)
        fc_child_say_ready(fc_steal_fd(ready_fd), NULL);
    else if (r == 0)
        r = print_path(j->cli, fc_disk_path(j->disk.disk), getpid(), err);
    if (r == 0)
        r = fc_disk_wait(j->disk.disk, err);
    fc_control_free(control);
    cli_disk_stop(&j->disk);
    return r;
}

static int name_stack(struct job *j, const struct fc_workspace *ws, struct fc_error *err)
{
    uint32_t n = (uint32_t)j->view.layers.n;
    const struct fc_workspace_layer *stack = ws ? fc_workspace_stack(ws, &n) : NULL;
    fc_auto(fc_free) struct fc_digest *ids = calloc(n + 1, sizeof(*ids));
    int r;

    if (!ids)
        return fc_fail_errno(err, ENOMEM, "freeze");
    for (uint32_t i = 0; i < n; i++)
        ids[i] = stack ? stack[i].diffid : *fc_layer_diffid(j->view.layers.list[i].layer);
    r = fc_digest_of(ids, n * sizeof(*ids), &j->disk.stack);
    return r < 0 ? fc_fail_errno(err, -r, "cannot make a digest of the stack") : 0;
}

static int serve_layers(struct job *j, int *ready_fd, struct fc_error *err)
{
    int r = name_stack(j, NULL, err);

    j->disk.snapshot = j->view.snapshot;
    return r < 0 ? r : serve(j, NULL, ready_fd, err);
}

/* As a mount does: with the lock of a writer, so that the edit commands go on working, through us. */
static int serve_workspace(struct job *j, int *ready_fd, struct fc_error *err)
{
    struct fc_workspace_options o = {.mode = FC_WORKSPACE_WRITE, .for_mount = true};
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_free) char *socket = fc_workspace_socket(j->workspace);
    struct fc_error late = {0};
    int r = socket ? fc_cache_open(NULL, &cache, err) : fc_fail_errno(err, ENOMEM, "freeze"), r2;

    if (r == 0)
        r = fc_workspace_open_with(j->workspace, cache, &o, &ws, err);
    if (r == 0)
        r = name_stack(j, ws, err);
    if (r < 0)
        return r;
    j->disk.live = fc_workspace_live(ws);
    r = serve(j, socket, ready_fd, err);
    r2 = fc_workspace_sync(ws, &late);
    if (r == 0 && r2 < 0)
        *err = late;
    return r < 0 ? r : r2;
}

static int work(void *arg, int *ready_fd, struct fc_error *err)
{
    struct job *j = arg;

    return j->workspace ? serve_workspace(j, ready_fd, err) : serve_layers(j, ready_fd, err);
}

static int start(struct job *j, struct fc_error *err)
{
    struct cli_background b = {.workspace = j->workspace, .work = work, .arg = j};
    fc_auto(fc_free) char *path = NULL;
    int pid = cli_background(j->cli, &b, err);

    if (pid < 0)
        return pid;
    if (asprintf(&path, "%s/" FC_DISK_NAME, j->dir) < 0) {
        path = NULL;
        return fc_fail_errno(err, ENOMEM, "freeze");
    }
    cli_say(j->cli, "the image is offered (process %d) until: fccompose umount%s%s", pid, j->workspace ? "" : " ",
            j->workspace ? "" : j->dir);
    return print_path(j->cli, path, pid, err);
}

int freeze_virtual(struct cli *cli, const struct freeze_request *f, struct fc_error *err)
{
    struct job j __attribute__((cleanup(job_release))) = {.cli = cli};
    int none = -1, r = prepare(&j, f, err);

    if (r != 0)
        return r < 0 ? r : 0;
    return f->foreground ? work(&j, &none, err) : start(&j, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Make, find, open and close a workspace. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
#include "fuse/fuse.h"
#include "workspace/internal.h"
#include "workspace/roots.h"

#define WAIT_MS 5000
#define NAP_MS 20

int fc_workspace_create(const char *dir, struct fc_error *err)
{
    fc_auto(fc_free) char *abs = fc_abspath(dir), *store = NULL;
    struct stat st;
    bool had_dir, had_store;
    int r;

    if (!abs || asprintf(&store, "%s/" FC_WORKSPACE_FOLDER, abs) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    had_dir = lstat(abs, &st) == 0;
    had_store = lstat(store, &st) == 0;
    r = fc_edit_create(store, err);
    if (r == -EEXIST)
        return fc_fail(err, EEXIST, "%s is a workspace already", abs);
    if (r < 0) {
        /* Only what we made; parents that were missing too are harmless. */
        if (!had_store)
            fc_remove_all(AT_FDCWD, store);
        if (!had_dir)
            rmdir(abs);
    }
    return r;
}

/* Ours, root's, or, under sudo, that of who called it: those could do without us what we do for them. */
static bool is_trusted(uid_t owner)
{
    const char *caller = geteuid() == 0 ? getenv("SUDO_UID") : NULL;
    char text[16];

    snprintf(text, sizeof(text), "%u", owner);
    return owner == geteuid() || owner == 0 || (caller && strcmp(caller, text) == 0);
}

int fc_workspace_check_owner(const char *dir, struct fc_error *err)
{
    static const char *const parts[] = {"", "/" FC_WORKSPACE_FOLDER, "/" FC_WORKSPACE_FOLDER "/workspace.db"};

    for (size_t i = 0; i < FC_LENGTH(parts); i++) {
        fc_auto(fc_free) char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s%s", dir, parts[i]) < 0) {
            path = NULL;
            return fc_fail(err, ENOMEM, "out of memory");
        }
        if (lstat(path, &st) < 0)
            return fc_fail_errno(err, errno, "%s", path);
        if (!is_trusted(st.st_uid))
            return fc_fail(err, EPERM, "%s belongs to user %u", path, st.st_uid);
    }
    return 0;
}

/* Whether @dir has a store; *ret_owner is whose. */
static int has_store(const char *dir, uid_t *ret_owner)
{
    fc_auto(fc_free) char *path = NULL;
    struct stat st;

    if (asprintf(&path, "%s/" FC_WORKSPACE_FOLDER "/workspace.db", dir) < 0)
        return -ENOMEM;
    if (lstat(path, &st) < 0)
        return 0;
    *ret_owner = st.st_uid;
    return 1;
}

int fc_workspace_find(const char *dir, char **ret_dir, struct fc_error *err)
{
    fc_auto(fc_free) char *at = dir ? fc_abspath(dir) : getcwd(NULL, 0);
    bool above = false;
    uid_t owner;
    char *slash;
    int r;

    if (!at)
        return fc_fail_errno(err, errno ? errno : ENOMEM, "cannot tell the current directory");
    for (;;) {
        r = has_store(at, &owner);
        if (r < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        /* What is met on the way up must be ours or root's: anybody can put a folder into /tmp. */
        if (r && above && !is_trusted(owner))
            return fc_fail(err, EPERM, "%s is a workspace of user %u: if you mean it, name it with -C %s", at, owner,
                           at);
        if (r) {
            *ret_dir = fc_steal(&at);
            return 0;
        }
        slash = strrchr(at, '/');
        if (dir || !slash || !at[1])
            break;
        slash[slash == at] = '\0';
        above = true;
    }
    if (dir)
        return fc_fail(err, ENOENT, "%s is no workspace: make one there with: fccompose init", dir);
    return fc_fail(err, ENOENT, "no workspace here or in any folder above: make one with: fccompose init");
}

char *fc_workspace_socket(const char *dir)
{
    char *path;

    return asprintf(&path, "%s/" FC_WORKSPACE_FOLDER "/control.sock", dir) < 0 ? NULL : path;
}

/* A moment of waiting for another process; false when the time is over. */
static bool wait_more(const struct fc_workspace *ws, int *waited)
{
    int limit = ws->options.wait_ms ? ws->options.wait_ms : WAIT_MS;
    struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};

    if (*waited >= limit)
        return false;
    if (*waited == 1000)
        fc_log(FC_LOG_INFO, "waiting for another command on %s to finish", ws->dir);
    nanosleep(&nap, NULL);
    *waited += NAP_MS;
    return true;
}

static bool nobody_serves(int r) { return r == -ENOENT || r == -ECONNREFUSED; }

/* The mount process commits and holds still until our read transaction has begun. */
static int open_through_mount(struct fc_workspace *ws, int fd, struct fc_error *err)
{
    int r = fc_control_pin(fd, err);

    if (r == 0)
        r = fc_edit_open(ws->store, FC_EDIT_READ, &ws->edit, err);
    if (r == 0)
        r = fc_control_begun(fd, err);
    return r;
}

static int open_read(struct fc_workspace *ws, const char *socket, struct fc_error *err)
{
    int waited = 0, r;

    for (;;) {
        fc_auto(fc_close) int fd = fc_control_connect(socket, err);

        if (fd >= 0) {
            r = open_through_mount(ws, fd, err);
            if (r == 0)
                ws->control_fd = fc_steal_fd(&fd);
            /* A mount that just went away is none. */
            if (r != -EPIPE && r != -ECONNRESET)
                return r;
            fc_edit_free(ws->edit);
            ws->edit = NULL;
        } else if (nobody_serves(fd)) {
            r = ws->lock_fd = fc_edit_lock_shared(ws->store, err);
            if (r >= 0)
                return fc_edit_open(ws->store, FC_EDIT_READ, &ws->edit, err);
            if (r != -EBUSY)
                return r;
        } else {
            return fd;
        }
        if (!wait_more(ws, &waited))
            return r;
    }
}

int ws_say_mounted(const char *dir, int fd, struct fc_error *err)
{
    fc_auto(fc_control_info_release) struct fc_control_info info = {0};

    if (fc_control_info(fd, &info, NULL) < 0)
        return fc_fail(err, EBUSY, "%s is mounted: unmount it first with: fccompose umount", dir);
    if (!*info.mountpoint)
        return fc_fail(err, EBUSY, "%s is offered as %s (process %d): end that first with: fccompose umount", dir,
                       *info.disk ? info.disk : "a virtual disk", info.pid);
    return fc_fail(err, EBUSY, "%s is mounted at %s (process %d): unmount it first with: fccompose umount", dir,
                   info.mountpoint, info.pid);
}

static int open_write(struct fc_workspace *ws, const char *socket, struct fc_error *err)
{
    int waited = 0;

    for (;;) {
        int r = fc_edit_open(ws->store, FC_EDIT_WRITE, &ws->edit, err);
        fc_auto(fc_close) int fd = -1;

        if (r != -EBUSY)
            return r;
        fd = fc_control_connect(socket, NULL);
        if (fd >= 0)
            return ws_say_mounted(ws->dir, fd, err);
        if (!wait_more(ws, &waited))
            return r;
    }
}

static int open_parts(struct fc_workspace *ws, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(ws->dir);
    int r;

    ws->view = calloc(1, sizeof(*ws->view));
    if (!socket || !ws->view || asprintf(&ws->store, "%s/" FC_WORKSPACE_FOLDER, ws->dir) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    r = ws->options.mode == FC_WORKSPACE_WRITE ? open_write(ws, socket, err) : open_read(ws, socket, err);
    if (r == 0)
        r = ws_stack_load(ws, err);
    if (r == 0)
        r = ws_view_fold(ws->view, ws->cache, ws->edit, err);
    return r == 0 ? ws_view_live(ws->view, ws->edit, &ws->options, err) : r;
}

int fc_workspace_open_with(const char *dir, struct fc_cache *cache, const struct fc_workspace_options *options,
                           struct fc_workspace **ret_ws, struct fc_error *err)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = calloc(1, sizeof(*ws));
    int r;

    if (!ws)
        return fc_fail(err, ENOMEM, "out of memory");
    ws->lock_fd = ws->control_fd = -1;
    ws->cache = cache;
    if (options)
        ws->options = *options;
    r = fc_workspace_find(dir, &ws->dir, err);
    if (r == 0) {
        fc_roots_add(cache, ws->dir);
        r = open_parts(ws, err);
    }
    if (r == 0)
        *ret_ws = fc_steal(&ws);
    return r;
}

int fc_workspace_open(const char *dir, struct fc_cache *cache, enum fc_workspace_mode mode,
                      struct fc_workspace **ret_ws, struct fc_error *err)
{
    const struct fc_workspace_options options = {.mode = mode};

    return fc_workspace_open_with(dir, cache, &options, ret_ws, err);
}

void fc_workspace_free(struct fc_workspace *ws)
{
    if (!ws)
        return;
    ws_view_free(ws->view);
    fc_edit_free(ws->edit);
    /* Only now may the data be given back that the store's read transaction refers to. */
    if (ws->control_fd >= 0)
        close(ws->control_fd);
    if (ws->lock_fd >= 0)
        close(ws->lock_fd);
    free(ws->stack);
    free(ws->store);
    free(ws->dir);
    free(ws);
}

const char *fc_workspace_dir(const struct fc_workspace *ws) { return ws->dir; }

int fc_workspace_sync(struct fc_workspace *ws, struct fc_error *err)
{
    return ws->options.mode == FC_WORKSPACE_WRITE ? fc_live_sync(ws->view->live, true, err) : 0;
}

const struct fc_workspace_layer *fc_workspace_stack(const struct fc_workspace *ws, uint32_t *ret_n)
{
    *ret_n = ws->n_stack;
    return ws->stack;
}

int fc_workspace_snapshot(struct fc_workspace *ws, struct fc_snapshot **ret_snapshot, struct fc_error *err)
{
    return fc_live_snapshot(ws->view->live, ret_snapshot, err);
}

const struct fc_tree *fc_workspace_tree(const struct fc_workspace *ws) { return ws->view->tree; }

struct fc_live *fc_workspace_live(struct fc_workspace *ws) { return ws->view->live; }

bool fc_workspace_is_mounted(const struct fc_workspace *ws) { return ws->control_fd >= 0; }

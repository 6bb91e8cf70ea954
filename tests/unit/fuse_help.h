/* SPDX-License-Identifier: Apache-2.0 */
/* A mount in a temporary folder, served by a process of its own, for the tests of fuse/. */
#ifndef FC_TEST_FUSE_HELP_H
#define FC_TEST_FUSE_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "base/log.h"
#include "edit/edit.h"
#include "fuse/fuse.h"
#include "live/live.h"
#include "live/verb.h"

/** A served mount. */
struct served {
    char dir[256], mnt[300], sock[300], store[300];
    pid_t pid;
    int peek; /* asks the server what the live tree holds */
    int ready;
    uid_t uid; /* who serves */
    bool classic, read_only;
};

/** What the server's live tree has in the file @name of the root. */
struct peeked {
    ssize_t n;
    char data[64];
};

static inline void *peek_main(void *arg)
{
    void **both = arg;
    struct fc_live *live = both[0];
    int fd = *(int *)both[1];
    char name[256];
    ssize_t n;

    while ((n = recv(fd, name, sizeof(name), 0)) > 0) {
        struct peeked p = {.n = -1};
        struct fc_attr attr;

        p.n = fc_live_lookup(live, 1, name, (size_t)n, &attr);
        if (p.n == 0) {
            p.n = fc_live_read(live, attr.ino, p.data, sizeof(p.data), 0);
            fc_live_forget(live, attr.ino, 1);
        }
        send(fd, &p, sizeof(p), MSG_NOSIGNAL);
    }
    return NULL;
}

static inline void print_line(enum fc_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "server: %s\n", line);
}

/* In the child. Returns its exit status. */
static inline int serve(struct served *s, int peek_fd, int ready_fd)
{
    struct fc_error err = {0};
    struct fc_tree *tree = NULL;
    struct fc_edit *edit = NULL;
    struct fc_live *live = NULL;
    struct fc_mount *mount = NULL;
    struct fc_control *control = NULL;
    struct fc_mount_options mo = {
        .mountpoint = s->mnt, .classic_open = s->classic, .read_only = s->read_only, .threads = 2};
    pthread_t peeker;
    void *both[2];
    int r;

    if (getenv("FUSE_TEST_DEBUG")) {
        fc_log_sink(print_line);
        mo.debug = true;
    }
    if (s->uid != 0 && (setgid(s->uid) < 0 || setuid(s->uid) < 0))
        return 9;
    r = fc_tree_fold(NULL, 0, NULL, &tree, &err);
    if (r == 0)
        r = fc_edit_create(s->store, &err);
    if (r == 0)
        r = fc_edit_open(s->store, FC_EDIT_WRITE, &edit, &err);
    if (r == 0) {
        struct fc_live_options lo = {.tree = tree, .edit = edit, .count_refs = true, .read_only = s->read_only};

        r = fc_live_open(&lo, &live, &err);
    }
    mo.live = live;
    if (r == 0)
        r = fc_mount_new(&mo, &mount, &err);
    if (r == 0)
        r = fc_control_new(&(struct fc_control_options){s->sock, live, mount, NULL}, &control, &err);
    if (r == 0) {
        both[0] = live;
        both[1] = &peek_fd;
        pthread_create(&peeker, NULL, peek_main, both);
        if (write(ready_fd, "", 1) != 1)
            return 8;
        r = fc_mount_serve(mount, &err);
        shutdown(peek_fd, SHUT_RDWR);
        pthread_join(peeker, NULL);
    } else if (write(ready_fd, err.msg, strlen(err.msg)) < 0) {
        return 8;
    }
    fc_control_free(control);
    fc_mount_free(mount);
    fc_live_free(live);
    fc_edit_free(edit);
    fc_tree_free(tree);
    return r == 0 ? 0 : 7;
}

/** Why there can be no mount here, or NULL. */
static inline const char *no_fuse(void)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

    if (fd < 0)
        return "/dev/fuse cannot be opened";
    close(fd);
    if (geteuid() != 0)
        return "not root";
    return NULL;
}

/** Start a server. Returns its first words: "" is well. */
static inline const char *serve_start(struct served *s)
{
    static char words[600];
    int pair[2], ready[2];
    ssize_t n;

    snprintf(s->dir, sizeof(s->dir), "%s/fuse-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(s->dir))
        return "mkdtemp failed";
    snprintf(s->mnt, sizeof(s->mnt), "%s/mnt", s->dir);
    snprintf(s->sock, sizeof(s->sock), "%s/control.sock", s->dir);
    snprintf(s->store, sizeof(s->store), "%s/store", s->dir);
    mkdir(s->mnt, 0755);
    if (s->uid != 0 && (chown(s->dir, s->uid, s->uid) < 0 || chown(s->mnt, s->uid, s->uid) < 0))
        return "chown failed";
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 || pipe2(ready, O_CLOEXEC) < 0)
        return "no socketpair";
    s->pid = fork();
    if (s->pid == 0) {
        close(pair[0]);
        close(ready[0]);
        exit(serve(s, pair[1], ready[1])); /* not _exit(): leaks are looked for */
    }
    close(pair[1]);
    close(ready[1]);
    s->peek = pair[0];
    n = read(ready[0], words, sizeof(words) - 1);
    close(ready[0]);
    words[n > 0 ? n : 0] = '\0';
    return n == 1 ? "" : n > 0 ? words : "the server died";
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

/** Wait for the server. Returns its status as waitpid() gives it, or -1 if it does not end within 20 s. */
static inline int serve_wait(struct served *s)
{
    int status;

    for (int i = 0; i < 2000; i++) {
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            return status;
        }
        usleep(10000);
    }
    return -1;
}

static inline void serve_clean(struct served *s)
{
    if (s->pid > 0)
        kill(s->pid, SIGTERM);
    if (s->pid > 0 && serve_wait(s) == -1)
        kill(s->pid, SIGKILL);
    umount2(s->mnt, MNT_DETACH);
    close(s->peek);
    nftw(s->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

static inline struct peeked peek(struct served *s, const char *name)
{
    struct peeked p = {.n = -EIO};

    if (send(s->peek, name, strlen(name), 0) < 0 || recv(s->peek, &p, sizeof(p), 0) != sizeof(p))
        p.n = -EIO;
    return p;
}

#endif

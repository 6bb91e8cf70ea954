/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of run/ share. A run is four processes:
 *
 *   parent   the caller: maps ids, has the tree served, relays a terminal and signals, waits
 *   stage    its child, for a moment: makes the namespaces, forks the first process in them
 *   init     pid 1 of the new pid namespace: mounts, then waits for the command and reaps what it leaves
 *   command  its child, becomes the program
 *
 * They talk through one pair of sockets that keeps messages apart (struct run_msg). When the parent is gone, init ends, and with
 * it everything in the namespace. Between fork and exec only the child's thread exists; it keeps no descriptor of the
 * parent's but those of this header, so that no lock or database of the caller's stays open in there.
 */
#ifndef FC_RUN_INTERNAL_H
#define FC_RUN_INTERNAL_H

#include <signal.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "run/run.h"
#include "run/supervise.h"

/** Where apt finds that it cannot change its user, which it would insist on, when there is one id. */
#define RUN_APT_CONF "/dev/.apt.conf"

/** Exit statuses of container tools: of ours, a command that cannot be run, one that is not there. */
enum { RUN_FAILED = 125, RUN_CANNOT = 126, RUN_NOT_FOUND = 127 };

/** What a message says. */
enum run_kind {
    RUN_UNSHARED, /* stage: map ids; answered by RUN_GO */
    RUN_CHILD,    /* stage: code is the pid of init */
    RUN_FUSE,     /* init: a descriptor to serve; answered */
    RUN_PLACE,    /* init: struct fc_run_place in number, flag, text; answered */
    RUN_TERMINAL, /* init: the master of its pseudo-terminal */
    RUN_STARTED,  /* init: the command exists; RUN_SIGNAL may come from now on */
    RUN_WORDS,    /* command: why it will exit with 126 or 127 */
    RUN_EXIT,     /* init: code is the exit status of the command */
    RUN_FAIL,     /* any: code (errno) and words; nothing was run */
    RUN_GO,       /* parent: yes (code 0) or no (errno, words) */
    RUN_SIGNAL,   /* parent: code is the signal */
};

/** A message. */
struct run_msg {
    int32_t kind, code;
    uint64_t number;
    uint8_t flag;
    char text[512];
};

/** How ids are mapped. */
struct run_ids {
    bool single;
    bool as_root; /* write the maps ourselves: all ids that we have */
    struct fc_buf
        uid; /* arguments of newuidmap, each with a NUL: "0" "1000" "1" "1" "100000" "65536"; or what to write */
    struct fc_buf gid;
    char how[320]; /* for the person */
};

/** A run on its way. */
struct run {
    const struct fc_run_options *o;
    struct run_ids ids;
    struct fc_supervise *supervise; /* NULL: none */
    bool terminal;                  /* a pseudo-terminal is wanted */
    int parent_fd, child_fd;        /* of the pair */
    /* parent */
    pid_t stage, init;
    bool started;
    int signal_fd; /* what comes in, as numbers; -1 */
    int status;    /* of the command; negative: none yet */
    struct fc_error words;
    /* init */
    int root_fd;  /* O_PATH: the tree as mounted */
    int proc_fd;  /* O_PATH: /proc of its processes, or -1 */
    int slave_fd; /* the command's end of the terminal, or -1 */
};

/* talk.c */

/** Send @m with @fd (-1: none). Returns 0 or -errno; never raises SIGPIPE. */
int run_send(int sock, const struct run_msg *m, int fd);
/** Receive. *ret_fd (may be NULL) is a descriptor or -1. Returns 1, 0 at the end, or -errno. */
int run_receive(int sock, struct run_msg *ret, int *ret_fd);
/** In a child: say what failed and exit. */
void __attribute__((noreturn)) run_die(const struct run *r, const struct fc_error *err);
/** In a child: ask the parent, who answers with RUN_GO. Returns 0 or -errno with the parent's words. */
int run_ask(const struct run *r, const struct run_msg *m, int fd, struct fc_error *err);

/* ids.c */

/** Choose; no privilege is used yet. Returns 0 or -errno with words. */
int run_ids_plan(struct run_ids *ret, struct fc_error *err);
/** Take the single id, because of @why. */
void run_ids_single(struct run_ids *ids, const char *why);
/** Map the ids of process @pid, which has just made its user namespace. Returns 0 or -errno with words. */
int run_ids_apply(const struct run_ids *ids, pid_t pid, struct fc_error *err);
void run_ids_release(struct run_ids *ids);
/** What to write for all that @path, our own map, has, under the same numbers. Returns 0 or -errno. */
int run_ids_identity(int dir_fd, const char *path, struct fc_buf *ret);

/* stage.c */

/** In the child of the parent's fork: does not return. */
void __attribute__((noreturn)) run_stage(struct run *r);

/* tree.c */

/** In init: mount the tree and all that is bound for the run, and make it the root. Returns 0 or -errno with words. */
int run_tree(struct run *r, struct fc_error *err);

/* mountpoint.c */

/**
 * Open @path of the tree (O_PATH), resolved as after a chroot: no symlink leads out of it. What is mounted on the root itself
 * is not seen. Returns a descriptor or -errno.
 */
int run_open(const struct run *r, const char *path);
/** Open what is to be mounted over at @path of the tree; what is not there is shown for this run. A descriptor or -errno with words. */
int run_target(const struct run *r, const char *path, bool directory, struct fc_error *err);
/** mount(2) onto that. @source_fd (-1: none) is bound, with what is mounted below it. Returns 0 or -errno; no words. */
int run_mount_fd(int target_fd, int source_fd, const char *type, unsigned long flags, const char *options);
/** run_target() and a mount of a new file system. Returns 0 or -errno with words. */
int run_mount(const struct run *r, const char *path, const char *type, unsigned long flags, const char *options,
              struct fc_error *err);
/** run_target() and a bind of @source_fd; @read_only with all below it. */
int run_bind(const struct run *r, int source_fd, const char *path, bool directory, bool read_only,
             struct fc_error *err);

/* system.c */

/** Mount /proc, /sys and /dev. Returns 0 or -errno with words. */
int run_system(struct run *r, struct fc_error *err);

/* confine.c */

/**
 * In init, whose root is the tree: another user namespace, of the same ids, with mounts of its own. Those made so far cannot be
 * undone or changed in there. Returns 0 or -errno with words.
 */
int run_confine(const struct run *r, struct fc_error *err);

/* init.c */

/** In init, the tree is the root: start the command, wait for it, exit. */
void __attribute__((noreturn)) run_init(struct run *r);
/** Signals to their defaults but for those that the caller ignores, all unblocked. */
void run_default_signals(void);

void run_block_signals(void);

/* command.c */

/** In the command's process: become it. Does not return. */
void __attribute__((noreturn)) run_command(struct run *r);

/* environment.c */

/** The list for a user whose directory is @home: the defaults, then what is asked for. NULL when out of memory. */
char **run_environment(const struct run *r, const char *home);
/** The value of @name in @env, or NULL. */
const char *run_environment_get(char *const *env, const char *name);

/* user.c */

/** Who the command is. */
struct run_user {
    uint32_t uid, gid;
    uint32_t groups[256]; /* further ones */
    size_t n_groups;
    char home[256], shell[256]; /* shell: "" if nobody says */
};
/** Find @text ("USER[:GROUP]") in @passwd and @group, contents of the tree's files (may be ""). Returns 0 or -errno with words. */
int run_user_find(const char *text, const char *passwd, const char *group, struct run_user *ret, struct fc_error *err);

/* program.c */

/** Why execve(@path) failed with @code, in words; @path is as seen by the caller. */
void run_explain_exec(const char *path, int code, struct fc_error *err);

/* explain.c */

/** Why namespaces cannot be made, from errno and the machine's settings. Returns -@code. */
int run_explain_namespaces(int code, struct fc_error *err);
/** Why a mount inside them failed. @what names it. Returns -@code. */
int run_explain_mount(int code, const char *what, struct fc_error *err);

/* terminal.c */

/** The relay between our terminal and that of the command. All zero is none. */
struct run_terminal {
    bool on;
    int master;
    struct run_terminal_saved *saved;
    bool input_ended;
};
/** Whether ours is one that can be handed on. */
bool run_terminal_wanted(void);
/** Ours becomes raw; @master (used up) gets its size. */
int run_terminal_begin(struct run_terminal *t, int master, struct fc_error *err);
/** Our size has changed. */
void run_terminal_resize(const struct run_terminal *t);
/** Move what is there from one to the other; poll(2) said that @in (ours) or @out (the command's) has something. */
void run_terminal_move(struct run_terminal *t, bool in, bool out);
/** All that the command still said, then ours is as it was. Does nothing if not begun. */
void run_terminal_end(struct run_terminal *t);

#endif

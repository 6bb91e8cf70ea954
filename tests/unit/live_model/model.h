/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A model in memory of what a live tree shall be: inodes, names, contents by blocks; and the machine that runs random
 * operations on both. It knows nothing of src/live but its public calls, and stops the process where the two disagree.
 *
 * Every operation is drawn from (seed, number) alone and looks for its objects in the model as it is then, so operations
 * may be left out of a run and the rest still makes sense: that is how a failure is made shorter.
 */
#ifndef LIVE_MODEL_H
#define LIVE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "live/live.h"

enum { M_NODES = 320, M_NAMES = 260, M_STALE = 16, M_BLOCK = 4096, M_BUFFER = 3 << 20 };

/** Largest size of a file: what ext4 holds with blocks of 4 KiB. */
#define M_FILE_MAX (UINT64_C(0xffffffff) * M_BLOCK)

/* Dice */

struct dice {
    uint64_t state;
};

struct dice dice_for(uint64_t seed, uint64_t number);
uint64_t roll64(struct dice *d);
/** 0 to @n - 1. */
static inline unsigned roll(struct dice *d, unsigned n) { return (unsigned)(roll64(d) % n); }
static inline bool one_in(struct dice *d, unsigned n) { return roll(d, n) == 0; }

/* The model */

/** A block that is there; @data NULL reads as zeros. @own: in the workspace's data, else in a layer. */
struct m_block {
    uint64_t number;
    bool own;
    unsigned char *data;
};

struct m_xattr {
    char *name;
    unsigned char *value;
    size_t size;
};

struct m_node {
    bool used, lower, linkable;
    uint64_t ino, refs, size;
    uint32_t mode, uid, gid, major, minor, nlink;
    struct timespec atime, mtime, ctime, crtime;
    char *target;
    int parent; /* directory */
    struct m_xattr *xattrs;
    size_t n_xattrs;
    struct m_block *blocks;
    size_t n_blocks, cap_blocks;
};

struct m_name {
    int dir, node; /* node -1: unused */
    uint16_t len;
    char *text;
};

struct model {
    struct m_node nodes[M_NODES];
    struct m_name names[M_NAMES];
    int n_names;
    uint64_t parent_ino; /* of node 0 */
    uint64_t stale[M_STALE];
};

struct model *m_new(void);
/** A deep copy. @whole: with what has no name but references. */
struct model *m_clone(const struct model *m, bool whole);
void m_free(struct model *m);
/** An unused node, or -1. */
int m_node_new(struct model *m);
/** Free what it has and mark it unused; its number is remembered as stale. */
void m_node_drop(struct model *m, int node);
/** Gone if nothing holds it. */
void m_reap(struct model *m, int node);
int m_find(const struct model *m, int dir, const char *text, size_t len);
/** -1 when there is no room. */
int m_name_add(struct model *m, int dir, const char *text, size_t len, int node);
void m_name_remove(struct model *m, int name);
int m_count(const struct model *m, int dir);
bool m_is_dir(const struct model *m, int node);
/** Whether @node is @dir or above it. */
bool m_above(const struct model *m, int node, int dir);
/** Remove all below @node, and it; for building lower trees: nothing is referenced. */
void m_remove_tree(struct model *m, int name);
/** The path of a directory below the base: "" or "a/b/". Static per thread. */
const char *m_path(const struct model *m, int dir);

struct m_xattr *m_xattr(struct m_node *n, const char *name);
void m_xattr_set(struct m_node *n, const char *name, const void *value, size_t size);
bool m_xattr_remove(struct m_node *n, const char *name);

/* contents.c */

struct m_block *m_block_at(const struct m_node *n, uint64_t number);
void m_write(struct m_node *n, uint64_t offset, const void *data, size_t size);
void m_read(const struct m_node *n, uint64_t offset, void *data, size_t size);
void m_truncate(struct m_node *n, uint64_t size);
void m_punch(struct m_node *n, uint64_t from, uint64_t to);
void m_preallocate(struct m_node *n, uint64_t from, uint64_t to);
/** Whether @offset is in a block that is there, and (in *ret_end) how far that goes on, at most to the size. */
bool m_run(const struct m_node *n, uint64_t offset, uint64_t *ret_end);
void m_blocks_copy(struct m_node *to, const struct m_node *from);
void m_blocks_free(struct m_node *n);

/* acl.c: ACLs as in linux/posix_acl_xattr.h, written anew from acl(5) */

enum { M_ACL_MAX = 64 };
/** Encode an ACL; returns its size. @named: with a named user and group, and a mask. */
size_t m_acl(unsigned char *ret, unsigned user, unsigned group, unsigned other, int named, unsigned mask);
void m_acl_follow_mode(struct m_node *n);
/** What a new object inherits: its mode without umask on entry. */
void m_acl_inherit(const struct m_node *dir, struct m_node *n, uint32_t umask);
/** Set or remove an ACL that is valid; returns 0 or a negative errno. */
int m_acl_set(struct m_node *n, const char *name, const unsigned char *value, size_t size);

/* lower.c: random layers, and the live tree over them */

enum { MAX_LAYERS = 4, MAX_PARTS = 16 };

struct part {
    char prefix[16]; /* "" or "t3/" */
    struct model *model;
};

struct stage {
    char dir[128], store[160];
    struct fc_cache *cache;
    struct fc_tree *tree;
    uint32_t ids[MAX_LAYERS];
    uint32_t n_layers;
    struct fc_edit *edit;
    struct fc_live *live;
    bool no_writer;
};

/** Build @n_parts random trees beside each other in common layers, fold them, and open; the models know them then. */
void stage_open(struct stage *s, uint64_t seed, struct part *parts, unsigned n_parts);
void stage_close_store(struct stage *s);
void stage_open_store(struct stage *s);
void stage_free(struct stage *s);

/* Running */

enum { N_LISTINGS = 3, N_HELD = 2 };

/** A listing under way: names that were there all the time must be seen once. */
struct listing {
    bool open;
    int dir;
    uint64_t ino, cookie;
    struct listed {
        char *text;
        uint16_t len;
        bool stays; /* since the beginning */
        unsigned seen;
    } names[M_NAMES * 2];
    int n;
};

struct held {
    struct fc_snapshot *snapshot;
    struct model *model;
};

struct run {
    struct stage *s;
    struct fc_live *live;
    struct model *m;
    struct model *pristine; /* of the lower tree; only when alone */
    const char *prefix;
    uint64_t seed, number;
    bool alone, trace;
    char what[400];
    struct timespec before;
    struct {
        int node;
        unsigned times;
    } touched[8];
    int n_touched;
    volatile uint64_t *progress; /* for whoever watches this process; may be NULL */
    struct listing listings[N_LISTINGS];
    struct held held[N_HELD];
    unsigned char *buffers[2]; /* of M_BUFFER bytes */
};

enum { T_ATIME = 1, T_MTIME = 2, T_CTIME = 4, T_CRTIME = 8 };

/** Say what is tried: for the message of a failure, and with --trace. */
void say(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** The two disagree: print and end the process with status 3. */
_Noreturn void disagree(struct run *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void expect(struct run *r, long got, long want);
/** Times of @node that are to be new now; its attributes are compared when the operation is over. */
void touch(struct run *r, int node, unsigned times);
/** After a name appeared in or went from @dir. */
void listings_note(struct run *r, int dir, const char *text, size_t len, bool there);
void listings_close(struct run *r);

/** Run operation @number. */
void step(struct run *r, uint64_t number);
/** A new run on the part of a stage. */
struct run *run_new(struct stage *s, struct part *part, uint64_t seed, bool alone);
void run_free(struct run *r);
/** End what is held over a closing: listings, snapshots (checked once more). */
void run_forget(struct run *r);
/** The stage was closed and opened again: what has no name is gone. Checks all. */
void run_reopened(struct run *r);
/** Close and open the stage, alone. */
void run_reopen(struct run *r);

/* Operations by kind */
void op_names(struct run *r, struct dice *d);   /* act_create.c: make and link */
void op_remove(struct run *r, struct dice *d);  /* act_names.c */
void op_rename(struct run *r, struct dice *d);  /* act_names.c */
void op_lookup(struct run *r, struct dice *d);  /* act_names.c */
void op_forget(struct run *r, struct dice *d);  /* act_names.c */
void op_content(struct run *r, struct dice *d); /* act_content.c */
void op_attr(struct run *r, struct dice *d);    /* act_attr.c */
void op_xattr(struct run *r, struct dice *d);   /* act_xattr.c */
void op_list(struct run *r, struct dice *d);    /* act_list.c */
void op_moment(struct run *r, struct dice *d);  /* act_moment.c: snapshots, sync, pins, reopening, reset */

/** What an operation is aimed at: @node -1 is a number that is no inode any more. */
struct aim {
    int node;
    uint64_t ino;
};
struct aim aim_any(struct run *r, struct dice *d);
struct aim aim_dir(struct run *r, struct dice *d);
struct aim aim_file(struct run *r, struct dice *d);
/** A name, mostly of @dir or the common pool, now and then odd. Returns its length. */
size_t aim_name(struct run *r, struct dice *d, int dir, char *ret);
/** The errno of finding a directory there, or 0. */
int dir_error(const struct run *r, const struct aim *a);
void kill_priv(struct m_node *n, bool set_id);

/* compare.c */

void check_node(struct run *r, struct fc_live *live, const struct m_node *n);
void check_content(struct run *r, struct fc_live *live, const struct m_node *n);
/** All of the tree @live against model @m; @orphans: what has no name too. */
void check_tree(struct run *r, struct fc_live *live, const struct model *m, bool orphans);
void check_snapshot(struct run *r, const struct fc_snapshot *s, const struct model *m);
/* compare_diff.c */
void check_diff(struct run *r, const struct fc_snapshot *s, const struct model *m);
/* space.c: nobody else may be at work. Every block of the data file is free, freed or in one place. */
void check_space(struct run *r);

#endif

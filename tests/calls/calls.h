/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same random system calls in two trees, of which one is judged by the other: results, errnos and what is read must
 * be equal. Knows nothing of fccompose.
 *
 * A worker is a thread with a directory of its own in both trees, which it reaches by descriptors alone, so that the
 * directory may be renamed by others meanwhile.
 */
#ifndef CALLS_H
#define CALLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { N_FILES = 10, N_DIRS = 5, N_MAPS = 2, BUFFER = 1 << 18 };

struct dice {
    uint64_t state;
};
uint64_t roll64(struct dice *d);
static inline unsigned roll(struct dice *d, unsigned n) { return (unsigned)(roll64(d) % n); }
static inline bool one_in(struct dice *d, unsigned n) { return roll(d, n) == 0; }

/** An object that is open on both sides; fd -1: none. Index 0 is the tree under test, 1 the judge. */
struct both {
    int fd[2];
};

struct map {
    unsigned char *at[2];
    size_t length;
    off_t offset;
    int file; /* index of the descriptor that it was made of */
};

struct worker {
    uint64_t seed, op;
    unsigned number;
    struct dice dice; /* of the operation */
    struct both root;
    struct both files[N_FILES], dirs[N_DIRS];
    struct map maps[N_MAPS];
    unsigned char *buffers[2];
    char what[600];
    bool trace;
    /* Half of them set capabilities, the others set-id bits: a file with both loses both when root writes to it in a mount. */
    bool capable;
    bool mapping; /* every second worker: what is written through a mapping gets its new mtime later than on ext4 */
};

/** Where a call is aimed: a directory on both sides and a path below it. */
struct where {
    struct both dir;
    char path[700];
};

void say(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Print what was tried and the words, and end the process with status 3. */
_Noreturn void differ(struct worker *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** Two results with their errnos (which count when the result is negative). Returns whether the calls succeeded. */
bool same(struct worker *w, const long got[2], const int err[2]);

/** A path: mostly of what is there. */
void aim(struct worker *w, struct where *ret);
/** A file that is open, or NULL. */
struct both *some_file(struct worker *w);
int some_file_index(struct worker *w);

/** Open the worker's directories @name below @left and @right; made if missing. */
void worker_init(struct worker *w, uint64_t seed, unsigned number, const char *left, const char *right);
/** The operation @op. */
void worker_step(struct worker *w, uint64_t op);
void worker_free(struct worker *w);
/** Give everything below both directories the same times, so that the trees can be compared by others. */
void worker_calm(struct worker *w);

/* Operations */
void op_open(struct worker *w);    /* ops_file.c */
void op_content(struct worker *w); /* ops_file.c */
void op_map(struct worker *w);     /* ops_map.c */
void maps_close(struct worker *w, int file);
void op_names(struct worker *w); /* ops_names.c */
void op_attr(struct worker *w);  /* ops_attr.c */
void op_xattr(struct worker *w); /* ops_attr.c */
void op_look(struct worker *w);  /* ops_look.c: stat, readlink, list */
void compare_stat(struct worker *w, int left, int right, const char *path);

/** Run an expression for both sides (S is the side); then compare with same(). */
#define BOTH(w, expression)                                                                                            \
    __extension__({                                                                                                    \
        long got_[2];                                                                                                  \
        int err_[2];                                                                                                   \
        for (int S = 0; S < 2; S++) {                                                                                  \
            errno = 0;                                                                                                 \
            got_[S] = (long)(expression);                                                                              \
            err_[S] = errno;                                                                                           \
        }                                                                                                              \
        same(w, got_, err_);                                                                                           \
    })

#endif

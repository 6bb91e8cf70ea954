/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The POSIX suite: checks of what Linux's system calls do in a directory, which any file system must pass.
 *
 * A case has two halves. The first makes objects, the second works on them; between the two the objects may be carried
 * into another file system, so that every operation meets what came from below. Each case has a directory of its own.
 * A failed check is printed as one line that is always the same, so that a list of known ones can be compared.
 */
#ifndef PX_H
#define PX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/** One case; a table of them ends with one that has no name. */
struct px_case {
    const char *name;
    void (*prepare)(void); /**< may be NULL; without sockets, and as root unless !root */
    void (*run)(void);
    bool root; /**< switches users, or needs privilege */
};

extern const struct px_case px_paths[], px_perms[], px_owners[], px_names[], px_rename[], px_open[], px_content[],
    px_space[], px_locks[], px_xattrs[], px_acls[], px_dirs[], px_times[], px_below[], px_frozen[];

/* Checks: each counts, and says what it saw if that was not it. */

/** @r is a result with errno of the call with the text @what; returns @r. */
long px_ok(long r, const char *what);
void px_fails(int code, long r, const char *what);
void px_is(long long got, long long want, const char *what);
/** Like px_is(), for words. */
void px_is_text(const char *got, const char *want, const char *what);
/** What failed checks say from here on, before the call: the row of a table. */
void px_row(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define OK(call) px_ok((errno = 0, (long)(call)), #call)
#define FAILS(code, call) px_fails((code), (errno = 0, (long)(call)), #call)
#define IS(got, want) px_is((long long)(got), (long long)(want), #got)
#define TRUE(what) px_is(!!(what), 1, #what)

/* Users: effective ids, those of the file system and the groups; the saved ones remain root's. */

enum { ANN = 65533, BOB = 65532, TEAM = 65530, CLUB = 65529 };
/** Become @uid of group @gid and the @n further groups. */
void px_be(uid_t uid, gid_t gid, int n, ...);
void px_be_root(void);

/* Objects */

/** The types of objects that there are. */
enum px_type { PX_REG, PX_DIR, PX_FIFO, PX_CHR, PX_BLK, PX_SOCK, PX_LNK, PX_TYPES };
extern const char *const px_type_names[PX_TYPES];
extern const mode_t px_type_modes[PX_TYPES];
/** Make an object; the text of a symlink is "nowhere". Returns 0 or -1. */
int px_make(enum px_type type, const char *name);
/** In the first half: one of each type but socket, named as the type. In the second: the socket, if it is not there. */
void px_make_all(void);
void px_make_rest(void);
/** A regular file with this text, whatever there was. */
void px_file(const char *name, const char *text);
/** The text of a file, in a static buffer. */
const char *px_text(const char *name);
/** Remove whatever it is; as root, with everything below. */
void px_remove(const char *name);
/** Let the kernel forget what no one has open, if PX_FORGET is set in the environment. */
void px_forget(void);
/** Inode data without following; zeros and a failed check if there is no such thing. */
struct stat px_stat(const char *name);
/** Fill with @n characters 'x' and a NUL; returns the buffer, one of a few static ones. */
char *px_long(size_t n);

/* Time stamps */

/** A path (or a descriptor, if it is not 0) and which of "amc" must have moved on after a call. */
struct px_watch {
    const char *path;
    const char *want;
    int fd;
    struct stat before;
};
#define AT(p, w)                                                                                                       \
    {                                                                                                                  \
        .path = (p), .want = (w)                                                                                       \
    }
#define OF(p, w, f)                                                                                                    \
    {                                                                                                                  \
        .path = (p), .want = (w), .fd = (f)                                                                            \
    }
/** Let the clock of file systems move on, then note. */
void px_watch_begin(struct px_watch *w, size_t n);
void px_watch_end(const struct px_watch *w, size_t n, const char *what);

#define TIMES(call, ...)                                                                                               \
    do {                                                                                                               \
        struct px_watch watched_[] = {__VA_ARGS__};                                                                    \
        px_watch_begin(watched_, sizeof(watched_) / sizeof(*watched_));                                                \
        OK(call);                                                                                                      \
        px_watch_end(watched_, sizeof(watched_) / sizeof(*watched_), #call);                                           \
    } while (0)

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the directory scan asks the host about one object. Private to entry/. */
#ifndef FC_ENTRY_HOST_H
#define FC_ENTRY_HOST_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <fccompose/entry.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"

/** An object of the host. */
struct fc_host_stat {
    struct stat st;
    uint64_t mount; /**< tells mounts apart */
};

/** Stat @name in @dirfd (or @dirfd itself for ""), never following a symlink. Returns 0 or -errno. */
int fc_host_stat(int dirfd, const char *name, struct fc_host_stat *ret);

/** The xattrs of an object. All zero is empty. */
struct fc_host_xattrs {
    struct fc_buf names, values;
    struct fc_xattr *list;
    size_t n, cap;
};

/**
 * Read the xattrs, sorted, host-only ones left out, of @fd if it is >= 0, else of @name in @dirfd (or of @dirfd itself
 * for ""), which may be of any type. Returns 0 or -errno.
 */
int fc_host_xattrs_read(struct fc_host_xattrs *x, int fd, int dirfd, const char *name);
/** Free the memory; empty and usable again. */
void fc_host_xattrs_release(struct fc_host_xattrs *x);

/** Append the sorted names in directory @fd to @names, NUL-terminated one after the other. Returns the number or -errno. */
ssize_t fc_host_names(int fd, struct fc_buf *names);

/** First names of objects with several, by device and inode. All zero is empty. */
struct fc_host_links {
    struct fc_map map;
    struct fc_host_link *links;
    size_t n, cap;
    struct fc_arena arena;
};

/**
 * Look for the object. Returns 1 and sets *ret_path if it was met before; 0 after remembering @path as its first name;
 * or -ENOMEM.
 */
int fc_host_links_meet(struct fc_host_links *l, const struct stat *st, const char *path, const char **ret_path);
/** Free the memory; empty and usable again. */
void fc_host_links_release(struct fc_host_links *l);

#endif

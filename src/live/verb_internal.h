/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the verbs share. Private to them. Functions return 0 or a negative errno; words come at the top. */
#ifndef FC_LIVE_VERB_INTERNAL_H
#define FC_LIVE_VERB_INTERNAL_H

#include "live/verb.h"

/** Where a path leads. */
struct fc_place {
    uint64_t dir;               /**< the directory that has, or would have, the name */
    char name[FC_NAME_MAX + 1]; /**< the last component, symlinks followed if asked; "" for the root, "." and ".." */
    size_t len;
    bool exists;
    struct fc_attr attr; /**< if it exists */
};

/** How to walk. */
enum {
    FC_WALK_FOLLOW = 1 << 0,  /**< a symlink in the last place too */
    FC_WALK_PARENTS = 1 << 1, /**< make missing directories on the way, 0755 0:0 */
};

/** Walk @path from directory @dir (absolute paths and symlinks: from the root), never out of the root. */
int fc_walk(struct fc_live *live, uint64_t dir, const char *path, unsigned flags, struct fc_place *ret);
/** The same for the path of @verb, from where it starts. */
int fc_walk_verb(struct fc_live *live, const struct fc_verb *verb, unsigned flags, struct fc_place *ret);
/** Look a name up without keeping a reference. */
int fc_peek(struct fc_live *live, uint64_t dir, const char *name, size_t len, struct fc_attr *ret);
/** Go on to @name (a last part of a path) in the directory that @place is. */
int fc_place_below(struct fc_live *live, struct fc_place *place, const char *name, size_t len);
/** The last component of a path text, trailing slashes left out; "", "." and ".." have length 0. */
const char *fc_last_component(const char *path, size_t *ret_len);

/** A thing met by fc_visit_below(). */
struct fc_visit {
    uint64_t dir; /**< its directory */
    const char *name;
    size_t len;
    uint64_t ino;
    uint32_t mode; /**< type bits */
    bool leaving;  /**< a directory, after everything in it */
};
/**
 * Visit everything below directory @ino, parents before children, and directories once more when left. @fn may remove
 * what it is given (a directory only when leaving). Deep trees cost memory, not stack. Non-zero stops and is returned.
 */
int fc_visit_below(struct fc_live *live, uint64_t ino, int (*fn)(void *arg, const struct fc_visit *v), void *arg);

/** A file without a name that stays until fc_live_forget(ino, 1), also when @live counts no references. */
int fc_stage_file(struct fc_live *live, uint64_t dir, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t *ret_ino);
/** Give inode @ino the name at @place in one step, replacing what is no directory there. */
int fc_place_link(struct fc_live *live, uint64_t ino, const struct fc_place *place);
/** What fc_place_make() makes. */
struct fc_making {
    const char *target; /**< of a symlink; NULL: a special file, as follows */
    uint32_t mode, umask, rdev_major, rdev_minor;
};
/** Make a symlink or a special file at @place in one step, replacing what is no directory there; *ret is the new one. */
int fc_place_make(struct fc_live *live, const struct fc_place *place, const struct fc_making *what,
                  const struct fc_cred *cred, struct fc_attr *ret);

/** Apply a mode text of chmod(1) to @mode (with its type); no umask. -EINVAL if it cannot be understood. */
int fc_mode_apply(const char *text, uint32_t mode, uint32_t *ret_mode);

/** The verbs that have files of their own; with words. */
int fc_verb_copy(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err);
int fc_verb_write(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err);
int fc_verb_names(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err);
int fc_verb_attributes(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err);

/** "cannot @what \"@path\": why", and -@code. */
int fc_verb_fail(struct fc_error *err, int code, const char *what, const char *path);

#endif

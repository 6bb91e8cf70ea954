/* SPDX-License-Identifier: Apache-2.0 */
/* A recipe (fccompose.yaml) as the program holds it: checked, variables filled in, includes merged, what `when` excludes left out. */
#ifndef FC_COMPOSE_RECIPE_H
#define FC_COMPOSE_RECIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/error.h>

#include "base/cleanup.h"

/** Strings with their number; NULL-terminated as well. */
struct fc_recipe_list {
    char **items;
    size_t n;
};

/** Where something stands, for messages: "FILE:LINE:COLUMN". */
struct fc_recipe_place {
    const char *file; /**< borrowed from the recipe */
    unsigned line, column;
};

/** A layer, lowest first. */
struct fc_recipe_layer {
    struct fc_recipe_place place;
    char *locator; /**< as the command line takes it: made of oci:, url:, archive:, layout:, tar:, dir:, name: … */
    char *sha256, *sha512; /**< expected digest of the file, lower-case hexadecimal; NULL: none */
    char *keyring;         /**< OpenPGP certificates (a file, absolute) that must have signed the file; NULL: none */
    char *signature;       /**< URL of the detached signature; set when keyring is */
    char *to;              /**< put below this path of the tree; NULL: at its root */
    bool force_owner;      /**< every entry belongs to uid:gid */
    uint32_t uid, gid;
    struct fc_recipe_list exclude; /**< globs of what is left out */
};

/** What a step does. In the order in which the manual names them. */
enum fc_recipe_verb {
    FC_STEP_RUN,
    FC_STEP_COPY,
    FC_STEP_WRITE,
    FC_STEP_MKDIR,
    FC_STEP_MV,
    FC_STEP_LN,
    FC_STEP_SYMLINK,
    FC_STEP_MKNOD,
    FC_STEP_CHMOD,
    FC_STEP_CHOWN,
    FC_STEP_XATTR,
    FC_STEP_RM,
    FC_STEP_GUEST,
};

/** Network of a command. */
enum fc_recipe_net { FC_RECIPE_NET_NONE, FC_RECIPE_NET_HOST };

/** A secret that a `run` sees as /run/secrets/ID, and nothing else does. */
struct fc_recipe_secret {
    char *id, *file; /**< file: absolute */
};

/** One attribute that an `xattr` step sets. */
struct fc_recipe_xattr {
    char *name;  /**< whole, "user.x" */
    void *value; /**< NULL: remove it */
    size_t size;
};

/** A step. Which members count is said beside them; the others are zero. */
struct fc_recipe_step {
    struct fc_recipe_place place;
    enum fc_recipe_verb verb;
    /** run: the script; write: the content (may hold any byte, `size` long; NULL: it is that of from); ln, symlink: the target */
    char *text;
    size_t size;
    struct fc_recipe_list argv;  /**< run: instead of a script, a command and its arguments */
    struct fc_recipe_list env;   /**< run: "K=V" */
    char *user, *workdir;        /**< run; NULL: root, / */
    enum fc_recipe_net net;      /**< run */
    struct fc_recipe_list cache; /**< run: directories of the guest that are kept between builds, not in the tree */
    struct fc_recipe_secret *secrets; /**< run */
    size_t n_secrets;
    struct fc_recipe_list from; /**< copy: absolute paths on the host (globs are expanded by who builds); write: one */
    struct fc_recipe_list exclude; /**< copy: globs of what is left out */
    /** copy, ln, symlink, write, mknod: one, where it goes; mv: what is moved; the others: paths in the tree, rm takes globs */
    struct fc_recipe_list path;
    char *to;   /**< mv: where to */
    char *mode; /**< copy, write, mkdir, mknod, chmod: octal or symbolic, as fc_verb's mode_text; NULL: not given */
    char
        *owner; /**< copy, write, mkdir, mknod, chown: "USER[:GROUP]", names or numbers, or ":GROUP"; NULL: not given */
    char type;  /**< mknod: b, c, p, s or f, as the command has them */
    uint32_t major, minor; /**< mknod */
    bool parents, recursive, append, force, no_follow, keep_owner, no_clobber;
    struct fc_recipe_xattr *xattrs;
    size_t n_xattrs;
    struct fc_guest_options *guest; /**< guest: see guest/guest.h */
};

/** image: what `freeze` gets. Texts are values of freeze's options of these names; NULL: not given. */
struct fc_recipe_image {
    struct fc_recipe_place place; /**< file NULL: the recipe has no such section */
    char *output;                 /**< absolute, as that of verity when it is a file */
    char *size, *free, *label, *uuid, *profile, *journal, *inodes, *inode_size, *reserved, *align, *verity;
    struct fc_recipe_list features; /**< "NAME" or "^NAME", on top of the profile */
    bool read_only, compact, inline_data;
};

/** kernel: what `kernel build` gets. */
struct fc_recipe_kernel {
    struct fc_recipe_place place;
    char *base, *config, *output;
    char *source;                    /**< as the command takes it: a path (absolute), a URL, "git:URL[#REF]" */
    struct fc_recipe_list fragments; /**< names, and paths (absolute) */
    struct fc_recipe_list set;       /**< "CONFIG_X=y" */
};

/** vm: what `vm` gets. */
struct fc_recipe_vm {
    struct fc_recipe_place place;
    char *vcpus, *memory, *boot_args, *tap, *ip, *gateway, *output;
};

/** A recipe for one architecture. */
struct fc_recipe {
    char *file;                     /**< absolute */
    char *dir;                      /**< its folder: what relative paths are relative to */
    char *name;                     /**< NULL: none */
    char *arch;                     /**< x86_64, aarch64: the one that was chosen */
    struct fc_recipe_list archs;    /**< all that the file allows; n 0: any */
    struct fc_recipe_list args;     /**< "K=V" after --set, sorted */
    struct fc_recipe_list included; /**< absolute paths of the files that were read besides */
    struct fc_recipe_list shown;    /**< the names of all its files for messages, its own first */
    struct fc_recipe_layer *layers;
    size_t n_layers;
    struct fc_recipe_step *steps; /**< the section `guest` is the last of them */
    size_t n_steps;
    struct fc_recipe_image image;
    struct fc_recipe_kernel kernel;
    struct fc_recipe_vm vm;
};

/** How to read a recipe. All zero is the default. */
struct fc_recipe_options {
    const char *arch;       /**< NULL: the file's first, else the host's */
    const char *profile;    /**< for `when`; NULL: none */
    const char *const *set; /**< "K=V", each a name that `args` declares; NULL-terminated; may be NULL */
    /** Hears every problem of the file (the first 20), in the words of the error; may be NULL. */
    void (*problem)(void *arg, const char *words);
    void *arg;
};

/**
 * Read @file ("-": standard input, relative to the current directory). Returns 0 and sets *ret_recipe; -ENOENT; -EBADMSG with
 * words that begin with FILE:LINE:COLUMN (of the first problem, and how many more there are); -EINVAL for @options. @options may be
 * NULL.
 */
int fc_recipe_read(const char *file, const struct fc_recipe_options *options, struct fc_recipe **ret_recipe,
                   struct fc_error *err);
/** Free. NULL is allowed. */
void fc_recipe_free(struct fc_recipe *r);
FC_DEFINE_AUTO(struct fc_recipe *, fc_recipe_free)

/** The JSON Schema (draft 2020-12) of the file. Caller frees; NULL when out of memory. */
char *fc_recipe_schema(void);

#endif

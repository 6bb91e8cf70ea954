/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of check/ share: the run, looking into the tree, programs. Private to them. */
#ifndef FC_PREFLIGHT_INTERNAL_H
#define FC_PREFLIGHT_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/map.h"
#include "check/check.h"

/** Who is process 1. */
enum preflight_init {
    PREFLIGHT_INIT_OTHER,
    PREFLIGHT_INIT_SYSTEMD,
    PREFLIGHT_INIT_OPENRC,
    PREFLIGHT_INIT_TABLE,
    PREFLIGHT_INIT_OWN
};

/** A run. */
struct fc_preflight {
    const struct fc_preflight_input *in;
    const struct fc_snapshot *s;
    struct fc_error *err;
    int failed; /**< the first failure, after which nothing is judged any more */
    struct fc_arena arena;
    struct fc_preflight_finding *findings;
    size_t n, cap;
    const char *arch; /**< of the guest; NULL: not known */
    enum preflight_init init;
    const char *console;    /**< the console's device: "ttyS0" */
    bool autologin;         /**< somebody is logged in without a password */
    struct fc_map programs; /**< inodes of programs that were judged */
};

/* check.c */

/** Add a finding about @path, with the fix of the rule; the same one twice is one. */
void preflight_say(struct fc_preflight *c, enum fc_preflight_id rule, const char *path, const char *fmt, ...)
    FC_PRINTF(4, 5);
/** The same, with a severity and (unless NULL) a fix of its own. */
void preflight_say_as(struct fc_preflight *c, enum fc_preflight_id rule, enum fc_preflight_severity severity,
                      const char *fix, const char *path, const char *fmt, ...) FC_PRINTF(6, 7);
/** Text that lives as long as the run; "" when out of memory, which fails the run. */
const char *preflight_textf(struct fc_preflight *c, const char *fmt, ...) FC_PRINTF(2, 3);
/** Fail the run. */
void preflight_fail(struct fc_preflight *c, int code, const char *what);

/* path.c */

/** Where a path leads. */
struct preflight_place {
    uint32_t inode; /**< FC_TREE_NONE: nothing is there */
    uint32_t mode;  /**< 0: nothing is there */
    uint64_t size;
    const char *path; /**< where that really is, or what is missing; begins with "/"; in the arena */
};

/** Walk to @path through symlinks, never out of the tree. A broken way, a loop, are a place where nothing is. */
struct preflight_place preflight_find(struct fc_preflight *c, const char *path);
/** Whether something of type @type (S_IFREG...) is there. */
bool preflight_has(struct fc_preflight *c, const char *path, uint32_t type);
/** The symlink's own text, or NULL when there is none at @path. */
const char *preflight_link(struct fc_preflight *c, const char *path);
/** Read up to @size bytes of a regular file at @offset, holes as zeros. Returns how many there are. */
size_t preflight_read(struct fc_preflight *c, uint32_t inode, void *to, size_t size, uint64_t offset);
/** The beginning (at most 1 MiB) of the regular file @path, with a NUL behind it; NULL when there is none. To be written to. */
char *preflight_content(struct fc_preflight *c, const char *path);
/** Cut the next line off *text. NULL at the end. */
char *preflight_line(char **text);
/** The directory @path: its entries and their number in *ret_n; 0 when there is none. */
const struct fc_snap_dentry *preflight_list(struct fc_preflight *c, const char *path, uint32_t *ret_n);
/** The program @name in one of the usual folders, or NULL. */
const char *preflight_which(struct fc_preflight *c, const char *name);

/* elf.c */

/** What a program or library says. */
struct preflight_elf {
    bool wide, big; /**< 64-bit; big-endian */
    uint16_t machine;
    const char *interp; /**< NULL: static */
    const char *needed[128];
    size_t n_needed;
    const char *rpath, *runpath, *soname;
};

/** Read it. Returns 1; 0: no ELF file; -1: damaged, and *ret_why says how. */
int preflight_elf_read(struct fc_preflight *c, const struct preflight_place *at, struct preflight_elf *ret,
                       const char **ret_why);
/** Machine as uname -m has it, or NULL. */
const char *preflight_elf_arch(const struct preflight_elf *e);

/* libs.c */

/** Resolve what the program at @at, which says @e, needs to be loaded. */
void preflight_libraries(struct fc_preflight *c, const struct preflight_place *at, const struct preflight_elf *e);

/* program.c */

/** Whether the program @path, which the guest starts, can run: file, permissions, format, interpreter, libraries. */
void preflight_program(struct fc_preflight *c, const char *path);
/** Architecture of most of the programs of the tree, or NULL. */
const char *preflight_majority(struct fc_preflight *c);

/* The parts, in this order. */

void preflight_init(struct fc_preflight *c);
void preflight_console(struct fc_preflight *c);
void preflight_tree(struct fc_preflight *c);
void preflight_fstab(struct fc_preflight *c);
void preflight_login(struct fc_preflight *c);
void preflight_image(struct fc_preflight *c);
void preflight_kernel(struct fc_preflight *c);
void preflight_cmdline(struct fc_preflight *c);

/** The value of the last word "@name=..." of the command line in the arena; "" for a bare @name; NULL: there is none. */
const char *preflight_word(struct fc_preflight *c, const char *name);

#endif

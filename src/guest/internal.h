/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of guest/ share: the plan while it is made, and the tree as it will be. Private to them. */
#ifndef FC_GUEST_INTERNAL_H
#define FC_GUEST_INTERNAL_H

#include "base/arena.h"
#include "base/buf.h"
#include "guest/guest.h"

/** No configuration file of a guest that is edited may be longer, in bytes. */
enum { GUEST_FILE_MAX = 4 << 20 };

/** What the plan makes of one path. */
struct guest_change {
    const char *path; /**< where it really is, without "/" in front */
    uint32_t mode;    /**< type and permissions; 0: it will be gone */
    const char *text; /**< content of a file, text of a symlink */
    size_t len;
};

/** The plan. */
struct fc_guest_plan {
    const struct fc_snapshot *s;
    const struct fc_guest_options *options;
    enum fc_guest_init init;
    const char *console; /**< NULL: none */
    struct fc_arena arena;
    struct fc_guest_action *actions;
    size_t n_actions, cap_actions;
    const char **notes;
    size_t n_notes, cap_notes;
    struct guest_change *changes; /**< what the actions so far do */
    size_t n_changes, cap_changes;
};

/* tree.c: the tree as it is after the actions so far. */

/** Where a path leads. */
struct guest_place {
    const char *path;                  /**< without symlinks in its parents, and without "/" in front; in the arena */
    uint32_t inode;                    /**< FC_TREE_NONE: nothing is there in the snapshot */
    uint32_t mode;                     /**< 0: nothing is there */
    const struct guest_change *change; /**< of the plan, or NULL */
};

/**
 * Walk to @path, through symlinks, never out of the tree. Missing parents are no failure. Returns 0 and fills *ret; -ENOTDIR,
 * -ELOOP, -ENAMETOOLONG with words.
 */
int guest_find(struct fc_guest_plan *p, const char *path, bool follow, struct guest_place *ret, struct fc_error *err);
/** Append the content of the regular file at @path to @ret. Returns 1; 0 when there is none; a failure with words. */
int guest_content(struct fc_guest_plan *p, const char *path, struct fc_buf *ret, struct fc_error *err);
/** Whether an object of type @type (S_IFREG, S_IFDIR) is at @path, symlinks followed; false also when the way is broken. */
bool guest_has(struct fc_guest_plan *p, const char *path, uint32_t type);
/** The path of the program @name in one of the usual folders, or NULL. */
const char *guest_program(struct fc_guest_plan *p, const char *name);
/** The text of the symlink at @path, or NULL when there is no symlink. */
const char *guest_link_text(struct fc_guest_plan *p, const char *path);
/** Call @fn with each name in the folder @path (none when there is no such), in byte order. Non-zero stops and is returned. */
int guest_each(struct fc_guest_plan *p, const char *path,
               int (*fn)(struct fc_guest_plan *p, void *arg, const char *path, const struct fc_snap_inode *inode,
                         struct fc_error *err),
               void *arg, struct fc_error *err);

/* change.c: actions. Each does nothing when the tree is so already. */

/** What is to be at a path. */
struct guest_want {
    const char *path;
    const char *text; /**< content, or text of a symlink */
    size_t len;       /**< 0: as long as @text says */
    uint32_t mode;    /**< permissions; 0: those of the file that is there, else 0644 (a directory: 0755) */
    bool replace;     /**< a symlink at @path itself gives way; else it is followed */
};

int guest_put(struct fc_guest_plan *p, const struct guest_want *w, struct fc_error *err, const char *what, ...)
    FC_PRINTF(4, 5);
int guest_link(struct fc_guest_plan *p, const char *path, const char *target, struct fc_error *err, const char *what,
               ...) FC_PRINTF(5, 6);
int guest_make_dir(struct fc_guest_plan *p, const char *path, uint32_t mode, struct fc_error *err, const char *what,
                   ...) FC_PRINTF(5, 6);
/** Remove what is at @path (a symlink itself), with all below it. */
int guest_drop(struct fc_guest_plan *p, const char *path, struct fc_error *err, const char *what, ...) FC_PRINTF(4, 5);
/** A remark for the person. */
int guest_note(struct fc_guest_plan *p, struct fc_error *err, const char *fmt, ...) FC_PRINTF(3, 4);
/** Text that lives as long as the plan; NULL when out of memory. */
const char *guest_text(struct fc_guest_plan *p, const char *fmt, ...) FC_PRINTF(2, 3);
/** "out of memory", -ENOMEM. */
int guest_no_memory(struct fc_error *err);

/* lines.c: files of lines. */

/** The line of @text that begins with @start, and its length without the newline; NULL when there is none. */
const char *guest_line(const struct fc_buf *text, const char *start, size_t *ret_len);
/** Whether @line (of @len bytes) is a whole line of @text. */
bool guest_has_line(const struct fc_buf *text, const char *line, size_t len);
/** Append a line, after a newline if the last line lacks one. */
int guest_add_line(struct fc_buf *text, const char *line);
/** Put @with in the place of the @len bytes at @at. */
int guest_splice(struct fc_buf *text, size_t at, size_t len, const char *with);
/** Field @n (from 0) of a line with colons: its start in @line and its length; NULL when the line has fewer. */
const char *guest_field(const char *line, size_t len, unsigned n, size_t *ret_len);
/** The file at @path with @line at its end, unless it is in it already. */
int guest_need_line(struct fc_guest_plan *p, const char *path, const char *line, struct fc_error *err,
                    const char *what);

/* The parts of a plan, in this order. */

int guest_choose(struct fc_guest_plan *p, struct fc_error *err);
int guest_openrc(struct fc_guest_plan *p, struct fc_error *err);
int guest_systemd(struct fc_guest_plan *p, struct fc_error *err);
int guest_busybox(struct fc_guest_plan *p, struct fc_error *err);
int guest_oci(struct fc_guest_plan *p, struct fc_error *err);
int guest_host_name(struct fc_guest_plan *p, struct fc_error *err);
int guest_password(struct fc_guest_plan *p, struct fc_error *err);
int guest_ssh(struct fc_guest_plan *p, struct fc_error *err);
int guest_net(struct fc_guest_plan *p, struct fc_error *err);
int guest_hygiene(struct fc_guest_plan *p, struct fc_error *err);

/** Whether the image's configuration says what to run. */
bool guest_has_entrypoint(const char *config);
/** Whether root may log in with a password or without one; false also when there is no root. */
bool guest_root_open(struct fc_guest_plan *p);

/* rc.c, units.c, inittab.c: what services are to the three inits. */

/** Link @service into @runlevel as rc-update(8) does; a remark when there is no such service. */
int guest_rc_add(struct fc_guest_plan *p, const char *service, const char *runlevel, struct fc_error *err);
/** The unit file of @name (a template's, for an instance), or NULL. */
const char *guest_unit(struct fc_guest_plan *p, const char *name);
/** The folder of the distribution's units, as its systemctl writes it into links: "/lib/systemd/system". */
const char *guest_unit_dir(struct fc_guest_plan *p);
/** Make the links of its [Install], as systemctl(1) enable does. The unit must be there. */
int guest_unit_enable(struct fc_guest_plan *p, const char *name, struct fc_error *err);
/** Remove every link to it below /etc/systemd/system, as systemctl disable does. */
int guest_unit_disable(struct fc_guest_plan *p, const char *name, struct fc_error *err);
/** A getty on the console in /etc/inittab, for an init that reads it. */
int guest_inittab_getty(struct fc_guest_plan *p, struct fc_error *err);
/** Comment out the lines of /etc/inittab that put gettys on virtual terminals. */
int guest_inittab_no_vt(struct fc_guest_plan *p, struct fc_error *err);
/** Whether process 1 of the tree is BusyBox's init. */
bool guest_is_busybox(struct fc_guest_plan *p, const char *path);

/** The init that is built in for @arch, or NULL: this build has none. */
const void *guest_init_program(const char *arch, size_t *ret_size);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Do a step as the verbs that the commands of its name use. */
#include "compose/apply.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/io.h"
#include "compose/owner.h"
#include "guest/guest.h"
#include "live/verb.h"

FC_DEFINE_AUTO(struct fc_snapshot *, fc_snapshot_free)

static unsigned flags_of(const struct fc_recipe_step *s)
{
    return (s->parents ? FC_VERB_PARENTS : 0u) | (s->recursive ? FC_VERB_RECURSIVE : 0u) |
           (s->append ? FC_VERB_APPEND : 0u) | (s->force ? FC_VERB_FORCE : 0u) |
           (s->no_follow ? FC_VERB_NO_FOLLOW : 0u) | (s->keep_owner ? FC_VERB_KEEP_OWNER : 0u) |
           (s->no_clobber ? FC_VERB_NO_CLOBBER : 0u);
}

/* A file without a name that holds the content of a write. */
static int content_fd(const struct fc_recipe_step *s, struct fc_error *err)
{
    fc_auto(fc_close) int fd = memfd_create("content", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : fc_write_full(fd, s->text, s->size);

    if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
        r = -errno;
    return r < 0 ? fc_fail_errno(err, -r, "the content of %s", s->path.items[0]) : fc_steal_fd(&fd);
}

static int do_write(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    fc_auto(fc_close) int fd = w->step->text ? content_fd(w->step, err) : fc_source_open(w->sources, 0, err);

    if (fd < 0)
        return fd;
    v->kind = FC_VERB_WRITE;
    v->path = w->step->path.items[0];
    v->fd = fd;
    return fc_verb_apply(w->live, v, err);
}

/* "DIR/", or several sources, go into a directory, which is made if it is missing. */
static int copy_target(const struct fc_step_work *w, struct fc_buf *ret, struct fc_error *err)
{
    const char *to = w->step->path.items[0];
    struct fc_verb mkdir = {.kind = FC_VERB_MKDIR, .fd = -1, .path = to, .flags = FC_VERB_PARENTS};
    bool into = w->sources->n > 1 || to[strlen(to) - 1] == '/';
    struct fc_attr attr;
    int r = 0;

    if (into && (fc_live_resolve(w->live, to, true, &attr, NULL) < 0 || !S_ISDIR(attr.mode)))
        r = fc_verb_apply(w->live, &mkdir, err);
    if (r == 0 && fc_buf_addf(ret, "%s%s", to, into ? "/." : "") < 0)
        r = fc_fail(err, ENOMEM, "out of memory");
    return r;
}

static int do_copy(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    struct fc_buf to __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = copy_target(w, &to, err);

    v->kind = FC_VERB_CP;
    v->flags |= FC_VERB_PARENTS;
    v->path = to.data;
    v->excludes = w->sources->excludes;
    v->n_excludes = w->sources->n_excludes;
    for (size_t i = 0; i < w->sources->n && r == 0; i++) {
        fc_auto(fc_close) int fd = fc_source_open(w->sources, i, err);

        v->fd = fd;
        v->source_name = w->sources->paths[i];
        r = fd < 0 ? fd : fc_verb_apply(w->live, v, err);
    }
    return r;
}

/* mkdir -p that finds the directory leaves its owner and mode; one that makes it gives both. */
static int do_each(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    int r = 0;

    for (size_t i = 0; i < w->step->path.n && r == 0; i++) {
        v->path = w->step->path.items[i];
        r = fc_verb_apply(w->live, v, err);
    }
    return r;
}

static int do_xattr(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    int r = 0;

    v->kind = FC_VERB_XATTR;
    for (size_t i = 0; i < w->step->n_xattrs && r == 0; i++) {
        const struct fc_recipe_xattr *x = &w->step->xattrs[i];

        v->name = x->name;
        v->data = x->value;
        v->size = x->size;
        v->flags = (v->flags & ~(unsigned)FC_VERB_REMOVE) | (x->value ? 0u : FC_VERB_REMOVE);
        r = do_each(w, v, err);
    }
    return r;
}

static int do_rm(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    int r = 0;

    v->kind = FC_VERB_RM;
    for (size_t i = 0; i < w->step->path.n && r == 0; i++) {
        struct fc_recipe_list found __attribute__((cleanup(fc_tree_glob_release_auto))) = {0};
        const char *path = w->step->path.items[i];

        v->path = path;
        if (!strpbrk(path, "*?[")) {
            r = fc_verb_apply(w->live, v, err);
            continue;
        }
        r = fc_tree_glob(w->live, path, &found, err);
        if (r == 0 && found.n == 0 && !w->step->force)
            r = fc_fail(err, ENOENT, "cannot remove \"%s\": nothing matches (with force: true that is no failure)",
                        path);
        for (size_t k = 0; k < found.n && r == 0; k++) {
            v->path = found.items[k];
            r = fc_verb_apply(w->live, v, err);
        }
    }
    return r;
}

static int do_mknod(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    static const struct {
        char letter;
        uint32_t type;
    } types[] = {{'b', S_IFBLK}, {'c', S_IFCHR}, {'p', S_IFIFO}, {'s', S_IFSOCK}, {'f', S_IFREG}};
    struct fc_verb chmod = {.kind = FC_VERB_CHMOD, .fd = -1, .mode_text = w->step->mode};
    int r;

    v->kind = FC_VERB_MKNOD;
    v->mode = 0644;
    for (size_t i = 0; i < FC_LENGTH(types); i++)
        if (types[i].letter == w->step->type)
            v->mode |= types[i].type;
    v->rdev_major = w->step->major;
    v->rdev_minor = w->step->minor;
    v->mode_text = NULL;
    r = do_each(w, v, err);
    chmod.path = v->path;
    return r == 0 && w->step->mode ? fc_verb_apply(w->live, &chmod, err) : r;
}

static int do_guest(const struct fc_step_work *w, struct fc_error *err)
{
    fc_auto(fc_snapshot_free) struct fc_snapshot *snapshot = NULL;
    fc_auto(fc_guest_plan_free) struct fc_guest_plan *plan = NULL;
    struct fc_guest_options options = *w->step->guest;
    const struct fc_guest_action *a;
    int r = fc_live_snapshot(w->live, &snapshot, err);

    options.config = options.config ? options.config : w->o->config;
    options.arch = options.arch ? options.arch : w->o->recipe->arch;
    if (r == 0)
        r = fc_guest_plan(snapshot, &options, &plan, err);
    for (size_t i = 0; r == 0 && (a = fc_guest_plan_action(plan, i)) != NULL; i++)
        r = fc_verb_apply(w->live, &a->verb, err);
    return r;
}

static int apply(const struct fc_step_work *w, struct fc_verb *v, struct fc_error *err)
{
    switch (w->step->verb) {
    case FC_STEP_COPY:
        return do_copy(w, v, err);
    case FC_STEP_WRITE:
        return do_write(w, v, err);
    case FC_STEP_MKDIR:
        v->kind = FC_VERB_MKDIR;
        return do_each(w, v, err);
    case FC_STEP_MV:
        v->kind = FC_VERB_MV;
        v->target = w->step->to;
        return do_each(w, v, err);
    case FC_STEP_LN:
    case FC_STEP_SYMLINK:
        v->kind = FC_VERB_LN;
        v->flags |= w->step->verb == FC_STEP_SYMLINK ? FC_VERB_SYMBOLIC : 0u;
        v->target = w->step->text;
        return do_each(w, v, err);
    case FC_STEP_MKNOD:
        return do_mknod(w, v, err);
    case FC_STEP_CHMOD:
        v->kind = FC_VERB_CHMOD;
        return do_each(w, v, err);
    case FC_STEP_CHOWN:
        v->kind = FC_VERB_CHOWN;
        return do_each(w, v, err);
    case FC_STEP_XATTR:
        return do_xattr(w, v, err);
    case FC_STEP_RM:
        return do_rm(w, v, err);
    case FC_STEP_GUEST:
        return do_guest(w, err);
    default:
        return fc_fail(err, EINVAL, "this step is no edit");
    }
}

int fc_step_apply(const struct fc_step_work *w, struct fc_error *err)
{
    struct fc_verb v = {.fd = -1, .flags = flags_of(w->step), .mode_text = w->step->mode};
    int r = w->step->owner ? fc_owner_resolve(w->live, w->step->owner, &v, err) : 0;

    return r < 0 ? r : apply(w, &v, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Put actions into a plan: only those that change something. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/io.h"
#include "guest/internal.h"

int guest_no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "guest: out of memory"); }

static const char *text_of(struct fc_guest_plan *p, const char *fmt, va_list args) FC_PRINTF(2, 0);
static const char *text_of(struct fc_guest_plan *p, const char *fmt, va_list args)
{
    fc_auto(fc_free) char *s = NULL;

    if (vasprintf(&s, fmt, args) < 0) {
        s = NULL;
        return NULL;
    }
    return fc_arena_copy(&p->arena, s, strlen(s));
}

const char *guest_text(struct fc_guest_plan *p, const char *fmt, ...)
{
    const char *s;
    va_list args;

    va_start(args, fmt);
    s = text_of(p, fmt, args);
    va_end(args);
    return s;
}

int guest_note(struct fc_guest_plan *p, struct fc_error *err, const char *fmt, ...)
{
    const char *s;
    va_list args;

    va_start(args, fmt);
    s = text_of(p, fmt, args);
    va_end(args);
    if (!s || fc_grow(&p->notes, &p->cap_notes, p->n_notes + 1, sizeof(*p->notes)) < 0)
        return guest_no_memory(err);
    p->notes[p->n_notes++] = s;
    return 0;
}

/* Remember what the tree will be like, and the verb that makes it so. */
static int add(struct fc_guest_plan *p, const struct guest_change *change, const struct fc_verb *verb, const char *what,
               struct fc_error *err)
{
    if (!what || fc_grow(&p->changes, &p->cap_changes, p->n_changes + 1, sizeof(*p->changes)) < 0 ||
        fc_grow(&p->actions, &p->cap_actions, p->n_actions + 1, sizeof(*p->actions)) < 0)
        return guest_no_memory(err);
    p->changes[p->n_changes++] = *change;
    p->actions[p->n_actions++] = (struct fc_guest_action){.what = what, .verb = *verb};
    return 0;
}

/* The path of a verb is absolute. */
static const char *absolute(struct fc_guest_plan *p, const char *path) { return guest_text(p, "/%s", path); }

static int hold(const char *text, size_t len, struct fc_error *err)
{
    fc_auto(fc_close) int fd = memfd_create("fccompose", MFD_CLOEXEC);
    int r = fd < 0 ? -errno : fc_pwrite_full(fd, text, len, 0);

    return r < 0 ? fc_fail_errno(err, -r, "guest: cannot hold a file's content") : fc_steal_fd(&fd);
}

/* Whether the file at @place has this content already. */
static int is_so(struct fc_guest_plan *p, const struct guest_place *place, const struct guest_want *w, size_t len,
                 struct fc_error *err)
{
    struct fc_buf now __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *path = absolute(p, place->path);
    int r;

    if (!place->mode || (w->mode && (place->mode & 07777) != w->mode))
        return 0;
    r = path ? guest_content(p, path, &now, err) : guest_no_memory(err);
    return r < 0 ? r : now.len == len && (!len || memcmp(now.data, w->text, len) == 0);
}

static int put(struct fc_guest_plan *p, const struct guest_want *w, const char *what, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_WRITE, .flags = FC_VERB_PARENTS | FC_VERB_NO_FOLLOW, .fd = -1};
    size_t len = w->len ? w->len : strlen(w->text);
    struct guest_change change = {.text = fc_arena_copy(&p->arena, w->text, len), .len = len};
    struct guest_place place;
    int r = guest_find(p, w->path, !w->replace, &place, err);

    if (r == 0 && S_ISDIR(place.mode))
        r = fc_fail(err, EISDIR, "guest: \"%s\" of the tree is a directory and should be a file", w->path);
    if (r == 0 && S_ISLNK(place.mode))
        r = guest_drop(p, w->path, err, "remove the link %s", w->path);
    else if (r == 0)
        r = is_so(p, &place, w, len, err);
    if (r != 0)
        return r < 0 ? r : 0;
    verb.path = absolute(p, place.path);
    if (!verb.path || !change.text)
        return guest_no_memory(err);
    verb.mode = w->mode ? w->mode : S_ISREG(place.mode) ? place.mode & 07777 : 0644;
    verb.flags |= FC_VERB_SET_MODE;
    verb.fd = hold(w->text, len, err);
    if (verb.fd < 0)
        return verb.fd;
    change.path = place.path;
    change.mode = S_IFREG | verb.mode;
    r = add(p, &change, &verb, what, err);
    if (r < 0)
        close(verb.fd);
    return r;
}

int guest_put(struct fc_guest_plan *p, const struct guest_want *w, struct fc_error *err, const char *what, ...)
{
    const char *words;
    va_list args;

    va_start(args, what);
    words = text_of(p, what, args);
    va_end(args);
    return put(p, w, words, err);
}

int guest_link(struct fc_guest_plan *p, const char *path, const char *target, struct fc_error *err, const char *what,
               ...)
{
    struct fc_verb verb = {
        .kind = FC_VERB_LN, .flags = FC_VERB_SYMBOLIC | FC_VERB_FORCE | FC_VERB_NO_FOLLOW | FC_VERB_PARENTS, .fd = -1};
    struct guest_change change = {.mode = S_IFLNK | 0777, .len = strlen(target)};
    const char *now = guest_link_text(p, path), *words;
    struct guest_place place;
    va_list args;
    int r;

    if (now && strcmp(now, target) == 0)
        return 0;
    va_start(args, what);
    words = text_of(p, what, args);
    va_end(args);
    r = guest_find(p, path, false, &place, err);
    if (r < 0)
        return r;
    if (S_ISDIR(place.mode))
        return fc_fail(err, EISDIR, "guest: \"%s\" of the tree is a directory and should be a link", path);
    change.path = place.path;
    change.text = verb.target = fc_arena_copy(&p->arena, target, change.len);
    verb.path = absolute(p, place.path);
    return verb.path && change.text ? add(p, &change, &verb, words, err) : guest_no_memory(err);
}

int guest_make_dir(struct fc_guest_plan *p, const char *path, uint32_t mode, struct fc_error *err, const char *what,
                   ...)
{
    struct fc_verb verb = {.kind = FC_VERB_MKDIR, .flags = FC_VERB_PARENTS | FC_VERB_SET_MODE, .fd = -1};
    struct guest_change change = {.mode = S_IFDIR | (mode ? mode : 0755)};
    struct guest_place place;
    const char *words;
    va_list args;
    int r = guest_find(p, path, true, &place, err);

    if (r < 0)
        return r;
    if (place.mode && !S_ISDIR(place.mode))
        return fc_fail(err, ENOTDIR, "guest: \"%s\" of the tree is no directory and should be one", path);
    if (place.mode && (!mode || (place.mode & 07777) == mode))
        return 0;
    va_start(args, what);
    words = text_of(p, what, args);
    va_end(args);
    if (place.mode)
        verb = (struct fc_verb){.kind = FC_VERB_CHMOD, .flags = FC_VERB_SET_MODE, .fd = -1};
    verb.mode = change.mode & 07777;
    verb.path = absolute(p, place.path);
    change.path = place.path;
    return verb.path ? add(p, &change, &verb, words, err) : guest_no_memory(err);
}

int guest_drop(struct fc_guest_plan *p, const char *path, struct fc_error *err, const char *what, ...)
{
    struct fc_verb verb = {.kind = FC_VERB_RM, .flags = FC_VERB_RECURSIVE | FC_VERB_FORCE, .fd = -1};
    struct guest_change change = {0};
    struct guest_place place;
    const char *words;
    va_list args;
    int r = guest_find(p, path, false, &place, err);

    if (r < 0 || !place.mode || !*place.path)
        return r;
    va_start(args, what);
    words = text_of(p, what, args);
    va_end(args);
    change.path = place.path;
    verb.path = absolute(p, place.path);
    return verb.path ? add(p, &change, &verb, words, err) : guest_no_memory(err);
}

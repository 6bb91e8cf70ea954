/* SPDX-License-Identifier: Apache-2.0 */
/* Put finished objects to their place in one step, so that nobody sees half of them. */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "live/internal.h"
#include "live/verb_internal.h"

/* As many tries for a free temporary name; one is enough unless somebody made the very same. */
enum { TRIES = 100 };

int fc_stage_file(struct fc_live *live, uint64_t dir, uint32_t mode, uint32_t uid, uint32_t gid, uint64_t *ret_ino)
{
    struct fc_cred cred = {.uid = uid, .gid = gid};
    struct fc_attr attr;
    int r = fc_live_tmpfile(live, dir, mode & 07777, 0, &cred, &attr);

    if (r < 0)
        return r;
    if (!live->refs.lower) {
        /* Without references the first write would be the end of a file that has no name. */
        live_lock(live);
        r = live_ref_always(live, attr.ino);
        live_unlock(live, NULL);
        if (r < 0)
            return r;
    }
    *ret_ino = attr.ino;
    return 0;
}

static size_t temp_name(char *name, size_t size, uint64_t ino, int try)
{
    return (size_t)snprintf(name, size, ".fccompose-%llx-%d", (unsigned long long)ino, try);
}

/* Rename a temporary name over the place; if that fails the temporary name goes. */
static int move_over(struct fc_live *live, const struct fc_place *place, const char *temp, size_t len)
{
    int r = fc_live_rename(live, place->dir, temp, len, place->dir, place->name, place->len, 0);

    if (r < 0)
        fc_live_unlink(live, place->dir, temp, len);
    return r;
}

static int check_place(const struct fc_place *place)
{
    if (place->len == 0)
        return -EISDIR;
    return place->exists && S_ISDIR(place->attr.mode) ? -EISDIR : 0;
}

int fc_place_link(struct fc_live *live, uint64_t ino, const struct fc_place *place)
{
    struct fc_attr attr;
    char temp[64];
    size_t len;
    int r = check_place(place);

    if (r < 0)
        return r;
    if (!place->exists) {
        r = fc_live_link(live, ino, place->dir, place->name, place->len, &attr);
        if (r == 0)
            fc_live_forget(live, ino, 1);
        return r;
    }
    if (place->attr.ino == ino)
        return 0; /* rename(2) between two names of one inode does nothing */
    r = -EEXIST;
    for (int i = 0; i < TRIES && r == -EEXIST; i++) {
        len = temp_name(temp, sizeof(temp), ino, i);
        r = fc_live_link(live, ino, place->dir, temp, len, &attr);
    }
    if (r < 0)
        return r;
    fc_live_forget(live, ino, 1);
    return move_over(live, place, temp, len);
}

static int make(struct fc_live *live, uint64_t dir, const char *name, size_t len, const struct fc_making *what,
                const struct fc_cred *cred, struct fc_attr *ret)
{
    int r = what->target ? fc_live_symlink(live, dir, name, len, what->target, cred, ret)
                         : fc_live_mknod(live, dir, name, len, what->mode, what->umask, what->rdev_major,
                                         what->rdev_minor, cred, ret);

    if (r == 0)
        fc_live_forget(live, ret->ino, 1);
    return r;
}

int fc_place_make(struct fc_live *live, const struct fc_place *place, const struct fc_making *what,
                  const struct fc_cred *cred, struct fc_attr *ret)
{
    char temp[64];
    size_t len;
    int r = check_place(place);

    if (r < 0)
        return r;
    if (!place->exists)
        return make(live, place->dir, place->name, place->len, what, cred, ret);
    r = -EEXIST;
    for (int i = 0; i < TRIES && r == -EEXIST; i++) {
        len = temp_name(temp, sizeof(temp), place->attr.ino, i);
        r = make(live, place->dir, temp, len, what, cred, ret);
    }
    return r < 0 ? r : move_over(live, place, temp, len);
}

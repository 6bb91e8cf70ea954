/* SPDX-License-Identifier: Apache-2.0 */
/* Check tables that another module has filled, and make them a snapshot. */
#include "live/snapshot_new.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "live/snapshot.h"

#define UNIT 4096u

static bool in_table(uint32_t first, uint32_t n, size_t length) { return first <= length && n <= length - first; }

static const char *check_extents(const struct fc_snapshot_tables *t, const struct fc_snap_inode *i)
{
    uint64_t end = 0, most = i->size / UNIT * UNIT + (i->size % UNIT ? UNIT : 0);

    if (!in_table(i->first_extent, i->n_extents, t->n_extents))
        return "extents outside the table";
    for (uint32_t k = 0; k < i->n_extents; k++) {
        const struct fc_snap_extent *e = &t->extents[i->first_extent + k];

        if (e->offset < end || e->offset % UNIT || e->source_offset % UNIT || !e->length || e->offset > most ||
            e->length > most - e->offset || (e->length % UNIT && k + 1 < i->n_extents))
            return "extents out of order";
        if (e->source >= t->n_sources)
            return "an extent without a source";
        end = e->offset + e->length;
    }
    return NULL;
}

static const char *check_xattrs(const struct fc_snapshot_tables *t, const struct fc_snap_inode *i)
{
    if (!in_table(i->first_xattr, i->n_xattrs, t->n_xattrs))
        return "attributes outside the table";
    for (uint32_t k = 1; k < i->n_xattrs; k++)
        if (strcmp(t->xattrs[i->first_xattr + k - 1].name, t->xattrs[i->first_xattr + k].name) >= 0)
            return "attributes out of order";
    return NULL;
}

/* Names of directory @at, counted in @names by inode. */
static const char *check_names(const struct fc_snapshot_tables *t, uint32_t at, uint32_t *names)
{
    const struct fc_snap_inode *i = &t->inodes[at];
    uint32_t links = 2;

    if (!in_table(i->first_dentry, i->n_dentries, t->n_dentries))
        return "names outside the table";
    for (uint32_t k = 0; k < i->n_dentries; k++) {
        const struct fc_snap_dentry *d = &t->dentries[i->first_dentry + k];

        if (!d->name_len || d->name_len > FC_NAME_MAX || memchr(d->name, '/', d->name_len) ||
            memchr(d->name, '\0', d->name_len))
            return "a bad name";
        if (k && live_snap_by_name(d - 1, d) >= 0)
            return "names out of order";
        if (d->inode == 0 || d->inode >= t->n_inodes)
            return "a name without an inode";
        names[d->inode]++;
        if (!S_ISDIR(t->inodes[d->inode].mode))
            continue;
        links++;
        if (names[d->inode] > 1 || t->inodes[d->inode].parent != at)
            return "a directory in two places";
    }
    return i->nlink == links ? NULL : "a wrong number of links";
}

static const char *check_inode(const struct fc_snapshot_tables *t, uint32_t at, uint32_t *names)
{
    const struct fc_snap_inode *i = &t->inodes[at];
    const char *wrong = check_xattrs(t, i);

    if (at && i->ino <= t->inodes[at - 1].ino)
        return "inodes out of order";
    if (!wrong && S_ISREG(i->mode))
        wrong = check_extents(t, i);
    if (!wrong && S_ISDIR(i->mode))
        wrong = check_names(t, at, names);
    if (!wrong && S_ISLNK(i->mode) && (!i->target || strlen(i->target) != i->size))
        wrong = "a symbolic link without its text";
    return wrong;
}

/* Whether every directory is below the root: two may be in each other, and then each has its one name, too. */
static bool all_below_root(const struct fc_snapshot_tables *t, uint32_t *mark)
{
    memset(mark, 0, t->n_inodes * sizeof(*mark));
    for (uint32_t i = 1; i < t->n_inodes; i++) {
        uint32_t at = i;
        bool fresh = !mark[i];

        if (!S_ISDIR(t->inodes[i].mode))
            continue;
        for (; at && !mark[at]; at = t->inodes[at].parent)
            mark[at] = i;
        if (at && fresh && mark[at] == i) /* met what this very round has marked */
            return false;
    }
    return true;
}

static const char *check(const struct fc_snapshot_tables *t, uint32_t *names)
{
    const char *wrong = NULL;

    if (!t->n_inodes || !S_ISDIR(t->inodes[0].mode) || t->inodes[0].ino != 1)
        return "no root";
    if (t->n_inodes >= UINT32_MAX || t->n_dentries >= UINT32_MAX || t->n_extents >= UINT32_MAX ||
        t->n_xattrs >= UINT32_MAX || t->n_sources >= UINT32_MAX)
        return "more than a table holds";
    for (uint32_t i = 0; i < t->n_inodes && !wrong; i++)
        wrong = check_inode(t, i, names);
    for (uint32_t i = 1; i < t->n_inodes && !wrong; i++)
        if (!names[i] || (!S_ISDIR(t->inodes[i].mode) && names[i] != t->inodes[i].nlink))
            wrong = "a wrong number of names";
    return wrong || all_below_root(t, names) ? wrong : "directories in a circle";
}

int fc_snapshot_new(struct fc_snapshot_tables *t, struct fc_snapshot **ret_snapshot, struct fc_error *err)
{
    fc_auto(fc_free) uint32_t *names = calloc(t->n_inodes + 1, sizeof(*names));
    struct fc_snapshot *s = calloc(1, sizeof(*s));
    const char *wrong = s && names ? check(t, names) : NULL;

    if (!s || !names || wrong) {
        free(s);
        return wrong ? fc_fail(err, EINVAL, "cannot make a snapshot: %s", wrong)
                     : fc_fail(err, ENOMEM, "out of memory while making a snapshot");
    }
    *s = (struct fc_snapshot){
        .arena = t->arena,
        .inodes = t->inodes,
        .dentries = t->dentries,
        .extents = t->extents,
        .xattrs = t->xattrs,
        .sources = t->sources,
        .n_inodes = t->n_inodes,
        .n_dentries = t->n_dentries,
        .n_extents = t->n_extents,
        .n_xattrs = t->n_xattrs,
        .n_sources = (uint32_t)t->n_sources,
        .owns_sources = true,
        .seed = t->seed,
    };
    *t = (struct fc_snapshot_tables){0};
    *ret_snapshot = s;
    return 0;
}

void fc_snapshot_tables_release(struct fc_snapshot_tables *t)
{
    for (size_t i = 0; i < t->n_sources; i++)
        close(t->sources[i].fd);
    fc_arena_release(&t->arena);
    free(t->inodes);
    free(t->dentries);
    free(t->extents);
    free(t->xattrs);
    free(t->sources);
    *t = (struct fc_snapshot_tables){0};
}

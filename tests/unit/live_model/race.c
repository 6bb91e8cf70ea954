/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of many threads on the same names and files, and what must hold at every moment and in the end. */
#include "race.h"

#include <errno.h>
#include <linux/falloc.h>
#include <linux/fs.h>

static const struct fc_cred root;

static uint64_t make(struct stage *s, uint64_t dir, const char *name, uint32_t mode)
{
    struct fc_attr a = {0};

    if (fc_live_mknod(s->live, dir, name, strlen(name), mode, 0, 0, 0, &root, &a) < 0)
        abort();
    return a.ino;
}

void race_init(struct race *race, struct stage *s, unsigned n_threads)
{
    char name[16];

    *race = (struct race){.s = s, .n_threads = n_threads};
    race->dir = make(s, 1, "shared", S_IFDIR | 0755);
    race->places[0] = make(s, race->dir, "d0", S_IFDIR | 0755);
    race->places[1] = make(s, race->dir, "d1", S_IFDIR | 0755);
    race->pair_dir = make(s, race->dir, "pairs", S_IFDIR | 0755);
    race->links = make(s, race->dir, "links", S_IFREG | 0644);
    race->holey = make(s, race->dir, "holey", S_IFREG | 0644);
    race->sliced = make(s, race->dir, "sliced", S_IFREG | 0644);
    for (int i = 0; i < RACE_TOKENS; i++) {
        snprintf(name, sizeof(name), "p%d", i);
        race->tokens[i] = make(s, race->places[i % 2], name, S_IFREG | 0644);
    }
}

void racer_init(struct racer *k, struct race *race, struct run *run, unsigned number)
{
    char name[16];

    *k = (struct racer){.race = race, .run = run, .number = number};
    for (int i = 0; i < 2; i++) {
        snprintf(name, sizeof(name), "%c%u", "ab"[i], number);
        k->pair[i] = make(race->s, race->pair_dir, name, S_IFREG | 0644);
    }
}

/* The result must be 0, or one of those that the race allows. */
static bool allowed(struct racer *k, int rc, int one, int other, int third)
{
    if (rc != 0 && rc != one && rc != other && rc != third)
        disagree(k->run, "%d (%s)", rc, strerror(-rc));
    return rc == 0;
}

static void release(struct racer *k, uint64_t ino) { fc_live_forget(k->race->s->live, ino, 1); }

/* One name: made by one, removed by one. */
static void race_name(struct racer *k, struct dice *d)
{
    struct fc_live *live = k->race->s->live;
    unsigned i = roll(d, RACE_NAMES);
    struct fc_attr a;
    char name[16];
    size_t len = (size_t)snprintf(name, sizeof(name), "x%u", i);

    say(k->run, "race for %s", name);
    if (one_in(d, 3)) {
        if (allowed(k, fc_live_lookup(live, k->race->dir, name, len, &a), -ENOENT, 0, 0))
            release(k, a.ino);
    } else if (one_in(d, 2)) {
        uint32_t mode = one_in(d, 4) ? S_IFIFO | 0600 : S_IFREG | 0600;

        if (!allowed(k, fc_live_mknod(live, k->race->dir, name, len, mode, 0, 0, 0, &root, &a), -EEXIST, 0, 0))
            return;
        k->made[i]++;
        release(k, a.ino);
    } else if (allowed(k, fc_live_unlink(live, k->race->dir, name, len), -ENOENT, 0, 0)) {
        k->made[i]--;
    }
}

/* Tokens are moved about and never lost or doubled. */
static void race_token(struct racer *k, struct dice *d)
{
    static const unsigned kinds[] = {RENAME_NOREPLACE, RENAME_EXCHANGE};
    char from[16], to[16];
    size_t from_len = (size_t)snprintf(from, sizeof(from), "p%u", roll(d, RACE_PLACES));
    size_t to_len = (size_t)snprintf(to, sizeof(to), "p%u", roll(d, RACE_PLACES));

    say(k->run, "race to move %s to %s", from, to);
    allowed(k,
            fc_live_rename(k->race->s->live, k->race->places[roll(d, 2)], from, from_len, k->race->places[roll(d, 2)],
                           to, to_len, kinds[roll(d, 2)]),
            -ENOENT, -EEXIST, 0);
}

/* Links to one file come and go. */
static void race_link(struct racer *k, struct dice *d)
{
    struct fc_live *live = k->race->s->live;
    struct fc_attr a;
    char name[16];
    size_t len = (size_t)snprintf(name, sizeof(name), "l%u", roll(d, RACE_NAMES));

    say(k->run, "race for link %s", name);
    if (one_in(d, 2))
        allowed(k, fc_live_unlink(live, k->race->dir, name, len), -ENOENT, 0, 0);
    else if (allowed(k, fc_live_link(live, k->race->links, k->race->dir, name, len, &a), -EEXIST, 0, 0))
        release(k, a.ino);
}

static uint64_t dir_named(struct racer *k, struct dice *d, char *ret_name)
{
    struct fc_attr a;

    snprintf(ret_name, 16, "m%u", roll(d, RACE_NAMES));
    if (fc_live_lookup(k->race->s->live, k->race->dir, ret_name, strlen(ret_name), &a) < 0)
        return k->race->dir;
    release(k, a.ino);
    return a.ino;
}

/* Directories are made in each other, moved into each other, and removed. */
static void race_dirs(struct racer *k, struct dice *d)
{
    struct fc_live *live = k->race->s->live;
    char name[16], other[16];
    uint64_t in = dir_named(k, d, name), to = dir_named(k, d, other);
    struct fc_attr a;
    int rc;

    if (one_in(d, 2))
        in = k->race->dir;
    if (one_in(d, 2))
        to = k->race->dir;
    say(k->run, "race with directories %s and %s", name, other);
    switch (roll(d, 3)) {
    case 0:
        rc = fc_live_mknod(live, in, name, strlen(name), S_IFDIR | 0755, 0, 0, 0, &root, &a);
        if (rc == -ESTALE || !allowed(k, rc, -EEXIST, -ENOENT, 0))
            return;
        release(k, a.ino);
        return;
    case 1:
        rc = fc_live_rmdir(live, in, name, strlen(name));
        break;
    default:
        rc = fc_live_rename(live, in, name, strlen(name), to, other, strlen(other), one_in(d, 3) ? RENAME_EXCHANGE : 0);
        if (rc == -EINVAL)
            return;
    }
    allowed(k, rc, -ENOENT, -ENOTEMPTY, -ESTALE);
}

/* Bytes of the file that all write: each block has its own, so that what comes from elsewhere is seen. */
static unsigned char holey_byte(uint64_t at) { return (unsigned char)(100 + at / M_BLOCK % RACE_BLOCKS); }

static void holey_read(struct racer *k, uint64_t at, size_t size)
{
    unsigned char *buffer = k->run->buffers[0];
    ssize_t n = fc_live_read(k->race->s->live, k->race->holey, buffer, size, at);

    if (n < 0)
        disagree(k->run, "read: %s", strerror((int)-n));
    for (ssize_t i = 0; i < n; i++)
        if (buffer[i] != 0 && buffer[i] != holey_byte(at + (uint64_t)i))
            disagree(k->run, "byte %llu is %d", (unsigned long long)at + (unsigned long long)i, buffer[i]);
}

/* A file full of holes: whatever is read there was written there. */
static void race_content(struct racer *k, struct dice *d)
{
    struct fc_live *live = k->race->s->live;
    uint64_t at = roll(d, RACE_BLOCKS * M_BLOCK);
    size_t size = 1 + roll(d, one_in(d, 4) ? RACE_BLOCKS * M_BLOCK : 3 * M_BLOCK);
    struct fc_attr a = {.size = at};

    if (one_in(d, 2))
        at -= at % M_BLOCK;
    say(k->run, "race for %zu bytes at %llu", size, (unsigned long long)at);
    switch (roll(d, 8)) {
    case 0:
        allowed(k, fc_live_setattr(live, k->race->holey, &a, FC_SET_SIZE, NULL), 0, 0, 0);
        return;
    case 1:
        allowed(k, fc_live_fallocate(live, k->race->holey, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, size), 0, 0,
                0);
        return;
    case 2:
        allowed(k, fc_live_sync(live, one_in(d, 2), NULL), 0, 0, 0);
        return;
    case 3:
    case 4:
    case 5:
        for (size_t i = 0; i < size; i++)
            k->run->buffers[0][i] = holey_byte(at + i);
        if (fc_live_write(live, k->race->holey, k->run->buffers[0], size, at, 0) != (ssize_t)size)
            disagree(k->run, "not written");
        return;
    default:
        holey_read(k, one_in(d, 2) ? 0 : at, 2 * RACE_BLOCKS * M_BLOCK);
    }
}

/* Each block of a file has bytes of every thread; what one wrote last is there, whatever the others do beside it. */
static void race_slice(struct racer *k, struct dice *d)
{
    struct fc_live *live = k->race->s->live;
    unsigned i = roll(d, RACE_SLICES);
    uint64_t at = i * (uint64_t)M_BLOCK + k->number * 64, got = 0;

    say(k->run, "slice %u", i);
    if (fc_live_read(live, k->race->sliced, &got, sizeof(got), at) < 0 || got != k->slices[i])
        disagree(k->run, "%llu and not %llu", (unsigned long long)got, (unsigned long long)k->slices[i]);
    k->slices[i] = roll64(d);
    if (fc_live_write(live, k->race->sliced, &k->slices[i], sizeof(got), at, 0) != sizeof(got))
        disagree(k->run, "not written");
}

/* First one file of a pair is written, then the other: no moment shows them apart by more than one. */
static void race_pair(struct racer *k, struct dice *d)
{
    uint64_t at = one_in(d, 2) ? 0 : M_BLOCK;
    uint64_t value;

    k->version++;
    value = k->version;
    say(k->run, "version %llu of a pair", (unsigned long long)k->version);
    for (int i = 0; i < 2; i++) {
        if (fc_live_write(k->race->s->live, k->pair[i], &value, sizeof(value), 0, 0) != sizeof(value) ||
            fc_live_write(k->race->s->live, k->pair[i], &value, sizeof(value), at + 16, 0) != sizeof(value))
            disagree(k->run, "not written");
    }
}

/* What a moment shows */

struct moment {
    const struct fc_snapshot *s;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    uint32_t n;
};

/* Every link count is the number of names, every directory is in one place. */
static void check_counts(struct racer *k, const struct moment *m)
{
    uint32_t *names = calloc(m->n, sizeof(*names)), *subdirs = calloc(m->n, sizeof(*subdirs));

    for (uint32_t i = 0; i < m->n; i++) {
        for (uint32_t e = 0; e < m->inodes[i].n_dentries; e++) {
            uint32_t child = m->dentries[m->inodes[i].first_dentry + e].inode;

            names[child]++;
            subdirs[i] += S_ISDIR(m->inodes[child].mode);
            if (S_ISDIR(m->inodes[child].mode) && m->inodes[child].parent != i)
                disagree(k->run, "inode %llu has another parent", (unsigned long long)m->inodes[child].ino);
        }
    }
    for (uint32_t i = 0; i < m->n; i++) {
        uint32_t want = S_ISDIR(m->inodes[i].mode) ? 2 + subdirs[i] : names[i];

        if (m->inodes[i].nlink != want || (i > 0 && names[i] == 0) || (S_ISDIR(m->inodes[i].mode) && names[i] > 1))
            disagree(k->run, "inode %llu has %u names and link count %u and not %u",
                     (unsigned long long)m->inodes[i].ino, names[i], m->inodes[i].nlink, want);
    }
    free(names);
    free(subdirs);
}

static void check_tokens(struct racer *k, const struct moment *m)
{
    unsigned seen[RACE_TOKENS] = {0}, n = 0;

    for (int p = 0; p < 2; p++) {
        uint32_t dir = fc_snapshot_find(m->s, p ? "shared/d1" : "shared/d0");

        for (uint32_t e = 0; e < m->inodes[dir].n_dentries; e++, n++)
            for (int t = 0; t < RACE_TOKENS; t++)
                seen[t] += m->inodes[m->dentries[m->inodes[dir].first_dentry + e].inode].ino == k->race->tokens[t];
    }
    for (int t = 0; t < RACE_TOKENS; t++)
        if (seen[t] != 1 || n != RACE_TOKENS)
            disagree(k->run, "token %d is there %u times; %u names in all", t, seen[t], n);
}

static uint64_t value_of(const struct moment *m, const char *path)
{
    const struct fc_snap_inode *i = &m->inodes[fc_snapshot_find(m->s, path)];
    const struct fc_snap_extent *e = fc_snapshot_extents(m->s, NULL) + i->first_extent;
    uint64_t value = 0;

    if (i->n_extents == 0 || e->offset > 0 ||
        pread(fc_snapshot_sources(m->s, NULL)[e->source].fd, &value, sizeof(value), (off_t)e->source_offset) < 0)
        return 0;
    return value;
}

static void check_pairs(struct racer *k, const struct moment *m)
{
    for (unsigned i = 0; i < k->race->n_threads; i++) {
        char a[32], b[32];
        uint64_t x, y;

        snprintf(a, sizeof(a), "shared/pairs/a%u", i);
        snprintf(b, sizeof(b), "shared/pairs/b%u", i);
        x = value_of(m, a);
        y = value_of(m, b);
        if (x != y && x != y + 1)
            disagree(k->run, "pair %u: version %llu and %llu", i, (unsigned long long)x, (unsigned long long)y);
    }
}

/* A number for the bytes of all that is in the shared directory. */
static uint64_t sum_of(struct racer *k, const struct moment *m)
{
    const char *const paths[] = {"shared/holey", "shared/sliced"};
    const struct fc_snap_source *sources = fc_snapshot_sources(m->s, NULL);
    uint64_t sum = 0;

    for (size_t f = 0; f < 2; f++) {
        const struct fc_snap_inode *i = &m->inodes[fc_snapshot_find(m->s, paths[f])];
        const struct fc_snap_extent *e = fc_snapshot_extents(m->s, NULL) + i->first_extent;

        for (uint32_t x = 0; x < i->n_extents; x++) {
            ssize_t n = pread(sources[e[x].source].fd, k->run->buffers[1], e[x].length, (off_t)e[x].source_offset);

            for (ssize_t b = 0; b < n; b++)
                sum = (sum ^ k->run->buffers[1][b]) * UINT64_C(1099511628211);
        }
    }
    return sum;
}

static void check_moment(struct racer *k, unsigned looks)
{
    uint64_t sum = 0;
    struct moment m = {0};
    struct fc_snapshot *s = NULL;
    struct fc_error err = {0};

    say(k->run, "a moment of all");
    if (fc_live_snapshot(k->race->s->live, &s, &err) < 0)
        disagree(k->run, "%s", err.msg);
    m.s = s;
    m.inodes = fc_snapshot_inodes(s, &m.n);
    m.dentries = fc_snapshot_dentries(s, NULL);
    for (unsigned i = 0; i < looks; i++) {
        check_counts(k, &m);
        check_tokens(k, &m);
        check_pairs(k, &m);
        if (i > 0 && sum != sum_of(k, &m))
            disagree(k->run, "the contents are not those of before");
        sum = sum_of(k, &m);
    }
    fc_snapshot_free(s);
}

void race_step(struct racer *k, struct dice *d)
{
    static void (*const ops[])(struct racer *, struct dice *) = {
        race_name,    race_name,    race_token,   race_token, race_link,  race_dirs, race_dirs,
        race_content, race_content, race_content, race_pair,  race_slice, race_slice};

    if (one_in(d, 60))
        check_moment(k, 1 + roll(d, 20));
    else
        ops[roll(d, 13)](k, d);
}

void race_check(struct race *race, struct racer *racers)
{
    struct fc_attr a;

    check_moment(&racers[0], 1);
    for (unsigned i = 0; i < RACE_NAMES; i++) {
        char name[16];
        size_t len = (size_t)snprintf(name, sizeof(name), "x%u", i);
        int rc = fc_live_lookup(race->s->live, race->dir, name, len, &a);
        long made = 0;

        if (rc == 0)
            release(&racers[0], a.ino);
        for (unsigned t = 0; t < race->n_threads; t++)
            made += racers[t].made[i];
        if (made != (rc == 0))
            disagree(racers[0].run, "%s was made %ld times more than removed, and looking it up says %d", name, made,
                     rc);
    }
}

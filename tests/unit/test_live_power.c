/* SPDX-License-Identifier: Apache-2.0 */
/* Power fails at any moment: the store opens and is whole, and what was fsynced is there with its name. */
#include "power.h"
#include "live_world.h"

#include <sqlite3.h>

enum { KEEP, GROW, SWAP, GONE, KINDS, EACH = 300, MOST = 40000 };

/* A promise that a mark in the record stands for: from there on @file of @kind is at least in @version. */
static struct promise {
    int kind, file, version;
} promises[4096];
static int n_promises;

static void promise(int kind, int file, int version)
{
    promises[n_promises] = (struct promise){kind, file, version};
    power_mark(n_promises++);
}

static void fill(unsigned char *data, size_t n, int file, int version)
{
    for (size_t i = 0; i < n; i++)
        data[i] = (unsigned char)(file * 31 + version * 17 + (int)(i / 512) + 1);
}

static const char *name_of(int kind, int file, char name[24])
{
    static const char *const prefix[] = {"keep", "grow", "swap", "gone"};

    snprintf(name, 24, "%s-%d", prefix[kind], file);
    return name;
}

static uint64_t create(struct world *w, const char *name)
{
    struct fc_attr a;

    assert_int_equal(fc_live_mknod(w->live, 1, NAME(name), S_IFREG | 0644, 022, 0, 0, &root_cred, &a), 0);
    return a.ino;
}

/* fsync may fail in a run with failing syncs; then nothing is promised. */
static bool synced(struct world *w, uint64_t ino, int kind, int file, int version)
{
    bool ok = fc_live_fsync(w->live, ino) == 0;

    if (ok)
        promise(kind, file, version);
    return ok;
}

static size_t keep_size(int file) { return (size_t)(100 + file * 7919 % 30000); }

static void keep(struct world *w, int file)
{
    unsigned char data[32768];
    char name[24];
    uint64_t ino = create(w, name_of(KEEP, file, name));

    fill(data, keep_size(file), file, 0);
    assert_true(fc_live_write(w->live, ino, data, keep_size(file), 0, false) > 0);
    synced(w, ino, KEEP, file, 0);
}

/* Files whose fsync has failed: what was appended before that is not promised any more. */
static bool spoilt[16];

/* Records of 700 bytes, each in its version's bytes. */
static void grow(struct world *w, int file, int version)
{
    unsigned char data[700];
    char name[24];
    uint64_t ino = ino_at(w, name_of(GROW, file, name));

    if (!ino)
        ino = create(w, name);
    fill(data, sizeof(data), file, version);
    assert_true(fc_live_write(w->live, ino, data, sizeof(data), (uint64_t)version * sizeof(data), false) > 0);
    if (version % 3 == 0 && !spoilt[file])
        spoilt[file] = !synced(w, ino, GROW, file, version);
}

static void swap(struct world *w, int file, int version)
{
    unsigned char data[5000];
    char name[24];
    uint64_t ino = create(w, "swap.new");

    fill(data, sizeof(data), file, version);
    assert_true(fc_live_write(w->live, ino, data, sizeof(data), 0, false) > 0);
    /* What a failed sync may have lost is written once more, as a program has to. */
    if (fc_live_fsync(w->live, ino) < 0)
        assert_true(fc_live_write(w->live, ino, data, sizeof(data), 0, false) > 0);
    name_of(SWAP, file, name);
    assert_int_equal(fc_live_rename(w->live, 1, NAME("swap.new"), 1, NAME(name), 0), 0);
    synced(w, ino, SWAP, file, version);
}

static void gone(struct world *w, int file)
{
    char name[24];
    uint64_t ino = create(w, name_of(GONE, file, name));

    assert_true(fc_live_write(w->live, ino, "gone", 4, 9000, false) > 0);
    if (file % 2)
        (void)fc_live_fsync(w->live, ino);
    assert_int_equal(fc_live_unlink(w->live, 1, NAME(name)), 0);
    synced(w, 1, GONE, file, 0);
}

/* Much that nobody syncs: space that is freed and used again, files of the lower tree that change, holes, lengths. */
static void noise(struct world *w, int i, unsigned *seed)
{
    static unsigned char data[60000];
    char name[24], to[24];
    struct fc_attr a = {.size = (uint64_t)rand_r(seed) % 50000};
    uint64_t ino;

    snprintf(name, sizeof(name), "noise-%d", rand_r(seed) % 12);
    snprintf(to, sizeof(to), "noise-%d", rand_r(seed) % 12);
    ino = ino_at(w, name);
    if (!ino)
        ino = create(w, name);
    fill(data, sizeof(data), 99, i);
    assert_true(fc_live_write(w->live, ino, data, (size_t)rand_r(seed) % sizeof(data), (uint64_t)rand_r(seed) % 30000,
                              false) >= 0);
    assert_true(fc_live_write(w->live, ino_at(w, "big"), data, 5000, (uint64_t)rand_r(seed) % 3000000, false) > 0);
    if (i % 3 == 0)
        assert_int_equal(fc_live_setattr(w->live, ino, &a, FC_SET_SIZE, NULL), 0);
    if (i % 4 == 0)
        assert_int_equal(fc_live_fallocate(w->live, ino, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 20000), 0);
    if (i % 2 == 0 && strcmp(name, to) != 0)
        assert_int_equal(fc_live_rename(w->live, 1, NAME(name), 1, NAME(to), 0), 0);
    else if (i % 5 == 0)
        assert_int_equal(fc_live_unlink(w->live, 1, NAME(name)), 0);
    (void)fc_live_sync(w->live, false, NULL); /* as the thread of a mount does */
}

static void work(struct world *w, int rounds, unsigned seed)
{
    for (int i = 0; i < rounds; i++) {
        noise(w, i, &seed);
        keep(w, i);
        noise(w, i + 1, &seed);
        grow(w, i % 3, i / 3);
        noise(w, i + 2, &seed);
        swap(w, i % 2, i / 2);
        gone(w, i);
    }
}

/* Checking */

/** A world that was found after a power failure. */
static void found(struct world *w, struct world *after, const char *what)
{
    struct fc_error err = {0};

    after->options = w->options;
    if (fc_edit_open(after->store, FC_EDIT_WRITE, &after->edit, &err) < 0)
        fail_msg("%s: the store does not open: %s", what, err.msg);
    after->options.edit = after->edit;
    if (fc_live_open(&after->options, &after->live, &err) < 0)
        fail_msg("%s: the tree does not open: %s", what, err.msg);
}

static void integrity(const char *store, const char *what)
{
    char path[200];
    sqlite3 *db;
    sqlite3_stmt *s;

    snprintf(path, sizeof(path), "%s/workspace.db", store);
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    if (strcmp((const char *)sqlite3_column_text(s, 0), "ok") != 0)
        fail_msg("%s: %s", what, sqlite3_column_text(s, 0));
    sqlite3_finalize(s);
    sqlite3_close(db);
}

static bool holds(const unsigned char *data, size_t n, int file, int version)
{
    unsigned char want[32768];

    fill(want, n, file, version);
    return memcmp(data, want, n) == 0;
}

static const char *broken(struct world *w, const struct promise *p)
{
    static unsigned char data[200000];
    char name[24];
    uint64_t ino = ino_at(w, name_of(p->kind, p->file, name));
    int64_t n = ino ? fc_live_read(w->live, ino, data, sizeof(data), 0) : -1;

    if (p->kind == GONE)
        return ino ? "is there again" : NULL;
    if (n < 0)
        return "is not there";
    if (p->kind == KEEP)
        return (size_t)n == keep_size(p->file) && holds(data, (size_t)n, p->file, 0) ? NULL : "has other content";
    if (p->kind == GROW) {
        for (int v = 0; v <= p->version; v++)
            if (n < (v + 1) * 700 || !holds(data + (ptrdiff_t)v * 700, 700, p->file, v))
                return "lacks what was appended";
        return NULL;
    }
    for (int v = p->version; v < 1000; v++)
        if (n == 5000 && holds(data, 5000, p->file, v))
            return NULL;
    return "has none of its versions";
}

/* @last: for each kind and file the newest promise. */
static void check(struct world *w, const char *dir, const struct promise *const last[KINDS][256], const char *what)
{
    struct world after = {0};
    struct fc_attr a;

    snprintf(after.store, sizeof(after.store), "%s", dir);
    found(w, &after, what);
    integrity(dir, what);
    for (int kind = 0; kind < KINDS; kind++)
        for (int file = 0; file < 256; file++) {
            const char *why = last[kind][file] ? broken(&after, last[kind][file]) : NULL;
            char name[24];

            if (why)
                fail_msg("%s: %s (version %d) %s", what, name_of(kind, file, name), last[kind][file]->version, why);
        }
    /* And it can be worked with. */
    assert_int_equal(fc_live_mknod(after.live, 1, NAME("fresh"), S_IFREG | 0644, 0, 0, 0, &root_cred, &a), 0);
    assert_int_equal(fc_live_write(after.live, a.ino, "x", 1, 0, false), 1);
    assert_int_equal(fc_live_fsync(after.live, a.ino), 0);
    fc_live_free(after.live);
    fc_edit_free(after.edit);
}

static void empty_dir(char *dir)
{
    char path[200];

    fc_remove_all(AT_FDCWD, dir);
    snprintf(path, sizeof(path), "%s/data", dir);
    mkdir(dir, 0755);
    mkdir(path, 0755);
}

static void disk_free(struct power_disk *d)
{
    for (int i = 0; i < d->n_files; i++) {
        for (size_t k = 0; k < d->files[i].n_pages; k++)
            free(d->files[i].pages[k]);
        free(d->files[i].pages);
    }
    free(d);
}

static void replay(struct world *w, struct power_disk *d, const char *where, int states, unsigned seed)
{
    static const struct promise *last[KINDS][256];
    size_t step = power_n / (size_t)states + 1, next = (size_t)rand_r(&seed) % step;
    char dir[80] = "/dev/shm/fc-power.XXXXXX"; /* in memory where there is such a place: many small files */
    int done = 0;

    memset(last, 0, sizeof(last));
    if (!mkdtemp(dir))
        snprintf(dir, sizeof(dir), "%s/after", where);
    host.root = dir; /* no syncs there */
    for (size_t i = 0; i < power_n; i++) {
        char what[100];

        power_apply(d, &power_log[i], &seed);
        if (power_log[i].kind == HOST_MARK) {
            const struct promise *p = &promises[power_log[i].mark];

            last[p->kind][p->file] = p;
        }
        if (i < next)
            continue;
        next += 1 + (size_t)rand_r(&seed) % (2 * step - 1);
        snprintf(what, sizeof(what), "seed %u, event %zu, mode %d", seed, i, done % POWER_MODES);
        empty_dir(dir);
        power_fail(d, dir, done++ % POWER_MODES, &seed);
        check(w, dir, last, what);
    }
    fc_remove_all(AT_FDCWD, dir);
    assert_true(done > states / 4);
    print_message("%d states of %zu events, %d promises\n", done, power_n, n_promises);
}

static int states(int few)
{
    const char *n = getenv("FC_POWER_STATES");

    return n ? atoi(n) : few;
}

static unsigned first_seed(void)
{
    const char *n = getenv("FC_POWER_SEED");

    return n ? (unsigned)atoi(n) : 1;
}

static void forget_run(void)
{
    for (size_t i = 0; i < power_n; i++)
        free(power_log[i].data);
    power_n = 0;
    n_promises = 0;
}

static void run(struct world *w, int rounds, int n_states, void (*worker)(struct world *w, int rounds, unsigned seed))
{
    static const char *const names[] = {"workspace.db", "workspace.db-wal", "data/0", "ino", NULL};
    struct power_disk *d = calloc(1, sizeof(*d));

    world_close(w);
    power_begin(d, w->store, names);
    host.root = w->store;
    host.on_event = power_record;
    world_open(w);
    worker(w, rounds, first_seed());
    world_close(w);
    host.on_event = NULL;
    host.fail_kinds = 0;
    replay(w, d, w->dir, n_states, first_seed());
    host.root = NULL;
    disk_free(d);
    forget_run();
    world_open(w);
}

static void what_was_fsynced_survives(void **state) { run(*state, 25, states(EACH), work); }

/* Now and then a sync fails, of the data or of the log; the one after it succeeds, as on Linux. */
static void work_on_a_bad_disk(struct world *w, int rounds, unsigned seed)
{
    for (int i = 100; i < 100 + rounds; i++) {
        host.fail_kinds = HOST_SYNC;
        host.fail_code = EIO;
        host.fail_name = i % 2 ? "-wal" : "data/0";
        host.fail_at = 1 + i % 3;
        host.seen = 0;
        noise(w, i, &seed);
        keep(w, i);
        grow(w, i % 3 + 3, (i - 100) / 3);
        swap(w, i % 2 + 2, i);
        gone(w, i);
        host.fail_kinds = 0;
        noise(w, i, &seed);
    }
}

static void what_fsync_promised_after_a_failed_one_survives(void **state)
{
    run(*state, 25, states(EACH), work_on_a_bad_disk);
}

/* So many large attributes that the log of the database is folded back, while syncs of the database fail or do not. */
static void work_until_it_folds(struct world *w, int rounds, unsigned seed)
{
    static char value[60000];

    for (int i = 200; i < 200 + rounds; i++) {
        host.fail_kinds = HOST_SYNC;
        host.fail_code = EIO;
        host.fail_name = "workspace.db";
        host.fail_at = 1 + i % 4;
        host.seen = 0;
        for (int k = 0; k < 12; k++) {
            memset(value, i + k, sizeof(value));
            assert_int_equal(
                fc_live_setxattr(w->live, ino_at(w, k % 2 ? "big" : "etc"), "user.large", value, sizeof(value), 0), 0);
            (void)fc_live_sync(w->live, false, NULL);
        }
        keep(w, i);
        noise(w, i, &seed);
        host.fail_kinds = 0;
        gone(w, i);
    }
}

static void folding_the_log_loses_nothing(void **state) { run(*state, 40, states(EACH) / 4, work_until_it_folds); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_fsynced_survives),
        cmocka_unit_test(what_fsync_promised_after_a_failed_one_survives),
        cmocka_unit_test(folding_the_log_loses_nothing),
    };

    return cmocka_run_group_tests_name("live: power loss", tests, world_setup, world_teardown);
}

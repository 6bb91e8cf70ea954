/* SPDX-License-Identifier: Apache-2.0 */
/* A live tree on a host whose calls fail, each in turn: an error for who asked, nothing lost, and all goes on afterwards. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define HOST_MEMORY
#endif
#include "host.h"
#include "live_world.h"

enum { FILES = 6, SIZE = 10000 };

/** What the workload knows of its files: version 0 is "not there". */
struct story {
    int version[FILES]; /* what it has to be */
    bool open[FILES];   /* an operation on it failed half-way: its content is not known */
    int n_failed, n_odd;
    int synced[FILES];    /* the version when an fsync of it last succeeded */
    int expected[4];      /* the errors that may come */
    char last_failed[80]; /* the operation, for messages */
};

static void content_of(int file, int version, unsigned char *data)
{
    for (int i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(file * 50 + version * 7 + i % 13 + 1);
}

/* Note what an operation returned: success, or an error of those that may come. */
static bool did(struct story *s, const char *what, int file, int64_t r)
{
    if (r >= 0)
        return true;
    s->n_failed++;
    snprintf(s->last_failed, sizeof(s->last_failed), "%s of file %d: %d", what, file, (int)r);
    for (int i = 0; i < 4; i++)
        if (r == -s->expected[i])
            return false;
    print_message("unexpected: %s\n", s->last_failed);
    s->n_odd++;
    return false;
}

static void put(struct world *w, struct story *s, int file, int version)
{
    unsigned char data[SIZE];
    struct fc_attr a = {0};
    char name[16];
    int r;

    snprintf(name, sizeof(name), "file-%d", file);
    content_of(file, version, data);
    r = fc_live_lookup(w->live, 1, NAME(name), &a);
    if (r == -ENOENT &&
        !did(s, "create", file, fc_live_mknod(w->live, 1, NAME(name), S_IFREG | 0644, 022, 0, 0, &root_cred, &a)))
        return;
    if (r == -ENOENT)
        s->open[file] = true; /* empty, so far */
    else if (r < 0 && !did(s, "lookup", file, r))
        return;
    if (did(s, "write", file, fc_live_write(w->live, a.ino, data, SIZE, 0, false))) {
        s->version[file] = version;
        s->open[file] = false;
    } else {
        s->open[file] = true;
    }
}

static void sync_file(struct world *w, struct story *s, int file)
{
    char name[16];
    struct fc_attr a;

    snprintf(name, sizeof(name), "file-%d", file);
    if (fc_live_lookup(w->live, 1, NAME(name), &a) == 0 && did(s, "fsync", file, fc_live_fsync(w->live, a.ino)) &&
        !s->open[file])
        s->synced[file] = s->version[file];
}

static void drop(struct world *w, struct story *s, int file)
{
    char name[16];

    snprintf(name, sizeof(name), "file-%d", file);
    if (s->version[file] == 0 && !ino_at(w, name)) /* it could not be made */
        return;
    if (did(s, "unlink", file, fc_live_unlink(w->live, 1, NAME(name)))) {
        s->version[file] = s->synced[file] = 0;
        s->open[file] = false;
    }
}

/* Every kind of operation, each some times. */
static void work(struct world *w, struct story *s)
{
    struct fc_attr a = {.mode = 0600, .size = 5000};
    struct fc_attr b;

    for (int i = 0; i < FILES; i++)
        put(w, s, i, 1);
    sync_file(w, s, 0);
    did(s, "append below", -1, fc_live_write(w->live, ino_at(w, "big"), "x", 1, 3000001, false));
    did(s, "block below", -1, fc_live_write(w->live, ino_at(w, "bin/busybox"), "y", 1, 5000, false));
    did(s, "setxattr", -1, fc_live_setxattr(w->live, ino_at(w, "etc/passwd"), "user.a", "b", 1, 0));
    did(s, "chmod", -1, fc_live_setattr(w->live, ino_at(w, "etc"), &a, FC_SET_MODE, NULL));
    did(s, "truncate", -1, fc_live_setattr(w->live, ino_at(w, "bin/su"), &a, FC_SET_SIZE, NULL));
    did(s, "punch", -1,
        fc_live_fallocate(w->live, ino_at(w, "big"), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 9000));
    did(s, "rename below", -1, fc_live_rename(w->live, 1, NAME("srv"), ino_at(w, "etc"), NAME("srv2"), 0));
    did(s, "mkdir", -1, fc_live_mknod(w->live, 1, NAME("dir"), S_IFDIR | 0755, 022, 0, 0, &root_cred, &b));
    did(s, "symlink", -1, fc_live_symlink(w->live, 1, NAME("link"), "target", &root_cred, &b));
    did(s, "sync", -1, fc_live_sync(w->live, false, NULL));
    put(w, s, 1, 2);
    drop(w, s, 2);
    sync_file(w, s, 1);
    put(w, s, 3, 2);
    did(s, "unlink below", -1, fc_live_unlink(w->live, ino_at(w, "etc") ? ino_at(w, "etc") : 1, NAME("hostname")));
    did(s, "sync", -1, fc_live_sync(w->live, true, NULL));
    put(w, s, 2, 3);
    put(w, s, 4, 2);
    sync_file(w, s, 4);
}

static void expect_all(struct world *w, const struct story *s, const char *when)
{
    unsigned char data[SIZE], got[SIZE];

    for (int i = 0; i < FILES; i++) {
        char name[16];
        struct fc_attr a = {0};
        int r;
        int64_t n;

        snprintf(name, sizeof(name), "file-%d", i);
        r = fc_live_lookup(w->live, 1, NAME(name), &a);
        if (s->open[i] && s->version[i] == 0)
            continue;
        if (s->version[i] == 0) {
            assert_int_equal(r, -ENOENT);
            continue;
        }
        if (r < 0)
            fail_msg("%s is not there %s (%s)", name, when, s->last_failed);
        n = fc_live_read(w->live, a.ino, got, SIZE, 0);
        content_of(i, s->version[i], data);
        if (!s->open[i] && (n != SIZE || memcmp(data, got, SIZE) != 0))
            fail_msg("%s is not as it was written %s (%s)", name, when, s->last_failed);
    }
}

/* The fault is over: everything works again, also after closing and opening. */
static void heal(struct world *w, struct story *s)
{
    memset(s->expected, 0, sizeof(s->expected));
    host.fail_kinds = 0;
    host.memory_at = 0;
    expect_all(w, s, "when the fault is over");
    /* What was written when a sync failed says so once more. */
    for (int i = 0; i < FILES; i++)
        put(w, s, i, 9);
    (void)fc_live_sync(w->live, true, NULL);
    for (int i = 0; i < FILES; i++)
        put(w, s, i, 10);
    for (int i = 0; i < FILES; i++)
        sync_file(w, s, i);
    expect_all(w, s, "after more work");
    world_reopen(w);
    expect_all(w, s, "after closing and opening");
}

/* A world per case is too slow: the lower tree is made once, and a store that was copied serves each of them. */
static void restart(struct world *w, int number)
{
    char command[300];

    host.root = NULL;
    host.fail_kinds = 0;
    world_close(w);
    snprintf(w->store, sizeof(w->store), "%s/s%d", w->dir, number);
    snprintf(command, sizeof(command), "rm -rf %s/s%d && cp -r %s/store %s", w->dir, number - 1, w->dir, w->store);
    assert_int_equal(system(command), 0);
    host.root = w->dir;
    world_open(w);
}

static int number;

static void fail_each(struct world *w, unsigned kinds, const char *name, int code, int other, bool sticky)
{
    int n_failed = 0;

    for (long at = 1;; at++) {
        struct story s = {.expected = {code, other, code == EIO ? EBADMSG : code}};

        restart(w, ++number);
        host.fail_kinds = kinds;
        host.fail_name = name;
        host.fail_code = code;
        host.sticky = sticky;
        host.fail_at = at;
        host.seen = host.hits = 0;
        work(w, &s);
        assert_int_equal(s.n_odd, 0);
        n_failed += s.n_failed > 0;
        if (!host.hits)
            break;
        heal(w, &s);
        assert_int_equal(s.n_odd, 0);
        assert_true(at < 2000);
    }
    host.root = NULL;
    assert_true(n_failed > 0 || !sticky);
}

static void a_write_that_fails(void **state)
{
    fail_each(*state, HOST_WRITE, NULL, ENOSPC, EIO, false);
    fail_each(*state, HOST_WRITE, NULL, EIO, ENOSPC, false);
}
static void all_writes_fail(void **state)
{
    fail_each(*state, HOST_WRITE, NULL, ENOSPC, EIO, true);
    fail_each(*state, HOST_WRITE, NULL, EIO, EIO, true);
}
static void a_sync_that_fails(void **state)
{
    fail_each(*state, HOST_SYNC, NULL, EIO, EIO, false);
    fail_each(*state, HOST_SYNC, NULL, EIO, EIO, true);
}
static void growing_that_fails(void **state)
{
    fail_each(*state, HOST_TRUNCATE, "data", EIO, ENOSPC, false);
    fail_each(*state, HOST_TRUNCATE, "data", ENOSPC, EIO, true);
}
/* Of the packs, which are read when a block is changed in part. */
static void reading_that_fails(void **state) { fail_each(*state, HOST_READ, "pack", EIO, EIO, true); }

/* As the kernel does: each file that a failed sync was to write says so to its next fsync, once. */
static void a_failed_sync_is_told_to_every_file(void **state)
{
    struct world *w = *state;
    struct story s = {.expected = {EIO}};
    uint64_t ino[4];

    restart(w, ++number);
    for (int i = 0; i < 4; i++) {
        char name[16];

        put(w, &s, i, 1);
        snprintf(name, sizeof(name), "file-%d", i);
        ino[i] = ino_at(w, name);
        if (i == 0)
            assert_int_equal(fc_live_fsync(w->live, ino[0]), 0);
    }
    host.fail_kinds = HOST_SYNC;
    host.fail_name = "data";
    host.fail_code = EIO;
    host.fail_at = 1;
    host.seen = 0;
    host.sticky = false;
    assert_int_equal(fc_live_fsync(w->live, ino[1]), -EIO);
    assert_int_equal(fc_live_fsync(w->live, ino[0]), 0); /* on the disk before */
    assert_int_equal(fc_live_fsync(w->live, ino[1]), 0); /* told */
    assert_int_equal(fc_live_fsync(w->live, ino[2]), -EIO);
    assert_int_equal(fc_live_fsync(w->live, ino[2]), 0);
    /* What nobody asked for is told to who unmounts. */
    assert_int_equal(fc_live_sync(w->live, true, NULL), -EIO);
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    host.fail_kinds = 0;
    host.root = NULL;
}

#ifdef HOST_MEMORY
static void memory_that_fails(void **state)
{
    struct world *w = *state;

    for (int sticky = 0; sticky < 2; sticky++)
        for (long at = 1;; at += 1 + at / 25) {
            struct story s = {.expected = {ENOMEM, EIO}};

            restart(w, ++number);
            host.memory_sticky = sticky;
            host.memory_seen = host.memory_hits = 0;
            host.memory_at = at;
            work(w, &s);
            host.memory_at = 0;
            assert_int_equal(s.n_odd, 0);
            if (!host.memory_hits)
                break;
            heal(w, &s);
            assert_int_equal(s.n_odd, 0);
        }
    host.root = NULL;
}
#endif

static int setup(void **state) { return world_setup(state); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_that_fails), cmocka_unit_test(all_writes_fail),
        cmocka_unit_test(a_sync_that_fails),  cmocka_unit_test(growing_that_fails),
        cmocka_unit_test(reading_that_fails), cmocka_unit_test(a_failed_sync_is_told_to_every_file),
#ifdef HOST_MEMORY
        cmocka_unit_test(memory_that_fails),
#endif
    };

    return cmocka_run_group_tests_name("live: faults", tests, setup, world_teardown);
}

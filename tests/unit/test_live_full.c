/* SPDX-License-Identifier: Apache-2.0 */
/* A live tree whose disk is full: it says so, lives on, and removing files makes room again. */
#include "live_world.h"

#include <errno.h>
#include <sys/mount.h>

enum { SIZE = 65536, MANY = 20000 };

/* The world in a small file system of its own; NULL where that cannot be made. */
static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    struct fc_error err = {0};

    snprintf(w->dir, sizeof(w->dir), "/tmp/fc-full.XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    *state = NULL;
    if (mount("tmpfs", w->dir, "tmpfs", 0, "size=20m") < 0) {
        rmdir(w->dir);
        free(w);
        return 0;
    }
    snprintf(w->store, sizeof(w->store), "%s/store", w->dir);
    assert_int_equal(fc_cache_open(w->dir, &w->cache, &err), 0);
    world_fold(w);
    world_open(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    if (!w)
        return 0;
    world_close(w);
    fc_tree_free(w->tree);
    fc_cache_free(w->cache);
    umount2(w->dir, MNT_DETACH);
    rmdir(w->dir);
    free(w);
    return 0;
}

static struct world *enter(void **state)
{
    if (!*state) {
        print_message("skipped: cannot mount a tmpfs\n");
        skip();
    }
    return *state;
}

static int put(struct world *w, int number, unsigned char byte)
{
    static unsigned char data[SIZE];
    char name[32];
    struct fc_attr a;
    int r;

    snprintf(name, sizeof(name), "f%d", number);
    memset(data, byte, sizeof(data));
    r = fc_live_mknod(w->live, 1, NAME(name), S_IFREG | 0644, 0, 0, 0, &root_cred, &a);
    return r < 0 ? r : (int)fc_live_write(w->live, a.ino, data, sizeof(data), 0, 0);
}

static void expect(struct world *w, int number, unsigned char byte)
{
    unsigned char data[SIZE];
    char name[32];

    snprintf(name, sizeof(name), "f%d", number);
    assert_int_equal(fc_live_read(w->live, ino_at(w, name), data, SIZE, 0), SIZE);
    for (int i = 0; i < SIZE; i++)
        assert_int_equal(data[i], byte);
}

static void drop(struct world *w, int number)
{
    char name[32];

    snprintf(name, sizeof(name), "f%d", number);
    assert_int_equal(fc_live_unlink(w->live, 1, NAME(name)), 0);
}

/* Returns how many files were written whole. */
static int fill(struct world *w)
{
    int n = 0, r;

    while ((r = put(w, n, (unsigned char)n)) == SIZE)
        n++;
    assert_int_equal(r, -ENOSPC);
    return n;
}

static void removed_content_makes_room_at_once(void **state)
{
    struct world *w = enter(state);
    int n = fill(w);

    assert_true(n > 50);
    for (int i = 0; i < 20; i++) {
        drop(w, i);
        assert_int_equal(put(w, i, 200), SIZE);
    }
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    world_reopen(w);
    for (int i = 0; i < n; i++)
        expect(w, i, (unsigned char)(i < 20 ? 200 : i));
}

static void removing_works_when_not_even_rows_fit(void **state)
{
    struct world *w = enter(state);
    int n = fill(w), r = 0, extra = 0;
    struct fc_attr a;

    for (; extra < MANY && r == 0; extra++) {
        char name[200];

        snprintf(name, sizeof(name), "%0190d", extra);
        r = fc_live_mknod(w->live, 1, NAME(name), S_IFREG | 0644, 0, 0, 0, &root_cred, &a);
        if (r == 0 && extra % 100 == 0)
            fc_live_sync(w->live, false, NULL);
    }
    assert_int_equal(r, -ENOSPC);
    assert_int_equal(fc_live_symlink(w->live, 1, NAME("s"), "x", &root_cred, &a), -ENOSPC);
    assert_int_equal(fc_live_link(w->live, ino_at(w, "f0"), 1, NAME("l"), &a), -ENOSPC);
    expect(w, n - 1, (unsigned char)(n - 1));
    write_text(w, ino_at(w, "f0"), "in place", 0);
    for (int i = 1; i < n - 1; i++)
        drop(w, i);
    assert_int_equal(put(w, 1, 99), SIZE);
    assert_int_equal(fc_live_fsync(w->live, ino_at(w, "f1")), 0);
    world_reopen(w);
    expect(w, 1, 99);
    expect(w, n - 1, (unsigned char)(n - 1));
    assert_text(w, ino_at(w, "f0"), "in place", 0);
    assert_int_equal(ino_at(w, "f2"), 0);
}

static void failed_commits_are_told_and_made_up_for(void **state)
{
    struct world *w = enter(state);
    struct fc_error err = {0};
    char path[100];
    int fd, n = 0;

    /* Somebody else takes all the room, the reserve's too. */
    snprintf(path, sizeof(path), "%s/other", w->dir);
    put(w, 0, 7);
    assert_int_equal(fc_live_sync(w->live, true, NULL), 0);
    snprintf(path, sizeof(path), "%s/store/reserve", w->dir);
    assert_int_equal(truncate(path, 0), 0);
    snprintf(path, sizeof(path), "%s/other", w->dir);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    while (fallocate(fd, 0, n * 4096L, 4096) == 0)
        n++;
    for (int i = 0; i < MANY; i++) {
        struct fc_attr set = {.mtime = {i, 0}}, a;
        char name[200];

        snprintf(name, sizeof(name), "%0190d", i);
        if (fc_live_mknod(w->live, 1, NAME(name), S_IFREG | 0644, 0, 0, 0, &root_cred, &a) < 0)
            break;
        assert_int_equal(fc_live_setattr(w->live, a.ino, &set, FC_SET_MTIME, NULL), 0);
    }
    assert_int_equal(fc_live_sync(w->live, true, &err), -ENOSPC);
    assert_true(err.msg[0] != '\0');
    assert_int_equal(fc_live_fsync(w->live, 1), -ENOSPC);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    assert_int_equal(fc_live_fsync(w->live, 1), 0);
    assert_int_equal(put(w, 1, 8), SIZE);
    world_reopen(w);
    expect(w, 0, 7);
    expect(w, 1, 8);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(removed_content_makes_room_at_once),
        TEST(removing_works_when_not_even_rows_fit),
        TEST(failed_commits_are_told_and_made_up_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

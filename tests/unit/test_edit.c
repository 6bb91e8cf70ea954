/* SPDX-License-Identifier: Apache-2.0 */
/* The store of edits: round trips, rollback, locks, space, and writers that are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/io.h"
#include "edit/edit.h"

static char top[64], dir[80];

static int setup(void **state)
{
    (void)state;
    strcpy(top, "/tmp/fc-edit.XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(dir, sizeof(dir), "%s/.fccompose", top);
    return fc_edit_create(dir, NULL);
}

static int teardown(void **state)
{
    (void)state;
    return fc_remove_all(AT_FDCWD, top);
}

static struct fc_edit *must_open(enum fc_edit_mode mode)
{
    struct fc_error err = {0};
    struct fc_edit *e = NULL;
    int r = fc_edit_open(dir, mode, &e, &err);

    if (r < 0)
        print_error("%s\n", err.msg);
    assert_int_equal(r, 0);
    return e;
}

static void must_commit(struct fc_edit *e, bool durable)
{
    struct fc_error err = {0};
    int r = fc_edit_commit(e, durable, &err);

    if (r < 0)
        print_error("%s\n", err.msg);
    assert_int_equal(r, 0);
}

/* What a load saw, as one text. */
static struct fc_buf seen;

static int see_inode(void *arg, const struct fc_edit_inode *i)
{
    (void)arg;
    return fc_buf_addf(&seen, "i%llu %o %u:%u %u,%u n%u s%llu a%lld.%09ld m%lld.%09ld c%lld.%09ld b%lld.%09ld %d%s%s\n",
                       (unsigned long long)i->ino, i->mode, i->uid, i->gid, i->rdev_major, i->rdev_minor, i->nlink,
                       (unsigned long long)i->size, (long long)i->atime.tv_sec, i->atime.tv_nsec,
                       (long long)i->mtime.tv_sec, i->mtime.tv_nsec, (long long)i->ctime.tv_sec, i->ctime.tv_nsec,
                       (long long)i->crtime.tv_sec, i->crtime.tv_nsec, i->lower_content, i->target ? " -> " : "",
                       i->target ? i->target : "");
}

static int see_xattr(void *arg, uint64_t ino, const struct fc_xattr *x)
{
    (void)arg;
    return fc_buf_addf(&seen, "x%llu %s %zu %02x\n", (unsigned long long)ino, x->name, x->size,
                       x->size ? *(const unsigned char *)x->value : 0);
}

static int see_extent(void *arg, uint64_t ino, const struct fc_edit_extent *x)
{
    (void)arg;
    return fc_buf_addf(&seen, "e%llu %llu+%llu @%llu/%u\n", (unsigned long long)ino, (unsigned long long)x->offset,
                       (unsigned long long)x->length, (unsigned long long)x->source_offset, x->source);
}

static int see_dentry(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    (void)arg;
    return fc_buf_addf(&seen, "d%llu %.*s %llu\n", (unsigned long long)parent, (int)len, name, (unsigned long long)ino);
}

static const char *load(struct fc_edit *e)
{
    static const struct fc_edit_loader loader = {see_inode, see_xattr, see_extent, see_dentry};
    struct fc_error err = {0};

    fc_buf_clear(&seen);
    fc_buf_adds(&seen, "");
    if (fc_edit_load(e, &loader, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return seen.data;
}

static void put_file(struct fc_edit *e, uint64_t ino, uint64_t size)
{
    struct fc_edit_inode i = {.ino = ino, .mode = S_IFREG | 0644, .nlink = 1, .size = size};

    assert_int_equal(fc_edit_put_inode(e, &i, NULL), 0);
}

static void put_some(struct fc_edit *e)
{
    struct fc_edit_inode file = {.ino = 7,
                                 .mode = S_IFREG | 04755,
                                 .uid = UINT32_MAX - 1,
                                 .gid = 3,
                                 .nlink = 2,
                                 .size = UINT64_C(5) << 32,
                                 .atime = {-1, 999999999},
                                 .mtime = {-62135596800, 1},
                                 .ctime = {INT64_C(1) << 40, 2},
                                 .crtime = {4, 5}};
    struct fc_edit_inode link = {.ino = 8, .mode = S_IFLNK | 0777, .nlink = 1, .size = 4, .target = "\xff/../"};
    struct fc_edit_inode lower = {.ino = 3, .mode = S_IFLNK | 0777, .nlink = 1, .lower_content = true};
    struct fc_xattr xattrs[] = {{"security.capability", "\x01\x00\x02", 3}, {"user.empty", NULL, 0}};
    struct fc_edit_extent extents[] = {{0, 4096, 8192, FC_EDIT_DATA}, {UINT64_C(5) << 31, 100, 0, FC_EDIT_DATA}};

    assert_int_equal(fc_edit_put_inode(e, &file, NULL), 0);
    assert_int_equal(fc_edit_put_inode(e, &link, NULL), 0);
    assert_int_equal(fc_edit_put_inode(e, &lower, NULL), 0);
    assert_int_equal(fc_edit_put_xattrs(e, 7, xattrs, 2, NULL), 0);
    assert_int_equal(fc_edit_put_extents(e, 7, extents, 2, NULL), 0);
    assert_int_equal(fc_edit_put_dentry(e, 1, "new\nname", 8, 7, NULL), 0);
    assert_int_equal(fc_edit_put_dentry(e, 1, "gone", 4, 0, NULL), 0);
}

static const char some[] = "i3 120777 0:0 0,0 n1 s0 a0.000000000 m0.000000000 c0.000000000 b0.000000000 1\n"
                           "i7 104755 4294967294:3 0,0 n2 s21474836480 a-1.999999999 m-62135596800.000000001 "
                           "c1099511627776.000000002 b4.000000005 0\n"
                           "i8 120777 0:0 0,0 n1 s4 a0.000000000 m0.000000000 c0.000000000 b0.000000000 0 -> \xff/../\n"
                           "x7 security.capability 3 01\nx7 user.empty 0 00\n"
                           "e7 0+4096 @8192/0\ne7 10737418240+100 @0/0\n"
                           "d1 gone 0\nd1 new\nname 7\n";

static void rows_come_back_as_they_went_in(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);

    (void)state;
    assert_string_equal(load(e), "");
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    put_some(e);
    must_commit(e, false);
    assert_string_equal(load(e), some);
    fc_edit_free(e);
    e = must_open(FC_EDIT_WRITE);
    assert_string_equal(load(e), some);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    assert_int_equal(fc_edit_del_inode(e, 7, NULL), 0);
    assert_int_equal(fc_edit_del_dentry(e, 1, "gone", 4, NULL), 0);
    assert_int_equal(fc_edit_put_dentry(e, 1, "new\nname", 8, 8, NULL), 0);
    must_commit(e, true);
    fc_edit_free(e);
    e = must_open(FC_EDIT_READ);
    assert_null(strstr(load(e), "x7"));
    assert_non_null(strstr(load(e), "d1 new\nname 8\n"));
    assert_int_equal(fc_edit_begin(e, NULL), -EROFS);
    fc_edit_free(e);
}

static void rollback_forgets(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    struct fc_digest d = {{1}};
    uint32_t id;
    size_t n;

    (void)state;
    assert_int_equal(fc_edit_put_dentry(e, 1, "x", 1, 2, NULL), -EINVAL);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    put_some(e);
    assert_int_equal(fc_edit_layer_add(e, &d, "./a.tar", "a", 10, &id, NULL), 0);
    fc_edit_layers(e, &n);
    assert_int_equal(n, 1);
    fc_edit_rollback(e);
    fc_edit_layers(e, &n);
    assert_int_equal(n, 0);
    assert_string_equal(load(e), "");
    fc_edit_free(e);
}

static void one_writer_and_words_for_the_second(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE), *second = NULL;
    struct fc_error err = {0};
    char pid[32];
    int fd;

    (void)state;
    snprintf(pid, sizeof(pid), "process %ld", (long)getpid());
    assert_int_equal(fc_edit_open(dir, FC_EDIT_WRITE, &second, &err), -EBUSY);
    assert_non_null(strstr(err.msg, pid));
    assert_int_equal(fc_edit_lock_shared(dir, &err), -EBUSY);
    fc_edit_free(e);
    fd = fc_edit_lock_shared(dir, &err);
    assert_true(fd >= 0);
    assert_int_equal(fc_edit_open(dir, FC_EDIT_WRITE, &second, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "being read"));
    close(fd);
    fc_edit_free(must_open(FC_EDIT_WRITE));
    assert_int_equal(fc_edit_create(dir, &err), -EEXIST);
}

static void a_reader_sees_one_moment(void **state)
{
    struct fc_edit *w = must_open(FC_EDIT_WRITE), *r;

    (void)state;
    assert_int_equal(fc_edit_begin(w, NULL), 0);
    put_some(w);
    must_commit(w, false);
    r = must_open(FC_EDIT_READ);
    assert_int_equal(fc_edit_begin(w, NULL), 0);
    assert_int_equal(fc_edit_clear(w, NULL), 0);
    must_commit(w, true);
    assert_string_equal(load(r), some);
    assert_string_equal(load(w), "");
    fc_edit_free(r);
    fc_edit_free(w);
}

static void layers_positions_and_collection(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    struct fc_edit_extent x = {0, 4096, 0, 0};
    const struct fc_edit_layer *l;
    struct fc_digest d = {{0}};
    uint32_t a, b, c, ids[2];
    size_t n;

    (void)state;
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    assert_int_equal(fc_edit_layer_add(e, &d, "a", "an", 10, &a, NULL), 0);
    d.bytes[31] = 9;
    assert_int_equal(fc_edit_layer_add(e, &d, "b", "bn", 100, &b, NULL), 0);
    assert_int_equal(fc_edit_layer_add(e, &d, "c", "cn", 0, &c, NULL), 0);
    ids[0] = b;
    ids[1] = a;
    assert_int_equal(fc_edit_stack_set(e, ids, 2, NULL), 0);
    must_commit(e, true);
    fc_edit_free(e);
    e = must_open(FC_EDIT_WRITE);
    l = fc_edit_layers(e, &n);
    assert_int_equal(n, 3);
    assert_int_equal(l[0].id, b);
    assert_int_equal(l[0].diffid.bytes[31], 9);
    assert_string_equal(l[0].locator, "b");
    assert_int_equal(l[1].id, a);
    assert_true(l[0].first_ino >= l[1].first_ino + l[1].n_inodes);
    assert_int_equal(l[2].position, -1);
    /* b is held by an extent, a by an inode number, c by nothing */
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    x.source = b;
    put_file(e, 1000000, 4096);
    assert_int_equal(fc_edit_put_extents(e, 1000000, &x, 1, NULL), 0);
    put_file(e, l[1].first_ino + 9, 0);
    assert_int_equal(fc_edit_stack_set(e, NULL, 0, NULL), 0);
    assert_int_equal(fc_edit_layer_gc(e, NULL), 0);
    must_commit(e, false);
    l = fc_edit_layers(e, &n);
    assert_int_equal(n, 2);
    assert_true(fc_edit_new_ino(e, NULL) > l[1].first_ino);
    fc_edit_free(e);
}

static void numbers_never_come_again(void **state)
{
    uint64_t last = 1;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct fc_edit *e = must_open(FC_EDIT_WRITE);

        for (int k = 0; k < 70000; k++) {
            uint64_t ino = fc_edit_new_ino(e, NULL);

            assert_true(ino == last + 1);
            last = ino;
        }
        fc_edit_free(e);
    }
    /* given out by a process that dies without a commit */
    for (int i = 0; i < 3; i++) {
        int p[2], status;
        uint64_t ino;
        pid_t pid;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0) {
            struct fc_edit *e = NULL;

            fc_edit_open(dir, FC_EDIT_WRITE, &e, NULL);
            ino = fc_edit_new_ino(e, NULL);
            if (write(p[1], &ino, sizeof(ino)) != sizeof(ino))
                _exit(1);
            kill(getpid(), SIGKILL);
        }
        assert_int_equal(read(p[0], &ino, sizeof(ino)), sizeof(ino));
        waitpid(pid, &status, 0);
        assert_true(ino > last);
        last = ino;
        close(p[0]);
        close(p[1]);
    }
    /* without the file the database still knows what was committed */
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    char path[128];

    last = fc_edit_new_ino(e, NULL);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    must_commit(e, false);
    fc_edit_free(e);
    snprintf(path, sizeof(path), "%s/ino", dir);
    assert_int_equal(unlink(path), 0);
    e = must_open(FC_EDIT_WRITE);
    assert_int_equal(fc_edit_new_ino(e, NULL), last + 1);
    fc_edit_free(e);
}

static char block_at(struct fc_edit *e, uint64_t offset)
{
    char c = 'x';

    assert_int_equal(fc_pread_full(fc_edit_data_fd(e), &c, 1, offset), 1);
    return c;
}

static void freed_space_waits_for_durability_and_pins(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    uint64_t a, b;

    (void)state;
    assert_int_equal(fc_edit_space_alloc(e, 8192, 0, &a, NULL), 0);
    assert_int_equal(block_at(e, a + 8191), 0);
    assert_int_equal(fc_pwrite_full(fc_edit_data_fd(e), "data", 4, a), 0);
    fc_edit_space_free(e, a, 8192);
    assert_int_equal(fc_edit_space_pending(e), 8192);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    must_commit(e, false);
    assert_int_equal(fc_edit_space_pending(e), 8192);
    fc_edit_space_pin(e);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    must_commit(e, true);
    assert_int_equal(fc_edit_space_pending(e), 0);
    assert_int_equal(block_at(e, a), 'd');
    assert_int_equal(fc_edit_space_alloc(e, 4096, a ? a : 4096, &b, NULL), 0);
    assert_true(b >= a + 8192);
    fc_edit_space_unpin(e);
    assert_int_equal(block_at(e, a), 0);
    assert_true(fc_edit_space_extend(e, a, 4096));
    assert_false(fc_edit_space_extend(e, a, 4096));
    assert_int_equal(fc_edit_space_alloc(e, 100, 0, &b, NULL), -EINVAL);
    fc_edit_free(e);
}

static void clear_frees_what_no_row_takes_up_again(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    struct fc_edit_extent x = {0, 4096, 0, 0};
    uint64_t a, b, c;

    (void)state;
    assert_int_equal(fc_edit_space_alloc(e, 4096, 0, &a, NULL), 0);
    assert_int_equal(fc_edit_space_alloc(e, 8192, 0, &b, NULL), 0);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    put_file(e, 49, 12288);
    x.length = 12288;
    x.source_offset = a;
    assert_int_equal(fc_edit_put_extents(e, 49, &x, 1, NULL), 0);
    must_commit(e, false);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    assert_int_equal(fc_edit_clear(e, NULL), 0);
    fc_edit_rollback(e);
    assert_int_equal(fc_edit_space_pending(e), 0);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    assert_int_equal(fc_edit_clear(e, NULL), 0);
    assert_int_equal(fc_edit_space_alloc(e, 4096, 0, &c, NULL), 0);
    put_file(e, 50, 4096);
    x.length = 4096;
    x.source_offset = b;
    assert_int_equal(fc_edit_put_extents(e, 50, &x, 1, NULL), 0);
    must_commit(e, false);
    assert_int_equal(fc_edit_space_pending(e), 8192); /* a and the second half of b; c is the caller's */
    fc_edit_free(e);
}

static void debris_is_reclaimed(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    struct fc_edit_extent x = {0, 100, 0, 0};
    uint64_t a, b, c;
    struct stat st;

    (void)state;
    assert_int_equal(fc_edit_space_alloc(e, 65536, 0, &a, NULL), 0);
    assert_int_equal(fc_edit_space_alloc(e, 4096, 0, &b, NULL), 0);
    assert_int_equal(fc_edit_space_alloc(e, 65536, 0, &c, NULL), 0);
    for (uint64_t i = 0; i < c + 65536; i += 4096)
        assert_int_equal(fc_pwrite_full(fc_edit_data_fd(e), "debris", 6, i), 0);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    put_file(e, 50, 100);
    x.source_offset = b;
    assert_int_equal(fc_edit_put_extents(e, 50, &x, 1, NULL), 0);
    must_commit(e, false);
    fc_edit_free(e);
    e = must_open(FC_EDIT_WRITE);
    assert_int_equal(block_at(e, b), 'd');
    assert_int_equal(block_at(e, a), 0);
    assert_int_equal(fc_edit_space_alloc(e, 65536, 0, &c, NULL), 0);
    assert_int_equal(block_at(e, c), 0);
    assert_int_equal(fstat(fc_edit_data_fd(e), &st), 0);
    assert_true(st.st_blocks * 512 <= 65536);
    fc_edit_free(e);
}

static int note(void *arg, const char *path, const char *what)
{
    (void)arg;
    return fc_buf_addf(&seen, "%s: %s\n", path, what);
}

static void conflicts_and_counts(void **state)
{
    struct fc_edit *e = must_open(FC_EDIT_WRITE);
    struct fc_edit_counts counts;

    (void)state;
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    put_some(e);
    assert_int_equal(fc_edit_conflict_add(e, "etc/x", "gone", NULL), 0);
    assert_int_equal(fc_edit_conflict_add(e, "etc", "other", NULL), 0);
    assert_int_equal(fc_edit_conflict_add(e, "etc2", "kept", NULL), 0);
    must_commit(e, false);
    fc_buf_clear(&seen);
    assert_int_equal(fc_edit_conflicts(e, note, NULL, NULL), 0);
    assert_string_equal(seen.data, "etc: other\netc/x: gone\netc2: kept\n");
    assert_int_equal(fc_edit_counts(e, &counts, NULL), 0);
    assert_int_equal(counts.inodes, 3);
    assert_int_equal(counts.conflicts, 3);
    assert_int_equal(counts.data_bytes, 4196);
    assert_int_equal(fc_edit_begin(e, NULL), 0);
    assert_int_equal(fc_edit_conflict_del(e, "etc", NULL), 0);
    must_commit(e, false);
    fc_buf_clear(&seen);
    assert_int_equal(fc_edit_conflicts(e, note, NULL, NULL), 0);
    assert_string_equal(seen.data, "etc2: kept\n");
    fc_edit_free(e);
}

static void damage_is_refused_with_words(void **state)
{
    struct fc_error err = {0};
    struct fc_edit *e = NULL;
    char path[128];
    int fd;

    (void)state;
    snprintf(path, sizeof(path), "%s/workspace.db", dir);
    fd = open(path, O_RDWR);
    assert_int_equal(fc_pwrite_full(fd, "not a database at all, this one", 31, 0), 0);
    close(fd);
    assert_int_equal(fc_edit_open(dir, FC_EDIT_WRITE, &e, &err), -EBADMSG);
    assert_int_equal(fc_edit_open(dir, FC_EDIT_READ, &e, &err), -EBADMSG);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(fc_edit_open(dir, FC_EDIT_WRITE, &e, &err), -EBADMSG);
}

static int gaps_found;

static int count_pairs(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    uint64_t *expect = arg;

    (void)name;
    (void)len;
    if (parent == 1)
        gaps_found += ino != (*expect)++;
    return 0;
}

/* Each transaction adds one name and one inode; a kill may cut the sequence, never make a hole in it. */
static void write_for_ever(int ready)
{
    struct fc_edit *e = NULL;
    struct fc_edit_counts counts = {0};
    uint64_t at;
    char name[32];

    if (fc_edit_open(dir, FC_EDIT_WRITE, &e, NULL) < 0 || fc_edit_counts(e, &counts, NULL) < 0)
        _exit(1);
    for (uint64_t i = counts.dentries;; i++) {
        struct fc_edit_inode inode = {.ino = i + 10, .mode = S_IFREG, .nlink = 1, .size = 4096};
        struct fc_edit_extent x = {.length = 4096};

        snprintf(name, sizeof(name), "%012llu", (unsigned long long)i);
        if (fc_edit_space_alloc(e, 4096, 0, &at, NULL) < 0 || fc_edit_begin(e, NULL) < 0)
            _exit(1);
        x.source_offset = at;
        if (fc_edit_put_inode(e, &inode, NULL) < 0 || fc_edit_put_extents(e, i + 10, &x, 1, NULL) < 0 ||
            fc_edit_put_dentry(e, 1, name, 12, i + 10, NULL) < 0 || fc_edit_commit(e, i % 64 == 0, NULL) < 0)
            _exit(1);
        if (i == counts.dentries && write(ready, "r", 1) != 1)
            _exit(1);
    }
}

static void killed_writers_leave_a_store_that_opens(void **state)
{
    static const struct fc_edit_loader loader = {.dentry = count_pairs};
    uint64_t before = 0;

    (void)state;
    srand(1);
    for (int i = 0; i < 25; i++) {
        struct fc_edit_counts counts;
        struct timespec nap = {.tv_nsec = (rand() % 40) * 1000000L};
        uint64_t expect = 10;
        int p[2], status;
        char c;
        pid_t pid;
        struct fc_edit *e;

        assert_int_equal(pipe(p), 0);
        pid = fork();
        if (pid == 0)
            write_for_ever(p[1]);
        assert_int_equal(read(p[0], &c, 1), 1);
        nanosleep(&nap, NULL);
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        assert_true(WIFSIGNALED(status));
        close(p[0]);
        close(p[1]);
        e = must_open(i % 2 ? FC_EDIT_READ : FC_EDIT_WRITE);
        assert_int_equal(fc_edit_counts(e, &counts, NULL), 0);
        assert_int_equal(counts.inodes, counts.dentries);
        assert_true(counts.dentries > before);
        before = counts.dentries;
        assert_int_equal(fc_edit_load(e, &loader, &expect, NULL), 0);
        assert_int_equal(gaps_found, 0);
        assert_int_equal(expect - 10, counts.dentries);
        fc_edit_free(e);
    }
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(rows_come_back_as_they_went_in),
        T(rollback_forgets),
        T(one_writer_and_words_for_the_second),
        T(a_reader_sees_one_moment),
        T(layers_positions_and_collection),
        T(numbers_never_come_again),
        T(freed_space_waits_for_durability_and_pins),
        T(clear_frees_what_no_row_takes_up_again),
        T(debris_is_reclaimed),
        T(conflicts_and_counts),
        T(damage_is_refused_with_words),
        T(killed_writers_leave_a_store_that_opens),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    fc_buf_release(&seen);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Two sessions of one live tree: each sees at once what comes through the other; places; the end of a session. */
#include "fuse_help.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/statvfs.h>

/** A mount, and a second session that this process has mounted as a command would, at @at. */
struct two {
    struct served s;
    char at[300];
    int connection;
};

static char *in_first(const struct two *t, const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/%s", t->s.mnt, name);
    return path;
}

static char *in_second(const struct two *t, const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/%s", t->at, name);
    return path;
}

static void attach(struct two *t, const struct fc_control_session *options)
{
    struct fc_error err = {0};
    int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    char text[128];

    assert_true(fuse >= 0);
    snprintf(text, sizeof(text), "fd=%d,rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other", fuse);
    assert_int_equal(mount("fccompose", t->at, "fuse.fccompose", 0, text), 0);
    t->connection = fc_control_connect(t->s.sock, &err);
    assert_true(t->connection >= 0);
    if (fc_control_serve(t->connection, options, fuse, &err) < 0)
        fail_msg("%s", err.msg);
    close(fuse);
}

static void begin_with(struct two *t, const struct fc_control_session *options)
{
    const char *why = no_fuse(), *said;

    if (why) {
        print_message("skipped: %s\n", why);
        skip();
    }
    said = serve_start(&t->s);
    if (*said)
        fail_msg("%s", said);
    snprintf(t->at, sizeof(t->at), "%s/second", t->s.dir);
    assert_int_equal(mkdir(t->at, 0755), 0);
    attach(t, options);
}

static void begin(struct two *t) { begin_with(t, &(struct fc_control_session){.batch_fsync = true}); }

static void detach(struct two *t)
{
    struct fc_error err = {0};

    assert_int_equal(umount2(t->at, 0), 0);
    if (fc_control_served(t->connection, &err) < 0)
        fail_msg("%s", err.msg);
    close(t->connection);
}

static void end(struct two *t)
{
    detach(t);
    serve_clean(&t->s);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void assert_has(const char *path, const char *text)
{
    char buffer[64] = "";
    int fd = open(path, O_RDONLY);

    assert_true(fd >= 0);
    assert_true(read(fd, buffer, sizeof(buffer) - 1) >= 0);
    assert_string_equal(buffer, text);
    close(fd);
}

static bool lists(const char *dir, const char *name)
{
    DIR *d = opendir(dir);
    const struct dirent *e;
    bool found = false;

    assert_non_null(d);
    while ((e = readdir(d)))
        found |= strcmp(e->d_name, name) == 0;
    closedir(d);
    return found;
}

typedef char *(*in_fn)(const struct two *t, const char *name);

/* Everything that @there remembers is wrong after a change through @here. */
static void round_trip(const struct two *t, in_fn here, in_fn there)
{
    char from[600];
    struct stat st;

    assert_int_equal(lstat(there(t, "name"), &st), -1); /* remembered: no such name */
    assert_false(lists(there(t, ""), "name"));
    put(here(t, "name"), "one");
    assert_has(there(t, "name"), "one");
    assert_true(lists(there(t, ""), "name"));
    put(here(t, "name"), "another one");
    assert_has(there(t, "name"), "another one");
    assert_int_equal(chmod(here(t, "name"), 0600), 0);
    assert_int_equal(lstat(there(t, "name"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(st.st_size, 11);
    assert_int_equal(mkdir(here(t, "dir"), 0755), 0);
    assert_int_equal(lstat(there(t, "dir"), &st), 0);
    assert_int_equal(st.st_nlink, 2);
    put(here(t, "dir/in"), "x");
    assert_int_equal(mkdir(here(t, "dir/sub"), 0755), 0);
    assert_int_equal(lstat(there(t, "dir"), &st), 0);
    assert_int_equal(st.st_nlink, 3);
    snprintf(from, sizeof(from), "%s", here(t, "dir")); /* one buffer for both names */
    assert_int_equal(rename(from, here(t, "moved")), 0);
    assert_int_equal(lstat(there(t, "dir"), &st), -1);
    assert_has(there(t, "moved/in"), "x");
    assert_int_equal(unlink(here(t, "moved/in")), 0);
    assert_int_equal(lstat(there(t, "moved/in"), &st), -1);
    assert_int_equal(rmdir(here(t, "moved/sub")), 0);
    assert_int_equal(rmdir(here(t, "moved")), 0);
    assert_int_equal(unlink(here(t, "name")), 0);
}

static void both_ways(void **state)
{
    struct two t = {0};

    (void)state;
    begin(&t);
    for (int i = 0; i < 20; i++) {
        round_trip(&t, in_first, in_second);
        round_trip(&t, in_second, in_first);
    }
    end(&t);
}

static void mapped_pages(void **state)
{
    struct two t = {0};
    char *here, *there;
    int fd;

    (void)state;
    begin(&t);
    put(in_first(&t, "file"), "aaaa");
    fd = open(in_second(&t, "file"), O_RDWR);
    there = mmap(NULL, 4, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(there, MAP_FAILED);
    assert_memory_equal(there, "aaaa", 4);
    close(fd);
    fd = open(in_first(&t, "file"), O_RDWR);
    assert_int_equal(pwrite(fd, "bb", 2, 1), 2);
    assert_memory_equal(there, "abba", 4);
    /* What was stored through the mapping is in a snapshot, and in the other session after it was written back. */
    there[0] = 'c';
    assert_int_equal(msync(there, 4, MS_SYNC), 0);
    here = mmap(NULL, 4, PROT_READ, MAP_SHARED, fd, 0);
    assert_memory_equal(here, "cbba", 4);
    there[0] = 'd';
    {
        struct fc_error err = {0};
        int pin = fc_control_connect(t.s.sock, &err);

        assert_int_equal(fc_control_pin(pin, &err), 0);
        assert_memory_equal(peek(&t.s, "file").data, "dbba", 4);
        close(pin);
    }
    munmap(here, 4);
    munmap(there, 4);
    close(fd);
    end(&t);
}

/** A thread that changes names of the one directory. */
struct churn {
    const char *dir;
    int id;
    atomic_int *failures;
};

static void *churn_main(void *arg)
{
    const struct churn *c = arg;
    char a[600], b[600];

    for (int i = 0; i < 40; i++) {
        snprintf(a, sizeof(a), "%s/a%d-%d", c->dir, c->id, i % 3);
        snprintf(b, sizeof(b), "%s/b%d-%d", c->dir, c->id, i % 3);
        int fd = open(a, O_WRONLY | O_CREAT, 0644);

        if (fd < 0 || write(fd, "x", 1) != 1 || close(fd) < 0 || rename(a, b) < 0 || unlink(b) < 0)
            atomic_fetch_add(c->failures, 1);
    }
    return NULL;
}

/* Each kernel waits for its own requests before it forgets names of a directory that they change. */
static void same_directory(void **state)
{
    struct two t = {0};
    pthread_t threads[4];
    struct churn churns[4];
    atomic_int failures = 0;

    (void)state;
    begin(&t);
    for (int i = 0; i < 4; i++) {
        churns[i] = (struct churn){i % 2 ? t.at : t.s.mnt, i, &failures};
        assert_int_equal(pthread_create(&threads[i], NULL, churn_main, &churns[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(failures, 0);
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 3; k++) {
            char name[32];

            snprintf(name, sizeof(name), "b%d-%d", i, k);
            assert_false(lists(t.s.mnt, name));
            assert_false(lists(t.at, name));
        }
    end(&t);
}

static uint64_t count_inodes(const struct two *t)
{
    struct statvfs st;

    assert_int_equal(statvfs(t->s.mnt, &st), 0);
    return st.f_files - st.f_ffree;
}

static void references_end_with_the_session(void **state)
{
    struct two t = {0};
    uint64_t before;
    char name[32];
    int fd;

    (void)state;
    begin(&t);
    before = count_inodes(&t);
    for (int i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        put(in_second(&t, name), "text");
        fd = open(in_second(&t, name), O_RDONLY);
        assert_int_equal(unlink(in_second(&t, name)), 0);
        close(fd); /* forgotten when the kernel likes */
    }
    detach(&t);
    assert_int_equal(count_inodes(&t), before);
    attach(&t, &(struct fc_control_session){0}); /* another one, after it */
    round_trip(&t, in_second, in_first);
    end(&t);
}

static void places(void **state)
{
    struct two t = {0};
    struct fc_error err = {0};
    struct stat st;

    (void)state;
    begin(&t);
    assert_int_equal(symlink("nowhere", in_first(&t, "resolv")), 0);
    assert_int_equal(lstat(in_second(&t, "proc"), &st), -1);
    assert_int_equal(lstat(in_second(&t, "resolv"), &st), 0);
    assert_int_equal(fc_control_place(t.connection, 1, "proc", true, &err), 0);
    assert_int_equal(fc_control_place(t.connection, 1, "resolv", false, &err), 0);
    assert_int_equal(lstat(in_second(&t, "proc"), &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    assert_int_equal(fc_control_place(t.connection, st.st_ino, "deeper", true, &err), 0);
    assert_int_equal(lstat(in_second(&t, "proc/deeper"), &st), 0);
    assert_int_equal(mkdir(in_second(&t, "proc/new"), 0755), -1);
    assert_int_equal(errno, EROFS);
    assert_int_equal(lstat(in_second(&t, "resolv"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    /* In no listing, and in nobody else's sight; the listing does not bring the link back. */
    assert_false(lists(t.at, "proc"));
    assert_false(lists(in_second(&t, "proc"), "deeper"));
    assert_true(lists(t.at, "resolv"));
    assert_int_equal(lstat(in_second(&t, "resolv"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(lstat(in_first(&t, "proc"), &st), -1);
    assert_int_equal(lstat(in_first(&t, "resolv"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    /* Names that come through the others do not unmount what is there. */
    assert_int_equal(mount("none", in_second(&t, "proc"), "tmpfs", 0, NULL), 0);
    put(in_second(&t, "proc/mine"), "x");
    assert_int_equal(mkdir(in_first(&t, "proc"), 0755), 0);
    assert_has(in_second(&t, "proc/mine"), "x");
    assert_int_equal(umount2(in_second(&t, "proc"), MNT_DETACH), 0);
    assert_int_equal(fc_control_place(t.connection, 1, "a/b", true, &err), -EINVAL);
    end(&t);
}

static void one_id(void **state)
{
    struct two t = {0};
    struct stat st;

    (void)state;
    begin_with(&t, &(struct fc_control_session){.single_id = true});
    put(in_first(&t, "file"), "x");
    assert_int_equal(chown(in_first(&t, "file"), 33, 34), 0);
    assert_int_equal(stat(in_second(&t, "file"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_gid, 0);
    assert_int_equal(chmod(in_second(&t, "file"), 0640), 0);
    assert_int_equal(stat(in_first(&t, "file"), &st), 0);
    assert_int_equal(st.st_uid, 33);
    assert_int_equal(st.st_mode & 07777, 0640);
    end(&t);
}

static void who_is_served_is_waited_for(void **state)
{
    struct two t = {0};
    struct fc_error err = {0};
    struct fc_control_info info;
    struct statvfs st;
    int fd, status;

    (void)state;
    begin(&t);
    fd = fc_control_connect(t.s.sock, &err);
    assert_int_equal(fc_control_info(fd, &info, &err), 0);
    assert_int_equal(info.n_sessions, 1);
    fc_control_info_release(&info);
    assert_int_equal(fc_control_stop(fd, false, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "a command runs in the tree"));
    close(fd);
    /* A client that dies takes its session with it. */
    close(t.connection);
    for (int i = 0; i < 2000 && statvfs(t.at, &st) == 0; i++)
        usleep(10000);
    assert_int_equal(statvfs(t.at, &st), -1);
    umount2(t.at, MNT_DETACH);
    /* By force. */
    attach(&t, &(struct fc_control_session){0});
    fd = fc_control_connect(t.s.sock, &err);
    assert_int_equal(fc_control_stop(fd, true, &err), 0);
    close(fd);
    status = serve_wait(&t.s);
    assert_true(status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(statvfs(t.at, &st), -1);
    umount2(t.at, MNT_DETACH);
    close(t.connection);
    serve_clean(&t.s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ways),
        cmocka_unit_test(mapped_pages),
        cmocka_unit_test(same_directory),
        cmocka_unit_test(references_end_with_the_session),
        cmocka_unit_test(places),
        cmocka_unit_test(one_id),
        cmocka_unit_test(who_is_served_is_waited_for),
    };

    umask(022);
    setbuf(stdout, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

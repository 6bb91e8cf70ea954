/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket, dead mounts, the ordinary user's view, and the words for mounts that cannot be. */
#include "fuse_help.h"

#include <sys/mman.h>
#include <sched.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "base/buf.h"

static void need_fuse(void)
{
    const char *why = no_fuse();

    if (why) {
        print_message("skipped: %s\n", why);
        skip();
    }
}

static void start(struct served *s)
{
    const char *said;

    need_fuse();
    said = serve_start(s);
    if (*said)
        fail_msg("%s", said);
}

static int connect_to(const struct served *s)
{
    struct fc_error err = {0};
    int fd = fc_control_connect(s->sock, &err);

    if (fd < 0)
        fail_msg("%s", err.msg);
    return fd;
}

static int do_verb(int fd, const struct fc_verb *verb, struct fc_error *err)
{
    struct fc_buf data = {0};
    int r;

    assert_int_equal(fc_verb_encode(verb, &data), 0);
    r = fc_control_verb(fd, data.data, data.len, verb->fd, err);
    fc_buf_release(&data);
    return r;
}

static char *in_mount(const struct served *s, const char *name)
{
    static char path[600];

    snprintf(path, sizeof(path), "%s/%s", s->mnt, name);
    return path;
}

static void info_and_stop(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    struct fc_control_info info;
    int fd, status;
    struct stat st;

    (void)state;
    start(&s);
    assert_int_equal(stat(s.sock, &st), 0);
    assert_int_equal(st.st_mode, S_IFSOCK | 0600);
    fd = connect_to(&s);
    assert_int_equal(fc_control_info(fd, &info, &err), 0);
    assert_int_equal(info.pid, s.pid);
    assert_string_equal(info.mountpoint, s.mnt);
    assert_string_equal(info.disk, "");
    fc_control_info_release(&info);
    assert_int_equal(fc_mount_probe(s.mnt), 1);
    assert_int_equal(fc_control_stop(fd, false, &err), 0);
    close(fd);
    assert_int_equal(fc_mount_probe(s.mnt), 0);
    status = serve_wait(&s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(access(s.sock, F_OK), -1);
    assert_int_equal(fc_control_connect(s.sock, &err), -ENOENT);
    serve_clean(&s);
}

static void stop_of_a_busy_mount(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    int fd, dir, status;

    (void)state;
    start(&s);
    dir = open(s.mnt, O_RDONLY | O_DIRECTORY);
    fd = connect_to(&s);
    assert_int_equal(fc_control_stop(fd, false, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "in use"));
    assert_int_equal(mkdir(in_mount(&s, "still-works"), 0755), 0);
    assert_int_equal(fc_control_stop(fd, true, &err), 0);
    close(fd);
    status = serve_wait(&s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(dir);
    serve_clean(&s);
}

static void verbs_show_at_once(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    struct fc_verb mkdir_verb = {.kind = FC_VERB_MKDIR, .path = "/d", .mode = 0755, .fd = -1};
    struct fc_verb write_verb = {.kind = FC_VERB_WRITE, .path = "/d/f", .fd = -1};
    struct fc_verb rm_verb = {.kind = FC_VERB_RM, .path = "/d/f", .fd = -1};
    struct fc_verb chmod_verb = {.kind = FC_VERB_CHMOD, .path = "/d", .mode_text = "0700", .fd = -1};
    char b[16] = "";
    struct stat st;
    int fd, file;

    (void)state;
    start(&s);
    fd = connect_to(&s);
    assert_int_equal(lstat(in_mount(&s, "d"), &st), -1); /* the kernel now knows that there is none */
    if (do_verb(fd, &mkdir_verb, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(lstat(in_mount(&s, "d"), &st), 0);
    write_verb.fd = memfd_create("source", MFD_CLOEXEC);
    assert_int_equal(write(write_verb.fd, "first", 5), 5);
    lseek(write_verb.fd, 0, SEEK_SET);
    if (do_verb(fd, &write_verb, &err) < 0)
        fail_msg("%s", err.msg);
    file = open(in_mount(&s, "d/f"), O_RDONLY);
    assert_int_equal(read(file, b, 16), 5);
    close(file);
    assert_int_equal(ftruncate(write_verb.fd, 0), 0);
    assert_int_equal(pwrite(write_verb.fd, "2nd", 3, 0), 3);
    lseek(write_verb.fd, 0, SEEK_SET);
    assert_int_equal(do_verb(fd, &write_verb, &err), 0);
    file = open(in_mount(&s, "d/f"), O_RDONLY);
    assert_int_equal(read(file, b, 16), 3); /* not the cached pages and size */
    assert_memory_equal(b, "2nd", 3);
    close(file);
    close(write_verb.fd);
    assert_int_equal(do_verb(fd, &chmod_verb, &err), 0);
    assert_int_equal(stat(in_mount(&s, "d"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(do_verb(fd, &rm_verb, &err), 0);
    assert_int_equal(access(in_mount(&s, "d/f"), F_OK), -1);
    assert_int_equal(do_verb(fd, &rm_verb, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "/d/f")); /* the server's own words */
    assert_int_equal(fc_control_reset(fd, NULL, 0, &err), 0);
    assert_int_equal(access(in_mount(&s, "d"), F_OK), -1);
    close(fd);
    serve_clean(&s);
}

static void a_read_only_mount_says_that_it_is_one(void **state)
{
    struct served s = {.read_only = true};
    struct fc_error err = {0};
    struct fc_verb mkdir_verb = {.kind = FC_VERB_MKDIR, .path = "/d", .mode = 0755, .fd = -1};
    int fd;

    (void)state;
    start(&s);
    fd = connect_to(&s);
    assert_int_equal(fc_control_reset(fd, NULL, 0, &err), -EROFS);
    assert_non_null(strstr(err.msg, "mounted read-only"));
    assert_non_null(strstr(err.msg, s.mnt));
    err = (struct fc_error){0};
    assert_int_equal(do_verb(fd, &mkdir_verb, &err), -EROFS);
    assert_non_null(strstr(err.msg, "mounted read-only"));
    close(fd);
    serve_clean(&s);
}

static void verbs_while_the_mount_is_used(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    pid_t pid;
    int fd, status;

    (void)state;
    start(&s);
    pid = fork();
    if (pid == 0) {
        for (int i = 0; i < 2000; i++) {
            int file = open(in_mount(&s, "busy"), O_RDWR | O_CREAT, 0644);

            if (file < 0 || write(file, "x", 1) != 1 || close(file) < 0 || (i % 2 && unlink(in_mount(&s, "busy")) < 0))
                _exit(errno == ENOENT ? 0 : 1);
        }
        _exit(0);
    }
    fd = connect_to(&s);
    for (int i = 0; i < 300; i++) {
        struct fc_verb verb = {.kind = FC_VERB_MKDIR, .path = "/other", .mode = 0755, .fd = -1};

        if (i % 2)
            verb = (struct fc_verb){.kind = FC_VERB_RM, .path = "/other", .flags = FC_VERB_RECURSIVE, .fd = -1};
        if (do_verb(fd, &verb, &err) < 0)
            fail_msg("%s", err.msg);
        assert_int_equal(access(in_mount(&s, "other"), F_OK), i % 2 ? -1 : 0);
    }
    close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    serve_clean(&s);
}

static void pin_ends_with_the_client(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    pid_t pid;
    int fd, status;

    (void)state;
    start(&s);
    pid = fork();
    if (pid == 0) { /* pins and dies without BEGUN */
        fd = fc_control_connect(s.sock, &err);
        _exit(fc_control_pin(fd, &err) == 0 ? 3 : 4);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 3);
    fd = open(in_mount(&s, "f"), O_RDWR | O_CREAT, 0644);
    assert_int_equal(write(fd, "x", 1), 1);
    assert_int_equal(fsync(fd), 0); /* would hang if commits were still held */
    close(fd);
    fd = connect_to(&s);
    assert_int_equal(fc_control_begun(fd, &err), -EINVAL);
    assert_int_equal(fc_control_pin(fd, &err), 0);
    assert_int_equal(fc_control_begun(fd, &err), 0);
    close(fd);
    serve_clean(&s);
}

static void pinned_store_can_be_read(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    struct fc_edit *edit = NULL;
    int fd, file;

    (void)state;
    start(&s);
    file = open(in_mount(&s, "f"), O_RDWR | O_CREAT, 0644);
    assert_int_equal(write(file, "x", 1), 1);
    fd = connect_to(&s);
    assert_int_equal(fc_control_pin(fd, &err), 0);
    if (fc_edit_open(s.store, FC_EDIT_READ, &edit, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(fc_control_begun(fd, &err), 0);
    assert_int_equal(write(file, "y", 1), 1);
    assert_int_equal(fsync(file), 0);
    fc_edit_free(edit);
    close(fd);
    close(file);
    serve_clean(&s);
}

static void killed_server_leaves_a_dead_mount(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    struct stat st;
    int status;

    (void)state;
    start(&s);
    assert_int_equal(stat(s.mnt, &st), 0); /* the kernel remembers this beyond the server's death */
    kill(s.pid, SIGKILL);
    status = serve_wait(&s);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(fc_mount_probe(s.mnt), 2);
    assert_int_equal(fc_control_connect(s.sock, &err), -ECONNREFUSED);
    if (fc_mount_undo(s.mnt, false, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(fc_mount_probe(s.mnt), 0);
    assert_int_equal(fc_mount_undo(s.mnt, false, &err), -EINVAL);
    serve_clean(&s);
}

static void stale_socket_is_replaced(void **state)
{
    char dir[] = "/tmp/fuse-sock-XXXXXX", path[400], longer[300];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct fc_control *c = NULL, *second = NULL;
    struct fc_error err = {0};
    int fd;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/control.sock", dir);
    memcpy(address.sun_path, path, strlen(path) + 1);
    fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    close(fd);
    assert_int_equal(fc_control_new(&(struct fc_control_options){.path = path}, &c, &err), 0);
    assert_int_equal(fc_control_new(&(struct fc_control_options){.path = path}, &second, &err), -EBUSY);
    fc_control_free(c);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(longer, sizeof(longer), "%s/%0200d", dir, 0);
    assert_int_equal(mkdir(longer, 0700), 0);
    snprintf(path, sizeof(path), "%s/control.sock", longer);
    assert_int_equal(fc_control_new(&(struct fc_control_options){.path = path}, &c, &err), 0);
    fd = fc_control_connect(path, &err);
    assert_true(fd >= 0);
    assert_int_equal(fc_control_stop(fd, false, &err), -EOPNOTSUPP);
    close(fd);
    fc_control_free(c);
    assert_int_equal(rmdir(longer), 0);
    assert_int_equal(rmdir(dir), 0);
}

static void strangers_and_nonsense(void **state)
{
    struct served s = {0};
    struct fc_error err = {0};
    int fd, status;
    pid_t pid;

    (void)state;
    start(&s);
    chmod(s.dir, 0755);
    chmod(s.sock, 0666); /* even so */
    pid = fork();
    if (pid == 0) {
        struct fc_control_info info;

        if (setuid(12345) < 0 || (fd = fc_control_connect(s.sock, &err)) < 0)
            _exit(1);
        _exit(fc_control_info(fd, &info, &err) == -EPERM ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    fd = connect_to(&s);
    assert_int_equal(send(fd, "this is no request at all, and long enough", 42, 0), 42);
    assert_true(recv(fd, &status, sizeof(status), 0) <= 0); /* hung up */
    close(fd);
    fd = connect_to(&s);
    assert_int_equal(fc_control_verb(fd, "rubbish", 7, -1, &err), -EBADMSG);
    close(fd);
    serve_clean(&s);
}

static void signals_end_it(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(signals); i++) {
        struct served s = {0};
        int status;

        start(&s);
        assert_int_equal(mkdir(in_mount(&s, "d"), 0755), 0);
        kill(s.pid, signals[i]);
        status = serve_wait(&s);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        assert_int_equal(fc_mount_probe(s.mnt), 0);
        serve_clean(&s);
    }
}

static void unmounted_by_hand(void **state)
{
    struct served s = {0};
    int status;

    (void)state;
    start(&s);
    assert_int_equal(mkdir(in_mount(&s, "d"), 0755), 0);
    assert_int_equal(umount2(s.mnt, 0), 0);
    status = serve_wait(&s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    serve_clean(&s);
}

static void classic_open_works(void **state)
{
    struct served s = {.classic = true};
    char b[8] = "";
    int fd;

    (void)state;
    start(&s);
    fd = open(in_mount(&s, "f"), O_RDWR | O_CREAT, 0644);
    assert_int_equal(write(fd, "hello", 5), 5);
    close(fd);
    fd = open(in_mount(&s, "f"), O_RDWR | O_TRUNC);
    assert_int_equal(read(fd, b, 8), 0);
    close(fd);
    fd = open(s.mnt, O_RDONLY | O_DIRECTORY);
    assert_true(fd >= 0);
    close(fd);
    serve_clean(&s);
}

/* In a process of the user that mounted. Returns 0, or the number of the line that failed. */
static int try_own_view(const struct served *s)
{
#define TRY(x)                                                                                                         \
    if (!(x))                                                                                                          \
    return __LINE__ & 0xff
    struct stat st;
    int fd;

    TRY(setgid(s->uid) == 0 && setuid(s->uid) == 0);
    fd = open(in_mount(s, "f"), O_RDWR | O_CREAT, 0600);
    TRY(fd >= 0 && write(fd, "x", 1) == 1);
    TRY(fstat(fd, &st) == 0 && st.st_uid == 0 && st.st_gid == 0 && st.st_mode == (S_IFREG | 0600));
    close(fd);
    TRY(chown(in_mount(s, "f"), 33, 44) == 0);
    TRY(chmod(in_mount(s, "f"), 0) == 0);
    TRY(stat(in_mount(s, "f"), &st) == 0 && st.st_uid == 33 && st.st_gid == 44 && st.st_mode == S_IFREG);
    fd = open(in_mount(s, "f"), O_RDWR); /* no permission bit at all: nobody checks */
    TRY(fd >= 0);
    close(fd);
    TRY(chmod(in_mount(s, "f"), 06755) == 0 && stat(in_mount(s, "f"), &st) == 0 && st.st_mode == (S_IFREG | 06755));
    TRY(setxattr(in_mount(s, "f"), "user.x", "1", 1, 0) == 0);
    TRY(mkdir(in_mount(s, "d"), 0700) == 0 && rename(in_mount(s, "f"), strdup(in_mount(s, "f"))) == 0);
    TRY(utimensat(AT_FDCWD, in_mount(s, "f"), NULL, 0) == 0);
    TRY(unlink(in_mount(s, "f")) == 0 && rmdir(in_mount(s, "d")) == 0);
    return 0;
#undef TRY
}

/* /dev/fuse with its usual mode, for this process alone, where the machine has it for root only. */
static void open_device(void)
{
    char node[] = "/tmp/fuse-dev-XXXXXX";
    int fd = mkstemp(node);

    close(fd);
    unlink(node);
    if (unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
        mknod(node, S_IFCHR, makedev(10, 229)) == 0 && chmod(node, 0666) == 0)
        (void)!mount(node, "/dev/fuse", NULL, MS_BIND, NULL);
    unlink(node);
}

static void ordinary_user(void **state)
{
    struct served s = {.uid = 65534};
    const char *said;
    int status;
    pid_t pid;

    (void)state;
    need_fuse();
    if (access("/usr/bin/fusermount3", X_OK) < 0) {
        print_message("skipped: no fusermount3\n");
        skip();
    }
    open_device();
    said = serve_start(&s);
    if (*said) {
        print_message("skipped: an ordinary user cannot mount here: %s\n", said);
        serve_clean(&s);
        skip();
    }
    pid = fork();
    if (pid == 0)
        _exit(try_own_view(&s));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    pid = fork();
    if (pid == 0) {
        struct fc_error err = {0};

        if (setgid(s.uid) < 0 || setuid(s.uid) < 0)
            _exit(1);
        _exit(fc_mount_probe(s.mnt) == 1 && fc_mount_undo(s.mnt, false, &err) == 0 ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 0);
    status = serve_wait(&s);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    serve_clean(&s);
}

static void refused_with_words(void **state)
{
    char dir[] = "/tmp/fuse-no-XXXXXX", path[100];
    struct fc_mount_options options = {.mountpoint = path};
    struct fc_mount *m = NULL;
    struct fc_error err = {0};

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/missing", dir);
    assert_int_equal(fc_mount_new(&options, &m, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "mkdir"));
    close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(fc_mount_new(&options, &m, &err), -ENOTDIR);
    options.mountpoint = dir;
    assert_int_equal(fc_mount_new(&options, &m, &err), -ENOTEMPTY);
    assert_int_equal(fc_mount_probe(dir), 0);
    assert_int_equal(fc_mount_undo(dir, false, &err), -EINVAL);
    unlink(path);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(info_and_stop),
        cmocka_unit_test(stop_of_a_busy_mount),
        cmocka_unit_test(verbs_show_at_once),
        cmocka_unit_test(a_read_only_mount_says_that_it_is_one),
        cmocka_unit_test(verbs_while_the_mount_is_used),
        cmocka_unit_test(pin_ends_with_the_client),
        cmocka_unit_test(pinned_store_can_be_read),
        cmocka_unit_test(killed_server_leaves_a_dead_mount),
        cmocka_unit_test(stale_socket_is_replaced),
        cmocka_unit_test(strangers_and_nonsense),
        cmocka_unit_test(signals_end_it),
        cmocka_unit_test(unmounted_by_hand),
        cmocka_unit_test(classic_open_works),
        cmocka_unit_test(ordinary_user),
        cmocka_unit_test(refused_with_words),
    };

    umask(022);
    setbuf(stdout, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Supervised calls in a user namespace: which become edits, with what in them, and what the kernel goes on to say of the others. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "run/calls.h"
#include "run/supervise.h"
#include "run/wire.h"

enum { FIRST_OUTSIDE = 100000, MAX_EDITS = 512, MAX_CALLS = 64 };

/* What a case did, where both sides see it. */
struct shared {
    int code[MAX_CALLS]; /* of each call in turn: 0 or an errno */
    int n;
};

/* A tree and a command in it. */
struct world {
    char dir[64];
    struct shared *shared;
    struct fc_wire *edits[MAX_EDITS];
    int n_edits, answer;
    unsigned slow_us;
    bool no_chroot;
    const char *proc;
    char without[200];
    int n_without;
};

static struct world w;

static int record(void *arg, const struct fc_run_edit *e)
{
    struct world *v = arg;
    struct fc_wire *copy = calloc(1, sizeof(*copy));

    assert_non_null(copy);
    if (v->slow_us)
        usleep(v->slow_us);
    copy->edit = *e;
    snprintf(copy->text, sizeof(copy->text), "%s", e->name ? e->name : "");
    copy->edit.name = copy->text;
    if (e->size)
        memcpy(copy->text + FC_WIRE_NAME + 1, e->value, e->size);
    copy->edit.value = copy->text + FC_WIRE_NAME + 1;
    if (v->n_edits < MAX_EDITS)
        v->edits[v->n_edits++] = copy;
    return v->answer;
}

static void without(void *arg, const char *why)
{
    struct world *v = arg;

    snprintf(v->without, sizeof(v->without), "%s", why);
    v->n_without++;
}

/* In the command: note how a call went. */
static void note(long r)
{
    if (w.shared->n < MAX_CALLS)
        w.shared->code[w.shared->n++] = r < 0 ? errno : 0;
}

static uint64_t inode(const char *path)
{
    char full[PATH_MAX];
    struct stat st;

    snprintf(full, sizeof(full), "%s/%s", w.dir, path);
    assert_int_equal(lstat(full, &st), 0);
    return st.st_ino;
}

static void put_file(pid_t pid, const char *name, const char *text)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

/* Die in the child: cmocka is the parent's. */
#define MUST(x)                                                                                                        \
    do {                                                                                                               \
        if (!(x)) {                                                                                                    \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno));                               \
            _exit(99);                                                                                                 \
        }                                                                                                              \
    } while (0)

/* exec(2) would have given us memory of the namespace, which its root may read; what we have is of before. */
static void look_executed(void) { MUST(prctl(PR_SET_DUMPABLE, 1) == 0); }

static void be_child(struct fc_supervise *s, int go, void (*command)(struct fc_supervise *s), bool filter_first)
{
    int proc_fd = open(w.proc ? w.proc : "/proc", O_PATH | O_CLOEXEC), tree_fd, status;
    struct fc_error err = {0};
    char c;
    pid_t pid;

    MUST(unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0);
    MUST(write(go, "u", 1) == 1 && read(go, &c, 1) == 1);
    MUST(setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0);
    tree_fd = open(w.dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    MUST(proc_fd >= 0 && tree_fd >= 0);
    if (fc_supervise_watch(s, tree_fd, proc_fd, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        _exit(98);
    }
    pid = fork();
    MUST(pid >= 0);
    if (pid == 0) {
        umask(022);
        look_executed();
        MUST(fchdir(tree_fd) == 0 && (w.no_chroot || chroot(".") == 0));
        if (filter_first)
            fc_supervise_filter(s);
        command(s);
        _exit(0);
    }
    MUST(waitpid(pid, &status, 0) == pid);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 97);
}

static void run_with(unsigned n_ids, void (*command)(struct fc_supervise *s), bool filter_first)
{
    const struct fc_supervise_options o = {.edit = record, .without = without, .arg = &w};
    fc_auto(fc_supervise_free) struct fc_supervise *s = NULL;
    int go[2], status;
    char map[64], c;
    pid_t pid;

    memset(w.shared, 0, sizeof(*w.shared));
    assert_int_equal(fc_supervise_open(&o, &s, NULL), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, go), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(go[0]);
        be_child(s, go[1], command, filter_first);
    }
    close(go[1]);
    if (read(go[0], &c, 1) != 1) {
        waitpid(pid, NULL, 0);
        close(go[0]);
        skip();
    }
    snprintf(map, sizeof(map), "0 %d %u", FIRST_OUTSIDE, n_ids);
    put_file(pid, "uid_map", map);
    put_file(pid, "gid_map", map);
    assert_int_equal(fc_supervise_start(s, NULL), 0);
    assert_int_equal(write(go[0], "g", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(go[0]);
}
static void run(unsigned n_ids, void (*command)(struct fc_supervise *s)) { run_with(n_ids, command, true); }

static void make(const char *name, mode_t mode)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/%s", w.dir, name);
    if (S_ISDIR(mode))
        assert_int_equal(mkdir(path, 0755) | chmod(path, mode & 0777 ? mode & 0777 : 0755), 0);
    else if (S_ISLNK(mode))
        assert_int_equal(symlink("/sub/deep", path), 0);
    else
        assert_int_equal(mknod(path, mode, 0), 0);
    assert_int_equal(lchown(path, FIRST_OUTSIDE, FIRST_OUTSIDE), 0);
}

static int begin(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    w = (struct world){.dir = "/tmp/fc-supervise-XXXXXX"};
    w.shared = mmap(NULL, sizeof(*w.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (w.shared == MAP_FAILED || !mkdtemp(w.dir) || chown(w.dir, FIRST_OUTSIDE, FIRST_OUTSIDE) < 0 ||
        chmod(w.dir, 0755) < 0)
        return -1;
    make("sub", S_IFDIR);
    make("sub/deep", S_IFDIR);
    make("link", S_IFLNK);
    make("file", S_IFREG | 0644);
    make("other", S_IFDIR);
    make("open", S_IFDIR | 0777);
    return 0;
}

static int end(void **state)
{
    (void)state;
    if (geteuid() != 0)
        return 0;
    for (int i = 0; i < w.n_edits; i++)
        free(w.edits[i]);
    munmap(w.shared, sizeof(*w.shared));
    return fc_remove_all(AT_FDCWD, w.dir);
}

#define CASE(name) static void name(void **state)
#define NEED                                                                                                           \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        if (geteuid() != 0)                                                                                            \
            skip();                                                                                                    \
    } while (0)

static void expect_codes(const int *want, int n)
{
    assert_int_equal(w.shared->n, n);
    for (int i = 0; i < n; i++) {
        if (w.shared->code[i] != want[i])
            print_message("call %d: %s, not %s\n", i, strerror(w.shared->code[i]), strerror(want[i]));
        assert_int_equal(w.shared->code[i], want[i]);
    }
}
#define CODES(...) expect_codes((const int[]){__VA_ARGS__}, (int)FC_LENGTH(((const int[]){__VA_ARGS__})))

static void expect_node(int i, const char *dir, const char *name, mode_t mode, unsigned major, unsigned minor)
{
    const struct fc_run_edit *e = &w.edits[i]->edit;

    assert_true(i < w.n_edits);
    assert_int_equal(e->kind, FC_RUN_EDIT_NODE);
    assert_int_equal(e->ino, inode(dir));
    assert_string_equal(e->name, name);
    assert_int_equal(e->mode, mode);
    assert_int_equal(e->rdev_major, major);
    assert_int_equal(e->rdev_minor, minor);
}

/* ---- device nodes ---- */

static void make_nodes(struct fc_supervise *s)
{
    int sub;

    (void)s;
    note(mknod("/null", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("sub/../sub/disk", S_IFBLK | 0640, makedev(259, 0x12345)));
    note(mknod("/link/in-deep", S_IFCHR | 0600, makedev(5, 1)));
    sub = open("sub", O_RDONLY | O_DIRECTORY);
    note(mknodat(sub, "by-descriptor", S_IFCHR | 04777, makedev(1, 5)));
    MUST(chdir("sub/deep") == 0);
    umask(077);
    setfsgid(7);
    look_executed();
    note(mknod("../relative", S_IFCHR | 0666, makedev(4095, 0xfffff)));
    note(mknod("../../../../../top", S_IFCHR | 0, 0));
    MUST(chroot("/sub") == 0);
    note(mknod("/in-a-root-of-its-own", S_IFBLK | 0600, makedev(8, 0)));
}

CASE(devices_become_edits)
{
    NEED;
    run(1000, make_nodes);
    CODES(0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(w.n_edits, 7);
    expect_node(0, ".", "null", S_IFCHR | 0666, 1, 3);
    expect_node(1, "sub", "disk", S_IFBLK | 0640, 259, 0x12345);
    expect_node(2, "sub/deep", "in-deep", S_IFCHR | 0600, 5, 1);
    expect_node(3, "sub", "by-descriptor", S_IFCHR | 04777, 1, 5);
    expect_node(4, "sub", "relative", S_IFCHR | 0666, 4095, 0xfffff);
    expect_node(5, ".", "top", S_IFCHR, 0, 0);
    expect_node(6, "sub", "in-a-root-of-its-own", S_IFBLK | 0600, 8, 0);
    assert_int_equal(w.edits[0]->edit.umask, 022);
    assert_int_equal(w.edits[0]->edit.gid, 0);
    assert_int_equal(w.edits[4]->edit.umask, 077);
    assert_int_equal(w.edits[4]->edit.uid, 0);
    assert_int_equal(w.edits[4]->edit.gid, 7);
}

static void make_wrong_nodes(struct fc_supervise *s)
{
    static char long_name[NAME_MAX + 2];
    static char long_path[PATH_MAX + 2];

    (void)s;
    memset(long_name, 'x', sizeof(long_name) - 1);
    memset(long_path, '/', sizeof(long_path) - 1);
    note(mknod("/missing/null", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/file/null", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/file", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/link", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/new/", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/sub/.", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod(long_name, S_IFCHR | 0666, makedev(1, 3)));
    note(mknod(long_path, S_IFCHR | 0666, makedev(1, 3)));
    note(syscall(SYS_mknodat, AT_FDCWD, (const char *)16, S_IFCHR | 0666, 3));
    note(mknodat(77, "null", S_IFCHR | 0666, makedev(1, 3)));
    note(mknod("/sub/dir", S_IFDIR | 0777, 0));
    note(mknod("/sub/fifo", S_IFIFO | 0666, 0));
    note(mknod("/sub/regular", S_IFREG | 0666, 0));
    MUST(mount("none", "/other", "tmpfs", 0, NULL) == 0);
    note(mknod("/other/null", S_IFCHR | 0666, makedev(1, 3)));
    MUST(umount("/other") == 0);
    MUST(mount("/sub", "/other", NULL, MS_BIND, NULL) == 0);
    MUST(mount(NULL, "/other", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL) == 0);
    note(mknod("/other/null", S_IFCHR | 0666, makedev(1, 3)));
}

CASE(what_is_no_edit_is_the_kernels)
{
    NEED;
    run(1000, make_wrong_nodes);
    CODES(ENOENT, ENOTDIR, EEXIST, EEXIST, ENOENT, EEXIST, EEXIST, ENOENT, ENAMETOOLONG, ENAMETOOLONG, EFAULT, EBADF,
          EPERM, 0, 0, EPERM, EROFS);
    assert_int_equal(w.n_edits, 0);
}

static void be_nobody(struct fc_supervise *s)
{
    (void)s;
    MUST(setresgid(5, 5, 5) == 0 && setresuid(5, 5, 5) == 0);
    look_executed();
    note(mknod("/open/null", S_IFCHR | 0666, makedev(1, 3)));
    note(setxattr("/file", "trusted.x", "1", 1, 0));
    note(setxattr("/file", "security.x", "1", 1, 0));
    note(chown("/file", 5000, 5000));
}

CASE(who_may_not_has_no_edit_made)
{
    NEED;
    run(1000, be_nobody);
    CODES(EPERM, EPERM, EPERM, EINVAL);
    assert_int_equal(w.n_edits, 0);
}

static void make_one_node(struct fc_supervise *s)
{
    (void)s;
    note(mknod("/null", S_IFCHR | 0666, makedev(1, 3)));
}

static void be_root_of_another_namespace(struct fc_supervise *s)
{
    char path[PATH_MAX];

    (void)s;
    MUST(unshare(CLONE_NEWUSER) == 0);
    snprintf(path, sizeof(path), "%s/open/null", w.dir);
    note(mknod(path, S_IFCHR | 0666, makedev(1, 3)));
}

CASE(capabilities_of_another_namespace_count_for_nothing)
{
    NEED;
    w.no_chroot = true;
    run(1000, be_root_of_another_namespace);
    CODES(EPERM);
    assert_int_equal(w.n_edits, 0);
}

CASE(the_edits_errno_is_the_calls)
{
    NEED;
    w.answer = -EDQUOT;
    run(1000, make_one_node);
    CODES(EDQUOT);
    assert_int_equal(w.n_edits, 1);
}

/* ---- attributes ---- */

static const unsigned char capability[XATTR_CAPS_SZ_2] = {1, 0, 0, 2, 0, 0x20};
static const unsigned char namespaced[XATTR_CAPS_SZ_3] = {1, 0, 0, 3, 0, 0x20, [20] = 0xe8, 3};

static void set_attributes(struct fc_supervise *s)
{
    static char big[FC_WIRE_VALUE + 1], long_name[XATTR_NAME_MAX + 2] = "trusted.";
    struct {
        uint64_t value;
        uint32_t size, flags;
    } packed = {(uintptr_t) "p", 1, XATTR_CREATE};
    int fd = open("/file", O_RDWR), path_fd = open("/file", O_PATH);
    char proc[64];

    (void)s;
    memset(big, 'b', sizeof(big));
    memset(long_name + 8, 'x', sizeof(long_name) - 9);
    note(setxattr("/file", "trusted.a", "1", 1, XATTR_CREATE));
    note(lsetxattr("/link", "trusted.b", "22", 2, 0));
    note(setxattr("/link", "trusted.c", NULL, 0, XATTR_REPLACE));
    note(fsetxattr(fd, "trusted.d", big, FC_WIRE_VALUE, 0));
    note(setxattr("/file", "security.capability", capability, sizeof(capability), 0));
    note(setxattr("/file", "security.capability", namespaced, sizeof(namespaced), 0));
    note(setxattr("/sub", "security.selinux", "label", 6, 0));
    note(removexattr("/file", "trusted.a"));
    note(lremovexattr("/link", "trusted.b"));
    note(fremovexattr(fd, "security.capability"));
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", path_fd);
    note(setxattr(proc, "trusted.e", "5", 1, 0));
    note(syscall(463, AT_FDCWD, "/link", AT_SYMLINK_NOFOLLOW, "trusted.f", &packed, sizeof(packed)));
    note(syscall(466, path_fd, "", AT_EMPTY_PATH, "trusted.g"));
    /* Not for the tree. */
    note(setxattr("/file", "security.capability", "short", 5, 0));
    note(fsetxattr(fd, "trusted.h", big, FC_WIRE_VALUE + 1, 0));
    note(fsetxattr(path_fd, "trusted.h", "1", 1, 0));
    note(setxattr("/file", "trusted.h", "1", 1, 8));
    note(syscall(SYS_setxattr, "/file", "trusted.h", 16L, 1L, 0L));
    note(setxattr("/file", long_name, "1", 1, 0));
    note(setxattr("/missing", "trusted.h", "1", 1, 0));
    note(setxattr("/file", "nonsense.h", "1", 1, 0));
    note(setxattr("/file", "user.h", "1", 1, 0));
    note(getxattr("/file", "user.h", big, 1));
}

static void expect_xattr(int i, enum fc_run_edit_kind kind, const char *path, const char *name, size_t size, int flags)
{
    const struct fc_run_edit *e = &w.edits[i]->edit;

    assert_true(i < w.n_edits);
    assert_int_equal(e->kind, kind);
    assert_int_equal(e->ino, inode(path));
    assert_string_equal(e->name, name);
    assert_int_equal(e->size, size);
    assert_int_equal(e->flags, flags);
}

CASE(attributes_become_edits)
{
    NEED;
    run(1000, set_attributes);
    CODES(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, EINVAL, E2BIG, EBADF, EINVAL, EFAULT, ERANGE, ENOENT, EOPNOTSUPP, 0,
          0);
    assert_int_equal(w.n_edits, 13);
    expect_xattr(0, FC_RUN_EDIT_XATTR, "file", "trusted.a", 1, XATTR_CREATE);
    assert_memory_equal(w.edits[0]->edit.value, "1", 1);
    expect_xattr(1, FC_RUN_EDIT_XATTR, "link", "trusted.b", 2, 0);
    expect_xattr(2, FC_RUN_EDIT_XATTR, "sub/deep", "trusted.c", 0, XATTR_REPLACE);
    expect_xattr(3, FC_RUN_EDIT_XATTR, "file", "trusted.d", FC_WIRE_VALUE, 0);
    assert_int_equal(((const char *)w.edits[3]->edit.value)[FC_WIRE_VALUE - 1], 'b');
    expect_xattr(4, FC_RUN_EDIT_XATTR, "file", "security.capability", sizeof(capability), 0);
    assert_memory_equal(w.edits[4]->edit.value, capability, sizeof(capability));
    expect_xattr(5, FC_RUN_EDIT_XATTR, "file", "security.capability", sizeof(namespaced), 0);
    expect_xattr(6, FC_RUN_EDIT_XATTR, "sub", "security.selinux", 6, 0);
    expect_xattr(7, FC_RUN_EDIT_REMOVE_XATTR, "file", "trusted.a", 0, 0);
    expect_xattr(8, FC_RUN_EDIT_REMOVE_XATTR, "link", "trusted.b", 0, 0);
    expect_xattr(9, FC_RUN_EDIT_REMOVE_XATTR, "file", "security.capability", 0, 0);
    expect_xattr(10, FC_RUN_EDIT_XATTR, "file", "trusted.e", 1, 0);
    expect_xattr(11, FC_RUN_EDIT_XATTR, "link", "trusted.f", 1, XATTR_CREATE);
    expect_xattr(12, FC_RUN_EDIT_REMOVE_XATTR, "file", "trusted.g", 0, 0);
}

/* ---- owners ---- */

static void change_owners(struct fc_supervise *s)
{
    int fd = open("/file", O_RDONLY), path_fd = open("/sub", O_PATH);
    const gid_t groups[] = {4, 24};

    (void)s;
    note(chown("/link", 0, 8));
    note(lchown("/link", 33, (gid_t)-1));
    note(fchown(fd, 4000000000u, 42));
    note(fchownat(path_fd, "", 1, 1, AT_EMPTY_PATH));
    note(fchownat(AT_FDCWD, "link", 2, 2, AT_SYMLINK_NOFOLLOW));
    note(chown("/file", 0, 0)); /* the kernel may do these */
    note(chown("/file", (uid_t)-1, 0));
    note(chown("/missing", 8, 8));
    note(fchownat(path_fd, "", 1, 1, 0));
    note(setgroups(2, groups));
    note(setresgid(8, 8, 8));
    note(setresuid(42, 42, 42));
    note(setuid(42));
    note(setresuid((uid_t)-1, 0, 0));
    note(geteuid() == 0 ? 0 : -1);
    note(mknod("/still-root", S_IFCHR | 0600, makedev(1, 3)));
}

static void expect_owner(int i, const char *path, uint32_t uid, uint32_t gid)
{
    const struct fc_run_edit *e = &w.edits[i]->edit;

    assert_true(i < w.n_edits);
    assert_int_equal(e->kind, FC_RUN_EDIT_OWNER);
    assert_int_equal(e->ino, inode(path));
    assert_int_equal(e->uid, uid);
    assert_int_equal(e->gid, gid);
}

CASE(owners_that_the_namespace_lacks_become_edits)
{
    NEED;
    run(1, change_owners);
    CODES(0, 0, 0, 0, 0, 0, 0, ENOENT, ENOENT, 0, 0, 0, 0, 0, 0, 0);
    assert_int_equal(w.n_edits, 6);
    expect_owner(0, "sub/deep", 0, 8);
    expect_owner(1, "link", 33, UINT32_MAX);
    expect_owner(2, "file", 4000000000u, 42);
    expect_owner(3, "sub", 1, 1);
    expect_owner(4, "link", 2, 2);
}

static void change_owners_in_a_range(struct fc_supervise *s)
{
    (void)s;
    note(chown("/file", 999, 999));
    note(chown("/sub", 0, 1000));
    note(setresuid(70000, 70000, 70000));
    note(setresuid(5, 5, 5));
    note(getuid() == 5 ? 0 : -1);
}

CASE(a_range_is_the_kernels)
{
    struct stat st;
    char path[PATH_MAX];

    NEED;
    run(1000, change_owners_in_a_range);
    CODES(0, 0, EINVAL, 0, 0);
    assert_int_equal(w.n_edits, 1);
    expect_owner(0, "sub", 0, 1000);
    snprintf(path, sizeof(path), "%s/file", w.dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, FIRST_OUTSIDE + 999);
}

/* ---- other ways to call ---- */

#ifdef __x86_64__
static long call_i386(int nr, long b, long c, long d)
{
    long r;

    __asm__ volatile("int $0x80" : "=a"(r) : "a"(nr), "b"(b), "c"(c), "d"(d) : "memory", "r8", "r9", "r10", "r11");
    if (r < 0)
        errno = (int)-r;
    return r < 0 ? -1 : r;
}

static void call_as_others(struct fc_supervise *s)
{
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);

    (void)s;
    MUST(low != MAP_FAILED);
    strcpy(low, "/by-i386");
    strcpy(low + 64, "/file");
    strcpy(low + 128, "trusted.i");
    note(call_i386(14, (long)low, S_IFCHR | 0666, (long)makedev(1, 3)));
    note(call_i386(235, (long)(low + 64), (long)(low + 128), 0)); /* removexattr */
    note(call_i386(182, (long)(low + 64), 0xffff, 8));            /* chown of 16 bits */
    note(call_i386(23, 42, 0, 0));                                /* setuid of 16 bits */
    note(syscall(0x40000000 | SYS_mknod, "/by-x32", S_IFBLK | 0600, makedev(8, 1)));
}

CASE(calls_of_i386_and_x32)
{
    NEED;
    run(1, call_as_others);
    if (w.shared->n == 0) /* no int 0x80 in this kernel: the command was killed */
        skip();
    CODES(0, 0, 0, 0, 0);
    assert_int_equal(w.n_edits, 4);
    expect_node(0, ".", "by-i386", S_IFCHR | 0666, 1, 3);
    expect_xattr(1, FC_RUN_EDIT_REMOVE_XATTR, "file", "trusted.i", 0, 0);
    expect_owner(2, "file", UINT32_MAX, 8);
    expect_node(3, ".", "by-x32", S_IFBLK | 0600, 8, 1);
}
#endif

static void make_many(struct fc_supervise *s)
{
    (void)s;
    for (int i = 0; i < 4; i++)
        if (fork() == 0) {
            for (int j = 0; j < 50; j++) {
                char name[32];

                snprintf(name, sizeof(name), "/%d-%d", i, j);
                MUST(mknod(name, S_IFCHR | 0666, makedev((unsigned)i, (unsigned)j)) == 0);
            }
            _exit(0);
        }
    for (int i = 0, status; i < 4; i++) {
        MUST(wait(&status) > 0);
        note(status == 0 ? 0 : -1);
    }
}

CASE(several_at_once)
{
    NEED;
    run(1000, make_many);
    CODES(0, 0, 0, 0);
    assert_int_equal(w.n_edits, 200);
}

static void on_alarm(int n) { (void)n; }

static void make_under_signals(struct fc_supervise *s)
{
    const struct itimerval soon = {{0, 2000}, {0, 2000}};
    const struct sigaction a = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

    (void)s;
    MUST(sigaction(SIGALRM, &a, NULL) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0);
    note(mknod("/null", S_IFCHR | 0666, makedev(1, 3)));
}

CASE(a_signal_does_not_make_it_twice)
{
    NEED;
    w.slow_us = 50000;
    run(1000, make_under_signals);
    CODES(0);
    assert_int_equal(w.n_edits, 1);
}

/* ---- without ---- */

static void be_supervised_already(struct fc_supervise *s)
{
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog program = {1, &allow};

    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program) >= 0);
    fc_supervise_filter(s);
    note(mknod("/null", S_IFCHR | 0666, makedev(1, 3)));
    note(setuid(42));
}

CASE(where_it_is_refused_the_command_goes_on_and_it_is_said_once)
{
    NEED;
    run_with(1, be_supervised_already, false);
    CODES(EPERM, 0);
    assert_int_equal(w.n_edits, 0);
    assert_int_equal(w.n_without, 1);
    assert_non_null(strstr(w.without, "another seccomp listener"));
}

static void go_on_without(struct fc_supervise *s)
{
    (void)s;
    note(mknod("/null", S_IFCHR | 0666, makedev(1, 3)));
}

CASE(a_proc_of_other_processes_is_not_believed)
{
    NEED;
    w.proc = "/";
    run(1, go_on_without);
    CODES(EPERM);
    assert_int_equal(w.n_edits, 0);
    assert_int_equal(w.n_without, 1);
    assert_non_null(strstr(w.without, "masks /proc"));
}

static void never_begin(struct fc_supervise *s) { (void)s; }

CASE(a_command_that_never_began)
{
    NEED;
    run_with(1, never_begin, false);
    assert_int_equal(w.n_without, 0);
}

CASE(the_filter_fits)
{
    static struct sock_filter code[FC_CALL_FILTER_MAX];
    const struct fc_call_filter most = {.notify = true, .n_ids = 1}, none = {.n_ids = UINT32_MAX};
    size_t n = fc_call_filter(&most, code);

    (void)state;
    assert_in_range(n, 100, FC_CALL_FILTER_MAX - 1);
    assert_in_range(fc_call_filter(&none, code), 1, 20);
    assert_null(fc_call_find(0xdeadbeef, 133));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        T(devices_become_edits),
        T(what_is_no_edit_is_the_kernels),
        T(who_may_not_has_no_edit_made),
        T(capabilities_of_another_namespace_count_for_nothing),
        T(the_edits_errno_is_the_calls),
        T(attributes_become_edits),
        T(owners_that_the_namespace_lacks_become_edits),
        T(a_range_is_the_kernels),
#ifdef __x86_64__
        T(calls_of_i386_and_x32),
#endif
        T(several_at_once),
        T(a_signal_does_not_make_it_twice),
        T(where_it_is_refused_the_command_goes_on_and_it_is_said_once),
        T(a_proc_of_other_processes_is_not_believed),
        T(a_command_that_never_began),
        cmocka_unit_test(the_filter_fits),
    };

    return cmocka_run_group_tests_name("run: supervise", tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Names and attributes of the live tree: what each operation does and refuses, and that it is there after reopening. */
#include "live_world.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/xattr.h>

static void lower_shows(void **state)
{
    struct world *w = *state;
    struct fc_attr a = at(w, "bin/busybox");
    struct fc_buf b = {0};

    assert_int_equal(a.mode, S_IFREG | 0755);
    assert_int_equal(a.nlink, 2);
    assert_int_equal(a.size, 12345);
    assert_int_equal(a.mtime.tv_sec, 1000000000);
    assert_int_equal(a.ino, ino_at(w, "bin/sh"));
    a = at(w, "etc/passwd");
    assert_int_equal(a.mode, S_IFREG | 0600);
    assert_int_equal(a.uid, 7);
    a = at(w, "dev/null");
    assert_int_equal(a.rdev_major, 1);
    assert_int_equal(a.rdev_minor, 3);
    assert_int_equal(fc_live_readlink(w->live, ino_at(w, "etc/link"), &b), 0);
    assert_string_equal(b.data, "hostname");
    fc_buf_release(&b);
    assert_int_equal(at(w, "").nlink, 2 + 5);
    assert_int_equal(ino_at(w, "etc/.."), 1);
    assert_int_equal(ino_at(w, "nothing"), 0);
    assert_int_equal(fc_live_parent(w->live, ino_at(w, "etc/ssl")), ino_at(w, "etc"));
    assert_int_equal(fc_live_lookup(w->live, ino_at(w, "big"), NAME("x"), &a), -ENOTDIR);
    assert_int_equal(fc_live_getattr(w->live, 1u << 30, &a), -ESTALE);
}

static void create_and_remove(void **state)
{
    struct world *w = *state;
    uint64_t etc = ino_at(w, "etc"), dir = make(w, etc, "new.d", S_IFDIR | 0777),
             file = make(w, dir, "f", S_IFREG | 0666);
    struct fc_attr a, root;
    char longest[256];

    assert_int_equal(at(w, "etc").nlink, 4);
    assert_int_equal(at(w, "etc/new.d").mode, S_IFDIR | 0755);
    assert_int_equal(at(w, "etc/new.d/f").mode, S_IFREG | 0644);
    assert_true(at(w, "etc").mtime.tv_sec > 1000000000);
    assert_int_equal(fc_live_mknod(w->live, dir, NAME("f"), S_IFREG, 0, 0, 0, &root_cred, &a), -EEXIST);
    assert_int_equal(fc_live_mknod(w->live, dir, NAME(".."), S_IFREG, 0, 0, 0, &root_cred, &a), -EEXIST);
    assert_int_equal(fc_live_mknod(w->live, file, NAME("x"), S_IFREG, 0, 0, 0, &root_cred, &a), -ENOTDIR);
    assert_int_equal(fc_live_mknod(w->live, dir, NAME("a/b"), S_IFREG, 0, 0, 0, &root_cred, &a), -EINVAL);
    memset(longest, 'x', sizeof(longest));
    assert_int_equal(fc_live_mknod(w->live, dir, longest, 256, S_IFREG, 0, 0, 0, &root_cred, &a), -ENAMETOOLONG);
    assert_int_equal(fc_live_mknod(w->live, dir, longest, 255, S_IFREG, 0, 0, 0, &root_cred, &a), 0);
    assert_int_equal(fc_live_unlink(w->live, dir, longest, 255), 0);
    assert_int_equal(fc_live_rmdir(w->live, etc, NAME("new.d")), -ENOTEMPTY);
    assert_int_equal(fc_live_unlink(w->live, etc, NAME("new.d")), -EISDIR);
    assert_int_equal(fc_live_rmdir(w->live, dir, NAME("f")), -ENOTDIR);
    world_reopen(w);
    assert_int_equal(ino_at(w, "etc/new.d/f"), file);
    assert_int_equal(fc_live_unlink(w->live, dir, NAME("f")), 0);
    assert_int_equal(fc_live_getattr(w->live, file, &a), -ESTALE);
    assert_int_equal(fc_live_rmdir(w->live, etc, NAME("new.d")), 0);
    assert_int_equal(fc_live_mknod(w->live, dir, NAME("x"), S_IFREG, 0, 0, 0, &root_cred, &a), -ESTALE);
    assert_int_equal(at(w, "etc").nlink, 3);
    /* A lower directory with everything in it. */
    root = at(w, "");
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc/ssl/certs"), NAME("ca")), 0);
    assert_int_equal(fc_live_rmdir(w->live, ino_at(w, "etc/ssl"), NAME("certs")), 0);
    assert_int_equal(fc_live_rmdir(w->live, etc, NAME("ssl")), 0);
    assert_int_equal(at(w, "").nlink, root.nlink);
    world_reopen(w);
    assert_int_equal(ino_at(w, "etc/ssl"), 0);
    assert_int_equal(at(w, "etc").nlink, 2);
    /* A name that comes back is another object. */
    make(w, etc, "ssl", S_IFREG | 0600);
    world_reopen(w);
    assert_int_equal(at(w, "etc/ssl").mode, S_IFREG | 0600);
}

static void hard_links(void **state)
{
    struct world *w = *state;
    uint64_t bin = ino_at(w, "bin"), busybox = ino_at(w, "bin/busybox");
    struct fc_attr a;

    assert_int_equal(fc_live_link(w->live, busybox, ino_at(w, "etc"), NAME("ash"), &a), 0);
    assert_int_equal(a.nlink, 3);
    assert_int_equal(a.ino, busybox);
    assert_int_equal(fc_live_link(w->live, bin, 1, NAME("x"), &a), -EPERM);
    assert_int_equal(fc_live_link(w->live, busybox, bin, NAME("sh"), &a), -EEXIST);
    assert_int_equal(fc_live_unlink(w->live, bin, NAME("busybox")), 0);
    world_reopen(w);
    assert_int_equal(at(w, "bin/sh").nlink, 2);
    assert_int_equal(ino_at(w, "etc/ash"), busybox);
    write_text(w, busybox, "shared", 0);
    assert_text(w, ino_at(w, "bin/sh"), "shared", 0);
    assert_int_equal(fc_live_unlink(w->live, bin, NAME("sh")), 0);
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc"), NAME("ash")), 0);
    assert_int_equal(fc_live_getattr(w->live, busybox, &a), -ESTALE);
}

static void link_limit(void **state)
{
    struct world *w = *state;
    uint64_t dir = make(w, 1, "d", S_IFDIR | 0755), file = make(w, dir, "f", S_IFREG | 0644);
    struct fc_attr a;
    char name[16];

    for (int i = 1; i < 65000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(fc_live_link(w->live, file, dir, NAME(name), &a), 0);
    }
    assert_int_equal(a.nlink, 65000);
    assert_int_equal(fc_live_link(w->live, file, dir, NAME("more"), &a), -EMLINK);
}

static int rename_at(struct world *w, const char *from_dir, const char *from, const char *to_dir, const char *to,
                     unsigned flags)
{
    return fc_live_rename(w->live, ino_at(w, from_dir), NAME(from), ino_at(w, to_dir), NAME(to), flags);
}

/* RENAME_WHITEOUT leaves a device 0:0 behind, which is there after reopening. */
static void rename_leaves_whiteout(void **state)
{
    struct world *w = *state;
    uint64_t hostname = ino_at(w, "etc/hostname");

    assert_int_equal(rename_at(w, "etc", "hostname", "etc", "passwd", RENAME_WHITEOUT), 0);
    assert_int_equal(rename_at(w, "etc", "passwd", "etc", "hostname", RENAME_WHITEOUT | RENAME_NOREPLACE), -EEXIST);
    world_reopen(w);
    assert_int_equal(ino_at(w, "etc/passwd"), hostname);
    assert_int_equal(at(w, "etc/hostname").mode, S_IFCHR);
    assert_int_equal(at(w, "etc/hostname").rdev_major, 0);
    assert_int_equal(at(w, "etc/hostname").rdev_minor, 0);
    assert_int_equal(at(w, "etc/hostname").nlink, 1);
}

static void rename_things(void **state)
{
    struct world *w = *state;
    uint64_t ssl = ino_at(w, "etc/ssl"), ca = ino_at(w, "etc/ssl/certs/ca"), hostname = ino_at(w, "etc/hostname");

    /* A lower directory moves with all below it, and keeps its numbers. */
    assert_int_equal(rename_at(w, "etc", "ssl", "tmp", "tls", 0), 0);
    assert_int_equal(ino_at(w, "tmp/tls"), ssl);
    assert_int_equal(ino_at(w, "tmp/tls/certs/ca"), ca);
    assert_int_equal(at(w, "etc").nlink, 2);
    assert_int_equal(at(w, "tmp").nlink, 3);
    assert_int_equal(fc_live_parent(w->live, ssl), ino_at(w, "tmp"));
    assert_int_equal(rename_at(w, "", "tmp", "tmp/tls/certs", "loop", 0), -EINVAL);
    assert_int_equal(rename_at(w, "tmp", "tls", "tmp/tls", "loop", 0), -EINVAL);
    assert_int_equal(rename_at(w, "tmp/tls", "certs", "", "tmp", 0), -ENOTEMPTY);
    assert_int_equal(rename_at(w, "etc", "hostname", "", "tmp", 0), -EISDIR);
    assert_int_equal(rename_at(w, "", "tmp", "etc", "hostname", 0), -ENOTDIR);
    assert_int_equal(rename_at(w, "", "bin", "", "etc", 0), -ENOTEMPTY);
    assert_int_equal(rename_at(w, "etc", "none", "etc", "x", 0), -ENOENT);
    assert_int_equal(rename_at(w, "etc", "hostname", "etc", "passwd", RENAME_NOREPLACE), -EEXIST);
    assert_int_equal(rename_at(w, "etc", "hostname", "etc", "passwd", RENAME_WHITEOUT | RENAME_EXCHANGE), -EINVAL);
    assert_int_equal(rename_at(w, "bin", "sh", "bin", "busybox", 0), 0);
    assert_int_equal(at(w, "bin/sh").nlink, 2);
    assert_int_equal(rename_at(w, "etc", "hostname", "etc", "passwd", 0), 0);
    assert_int_equal(rename_at(w, "", "tmp", "", "big", RENAME_EXCHANGE), 0);
    world_reopen(w);
    assert_int_equal(ino_at(w, "etc/passwd"), hostname);
    assert_int_equal(ino_at(w, "etc/hostname"), 0);
    assert_int_equal(ino_at(w, "big/tls/certs/ca"), ca);
    assert_int_equal(fc_live_parent(w->live, ssl), ino_at(w, "big"));
    assert_int_equal(at(w, "tmp").mode & S_IFMT, S_IFREG);
    assert_int_equal(at(w, "").nlink, 7);
    /* A directory over an empty one. */
    make(w, 1, "empty", S_IFDIR | 0700);
    assert_int_equal(rename_at(w, "big/tls", "certs", "", "empty", 0), 0);
    assert_int_equal(at(w, "big/tls").nlink, 2);
    /* Back where it was: the names are the lower ones again. */
    assert_int_equal(rename_at(w, "", "empty", "big/tls", "certs", 0), 0);
    world_reopen(w);
    assert_int_equal(ino_at(w, "big/tls/certs/ca"), ca);
    assert_int_equal(ino_at(w, "empty"), 0);
}

static void attributes(void **state)
{
    struct world *w = *state;
    uint64_t su = ino_at(w, "bin/su"), passwd = ino_at(w, "etc/passwd");
    struct fc_attr a = {.mode = 0640, .uid = 70000, .gid = 4000000000u, .mtime = {-5, 999999999}, .atime = {5, 1}};

    assert_int_equal(fc_live_setattr(w->live, passwd, &a, FC_SET_MODE | FC_SET_UID | FC_SET_GID, &a), 0);
    assert_int_equal(a.mode, S_IFREG | 0640);
    assert_int_equal(a.gid, 4000000000u);
    a.mtime = (struct timespec){-5, 999999999};
    a.atime = (struct timespec){5, 1};
    assert_int_equal(fc_live_setattr(w->live, passwd, &a, FC_SET_MTIME | FC_SET_ATIME, NULL), 0);
    assert_int_equal(fc_live_getxattr(w->live, su, "security.capability", NULL, 0), 3);
    a.uid = 5;
    assert_int_equal(fc_live_setattr(w->live, su, &a, FC_SET_UID, NULL), 0);
    world_reopen(w);
    a = at(w, "etc/passwd");
    assert_int_equal(a.uid, 70000);
    assert_int_equal(a.mtime.tv_sec, -5);
    assert_int_equal(a.mtime.tv_nsec, 999999999);
    assert_int_equal(a.atime.tv_sec, 5);
    assert_true(a.ctime.tv_sec > 1000000000);
    assert_int_equal(a.crtime.tv_sec, 1000000000);
    a = at(w, "bin/su");
    assert_int_equal(a.mode, S_IFREG | 0755);
    assert_int_equal(fc_live_getxattr(w->live, su, "security.capability", NULL, 0), -ENODATA);
    assert_int_equal(fc_live_setattr(w->live, ino_at(w, "etc/link"), &a, FC_SET_MODE, NULL), -EOPNOTSUPP);
    assert_int_equal(fc_live_setattr(w->live, ino_at(w, "etc"), &a, FC_SET_SIZE, NULL), -EISDIR);
}

/* chown(2) clears them of all but directories; without group execute, set-group-id is no privilege. */
static void fifo_given_away(void **state)
{
    struct world *w = *state;
    uint64_t fifo = make(w, 1, "fifo", S_IFIFO | 06775), dir = make(w, 1, "dir", S_IFDIR | 06775);
    uint64_t node = make(w, 1, "node", S_IFCHR | 06765);
    struct fc_attr a = {.uid = 5};

    assert_int_equal(fc_live_setattr(w->live, fifo, &a, FC_SET_UID, NULL), 0);
    assert_int_equal(fc_live_setattr(w->live, dir, &a, FC_SET_UID, NULL), 0);
    assert_int_equal(fc_live_setattr(w->live, node, &a, FC_SET_UID, NULL), 0);
    assert_int_equal(at(w, "fifo").mode, S_IFIFO | 0755);
    assert_int_equal(at(w, "dir").mode, S_IFDIR | 06755);
    assert_int_equal(at(w, "node").mode, S_IFCHR | 02745);
}

/* What goes to a file through a mapping comes to us later, and a capability that was set meanwhile is no older than it. */
static void privileges_outlive_mappings(void **state)
{
    struct world *w = *state;
    uint64_t su = ino_at(w, "bin/su");

    assert_int_equal(fc_live_write(w->live, su, "x", 1, 0, FC_WRITE_MAPPED), 1);
    assert_int_equal(at(w, "bin/su").mode, S_IFREG | 04755);
    assert_int_equal(fc_live_getxattr(w->live, su, "security.capability", NULL, 0), 3);
}

static void privileges_die_on_write(void **state)
{
    struct world *w = *state;
    uint64_t su = ino_at(w, "bin/su");
    struct fc_attr a = {.mode = 06755};

    assert_int_equal(fc_live_write(w->live, su, "x", 1, 0, 0), 1);
    assert_int_equal(fc_live_getxattr(w->live, su, "security.capability", NULL, 0), -ENODATA);
    assert_int_equal(at(w, "bin/su").mode, S_IFREG | 04755);
    assert_int_equal(fc_live_setattr(w->live, su, &a, FC_SET_MODE, NULL), 0);
    assert_int_equal(fc_live_write(w->live, su, "x", 1, 0, FC_WRITE_KILL_PRIV), 1);
    assert_int_equal(at(w, "bin/su").mode, S_IFREG | 0755);
    a.mode = 06745; /* without group execute, set-group-id stays */
    assert_int_equal(fc_live_setattr(w->live, su, &a, FC_SET_MODE, NULL), 0);
    a.size = 3;
    assert_int_equal(fc_live_setattr(w->live, su, &a, FC_SET_SIZE | FC_SET_KILL_PRIV, NULL), 0);
    assert_int_equal(at(w, "bin/su").mode, S_IFREG | 02745);
}

/* The errors are ext4's. */
static void xattr_namespaces(void **state)
{
    struct world *w = *state;
    uint64_t ino = ino_at(w, "bin/sh");
    char buffer[8];

    assert_int_equal(fc_live_setxattr(w->live, ino, "user.", "x", 1, 0), -EINVAL);
    assert_int_equal(fc_live_setxattr(w->live, ino, "nothing", "x", 1, 0), -EOPNOTSUPP);
    assert_int_equal(fc_live_setxattr(w->live, ino, "system.other", "x", 1, 0), -EOPNOTSUPP);
    assert_int_equal(fc_live_getxattr(w->live, ino, "nothing", buffer, sizeof(buffer)), -EOPNOTSUPP);
    assert_int_equal(fc_live_getxattr(w->live, ino, "trusted.none", buffer, sizeof(buffer)), -ENODATA);
    assert_int_equal(fc_live_removexattr(w->live, ino, "nothing"), -EOPNOTSUPP);
    assert_int_equal(fc_live_removexattr(w->live, ino, "user."), -EINVAL);
}

static void xattrs(void **state)
{
    struct world *w = *state;
    uint64_t ca = ino_at(w, "etc/ssl/certs/ca");
    char buffer[64], *large = calloc(1, 65537), name[300];

    assert_int_equal(fc_live_getxattr(w->live, ca, "user.kind", buffer, sizeof(buffer)), 4);
    assert_int_equal(fc_live_getxattr(w->live, ca, "user.kind", buffer, 3), -ERANGE);
    assert_int_equal(fc_live_setxattr(w->live, ca, "user.a", "1", 1, XATTR_REPLACE), -ENODATA);
    assert_int_equal(fc_live_setxattr(w->live, ca, "user.kind", "1", 1, XATTR_CREATE), -EEXIST);
    assert_int_equal(fc_live_setxattr(w->live, ca, "trusted.t", "\0\1", 2, 0), 0);
    assert_int_equal(fc_live_setxattr(w->live, ca, "user.empty", "", 0, 0), 0);
    assert_int_equal(fc_live_setxattr(w->live, ca, "user.large", large, 65537, 0), -E2BIG);
    assert_int_equal(fc_live_setxattr(w->live, ca, "user.large", large, 65536, 0), 0);
    memset(name, 'n', sizeof(name));
    memcpy(name, "user.", 5);
    name[256] = '\0';
    assert_int_equal(fc_live_setxattr(w->live, ca, name, "", 0, 0), -ERANGE);
    name[255] = '\0';
    assert_int_equal(fc_live_setxattr(w->live, ca, name, "", 0, 0), 0);
    assert_int_equal(fc_live_removexattr(w->live, ca, name), 0);
    assert_int_equal(fc_live_removexattr(w->live, ca, name), -ENODATA);
    assert_int_equal(fc_live_setxattr(w->live, ino_at(w, "dev/null"), "user.x", "", 0, 0), -EPERM);
    assert_int_equal(fc_live_setxattr(w->live, ino_at(w, "dev/null"), "trusted.x", "", 0, 0), 0);
    world_reopen(w);
    assert_int_equal(fc_live_listxattr(w->live, ca, buffer, sizeof(buffer)), 10 + 11 + 10 + 11);
    assert_memory_equal(buffer, "trusted.t\0user.empty\0user.kind\0user.large", 42);
    assert_int_equal(fc_live_listxattr(w->live, ca, buffer, 41), -ERANGE);
    assert_int_equal(fc_live_listxattr(w->live, ca, NULL, 0), 42);
    assert_int_equal(fc_live_getxattr(w->live, ca, "user.large", NULL, 0), 65536);
    free(large);
}

/* u::rwx u:1:r-x g::r-x m::r-x o::--- */
static const unsigned char acl[] = {2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  5,
                                    0, 1, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                    5, 0, 255, 255, 255, 255, 32, 0, 0,   0,   255, 255, 255, 255};

static void acls(void **state)
{
    struct world *w = *state;
    uint64_t file = make(w, 1, "f", S_IFREG | 0600), dir = make(w, 1, "d", S_IFDIR | 0700), made;
    unsigned char buffer[64];
    struct fc_attr a = {.mode = 0710};

    assert_int_equal(fc_live_setxattr(w->live, file, "system.posix_acl_access", "xx", 2, 0), -EINVAL);
    assert_int_equal(fc_live_setxattr(w->live, file, "system.posix_acl_default", acl, sizeof(acl), 0), -EACCES);
    assert_int_equal(fc_live_setxattr(w->live, file, "system.posix_acl_access", acl, sizeof(acl), 0), 0);
    assert_int_equal(at(w, "f").mode, S_IFREG | 0750);
    assert_int_equal(fc_live_setattr(w->live, file, &a, FC_SET_MODE, NULL), 0);
    assert_int_equal(fc_live_getxattr(w->live, file, "system.posix_acl_access", buffer, sizeof(buffer)), sizeof(acl));
    assert_int_equal(buffer[4 + 3 * 8 + 2], 1); /* the mask followed */
    assert_int_equal(buffer[4 + 2 * 8 + 2], 5); /* the group's entry did not */
    assert_int_equal(fc_live_setxattr(w->live, dir, "system.posix_acl_default", acl, sizeof(acl), 0), 0);
    made = make(w, dir, "x", S_IFREG | 0666);
    world_reopen(w);
    assert_int_equal(at(w, "d/x").mode, S_IFREG | 0640);
    assert_int_equal(fc_live_getxattr(w->live, made, "system.posix_acl_access", buffer, sizeof(buffer)), sizeof(acl));
    assert_int_equal(fc_live_getxattr(w->live, made, "system.posix_acl_default", NULL, 0), -ENODATA);
    made = make(w, dir, "sub", S_IFDIR | 0777);
    assert_int_equal(fc_live_getxattr(w->live, made, "system.posix_acl_default", NULL, 0), sizeof(acl));
    assert_int_equal(at(w, "d/sub").mode, S_IFDIR | 0750);
    assert_int_equal(fc_live_removexattr(w->live, made, "system.posix_acl_access"), 0);
    assert_int_equal(fc_live_removexattr(w->live, made, "system.posix_acl_access"), 0);
    assert_int_equal(at(w, "d/sub").mode, S_IFDIR | 0750);
}

static void set_group_id_directory(void **state)
{
    struct world *w = *state;
    uint64_t srv = ino_at(w, "srv");
    struct fc_cred user = {.uid = 1000, .gid = 1000};
    struct fc_attr a;

    assert_int_equal(fc_live_mknod(w->live, srv, NAME("f"), S_IFREG | 02755, 0, 0, 0, &user, &a), 0);
    assert_int_equal(a.uid, 1000);
    assert_int_equal(a.gid, 50);
    assert_int_equal(a.mode, S_IFREG | 0755);
    assert_int_equal(fc_live_mknod(w->live, srv, NAME("d"), S_IFDIR | 0755, 0, 0, 0, &user, &a), 0);
    assert_int_equal(a.mode, S_IFDIR | 02755);
}

static void symlinks_and_nodes(void **state)
{
    struct world *w = *state;
    struct fc_buf b = {0};
    struct fc_attr a;
    char target[4097];

    assert_int_equal(fc_live_symlink(w->live, 1, NAME("l"), "to \xff there", &root_cred, &a), 0);
    assert_int_equal(a.size, 10);
    assert_int_equal(fc_live_mknod(w->live, 1, NAME("sda"), S_IFBLK | 0660, 0, 259, 1 << 19, &root_cred, &a), 0);
    memset(target, 'x', sizeof(target));
    target[4096] = '\0';
    assert_int_equal(fc_live_symlink(w->live, 1, NAME("m"), target, &root_cred, &a), -ENAMETOOLONG);
    assert_int_equal(fc_live_symlink(w->live, 1, NAME("m"), "", &root_cred, &a), -ENOENT);
    world_reopen(w);
    assert_int_equal(fc_live_readlink(w->live, ino_at(w, "l"), &b), 0);
    assert_string_equal(b.data, "to \xff there");
    fc_buf_release(&b);
    assert_int_equal(fc_live_readlink(w->live, 1, &b), -EINVAL);
    assert_int_equal(at(w, "sda").rdev_major, 259);
    assert_int_equal(at(w, "sda").rdev_minor, 1 << 19);
}

/* Listing */

struct listed {
    uint64_t cookies[512];
    char names[512][32];
    int n, stop_after;
};

static int list_name(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct listed *l = arg;

    assert_true(attr->ino > 0 && (attr->mode & S_IFMT));
    if (l->n == l->stop_after)
        return 1;
    memcpy(l->names[l->n], name, len);
    l->names[l->n][len] = '\0';
    l->cookies[l->n++] = next;
    return 0;
}

static void listing_is_stable(void **state)
{
    struct world *w = *state;
    uint64_t etc = ino_at(w, "etc");
    struct listed l = {.stop_after = 3}, rest = {.stop_after = 500}, all = {.stop_after = 500};
    char name[16];

    assert_int_equal(fc_live_readdir(w->live, etc, 0, true, list_name, &l), 0);
    assert_string_equal(l.names[0], ".");
    assert_string_equal(l.names[1], "..");
    assert_string_equal(l.names[2], "hostname");
    /* While we are there, the directory changes. */
    assert_int_equal(fc_live_unlink(w->live, etc, NAME("hostname")), 0);
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        make(w, etc, name, S_IFREG | 0644);
    }
    for (int i = 0; i < 90; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(fc_live_unlink(w->live, etc, NAME(name)), 0);
    }
    assert_int_equal(fc_live_readdir(w->live, etc, l.cookies[2], false, list_name, &rest), 0);
    assert_int_equal(rest.n, 3 + 10);
    assert_string_equal(rest.names[0], "link");
    assert_string_equal(rest.names[2], "ssl");
    assert_int_equal(fc_live_readdir(w->live, etc, 0, false, list_name, &all), 0);
    assert_int_equal(all.n, 2 + 3 + 10);
}

static void many_entries(void **state)
{
    struct world *w = *state;
    uint64_t dir = make(w, 1, "many", S_IFDIR | 0755);
    char name[16];

    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        make(w, dir, name, S_IFREG | 0644);
    }
    world_reopen(w);
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof(name), "file%d", i);
        assert_int_equal(fc_live_unlink(w->live, dir, NAME(name)), 0);
    }
    assert_int_equal(fc_live_rmdir(w->live, 1, NAME("many")), 0);
}

/* References */

static void unlinked_but_referenced(void **state)
{
    struct world *w = *state;
    struct fc_attr a, b;
    uint64_t hostname;

    world_close(w);
    w->options.count_refs = true;
    world_open(w);
    assert_int_equal(fc_live_mknod(w->live, 1, NAME("f"), S_IFREG | 0644, 0, 0, 0, &root_cred, &a), 0);
    write_text(w, a.ino, "still here", 0);
    assert_int_equal(fc_live_lookup(w->live, 1, NAME("f"), &a), 0);
    assert_int_equal(fc_live_unlink(w->live, 1, NAME("f")), 0);
    assert_int_equal(fc_live_lookup(w->live, 1, NAME("f"), &b), -ENOENT);
    assert_int_equal(fc_live_getattr(w->live, a.ino, &b), 0);
    assert_int_equal(b.nlink, 0);
    assert_text(w, a.ino, "still here", 0);
    assert_int_equal(fc_live_link(w->live, a.ino, 1, NAME("g"), &b), -ENOENT);
    fc_live_forget(w->live, a.ino, 1);
    assert_int_equal(fc_live_getattr(w->live, a.ino, &b), 0);
    fc_live_forget(w->live, a.ino, 1);
    assert_int_equal(fc_live_getattr(w->live, a.ino, &b), -ESTALE);
    /* A lower one, and across a restart. */
    hostname = ino_at(w, "etc/hostname");
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc"), NAME("hostname")), 0);
    assert_int_equal(fc_live_getattr(w->live, hostname, &b), 0);
    /* A nameless file gets a name. */
    assert_int_equal(fc_live_tmpfile(w->live, 1, 0600, 0, &root_cred, &a), 0);
    assert_int_equal(a.nlink, 0);
    write_text(w, a.ino, "tmp", 0);
    assert_int_equal(fc_live_sync(w->live, false, NULL), 0);
    assert_int_equal(fc_live_link(w->live, a.ino, 1, NAME("named"), &b), 0);
    assert_int_equal(b.nlink, 1);
    assert_int_equal(fc_live_tmpfile(w->live, 1, 0600, 0, &root_cred, &b), 0);
    world_reopen(w);
    assert_text(w, ino_at(w, "named"), "tmp", 0);
    assert_int_equal(fc_live_getattr(w->live, b.ino, &b), -ESTALE);
}

static void read_only(void **state)
{
    struct world *w = *state;
    struct fc_attr a = {0};

    world_close(w);
    w->options.read_only = true;
    world_open(w);
    assert_int_equal(fc_live_mknod(w->live, 1, NAME("f"), S_IFREG, 0, 0, 0, &root_cred, &a), -EROFS);
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc"), NAME("hostname")), -EROFS);
    assert_int_equal(fc_live_write(w->live, ino_at(w, "big"), "x", 1, 0, 0), -EROFS);
    assert_int_equal(fc_live_setattr(w->live, 1, &a, FC_SET_MODE, NULL), -EROFS);
    assert_int_equal(rename_at(w, "", "bin", "", "b", 0), -EROFS);
    assert_int_equal(fc_live_setxattr(w->live, 1, "user.x", "", 0, 0), -EROFS);
}

struct heard {
    char text[512];
};

static void hear_entry(void *arg, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    struct heard *h = arg;
    size_t at_end = strlen(h->text);

    (void)parent;
    snprintf(h->text + at_end, sizeof(h->text) - at_end, "%s%.*s;", ino ? "+" : "-", (int)len, name);
}

static void hear_end(void *arg)
{
    struct heard *h = arg;
    size_t at_end = strlen(h->text);

    snprintf(h->text + at_end, sizeof(h->text) - at_end, ".");
}

static void listener_hears(void **state)
{
    struct world *w = *state;
    struct heard h = {""};
    struct heard h2 = {""};
    struct fc_live_listener l = {.entry = hear_entry, .told = hear_end, .arg = &h};
    struct fc_live_listener second = {.entry = hear_entry, .arg = &h2};
    const char *etc = "etc";

    assert_int_equal(fc_live_listen(w->live, &l), 0);
    assert_int_equal(fc_live_listen(w->live, &second), 0);
    make(w, 1, "new", S_IFREG | 0644);
    assert_int_equal(rename_at(w, "", "new", "", "newer", 0), 0);
    assert_int_equal(fc_live_unlink(w->live, ino_at(w, "etc"), NAME("hostname")), 0);
    assert_string_equal(h.text, "+new;.-new;+newer;.-hostname;.");
    assert_string_equal(h2.text, "+new;-new;+newer;-hostname;");
    fc_live_unlisten(w->live, &second);
    h.text[0] = '\0';
    assert_int_equal(fc_live_reset(w->live, &etc, 1, NULL), 0);
    assert_string_equal(h.text, "+hostname;.");
    assert_string_equal(h2.text, "+new;-new;+newer;-hostname;");
    fc_live_unlisten(w->live, &l);
    make(w, 1, "unheard", S_IFREG | 0644);
    assert_string_equal(h.text, "+hostname;.");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(lower_shows),
        TEST(create_and_remove),
        TEST(hard_links),
        TEST(link_limit),
        TEST(rename_things),
        TEST(rename_leaves_whiteout),
        TEST(xattr_namespaces),
        TEST(attributes),
        TEST(fifo_given_away),
        TEST(privileges_die_on_write),
        TEST(privileges_outlive_mappings),
        TEST(xattrs),
        TEST(acls),
        TEST(set_group_id_directory),
        TEST(symlinks_and_nodes),
        TEST(listing_is_stable),
        TEST(many_entries),
        TEST(unlinked_but_referenced),
        TEST(read_only),
        TEST(listener_hears),
    };

    return cmocka_run_group_tests_name("live", tests, NULL, NULL);
}

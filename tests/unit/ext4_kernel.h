/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel as judge of an image: mount it, and compare everything with the tree that it was made of. */
#ifndef FC_TESTS_EXT4_KERNEL_H
#define FC_TESTS_EXT4_KERNEL_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "ext4_help.h"

/** Where gen_mount() mounts. */
static inline const char *gen_mount_point(void)
{
    static char path[64];

    snprintf(path, sizeof(path), "/tmp/fc-ext4-%ld.mnt", (long)getpid());
    return path;
}

/** Mount the test's image, with @options. False where that is not possible: then the caller skips. */
static inline bool gen_mount(const char *options)
{
    struct fc_buf line = {0};
    int r;

    if (geteuid() != 0)
        return false;
    mkdir(gen_mount_point(), 0700);
    assert_int_equal(
        fc_buf_addf(&line, "mount -o loop,%s %s %s >/dev/null 2>&1", options, gen_path(), gen_mount_point()), 0);
    r = system(line.data);
    fc_buf_release(&line);
    if (r != 0 && system("losetup -f >/dev/null 2>&1") == 0)
        fail_msg("the kernel does not mount the image");
    return r == 0;
}

static inline void gen_umount(void)
{
    assert_int_equal(umount(gen_mount_point()), 0);
    rmdir(gen_mount_point());
}

static inline void compare_xattrs(const struct gen *g, const struct fc_snap_inode *s, int dir, const char *name)
{
    char path[512], list[8192];
    static char value[65536 + 1];

    snprintf(path, sizeof(path), "/proc/self/fd/%d/%s", dir, name);
    for (uint32_t i = 0; i < s->n_xattrs; i++) {
        const struct fc_xattr *x = &g->xattrs[s->first_xattr + i];
        ssize_t n = lgetxattr(path, x->name, value, sizeof(value));

        if (n != (ssize_t)x->size || memcmp(value, x->value, x->size) != 0)
            fail_msg("%s: %s differs: %zd bytes, not %zu", name, x->name, n, x->size);
    }
    if (!s->n_xattrs)
        assert_int_equal(llistxattr(path, list, sizeof(list)), 0);
}

/* Data where the extents are, with the source's bytes, and holes elsewhere. */
static inline void compare_content(const struct gen *g, const struct fc_snap_inode *s, int dir, const char *name)
{
    static unsigned char a[1 << 16], b[1 << 16];
    int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW);
    uint64_t at = 0;

    assert_true(fd >= 0);
    for (uint32_t i = 0; i < s->n_extents; i++) {
        const struct fc_snap_extent *e = &g->extents[s->first_extent + i];

        if (at != e->offset)
            assert_int_equal(lseek(fd, (off_t)at, SEEK_HOLE), at);
        assert_int_equal(lseek(fd, (off_t)at, SEEK_DATA), e->offset);
        for (uint64_t done = 0; done < e->length;) {
            size_t n = e->length - done < sizeof(a) ? (size_t)(e->length - done) : sizeof(a);

            assert_int_equal(pread(fd, a, n, (off_t)(e->offset + done)), (ssize_t)n);
            assert_int_equal(pread(g->source.fd, b, n, (off_t)(e->source_offset + done)), (ssize_t)n);
            if (memcmp(a, b, n) != 0)
                fail_msg("%s: content differs after byte %llu", name, (unsigned long long)(e->offset + done));
            done += n;
        }
        at = (e->offset + e->length + 4095) / 4096 * 4096;
    }
    if (at < s->size)
        assert_int_equal(lseek(fd, (off_t)at, SEEK_DATA), -1);
    close(fd);
}

static inline void compare_time(const char *name, struct timespec got, struct timespec want)
{
    if (got.tv_sec != want.tv_sec || got.tv_nsec != want.tv_nsec)
        fail_msg("%s: time %lld.%09ld, not %lld.%09ld", name, (long long)got.tv_sec, got.tv_nsec,
                 (long long)want.tv_sec, want.tv_nsec);
}

static inline void compare_inode(const struct gen *g, const struct fc_snap_inode *s, int dir, const char *name)
{
    static char target[8192];
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        fail_msg("the kernel does not find %s", name);
    assert_int_equal(st.st_mode, s->mode);
    assert_int_equal(st.st_uid, s->uid);
    assert_int_equal(st.st_gid, s->gid);
    compare_time(name, st.st_atim, s->atime);
    compare_time(name, st.st_mtim, s->mtime);
    compare_time(name, st.st_ctim, s->ctime);
    if (!S_ISDIR(s->mode)) {
        assert_int_equal(st.st_size, s->size);
        if (s->nlink <= FC_EXT4_LINKS_MOST)
            assert_int_equal(st.st_nlink, s->nlink);
    }
    if (S_ISCHR(s->mode) || S_ISBLK(s->mode)) {
        assert_int_equal(major(st.st_rdev), s->rdev_major);
        assert_int_equal(minor(st.st_rdev), s->rdev_minor);
    }
    if (S_ISLNK(s->mode)) {
        assert_int_equal(readlinkat(dir, name, target, sizeof(target)), s->size);
        assert_memory_equal(target, s->target, s->size);
    }
    if (S_ISREG(s->mode))
        compare_content(g, s, dir, name);
    compare_xattrs(g, s, dir, name);
}

static inline size_t count_entries(int dir)
{
    DIR *d = fdopendir(dup(dir));
    size_t n = 0;

    assert_non_null(d);
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

static inline void compare_directory(const struct gen *g, uint32_t inode, int dir)
{
    const struct fc_snap_inode *s = &g->inodes[inode];
    size_t extra = 2;
    char name[256];

    for (uint32_t i = 0; i < s->n_dentries; i++) {
        const struct fc_snap_dentry *d = &g->dentries[s->first_dentry + i];

        snprintf(name, sizeof(name), "%.*s", (int)d->name_len, d->name);
        compare_inode(g, &g->inodes[d->inode], dir, name);
        if (S_ISDIR(g->inodes[d->inode].mode)) {
            int below = openat(dir, name, O_RDONLY | O_DIRECTORY);

            assert_true(below >= 0);
            compare_directory(g, d->inode, below);
            close(below);
        }
    }
    if (inode == 0) /* lost+found is there in any case */
        extra += faccessat(dir, "lost+found", F_OK, 0) == 0;
    for (uint32_t i = 0; inode == 0 && i < s->n_dentries; i++)
        extra -= strcmp(g->dentries[s->first_dentry + i].name, "lost+found") == 0;
    assert_int_equal(count_entries(dir), s->n_dentries + extra);
}

/** The image that was judged last shows just the tree of @g when the kernel mounts it. Skips without root or loop. */
static inline void gen_compare(const struct gen *g)
{
    int dir;

    if (!gen_mount("ro,noload")) {
        print_message("# the kernel was not asked: that needs root and loop devices\n");
        return;
    }
    dir = open(gen_mount_point(), O_RDONLY | O_DIRECTORY);
    assert_true(dir >= 0);
    compare_inode(g, &g->inodes[0], dir, ".");
    compare_directory(g, 0, dir);
    close(dir);
    gen_umount();
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Trees made of nothing, planned as ext4 and judged by e2fsck. */
#ifndef FC_TESTS_EXT4_HELP_H
#define FC_TESTS_EXT4_HELP_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/io.h"
#include "ext4/plan.h"

/** A name, until all are known and can be sorted by directory. */
struct gen_name {
    uint32_t parent, inode;
    char *name;
    uint32_t len;
};

/** A tree that grows. Contents come from one source, a memory file. */
struct gen {
    struct fc_snap_inode *inodes;
    struct fc_snap_extent *extents;
    struct fc_xattr *xattrs;
    struct gen_name *names;
    struct fc_snap_dentry *dentries;
    size_t n_inodes, cap_inodes, n_extents, cap_extents, n_xattrs, cap_xattrs, n_names, cap_names;
    struct fc_snap_source source;
    uint64_t source_end;
};

static inline uint32_t gen_inode(struct gen *g, uint32_t mode)
{
    struct timespec t = {1700000000 + (time_t)g->n_inodes, 123456789};

    assert_int_equal(fc_grow(&g->inodes, &g->cap_inodes, g->n_inodes + 1, sizeof(*g->inodes)), 0);
    g->inodes[g->n_inodes] = (struct fc_snap_inode){.ino = g->n_inodes + 1,
                                                    .mode = mode,
                                                    .parent = FC_TREE_NONE,
                                                    .first_extent = (uint32_t)g->n_extents,
                                                    .first_xattr = (uint32_t)g->n_xattrs,
                                                    .atime = t,
                                                    .mtime = t,
                                                    .ctime = t,
                                                    .crtime = t};
    return (uint32_t)g->n_inodes++;
}

static inline void gen_link(struct gen *g, uint32_t parent, const char *name, uint32_t inode)
{
    assert_int_equal(fc_grow(&g->names, &g->cap_names, g->n_names + 1, sizeof(*g->names)), 0);
    g->names[g->n_names++] = (struct gen_name){parent, inode, strdup(name), (uint32_t)strlen(name)};
    g->inodes[inode].nlink++;
    if (S_ISDIR(g->inodes[inode].mode))
        g->inodes[inode].parent = parent;
}

static inline uint32_t gen_add(struct gen *g, uint32_t parent, const char *name, uint32_t mode)
{
    uint32_t i = gen_inode(g, mode);

    gen_link(g, parent, name, i);
    return i;
}

static inline void gen_init(struct gen *g)
{
    memset(g, 0, sizeof(*g));
    g->source = (struct fc_snap_source){.fd = memfd_create("pack", MFD_CLOEXEC), .layer = 0};
    assert_true(g->source.fd >= 0);
    gen_inode(g, S_IFDIR | 0755);
    g->inodes[0].parent = 0;
}

/** Content of the file that was made last: @length bytes at @offset, with numbers in each block when @fill. */
static inline void gen_extent(struct gen *g, uint32_t inode, uint64_t offset, uint64_t length, bool fill)
{
    uint64_t blocks = fc_ext4_blocks(length);

    assert_int_equal(fc_grow(&g->extents, &g->cap_extents, g->n_extents + 1, sizeof(*g->extents)), 0);
    g->extents[g->n_extents++] =
        (struct fc_snap_extent){.offset = offset, .length = length, .source_offset = g->source_end, .source = 0};
    g->inodes[inode].n_extents++;
    for (uint64_t b = 0; fill && b < blocks; b++) {
        uint64_t words[2] = {inode, offset / 4096 + b};
        size_t n = length - b * 4096 < sizeof(words) ? (size_t)(length - b * 4096) : sizeof(words);

        assert_int_equal(pwrite(g->source.fd, words, n, (off_t)(g->source_end + b * 4096)), (ssize_t)n);
    }
    g->source_end += blocks * 4096;
    assert_int_equal(ftruncate(g->source.fd, (off_t)g->source_end), 0);
    if (offset + length > g->inodes[inode].size)
        g->inodes[inode].size = offset + length;
}

static inline uint32_t gen_file(struct gen *g, uint32_t parent, const char *name, uint64_t size)
{
    uint32_t i = gen_add(g, parent, name, S_IFREG | 0644);

    if (size)
        gen_extent(g, i, 0, size, true);
    return i;
}

static inline void gen_symlink(struct gen *g, uint32_t parent, const char *name, size_t len)
{
    uint32_t i = gen_add(g, parent, name, S_IFLNK | 0777);
    char *target = calloc(1, len + 1);

    memset(target, 't', len);
    g->inodes[i].target = target;
    g->inodes[i].size = len;
}

/** An attribute for the inode that was made last, in the order of names; the value is @size bytes of @byte. */
static inline void gen_xattr(struct gen *g, uint32_t inode, const char *name, size_t size, int byte)
{
    void *value = malloc(size + 1);

    memset(value, byte, size + 1);
    assert_int_equal(fc_grow(&g->xattrs, &g->cap_xattrs, g->n_xattrs + 1, sizeof(*g->xattrs)), 0);
    g->xattrs[g->n_xattrs++] = (struct fc_xattr){.name = strdup(name), .value = value, .size = size};
    g->inodes[inode].n_xattrs++;
}

static inline int gen_by_directory(const void *a, const void *b)
{
    const struct gen_name *x = a, *y = b;

    if (x->parent != y->parent)
        return x->parent < y->parent ? -1 : 1;
    return strcmp(x->name, y->name);
}

static inline struct fc_ext4_tables gen_tables(struct gen *g)
{
    if (g->n_names)
        qsort(g->names, g->n_names, sizeof(*g->names), gen_by_directory);
    free(g->dentries);
    g->dentries = calloc(g->n_names + 1, sizeof(*g->dentries));
    for (size_t i = 0; i < g->n_names; i++) {
        struct fc_snap_inode *dir = &g->inodes[g->names[i].parent];

        if (i == 0 || g->names[i - 1].parent != g->names[i].parent) {
            dir->first_dentry = (uint32_t)i;
            dir->n_dentries = 0;
        }
        dir->n_dentries++;
        g->dentries[i] = (struct fc_snap_dentry){g->names[i].name, g->names[i].len, g->names[i].inode};
    }
    return (struct fc_ext4_tables){.inodes = g->inodes,
                                   .dentries = g->dentries,
                                   .extents = g->extents,
                                   .xattrs = g->xattrs,
                                   .sources = &g->source,
                                   .n_inodes = (uint32_t)g->n_inodes,
                                   .n_dentries = (uint32_t)g->n_names,
                                   .n_extents = (uint32_t)g->n_extents,
                                   .n_xattrs = (uint32_t)g->n_xattrs,
                                   .n_sources = 1,
                                   .seed = {{7}}};
}

static inline void gen_release(struct gen *g)
{
    for (size_t i = 0; i < g->n_names; i++)
        free(g->names[i].name);
    for (size_t i = 0; i < g->n_inodes; i++)
        free((void *)(uintptr_t)g->inodes[i].target);
    for (size_t i = 0; i < g->n_xattrs; i++) {
        free((void *)(uintptr_t)g->xattrs[i].name);
        free((void *)(uintptr_t)g->xattrs[i].value);
    }
    free(g->inodes);
    free(g->extents);
    free(g->xattrs);
    free(g->names);
    free(g->dentries);
    close(g->source.fd);
}

/** Where the test's image goes; with FC_TEST_KEEP=NAME it stays there. */
static inline const char *gen_path(void)
{
    static char path[64];

    if (getenv("FC_TEST_KEEP"))
        return getenv("FC_TEST_KEEP");
    snprintf(path, sizeof(path), "/tmp/fc-ext4-%ld.img", (long)getpid());
    return path;
}

/** Run @command on the image; its output is shown when its exit status is not 0. */
static inline void gen_run(const char *command)
{
    struct fc_buf line = {0};

    assert_int_equal(fc_buf_addf(&line, "out=$(%s %s 2>&1) || { echo \"$out\"; exit 1; }", command, gen_path()), 0);
    if (system(line.data) != 0)
        fail_msg("%s failed", command);
    fc_buf_release(&line);
}

/** Plan, write, and have e2fsck look at it. */
static inline struct fc_ext4_summary gen_judge(struct gen *g, const struct fc_ext4_options *o)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image_write_options w = {.no_sync = true};
    struct fc_ext4_summary summary;
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    if (fc_ext4_plan_tables(&t, o, &image, &summary, &err) < 0)
        fail_msg("%s", err.msg);
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (getenv("FC_TEST_TIME"))
        print_message("plan %.3f s, %llu MiB\n", (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9,
                      (unsigned long long)(summary.size >> 20));
    if (fc_image_write(image, gen_path(), &w, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    fc_image_free(image);
    gen_run("e2fsck -fn");
    return summary;
}

/** The same for @t without the contents of files, which e2fsck does not read: for files of many gigabytes. */
static inline void gen_judge_tables(const struct fc_ext4_tables *t, const struct fc_ext4_options *o)
{
    int fd = open(gen_path(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    const struct fc_segment *s;
    size_t n;

    assert_true(fd >= 0);
    if (fc_ext4_plan_tables(t, o, &image, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(ftruncate(fd, (off_t)fc_image_size(image)), 0);
    s = fc_image_segments(image, &n);
    for (size_t i = 0; i < n; i++)
        if (s[i].kind == FC_SEGMENT_MEMORY)
            assert_int_equal(fc_pwrite_full(fd, s[i].memory, (size_t)s[i].length, s[i].offset), 0);
    close(fd);
    fc_image_free(image);
    gen_run("e2fsck -fn");
}

/** The same for a tree. */
static inline void gen_judge_structure(struct gen *g, const struct fc_ext4_options *o)
{
    struct fc_ext4_tables t = gen_tables(g);

    gen_judge_tables(&t, o);
}

static inline void gen_done(struct gen *g)
{
    if (!getenv("FC_TEST_KEEP"))
        unlink(gen_path());
    gen_release(g);
}

#endif

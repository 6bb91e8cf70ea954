/* SPDX-License-Identifier: Apache-2.0 */
/* Large contents on large pages of the image: judged by where the kernel says that they are. */
#include <errno.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "ext4_kernel.h"

#define PAGE (UINT64_C(2) << 20)

/* Small and large files by turns. */
static void build(struct gen *g)
{
    char name[32];
    uint32_t f;

    gen_init(g);
    for (uint32_t i = 0; i < 60; i++) {
        snprintf(name, sizeof(name), "small-%u", i);
        gen_file(g, 0, name, 1 + (uint64_t)i * 3001 % 70000);
        if (i % 6)
            continue;
        snprintf(name, sizeof(name), "large-%u", i);
        f = gen_add(g, 0, name, S_IFREG | 0644);
        gen_extent(g, f, i % 12 ? 3 * 4096 : 0, PAGE + i * UINT64_C(300) * 4096,
                   true); /* not always from a page's start */
    }
    f = gen_add(g, 0, "huge", S_IFREG | 0644); /* over the metadata of a group */
    gen_extent(g, f, 0, UINT64_C(200) << 20, false);
}

/* Extents of a file that fill whole pages: how many such pages stand on pages of the image. */
static void count_pages(const char *path, uint64_t *whole, uint64_t *aligned)
{
    struct {
        struct fiemap map;
        struct fiemap_extent extents[64];
    } m = {.map = {.fm_length = UINT64_MAX, .fm_extent_count = 64}};
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ioctl(fd, FS_IOC_FIEMAP, &m), 0);
    close(fd);
    for (uint32_t i = 0; i < m.map.fm_mapped_extents; i++) {
        const struct fiemap_extent *e = &m.extents[i];
        uint64_t first = (e->fe_logical + PAGE - 1) / PAGE, end = (e->fe_logical + e->fe_length) / PAGE;

        if (end <= first)
            continue;
        *whole += end - first;
        if (e->fe_logical % PAGE == e->fe_physical % PAGE)
            *aligned += end - first;
    }
}

static void judge_pages(struct gen *g, uint64_t least)
{
    uint64_t whole = 0, aligned = 0;
    char path[256];

    if (!gen_mount("ro,noload"))
        return;
    for (size_t i = 0; i < g->n_names; i++) {
        snprintf(path, sizeof(path), "%s/%s", gen_mount_point(), g->names[i].name);
        if (g->inodes[g->names[i].inode].size >= PAGE)
            count_pages(path, &whole, &aligned);
    }
    gen_umount();
    assert_true(whole >= least);
    assert_int_equal(aligned, whole);
}

static void test_pages(void **state)
{
    struct fc_ext4_options o = {.align = PAGE};
    struct fc_ext4_summary plain, s;
    struct gen g;

    (void)state;
    build(&g);
    plain = gen_judge(&g, NULL);
    s = gen_judge(&g, &o);
    gen_compare(&g);
    judge_pages(&g, 99 + 20);
    assert_int_equal(s.size % PAGE, 0);
    assert_true(s.size < plain.size + 16 * PAGE);
    assert_int_equal(s.size, s.needed);
    o.size = s.size + 8 * PAGE;
    s = gen_judge(&g, &o);
    assert_int_equal(s.size, o.size);
    judge_pages(&g, 99 + 20);
    gen_done(&g);
}

/* After edits, too: what is kept, and what is new. */
static void test_edited_pages(void **state)
{
    struct fc_ext4_options o = {.align = PAGE};
    struct gen base, edited;
    struct fc_ext4_tables b, t;
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    (void)state;
    build(&base);
    build(&edited);
    for (size_t i = 0; i < edited.n_names; i++) { /* a hole of some pages */
        if (strcmp(edited.names[i].name, "large-54") == 0) {
            free(edited.names[i].name);
            edited.names[i] = edited.names[--edited.n_names];
        }
    }
    gen_file(&edited, 0, "new-large", 5 * PAGE + 4096);
    gen_file(&edited, 0, "new-larger", 50 * PAGE);
    b = gen_tables(&base);
    t = gen_tables(&edited);
    t.base = &b;
    if (fc_ext4_plan_tables(&t, &o, &image, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(fc_image_write(image, gen_path(), &(struct fc_image_write_options){.no_sync = true}, NULL, &err),
                     0);
    fc_image_free(image);
    gen_run("e2fsck -fn");
    gen_compare(&edited);
    judge_pages(&edited, 99 + 60);
    gen_release(&base);
    gen_done(&edited);
}

static void test_refused(void **state)
{
    static const struct fc_ext4_options bad[] = {
        {.align = 4096}, {.align = 3 << 20}, {.align = 256 << 20}, {.align = PAGE, .size = PAGE * 200 + 4096}};
    struct gen g;

    (void)state;
    gen_init(&g);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct fc_ext4_tables t = gen_tables(&g);
        struct fc_image *image = NULL;
        struct fc_error err = {0};

        assert_int_equal(fc_ext4_plan_tables(&t, &bad[i], &image, NULL, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "alignment"));
    }
    gen_release(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pages), cmocka_unit_test(test_edited_pages),
                                       cmocka_unit_test(test_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Features that are used when needed: deep directory indexes, large attributes, data in inodes. */
#include <errno.h>

#include "ext4_kernel.h"

/* Plan with at most @fill entries in a block of an index, write, and have e2fsck and the kernel look. */
static void judge_filled(struct gen *g, unsigned fill, const struct fc_ext4_options *o)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image_write_options w = {.no_sync = true};
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    t.index_fill = fill;
    if (fc_ext4_plan_tables(&t, o, &image, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    if (fc_image_write(image, gen_path(), &w, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    fc_image_free(image);
    gen_run("e2fsck -fn");
    gen_compare(g);
}

static bool has_feature(const char *name)
{
    char line[192];

    snprintf(line, sizeof(line), "dumpe2fs -h %s 2>/dev/null | grep -q '^Filesystem features:.* %s'", gen_path(), name);
    return system(line) == 0;
}

static void expect_refusal(struct gen *g, unsigned fill, const struct fc_ext4_options *o, int code, const char *words)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    t.index_fill = fill;
    assert_int_equal(fc_ext4_plan_tables(&t, o, &image, NULL, &err), -code);
    if (!strstr(err.msg, words))
        fail_msg("\"%s\" says nothing of \"%s\"", err.msg, words);
}

/* Names of 247 to 250 bytes, of which a leaf holds 15 or 16, so that @n_leaves is easily reached. */
static uint32_t wide_directory(struct gen *g, size_t n_names)
{
    uint32_t d = gen_add(g, 0, "wide", S_IFDIR | 0755), file = gen_add(g, 0, "file", S_IFREG | 0644);
    char name[256];

    for (size_t i = 0; i < n_names; i++) {
        snprintf(name, sizeof(name), "%0250zu", i);
        gen_link(g, d, name, file);
    }
    return d;
}

/* With four entries in a block: levels at every border, and the feature just where the third comes. */
static void test_large_dir(void **state)
{
    static const struct {
        unsigned leaves;
        bool large;
    } cases[] = {{2, false}, {4, false}, {5, false}, {16, false}, {17, true}, {33, true}, {63, true}, {64, true}};
    struct fc_ext4_options o = {.profile = FC_EXT4_PROFILE_COMPAT};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        struct gen g;

        gen_init(&g);
        wide_directory(&g, (size_t)cases[i].leaves * 15);
        judge_filled(&g, 4, NULL);
        assert_int_equal(has_feature("large_dir"), cases[i].large);
        if (cases[i].large)
            expect_refusal(&g, 4, &o, EOPNOTSUPP,
                           "/wide: ext4 holds no directory of so many names without large_dir, which "
                           "the profile compat lacks");
        gen_done(&g);
    }
}

static void test_too_many_names(void **state)
{
    struct gen g;

    (void)state;
    gen_init(&g);
    wide_directory(&g, 65 * 15);
    expect_refusal(&g, 4, NULL, EOPNOTSUPP, "/wide: too many names for a directory index of three levels");
    gen_done(&g);
}

/* A guest goes on where the planner stopped: it splits leaves and index blocks of a deep tree. */
static void test_guest_adds_names(void **state)
{
    struct fc_ext4_options o = {.free_bytes = 8 << 20};
    char path[512];
    struct gen g;

    (void)state;
    gen_init(&g);
    wide_directory(&g, 600);
    judge_filled(&g, 4, &o);
    assert_true(has_feature("large_dir"));
    if (!gen_mount("rw")) {
        gen_done(&g);
        skip();
    }
    for (unsigned i = 0; i < 1500; i++) {
        int fd;

        snprintf(path, sizeof(path), "%s/wide/new%0200u", gen_mount_point(), i);
        fd = open(path, O_CREAT | O_EXCL | O_WRONLY, 0600);
        assert_true(fd >= 0);
        close(fd);
    }
    for (unsigned i = 0; i < 600; i += 2) {
        snprintf(path, sizeof(path), "%s/wide/%0250u", gen_mount_point(), i);
        assert_int_equal(unlink(path), 0);
    }
    gen_umount();
    gen_run("e2fsck -fn");
    gen_done(&g);
}

/* More leaves than two levels of full blocks lead to: 4.1 million names, minutes and gigabytes. For the full run. */
static void test_large_dir_in_full(void **state)
{
    uint32_t d, file = 0;
    char name[256];
    struct gen g;

    (void)state;
    if (!getenv("FC_TEST_LARGE"))
        skip();
    gen_init(&g);
    d = gen_add(&g, 0, "wide", S_IFDIR | 0755);
    for (unsigned i = 0; i < 507u * 510 * 15 + 200000; i++) {
        if (i % 60000 == 0) {
            snprintf(name, sizeof(name), "file%u", i);
            file = gen_add(&g, 0, name, S_IFREG | 0644);
        }
        snprintf(name, sizeof(name), "%0250u", i);
        gen_link(&g, d, name, file);
    }
    judge_filled(&g, 0, NULL);
    assert_true(has_feature("large_dir"));
    gen_done(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_dir),
        cmocka_unit_test(test_too_many_names),
        cmocka_unit_test(test_guest_adds_names),
        cmocka_unit_test(test_large_dir_in_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Path rules, whiteout names, exclude patterns, filters. */
#include "unit/tar_help.h"

#include <errno.h>

#include "entry/glob.h"

static void test_normalise(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } cases[] = {
        {"", ""},
        {"/", ""},
        {".", ""},
        {"./", ""},
        {"a", "a"},
        {"/a//b/", "a/b"},
        {"./a/./b/.", "a/b"},
        {"..", NULL},
        {"a/../b", NULL},
        {"a/..", NULL},
        {"...", "..."},
        {"..a/b..", "..a/b.."},
        {" / ", " / "},
        {"\xff/\n", "\xff/\n"},
    };
    struct fc_buf b = {0};
    char name[300];

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        int r = fc_path_normalise(cases[i].in, strlen(cases[i].in), &b, NULL);

        assert_int_equal(r, cases[i].out ? 0 : -EBADMSG);
        if (cases[i].out)
            assert_string_equal(b.data, cases[i].out);
    }
    assert_int_equal(fc_path_normalise("a\0b", 3, &b, NULL), -EBADMSG);
    memset(name, 'n', sizeof(name));
    assert_int_equal(fc_path_normalise(name, 255, &b, NULL), 0);
    assert_int_equal(fc_path_normalise(name, 256, &b, NULL), -EBADMSG);
    memcpy(name, ".wh.", 4); /* so that a name of 255 bytes can be hidden */
    assert_int_equal(fc_path_normalise(name, 259, &b, NULL), 0);
    assert_int_equal(fc_path_normalise(name, 260, &b, NULL), -EBADMSG);
    fc_buf_release(&b);
}

static void test_classify(void **state)
{
    const char *name = NULL;

    (void)state;
    assert_int_equal(fc_whiteout_classify("a/b", NULL), FC_WHITEOUT_NONE);
    assert_int_equal(fc_whiteout_classify(".wh.x/b", NULL), FC_WHITEOUT_NONE);
    assert_int_equal(fc_whiteout_classify("a/.wh.b", &name), FC_WHITEOUT_FILE);
    assert_string_equal(name, "b");
    assert_int_equal(fc_whiteout_classify(".wh..hidden", &name), FC_WHITEOUT_FILE);
    assert_string_equal(name, ".hidden");
    assert_int_equal(fc_whiteout_classify("a/.wh..wh..opq", NULL), FC_WHITEOUT_OPAQUE);
    assert_int_equal(fc_whiteout_classify(".wh..wh.plnk", NULL), FC_WHITEOUT_META);
    assert_int_equal(fc_whiteout_classify("a/.wh.", NULL), FC_WHITEOUT_BAD);
    assert_int_equal(fc_whiteout_classify("a/.wh..", NULL), FC_WHITEOUT_BAD);
    assert_int_equal(fc_whiteout_classify("a/.wh...", NULL), FC_WHITEOUT_BAD);
}

static void test_globs(void **state)
{
    static const struct {
        const char *pattern, *path;
        bool match;
    } cases[] = {
        {"*.o", "a/b.o", true},
        {"*.o", "b.o/c", false},
        {"a/*.o", "a/b.o", true},
        {"a/*.o", "a/b/c.o", false},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"**/c", "c", true},
        {"**/c", "a/b/c", true},
        {"**/c", "a/bc", false},
        {"a/**/c", "a/c", true},
        {"a/**/c", "a/x/y/c", true},
        {"a/**/c", "a/x/yc", false},
        {"/b", "a/b", false},
        {"/b", "b", true},
        {"b/", "a/b", true},
        {"[a-c]?", "b1", true},
        {"[!a-c]?", "b1", false},
        {"\\*", "*", true},
        {"\\*", "a", false},
        {"[[:digit:]]", "7", true},
        {"[", "[", true},
        {"a/**b", "a/x/yb", true},
        {"*a*b*c*", "xxaxxbxxcxx", true},
        {"*a*b*c*", "xxaxxcxxbxx", false},
        {"**/x/**/y", "1/x/2/x/y", true},
        {"", "a", false},
        {"a/*/c/**/*.o", "a/b/c/d/e/f.o", true},
    };

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++)
        if (fc_glob_excluded(&cases[i].pattern, 1, cases[i].path) != cases[i].match)
            fail_msg("\"%s\" with \"%s\"", cases[i].pattern, cases[i].path);
}

/* An iterator over a list of entries. */
struct list_iter {
    struct fc_entry_iter base;
    const struct fc_entry *entries;
    size_t n, at;
};

static int list_next(struct fc_entry_iter *it, const struct fc_entry **ret, struct fc_error *err)
{
    struct list_iter *l = (struct list_iter *)it;

    (void)err;
    if (l->at == l->n)
        return 0;
    *ret = &l->entries[l->at++];
    return 1;
}

static int list_read(struct fc_entry_iter *it, struct fc_block *b, struct fc_error *err)
{
    (void)it;
    (void)b;
    (void)err;
    return 0;
}

static void list_free(struct fc_entry_iter *it) { free(it); }

static struct fc_entry_iter *list(const struct fc_entry *entries, size_t n)
{
    struct list_iter *l = calloc(1, sizeof(*l));

    *l = (struct list_iter){{.next = list_next, .read = list_read, .free = list_free}, entries, n, 0};
    return &l->base;
}

static void test_filter_whiteouts(void **state)
{
    const struct fc_entry entries[] = {
        {.path = "a/.wh.b", .mode = S_IFREG},
        {.path = ".wh.c", .mode = S_IFCHR},
        {.op = FC_ENTRY_HARDLINK, .path = ".wh.h", .target = "x"},
        {.path = "a/.wh..wh..opq", .mode = S_IFREG},
        {.path = ".wh..wh..opq", .mode = S_IFREG},
        {.path = ".wh..wh.plnk", .mode = S_IFDIR},
        {.path = ".wh..wh.plnk/1", .mode = S_IFREG},
        {.path = "x", .mode = S_IFREG},
        {.path = ".wh.d/x", .mode = S_IFREG, .offset = 512},
    };
    struct fc_entry_iter *it = NULL;
    struct fc_error err = {0};
    struct fc_buf out = {0};

    (void)state;
    assert_int_equal(fc_filter_whiteouts(list(entries, FC_LENGTH(entries)), &it, NULL), 0);
    assert_int_equal(describe_stream(it, false, &out, &err), -EBADMSG);
    assert_string_equal(err.msg, "entry \".wh.d/x\" at offset 512: lies below a whiteout");
    assert_string_equal(out.data, "whiteout a/b 0 0:0 0 0.000000000\nwhiteout c 0 0:0 0 0.000000000\n"
                                  "whiteout h 0 0:0 0 0.000000000\nopaque a 0 0:0 0 0.000000000\n"
                                  "opaque  0 0:0 0 0.000000000\nadd x 100000 0:0 0 0.000000000\n");
    fc_entry_iter_free(it);
    fc_buf_release(&out);
}

/* An error of the filter, too, says which layer it is about. */
static void test_filter_names_its_source(void **state)
{
    const struct fc_entry bare = {.path = ".wh.", .mode = S_IFREG, .offset = 1024};
    struct fc_entry_iter *it = list(&bare, 1);
    const struct fc_entry *e;
    struct fc_error err = {0};

    (void)state;
    it->label = "app.tar";
    assert_int_equal(fc_filter_whiteouts(it, &it, NULL), 0);
    assert_int_equal(fc_entry_next(it, &e, &err), -EBADMSG);
    assert_string_equal(err.msg, "app.tar: entry \".wh.\" at offset 1024: a whiteout that names nothing");
    fc_entry_iter_free(it);
}

static void test_filter_owner_and_prefix(void **state)
{
    const struct fc_entry entries[] = {
        {.path = "", .mode = S_IFDIR, .uid = 5},
        {.path = "f", .mode = S_IFREG},
        {.op = FC_ENTRY_HARDLINK, .path = "h", .target = "f"},
        {.path = "s", .mode = S_IFLNK, .target = "f"},
    };
    struct fc_entry_iter *it = NULL;
    struct fc_buf out = {0};

    (void)state;
    assert_int_equal(fc_filter_owner(list(entries, FC_LENGTH(entries)), 1, 2, &it, NULL), 0);
    assert_int_equal(fc_filter_prefix(it, "p/q", &it, NULL), 0);
    assert_int_equal(describe_stream(it, false, &out, NULL), 0);
    assert_string_equal(out.data, "add p/q 40000 1:2 0 0.000000000\nadd p/q/f 100000 1:2 0 0.000000000\n"
                                  "link p/q/h 0 1:2 0 0.000000000 -> p/q/f\n"
                                  "add p/q/s 120000 1:2 0 0.000000000 -> f\n");
    fc_entry_iter_free(it);
    fc_buf_release(&out);
}

static void test_host_only(void **state)
{
    (void)state;
    assert_true(fc_xattr_is_host_only("security.selinux"));
    assert_true(fc_xattr_is_host_only("trusted.overlay.opaque"));
    assert_true(fc_xattr_is_host_only("user.overlay.x"));
    assert_false(fc_xattr_is_host_only("security.capability"));
    assert_false(fc_xattr_is_host_only("user.overlayfs"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise),
        cmocka_unit_test(test_classify),
        cmocka_unit_test(test_globs),
        cmocka_unit_test(test_filter_whiteouts),
        cmocka_unit_test(test_filter_names_its_source),
        cmocka_unit_test(test_filter_owner_and_prefix),
        cmocka_unit_test(test_host_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

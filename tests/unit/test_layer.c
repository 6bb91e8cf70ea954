/* SPDX-License-Identifier: Apache-2.0 */
/* layer: what the builder makes of entries, case by case. */
#include "unit/layer_helper.h"

static void parents_that_are_missing_are_made(void **state)
{
    const struct step s[] = {FILE_("a/b/c", "x"), DIR_("a/b")};

    (void)state;
    CASE(s, " dir?=0\n/a dir?=1\n/a/b dir=2\n/a/b/c file=3\n");
}

static void empty_layer_has_a_root(void **state)
{
    struct fc_error err = {0};
    struct fc_layer *l;

    (void)state;
    assert_int_equal(build_as(next_id++, NULL, 0, &l, &err), 0);
    EXPECT(l, " dir?=0\n");
    fc_layer_unref(l);
}

static void root_entry_describes_the_root(void **state)
{
    const struct step s[] = {DIR_("", .uid = 7)};
    const struct step file[] = {FILE_("", "x")};
    struct fc_error err = {0};
    struct fc_layer *l;

    (void)state;
    BUILD(next_id, s, &l);
    next_id++;
    assert_int_equal(fc_layer_view(l)->inodes[0].uid, 7);
    EXPECT(l, " dir=0\n");
    fc_layer_unref(l);
    FAILS(file, "root");
}

static void last_of_duplicates_wins(void **state)
{
    const struct step s[] = {FILE_("f", "old"), LINK_("kept", "f"), FILE_("f", "new"), LINK_("g", "f")};

    (void)state;
    CASE(s, " dir?=0\n/f file=1\n/kept file=2\n/g file=1\n");
}

static void replaced_file_without_links_is_gone(void **state)
{
    const struct step s[] = {FILE_("f", "old"), FILE_("f", "new")};

    (void)state;
    CASE(s, " dir?=0\n/f file=1\n");
}

static void directory_over_directory_keeps_children(void **state)
{
    const struct step s[] = {DIR_("d"), FILE_("d/x", "x"), DIR_("d", .uid = 5)};

    (void)state;
    CASE(s, " dir?=0\n/d dir=1\n/d/x file=2\n");
}

static void file_over_directory_drops_children(void **state)
{
    const struct step s[] = {DIR_("d"),        FILE_("d/x/y", "x"), FILE_("d/z", "z"),
                             WHITEOUT_("d/w"), FILE_("d", "file"),  FILE_("e", "")};

    (void)state;
    CASE(s, " dir?=0\n/d file=1\n/e file=2\n");
}

static void symlink_over_directory_drops_children(void **state)
{
    const struct step s[] = {FILE_("d/x", "x"), OPAQUE_("d"), SYMLINK_("d", "usr/d"), FILE_("d/y", "y")};

    (void)state;
    CASE(s, " dir?=0\n/d symlink=1\n/d/y file=2\n");
}

static void link_keeps_what_a_dropped_directory_held(void **state)
{
    const struct step s[] = {FILE_("d/x", "x"), LINK_("y", "d/x"), FILE_("d", "")};

    (void)state;
    CASE(s, " dir?=0\n/d file=1\n/y file=2\n");
}

static void child_below_a_file_makes_it_a_directory(void **state)
{
    const struct step s[] = {FILE_("f", "x"), FILE_("f/y", "y")};

    (void)state;
    CASE(s, " dir?=0\n/f dir?=1\n/f/y file=2\n");
}

static void child_below_a_symlink_stays_there(void **state)
{
    const struct step s[] = {SYMLINK_("lib", "usr/lib"), FILE_("lib/x", "x"), WHITEOUT_("lib/old"), OPAQUE_("lib")};

    (void)state;
    CASE(s, " dir?=0\n/lib opaque symlink=1\n/lib/x file=2\n/lib/old whiteout\n");
}

static void whiteout_and_object_share_a_node_in_any_order(void **state)
{
    const struct step a[] = {WHITEOUT_("f"), FILE_("f", "x")};
    const struct step b[] = {FILE_("f", "x"), WHITEOUT_("f")};
    const struct step c[] = {WHITEOUT_("d"), FILE_("d/x", "x")};

    (void)state;
    CASE(a, " dir?=0\n/f whiteout file=1\n");
    CASE(b, " dir?=0\n/f whiteout file=1\n");
    CASE(c, " dir?=0\n/d whiteout dir?=1\n/d/x file=2\n");
}

static void opaque_stands_with_its_directory_in_any_order(void **state)
{
    const struct step a[] = {OPAQUE_("d"), DIR_("d"), FILE_("d/x", "x")};
    const struct step b[] = {DIR_("d"), FILE_("d/x", "x"), OPAQUE_("d")};
    const struct step root[] = {OPAQUE_("")};
    const struct step file[] = {FILE_("f", "x"), OPAQUE_("f")};

    (void)state;
    CASE(a, " dir?=0\n/d opaque dir=1\n/d/x file=2\n");
    CASE(b, " dir?=0\n/d opaque dir=1\n/d/x file=2\n");
    CASE(root, " opaque dir?=0\n");
    CASE(file, " dir?=0\n/f opaque dir?=1\n");
}

static void hard_link_shares_the_inode(void **state)
{
    const struct step s[] = {FILE_("f", "x"), LINK_("g", "f"), SYMLINK_("s", "f"), LINK_("t", "s"), LINK_("g", "f")};

    (void)state;
    CASE(s, " dir?=0\n/f file=1\n/g file=1\n/s symlink=2\n/t symlink=2\n");
}

static void hard_link_to_below_stays_open(void **state)
{
    const struct step s[] = {LINK_("a", "usr/f"), LINK_("b", "a"), WHITEOUT_("c"), LINK_("d", "c")};

    (void)state;
    CASE(s, " dir?=0\n/a link(usr/f)\n/b link(usr/f)\n/c whiteout\n/d link(c)\n");
}

static void hard_link_before_its_target_has_a_fallback(void **state)
{
    const struct step s[] = {LINK_("a", "b"), LINK_("b", "c"), FILE_("c", "x"), LINK_("d", "e"), DIR_("e")};

    (void)state;
    CASE(s, " dir?=0\n/a link(b) file=1\n/b link(c) file=1\n/c file=1\n/d link(e)\n/e dir=2\n");
}

static void impossible_hard_links_are_errors(void **state)
{
    const struct step dir[] = {DIR_("d"), LINK_("l", "d")};
    const struct step made[] = {FILE_("d/x", ""), LINK_("l", "d")};
    const struct step self[] = {FILE_("f", ""), LINK_("f", "f")};
    const struct step circle[] = {LINK_("a", "b"), LINK_("b", "a")};
    const struct step empty[] = {LINK_("a", "")};
    const struct step up[] = {LINK_("a", "../x")};

    (void)state;
    FAILS(dir, "hard link to the directory");
    FAILS(made, "hard link to the directory");
    FAILS(self, "itself");
    FAILS(circle, "circle");
    FAILS(empty, "hard link");
    FAILS(up, "../x");
}

static void bad_entries_are_errors(void **state)
{
    const struct fc_block beyond[] = {{"0123456789", 10, 0}, {NULL, 0, 0}};
    const struct fc_block overlap[] = {{"0123", 4, 0}, {"0123", 4, 2}, {NULL, 0, 0}};
    const struct fc_xattr twice[] = {{"user.a", "", 0}, {"user.a", "", 0}};
    const struct step dots[] = {FILE_("a/../b", "")}, slash[] = {FILE_("a//b", "")}, tail[] = {DIR_("a/")};
    const struct step root[] = {WHITEOUT_("")}, type[] = {{.op = FC_ENTRY_ADD, .path = "x", .mode = 0644}};
    const struct step b[] = {FILE_("x", NULL, .blocks = beyond, .size = 9)};
    const struct step o[] = {FILE_("x", NULL, .blocks = overlap, .size = 9)};
    const struct step huge[] = {FILE_("x", NULL, .blocks = beyond, .size = UINT64_MAX)};
    const struct step text[] = {SYMLINK_("x", "")};
    const struct step x[] = {DIR_("x", .xattrs = twice, .n_xattrs = 2)};
    const struct step when[] = {DIR_("x", .mtime = {0, 1000000000})};

    (void)state;
    FAILS(dots, "not a path");
    FAILS(slash, "not a path");
    FAILS(tail, "not a path");
    FAILS(root, "whiteout of the root");
    FAILS(type, "type");
    FAILS(b, "beyond");
    FAILS(o, "overlaps");
    FAILS(huge, "size");
    FAILS(text, "symlink");
    FAILS(x, "extended attributes");
    FAILS(when, "time");
}

static void counts_are_those_of_the_finished_layer(void **state)
{
    const struct step s[] = {FILE_("a/b", "12345"), WHITEOUT_("a/c"), OPAQUE_("a"), FILE_("d", "replaced"),
                             FILE_("d", "12")};
    struct fc_error err = {0};
    struct fc_layer_stats st;
    struct fc_layer *l;

    (void)state;
    BUILD(next_id, s, &l);
    next_id++;
    fc_layer_stats(l, &st);
    assert_int_equal(st.n_entries, 4);
    assert_int_equal(st.n_whiteouts, 2);
    assert_int_equal(st.data_bytes, 7);
    assert_int_equal(st.tar_bytes, 10240);
    assert_int_equal(st.pack_bytes, 3 * 4096);
    fc_layer_unref(l);
}

static void equal_xattrs_are_stored_once(void **state)
{
    const struct fc_xattr set[] = {{"security.capability", "\1\0\0", 3}, {"user.x", "", 0}};
    const struct step s[] = {FILE_("a", "", .xattrs = set, .n_xattrs = 2), FILE_("b", "", .xattrs = set, .n_xattrs = 2),
                             FILE_("c", "", .xattrs = set, .n_xattrs = 1)};
    struct fc_error err = {0};
    struct fc_layer *l;
    const struct fc_layer_view *v;

    (void)state;
    BUILD(next_id, s, &l);
    next_id++;
    v = fc_layer_view(l);
    assert_int_equal(v->header->n_xattrs, 3);
    assert_int_equal(v->inodes[2].first_xattr, v->inodes[1].first_xattr);
    assert_memory_equal(v->strings + v->xattrs[2].value, "\1\0\0", 3);
    fc_layer_unref(l);
}

static void deep_and_wide_layers_are_fast(void **state)
{
    enum { DEEP = 20000, WIDE = 100000 };
    struct step *s = calloc(WIDE + 2, sizeof(*s));
    char *deep = malloc(2 * DEEP), (*names)[16] = malloc(WIDE * sizeof(*names));
    struct fc_error err = {0};
    struct fc_layer *l;

    (void)state;
    for (int i = 0; i < DEEP; i++)
        memcpy(deep + (ptrdiff_t)2 * i, "d/", 2);
    deep[2 * DEEP - 1] = '\0';
    s[0] = (struct step)FILE_(deep, "bottom");
    for (int i = 0; i < WIDE; i++) {
        snprintf(names[i], sizeof(names[i]), "w/%d", i);
        s[i + 1] = (struct step)FILE_(names[i], "");
    }
    s[WIDE + 1] = (struct step)FILE_("d", "a file instead");
    assert_int_equal(build_as(next_id, s, WIDE + 1, &l, &err), 0);
    next_id++;
    assert_int_equal(fc_layer_view(l)->header->n_nodes, 1 + DEEP + 1 + WIDE);
    fc_layer_unref(l);
    assert_int_equal(build_as(next_id, s, WIDE + 2, &l, &err), 0);
    next_id++;
    assert_int_equal(fc_layer_view(l)->header->n_nodes, 1 + 1 + 1 + WIDE);
    fc_layer_unref(l);
    free(s);
    free(deep);
    free(names);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parents_that_are_missing_are_made),
        cmocka_unit_test(empty_layer_has_a_root),
        cmocka_unit_test(root_entry_describes_the_root),
        cmocka_unit_test(last_of_duplicates_wins),
        cmocka_unit_test(replaced_file_without_links_is_gone),
        cmocka_unit_test(directory_over_directory_keeps_children),
        cmocka_unit_test(file_over_directory_drops_children),
        cmocka_unit_test(symlink_over_directory_drops_children),
        cmocka_unit_test(link_keeps_what_a_dropped_directory_held),
        cmocka_unit_test(child_below_a_file_makes_it_a_directory),
        cmocka_unit_test(child_below_a_symlink_stays_there),
        cmocka_unit_test(whiteout_and_object_share_a_node_in_any_order),
        cmocka_unit_test(opaque_stands_with_its_directory_in_any_order),
        cmocka_unit_test(hard_link_shares_the_inode),
        cmocka_unit_test(hard_link_to_below_stays_open),
        cmocka_unit_test(hard_link_before_its_target_has_a_fallback),
        cmocka_unit_test(impossible_hard_links_are_errors),
        cmocka_unit_test(bad_entries_are_errors),
        cmocka_unit_test(counts_are_those_of_the_finished_layer),
        cmocka_unit_test(equal_xattrs_are_stored_once),
        cmocka_unit_test(deep_and_wide_layers_are_fast),
    };

    return cmocka_run_group_tests_name("layer", tests, enter, leave);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Folding layers: the OCI merge rules, case by case. */
#include "tree_help.h"

#define CASE(name) static void name(void **state)
#define BEGIN                                                                                                          \
    struct tree_test t;                                                                                                \
    (void)state;                                                                                                       \
    tree_begin(&t)
#define END tree_end(&t)

CASE(no_layers_is_an_empty_root)
{
    BEGIN;
    tree_expect(&t, NULL, "");
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].mode, S_IFDIR | 0755);
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].ino, 1);
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].nlink, 2);
    END;
}

CASE(one_layer_sorted)
{
    BEGIN;
    LAYER(&t, FILE_("b"), DIR_("a"), FILE_("a/z"), FILE_("a/y"), FILE_("a.c"));
    tree_expect(&t, NULL, "d a 0\nf a/y 0\nf a/z 0\nf a.c 0\nf b 0\n");
    END;
}

CASE(root_entry_applies_to_root)
{
    BEGIN;
    LAYER(&t, DIR_M("", 0711, 7), FILE_("a"));
    LAYER(&t, FILE_("b"));
    tree_expect(&t, NULL, "f a 0\nf b 1\n");
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].mode, S_IFDIR | 0711);
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].uid, 7);
    END;
}

CASE(opaque_after_its_siblings_spares_them)
{
    BEGIN;
    LAYER(&t, DIR_("d"), FILE_("d/old"), DIR_("d/sub"), FILE_("d/sub/x"));
    LAYER(&t, FILE_("d/new"), OPAQUE("d"));
    tree_expect(&t, NULL, "d d 0\nf d/new 1\n");
    END;
}

CASE(opaque_before_the_directory_entry)
{
    BEGIN;
    LAYER(&t, DIR_("d"), FILE_("d/old"));
    LAYER(&t, OPAQUE("d"), DIR_M("d", 0700, 3), FILE_("d/new"));
    tree_expect(&t, NULL, "d d 1\nf d/new 1\n");
    END;
}

CASE(opaque_root)
{
    BEGIN;
    LAYER(&t, FILE_("a"), DIR_("b"));
    LAYER(&t, FILE_("c"), OPAQUE(""));
    tree_expect(&t, NULL, "f c 1\n");
    END;
}

CASE(whiteout_and_new_file_of_that_name)
{
    BEGIN;
    LAYER(&t, FILE_("a"), DIR_("d"), FILE_("d/x"));
    LAYER(&t, FILE_("a"), WHITE("a"), WHITE("d"), DIR_("d"), FILE_("d/y"));
    tree_expect(&t, NULL, "f a 1\nd d 1\nf d/y 1\n");
    END;
}

CASE(whiteout_acts_on_lower_layers_only)
{
    BEGIN;
    LAYER(&t, DIR_("d"), FILE_("d/a"));
    LAYER(&t, FILE_("d/b"), WHITE("d/b"), WHITE("d/a"));
    tree_expect(&t, NULL, "d d 0\nf d/b 1\n");
    END;
}

CASE(whiteout_of_a_missing_path)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, WHITE("b"), WHITE("x/y/z"), WHITE("a/b"));
    tree_expect(&t, NULL, "f a 0\n");
    END;
}

CASE(whiteout_of_a_directory_removes_all_in_it)
{
    BEGIN;
    LAYER(&t, DIR_("d"), DIR_("d/e"), FILE_("d/e/f"), FILE_("k"));
    LAYER(&t, WHITE("d"));
    LAYER(&t, FILE_("d/e/n"));
    tree_expect(&t, NULL, "d d 2\nd d/e 2\nf d/e/n 2\nf k 0\n");
    END;
}

CASE(whiteout_through_a_symlinked_parent)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), DIR_("usr/lib"), FILE_("usr/lib/a"), FILE_("usr/lib/b"), SYM("lib", "usr/lib"));
    LAYER(&t, WHITE("lib/a"));
    tree_expect(&t, NULL, "l lib 0 -> usr/lib\nd usr 0\nd usr/lib 0\nf usr/lib/b 0\n");
    END;
}

CASE(whiteout_of_a_symlink_leaves_what_it_points_to)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), FILE_("usr/a"), SYM("lib", "usr"));
    LAYER(&t, WHITE("lib"));
    tree_expect(&t, NULL, "d usr 0\nf usr/a 0\n");
    END;
}

CASE(missing_parents_are_made)
{
    static const struct fc_tree_options options = {.default_time = 1234};
    BEGIN;
    LAYER(&t, FILE_("a/b/c"));
    tree_expect(&t, &options, "d a 0\nd a/b 0\nf a/b/c 0\n");
    assert_int_equal(tree_find(t.tree, "a/b")->mode, S_IFDIR | 0755);
    assert_int_equal(tree_find(t.tree, "a/b")->mtime.tv_sec, 1234);
    assert_int_equal(tree_find(t.tree, "a/b")->uid, 0);
    END;
}

CASE(missing_parents_are_made_for_hard_links)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, LINK("x/y", "a"));
    tree_expect(&t, NULL, "f a 0 x2\nd x 1\nf x/y 0 x2\n");
    END;
}

CASE(implicit_parent_keeps_lower_attributes)
{
    BEGIN;
    LAYER(&t, DIR_M("d", 01777, 5));
    LAYER(&t, FILE_("d/f"));
    tree_expect(&t, NULL, "d d 0\nf d/f 1\n");
    assert_int_equal(tree_find(t.tree, "d")->mode, S_IFDIR | 01777);
    END;
}

CASE(directory_over_directory_merges_and_keeps_its_number)
{
    uint64_t ino;
    BEGIN;
    LAYER(&t, DIR_M("d", 0755, 0), FILE_("d/a"));
    tree_expect(&t, NULL, "d d 0\nf d/a 0\n");
    ino = tree_find(t.tree, "d")->ino;
    LAYER(&t, FILE_("x"), DIR_M("d", 0700, 9), FILE_("d/b"));
    tree_expect(&t, NULL, "d d 1\nf d/a 0\nf d/b 1\nf x 1\n");
    assert_int_equal(tree_find(t.tree, "d")->ino, ino);
    assert_int_equal(tree_find(t.tree, "d")->mode, S_IFDIR | 0700);
    assert_int_equal(tree_find(t.tree, "d")->uid, 9);
    END;
}

CASE(hard_link_to_a_lower_file)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, LINK("b", "a"));
    LAYER(&t, LINK("c", "b"), WHITE("a"));
    tree_expect(&t, NULL, "f b 0 x2\nf c 0 x2\n");
    END;
}

CASE(hard_link_to_a_lower_file_through_a_symlink)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), FILE_("usr/a"), SYM("l", "usr"));
    LAYER(&t, LINK("b", "l/a"));
    tree_expect(&t, NULL, "f b 0 x2\nl l 0 -> usr\nd usr 0\nf usr/a 0 x2\n");
    END;
}

CASE(hard_link_before_its_target)
{
    BEGIN;
    LAYER(&t, LINK("a", "b"), FILE_("b"));
    tree_expect(&t, NULL, "f a 0 x2\nf b 0 x2\n");
    END;
}

CASE(hard_link_before_its_target_prefers_the_lower_object)
{
    BEGIN;
    LAYER(&t, FILE_("b"));
    LAYER(&t, LINK("a", "b"), FILE_("b"));
    tree_expect(&t, NULL, "f a 0\nf b 1\n");
    END;
}

CASE(hard_link_to_nothing_is_an_error)
{
    BEGIN;
    LAYER(&t, FILE_("x"), LINK("d/a", "gone"));
    assert_int_equal(tree_fold(&t, NULL), -EBADMSG);
    assert_non_null(strstr(t.err.msg, "/d/a"));
    assert_non_null(strstr(t.err.msg, "layer "));
    assert_null(t.tree);
    END;
}

CASE(hard_link_to_a_whited_out_file_is_an_error)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, WHITE("a"), LINK("b", "a"));
    assert_int_equal(tree_fold(&t, NULL), -EBADMSG);
    END;
}

CASE(hard_link_to_a_lower_directory_is_an_error)
{
    BEGIN;
    LAYER(&t, DIR_("a"));
    LAYER(&t, LINK("b", "a"));
    assert_int_equal(tree_fold(&t, NULL), -EBADMSG);
    END;
}

CASE(hard_link_to_a_symlink)
{
    BEGIN;
    LAYER(&t, SYM("s", "nowhere"), LINK("h", "s"));
    LAYER(&t, LINK("k", "s"));
    tree_expect(&t, NULL, "l h 0 -> nowhere x3\nl k 0 -> nowhere x3\nl s 0 -> nowhere x3\n");
    END;
}

CASE(replacing_one_name_keeps_the_others)
{
    BEGIN;
    LAYER(&t, FILE_("a"), LINK("b", "a"), LINK("c", "a"));
    LAYER(&t, FILE_("b"));
    tree_expect(&t, NULL, "f a 0 x2\nf b 1\nf c 0 x2\n");
    END;
}

CASE(directory_replaced_by_symlink)
{
    BEGIN;
    LAYER(&t, DIR_("lib"), FILE_("lib/a"), DIR_("usr"));
    LAYER(&t, SYM("lib", "usr"));
    tree_expect(&t, NULL, "l lib 1 -> usr\nd usr 0\n");
    END;
}

CASE(symlink_replaced_by_directory_entry)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), FILE_("usr/a"), SYM("lib", "usr"));
    LAYER(&t, DIR_("lib"), FILE_("lib/b"), WHITE("lib/a"));
    tree_expect(&t, NULL, "d lib 1\nf lib/b 1\nd usr 0\nf usr/a 0\n");
    END;
}

CASE(keep_dirlinks_keeps_the_symlink)
{
    static const struct fc_tree_options options = {.keep_dirlinks = true};
    BEGIN;
    LAYER(&t, DIR_("usr"), FILE_("usr/a"), SYM("lib", "usr"), SYM("bad", "nowhere"));
    LAYER(&t, DIR_("lib"), FILE_("lib/b"), WHITE("lib/a"), DIR_("bad"));
    tree_expect(&t, &options, "d bad 1\nl lib 0 -> usr\nd usr 0\nf usr/b 1\n");
    END;
}

CASE(entries_through_a_lower_symlink_go_to_the_real_directory)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), DIR_("usr/lib"), SYM("lib", "usr/lib"), SYM("abs", "/usr/lib"), SYM("up", "../../usr/lib"));
    LAYER(&t, FILE_("lib/a"), FILE_("abs/b"), FILE_("up/c"), FILE_("lib/d/e"));
    tree_expect(&t, NULL,
                "l abs 0 -> /usr/lib\nl lib 0 -> usr/lib\nl up 0 -> ../../usr/lib\nd usr 0\nd usr/lib 0\n"
                "f usr/lib/a 1\nf usr/lib/b 1\nf usr/lib/c 1\nd usr/lib/d 1\nf usr/lib/d/e 1\n");
    END;
}

CASE(entries_through_a_symlink_of_the_same_layer)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), SYM("lib", "usr/lib"), FILE_("lib/a"), DIR_("lib/d"), FILE_("lib/d/e"));
    tree_expect(&t, NULL, "l lib 0 -> usr/lib\nd usr 0\nd usr/lib\nf usr/lib/a 0\nd usr/lib/d 0\nf usr/lib/d/e 0\n");
    assert_int_equal(tree_find(t.tree, "usr/lib")->mode, S_IFDIR | 0755);
    END;
}

CASE(entries_through_a_dangling_lower_symlink)
{
    BEGIN;
    LAYER(&t, SYM("run", "var/run"));
    LAYER(&t, FILE_("run/pid"));
    tree_expect(&t, NULL, "l run 0 -> var/run\nd var\nd var/run\nf var/run/pid 1\n");
    END;
}

CASE(symlink_loop_on_the_way_is_an_error)
{
    BEGIN;
    LAYER(&t, SYM("a", "b"), SYM("b", "a"));
    LAYER(&t, FILE_("a/x"));
    assert_int_equal(tree_fold(&t, NULL), -EBADMSG);
    assert_non_null(strstr(t.err.msg, "symlinks"));
    END;
}

CASE(file_as_a_parent_becomes_a_directory)
{
    static const struct fc_tree_options options = {.default_time = 77};
    BEGIN;
    LAYER(&t, FILE_("a"), DEV("b", 1, 3));
    LAYER(&t, FILE_("a/x"), DIR_("b"));
    tree_expect(&t, &options, "d a 1\nf a/x 1\nd b 1\n");
    assert_int_equal(tree_find(t.tree, "a")->mtime.tv_sec, 77);
    END;
}

CASE(symlink_to_a_file_as_a_parent_becomes_a_directory)
{
    BEGIN;
    LAYER(&t, FILE_("f"), SYM("a", "f"));
    LAYER(&t, FILE_("a/x"));
    tree_expect(&t, NULL, "d a 1\nf a/x 1\nf f 0\n");
    END;
}

CASE(directory_replaced_by_file_and_back)
{
    BEGIN;
    LAYER(&t, DIR_("d"), FILE_("d/a"));
    LAYER(&t, FILE_("d"));
    LAYER(&t, DIR_("d"), FILE_("d/b"));
    tree_expect(&t, NULL, "d d 2\nf d/b 2\n");
    END;
}

CASE(duplicate_entries_last_wins)
{
    BEGIN;
    LAYER(&t, FILE_("a"), SYM("a", "x"), DEV("a", 5, 6));
    tree_expect(&t, NULL, "o a 0\n");
    assert_int_equal(tree_find(t.tree, "a")->rdev_minor, 6);
    END;
}

CASE(char_0_0_is_a_device)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, DEV("a", 0, 0), FIFO("p"));
    tree_expect(&t, NULL, "o a 1\no p 1\n");
    END;
}

CASE(lost_and_found_is_a_directory_like_others)
{
    BEGIN;
    LAYER(&t, DIR_M("lost+found", 0700, 0));
    LAYER(&t, DIR_("lost+found"), FILE_("lost+found/x"));
    tree_expect(&t, NULL, "d lost+found 1\nf lost+found/x 1\n");
    END;
}

CASE(directory_removed_through_another_path_is_made_again)
{
    BEGIN;
    LAYER(&t, DIR_("usr"), DIR_("usr/x"), SYM("a", "usr"), FILE_("a/x"), FILE_("usr/x/y"));
    tree_expect(&t, NULL, "l a 0 -> usr\nd usr 0\nd usr/x\nf usr/x/y 0\n");
    END;
}

CASE(link_counts_of_directories)
{
    BEGIN;
    LAYER(&t, DIR_("a"), DIR_("a/b"), DIR_("a/c"), FILE_("a/f"));
    tree_expect(&t, NULL, "d a 0\nd a/b 0\nd a/c 0\nf a/f 0\n");
    assert_int_equal(tree_find(t.tree, "a")->nlink, 4);
    assert_int_equal(tree_find(t.tree, "a/b")->nlink, 2);
    assert_int_equal(fc_tree_inodes(t.tree, NULL)[0].nlink, 3);
    END;
}

CASE(given_numbers_are_used_and_must_not_overlap)
{
    BEGIN;
    LAYER(&t, FILE_("a"));
    LAYER(&t, FILE_("b"));
    t.layers[0].first_ino = 500;
    t.layers[1].first_ino = 100;
    tree_expect(&t, NULL, "f a 0\nf b 1\n");
    assert_true(tree_find(t.tree, "a")->ino >= 500);
    assert_true(tree_find(t.tree, "b")->ino >= 100 && tree_find(t.tree, "b")->ino < 500);
    assert_int_equal(fc_tree_by_ino(t.tree, 99), FC_TREE_NONE);
    assert_int_equal(fc_tree_by_ino(t.tree, 1), 0);
    t.layers[1].first_ino = 501;
    assert_int_equal(tree_fold(&t, NULL), -EINVAL);
    END;
}

CASE(deep_paths_need_no_stack)
{
    enum { DEPTH = 30000 };
    char *path = malloc(2 * DEPTH + 8);
    struct fc_entry e = {.op = FC_ENTRY_ADD, .mode = S_IFREG | 0644, .path = path};
    BEGIN;
    for (int i = 0; i < DEPTH; i++)
        memcpy(path + 2 * i, "d/", 2);
    strcpy(path + 2 * DEPTH, "f");
    tree_layer(&t, &e, 1);
    LAYER(&t, WHITE("d/d/d"));
    assert_int_equal(tree_fold(&t, NULL), 0);
    t.n = 1;
    assert_int_equal(tree_fold(&t, NULL), 0);
    t.n = 2;
    free(path);
    END;
}

int main(void)
{
#define T(f) cmocka_unit_test(f)
    const struct CMUnitTest tests[] = {
        T(no_layers_is_an_empty_root),
        T(one_layer_sorted),
        T(root_entry_applies_to_root),
        T(opaque_after_its_siblings_spares_them),
        T(opaque_before_the_directory_entry),
        T(opaque_root),
        T(whiteout_and_new_file_of_that_name),
        T(whiteout_acts_on_lower_layers_only),
        T(whiteout_of_a_missing_path),
        T(whiteout_of_a_directory_removes_all_in_it),
        T(whiteout_through_a_symlinked_parent),
        T(whiteout_of_a_symlink_leaves_what_it_points_to),
        T(missing_parents_are_made),
        T(missing_parents_are_made_for_hard_links),
        T(implicit_parent_keeps_lower_attributes),
        T(directory_over_directory_merges_and_keeps_its_number),
        T(hard_link_to_a_lower_file),
        T(hard_link_to_a_lower_file_through_a_symlink),
        T(hard_link_before_its_target),
        T(hard_link_before_its_target_prefers_the_lower_object),
        T(hard_link_to_nothing_is_an_error),
        T(hard_link_to_a_whited_out_file_is_an_error),
        T(hard_link_to_a_lower_directory_is_an_error),
        T(hard_link_to_a_symlink),
        T(replacing_one_name_keeps_the_others),
        T(directory_replaced_by_symlink),
        T(symlink_replaced_by_directory_entry),
        T(keep_dirlinks_keeps_the_symlink),
        T(entries_through_a_lower_symlink_go_to_the_real_directory),
        T(entries_through_a_symlink_of_the_same_layer),
        T(entries_through_a_dangling_lower_symlink),
        T(symlink_loop_on_the_way_is_an_error),
        T(file_as_a_parent_becomes_a_directory),
        T(symlink_to_a_file_as_a_parent_becomes_a_directory),
        T(directory_replaced_by_file_and_back),
        T(duplicate_entries_last_wins),
        T(char_0_0_is_a_device),
        T(lost_and_found_is_a_directory_like_others),
        T(directory_removed_through_another_path_is_made_again),
        T(link_counts_of_directories),
        T(given_numbers_are_used_and_must_not_overlap),
        T(deep_paths_need_no_stack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a workspace: each kind of damage is named, repaired, and everything else is as it was. */
#include "unit/check_help.h"

/* A kind of damage. */
struct damage {
    const char *name, *sql;
    const char *code;    /* of what must be found */
    const char *changed; /* paths that may differ after the repair */
    const char *has;     /* a beginning of a line that there must be then; NULL: none */
    const char *lacks;
};

#define INO(name) "(SELECT ino FROM dentry WHERE name = CAST('" name "' AS BLOB))"
#define NAME(name) "name = CAST('" name "' AS BLOB)"
#define LOWER(n) "(SELECT first_ino FROM layer) + " n

#define D(what, damage, ...)                                                                                           \
    {                                                                                                                  \
        .name = what, .sql = damage, .code = __VA_ARGS__                                                               \
    }

static const struct damage damages[] = {
    D("an owner beyond 32 bits", "UPDATE inode SET uid = 4294967296 + 7 WHERE ino = " INO("a"), "inode", "/srv/a",
      "/srv/a 100644 7:0"),
    D("a negative group", "UPDATE inode SET gid = -1 WHERE ino = " INO("a"), "inode", "/srv/a"),
    D("nanoseconds of two seconds", "UPDATE inode SET mtime_ns = 2000000000 WHERE ino = " INO("a"), "inode", ""),
    D("text for a time", "UPDATE inode SET atime = 'then' WHERE ino = " INO("a"), "inode", ""),
    D("a mode without a type", "UPDATE inode SET mode = 420 WHERE ino = " INO("new"), "inode", ""),
    D("a directory without a type", "UPDATE inode SET mode = 493 WHERE ino = " INO("sub"), "inode", ""),
    D("a lower file without a type", "UPDATE inode SET mode = 448 WHERE mode = 33216", "inode", ""),
    D("a mode with strange bits", "UPDATE inode SET mode = mode | 1048576 WHERE ino = " INO("a"), "inode", ""),
    D("a negative size", "UPDATE inode SET size = -5 WHERE ino = " INO("b"), "inode", "/srv/sub/b",
      "/srv/sub/b 100644 0:0 n1"),
    D("a size beyond all files", "UPDATE inode SET size = 1 << 60 WHERE ino = " INO("b"), "inode", "/srv/sub/b"),
    D("a number that cannot be",
      "INSERT INTO inode SELECT -3, mode, uid, gid, rdev_major, rdev_minor, nlink, size, "
      "atime, atime_ns, mtime, mtime_ns, ctime, ctime_ns, crtime, crtime_ns, lower_content, "
      "target FROM inode WHERE ino = " INO("a"),
      "inode", ""),
    D("a symlink without a text", "UPDATE inode SET target = NULL WHERE ino = " INO("sym"), "symlink", "/srv/sym", NULL,
      "/srv/sym"),
    D("a symlink with a NUL", "UPDATE inode SET target = CAST('a/b' AS BLOB) || x'00ff' WHERE ino = " INO("sym"),
      "inode", "/srv/sym", "/srv/sym 120777 0:0 n1"),
    D("a symlink's size", "UPDATE inode SET size = 99 WHERE ino = " INO("sym"), "inode", ""),
    D("content of no layer", "UPDATE inode SET lower_content = 1 WHERE ino = " INO("a"), "data-lost", ""),
    D("a lower file's size", "UPDATE inode SET size = 1 WHERE mode = 33216", "inode", ""),
    D("a lower file that is a directory", "UPDATE inode SET mode = 16832 WHERE mode = 33216", "type", ""),
    D("a lower directory that is a file", "UPDATE inode SET mode = 33188 WHERE ino = 1", "type", ""),
    D("a row lost, content there", "DELETE FROM inode WHERE ino = " INO("b"), "inode-lost", "/srv/sub/b",
      "/srv/sub/b 100600 0:0 n1"),
    D("a row lost, names there", "DELETE FROM inode WHERE ino = " INO("srv"), "inode-lost", "/srv/",
      "/srv 40700 0:0\n"),
    D("a row lost, nothing there", "DELETE FROM inode WHERE ino = " INO("sym"), "name-nowhere", "/srv/sym", NULL,
      "/srv/sym"),
    D("a name lost", "DELETE FROM dentry WHERE " NAME("b"), "lost", "/srv/sub/b", "/lost+found/#"),
    D("a directory's name lost", "DELETE FROM dentry WHERE " NAME("srv"), "lost", "/srv /lost+found", "/lost+found/#"),
    D("one of two names lost", "DELETE FROM dentry WHERE " NAME("hard"), NULL, "/srv/hard /etc/new"),
    D("a deletion lost", "DELETE FROM dentry WHERE ino = 0 AND " NAME("file"), NULL, "", "/old/file "),
    D("a move's deletion lost", "DELETE FROM dentry WHERE ino = 0 AND " NAME("share"), "two-places", "", NULL,
      "/usr/share"),
    D("a directory in two places", "INSERT INTO dentry VALUES (1, CAST('again' AS BLOB), " INO("sub") ")", "two-places",
      "/srv/sub", NULL, NULL),
    D("a directory in itself", "UPDATE dentry SET parent = " INO("sub") " WHERE " NAME("srv"), "circle",
      "/srv /lost+found", "/lost+found/#"),
    D("the root in itself", "INSERT INTO dentry VALUES (1, CAST('root' AS BLOB), 1)", "name-nowhere", ""),
    D("a name with a slash", "UPDATE dentry SET name = CAST('x/y' AS BLOB) WHERE " NAME("a"), "name", "/srv/a",
      "/srv/x_y 100644"),
    D("a name of two dots", "UPDATE dentry SET name = CAST('..' AS BLOB) WHERE " NAME("a"), "name", "/srv/a",
      "/srv/__ 100644"),
    D("a name too long", "UPDATE dentry SET name = CAST(printf('%.*c', 300, 'n') AS BLOB) WHERE " NAME("a"), "name",
      "/srv/a", "/srv/nnnn"),
    D("an empty name", "UPDATE dentry SET name = x'' WHERE " NAME("a"), "name", "/srv/a", "/lost+found/#"),
    D("a name in a file", "UPDATE dentry SET parent = " INO("two") " WHERE " NAME("a"), "name-parent", "/srv/a",
      "/lost+found/#"),
    D("a name in nothing", "UPDATE dentry SET parent = 999999 WHERE " NAME("a"), "inode-lost", "/srv/a",
      "/lost+found/#999999/a 100644"),
    D("a deletion of nothing", "INSERT INTO dentry VALUES (1, CAST('nobody' AS BLOB), 0)", "whiteout", ""),
    D("attributes of nothing", "INSERT INTO xattr VALUES (999999, CAST('user.x' AS BLOB), x'00')", "xattr-owner", ""),
    D("attributes of a lower object without a row",
      "INSERT INTO xattr SELECT ino + 1, CAST('user.x' AS BLOB), CAST('1' AS BLOB) FROM inode WHERE mode = 33216", NULL,
      "/bin /big /etc /usr /moved /old"),
    D("an attribute without a name", "INSERT INTO xattr VALUES (" INO("a") ", x'', x'00')", "xattr", ""),
    D("an attribute too large", "INSERT INTO xattr VALUES (" INO("a") ", CAST('user.l' AS BLOB), zeroblob(70000))",
      "xattr", ""),
    D("two files in one place of the data",
      "UPDATE extent SET source_offset = (SELECT source_offset FROM extent WHERE ino = " INO(
          "new") ") WHERE ino = " INO("two"),
      "data-shared", "/etc/two"),
    D("content behind the end of the data", "UPDATE extent SET source_offset = 1 << 40 WHERE ino = " INO("two"),
      "data-lost", "/etc/two", "/etc/two 100644 0:0 n1"),
    D("content off the blocks", "UPDATE extent SET source_offset = source_offset + 1 WHERE ino = " INO("two"), "extent",
      "/etc/two"),
    D("content of length 0", "UPDATE extent SET length = 0 WHERE ino = " INO("two"), "extent", "/etc/two"),
    D("two contents of one range",
      "INSERT INTO extent VALUES (" INO(
          "b") ", 4096, 4096, (SELECT max(source_offset) FROM extent WHERE source = 0), 0)",
      "extent-twice", ""),
    D("content of an unknown layer", "UPDATE extent SET source = 77 WHERE ino = " INO("two"), "data-lost", "/etc/two"),
    D("content behind the end of a layer", "UPDATE extent SET source_offset = 1 << 30 WHERE source > 0", "data-lost",
      "/big"),
    D("content of a directory", "INSERT INTO extent VALUES (" INO("sub") ", 0, 4096, 1 << 20, 0)", "extent-owner", ""),
    D("content of two kinds",
      "UPDATE inode SET lower_content = 1 WHERE ino IN (SELECT ino FROM extent WHERE source > 0)", "inode", ""),
    D("the next number too low", "UPDATE meta SET value = '3' WHERE key = 'next_ino'", "next-inode", ""),
    D("the next number lost", "DELETE FROM meta WHERE key = 'next_ino'", "next-inode", ""),
    D("the next number no number", "UPDATE meta SET value = 'x' WHERE key = 'next_ino'", "next-inode", ""),
    D("a position in the stack", "UPDATE layer SET position = 4", "stack", ""),
    D("a layer's number of objects", "UPDATE layer SET n_inodes = 2", "layer", ""),
    D("no mark of fccompose", "PRAGMA application_id = 7", "database", ""),
    D("no version", "PRAGMA user_version = 0", "database", ""),
    D("a table missing", "DROP TABLE conflict", "database", ""),
    D("a table too many", "CREATE TABLE x (y)", "database", ""),
    D("a trigger", "CREATE TRIGGER t AFTER INSERT ON inode BEGIN DELETE FROM dentry; END", "database", ""),
    D("deleted while open", "UPDATE inode SET nlink = 0 WHERE ino = " INO("b") "; DELETE FROM dentry WHERE " NAME("b"),
      "unlinked", "/srv/sub/b", NULL, "/lost+found"),
};

/* Loading either works, or refuses in words that name the way out. */
static void loading_says(const struct damage *d)
{
    struct fc_workspace *ws = NULL;
    struct fc_error err = {0};

    for (int mode = FC_WORKSPACE_READ; mode <= FC_WORKSPACE_WRITE; mode++) {
        if (fc_workspace_open(home, cache, (enum fc_workspace_mode)mode, &ws, &err) == 0)
            fc_workspace_free(ws);
        else if (!strstr(err.msg, "fccompose fsck"))
            fail_msg("%s: loading says: %s", d->name, err.msg);
    }
}

static void repaired(const struct damage *d)
{
    struct fc_workspace_check c = check(true);
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    char line[200];

    if (!c.repaired || c.left.n_errors) {
        show(&c.found);
        print_error("left:\n");
        show(&c.left);
        fail_msg("%s: not repaired", d->name);
    }
    if (c.backup)
        assert_int_equal(access(c.backup, R_OK), 0);
    fc_workspace_check_release(&c);
    read_tree(home, &now);
    same_but(&now, d->changed);
    snprintf(line, sizeof(line), "\n%s", d->has ? d->has : "");
    if (!strstr(now.data, line))
        fail_msg("%s: no \"%s\" in:\n%s", d->name, d->has, now.data);
    snprintf(line, sizeof(line), "\n%s", d->lacks ? d->lacks : "no such line");
    if (strstr(now.data, line))
        fail_msg("%s: still \"%s\" in:\n%s", d->name, d->lacks, now.data);
}

static void each_damage_is_found_and_repaired(void **state)
{
    for (size_t i = 0; i < FC_LENGTH(damages); i++) {
        const struct damage *d = &damages[i];
        struct fc_workspace_check c;

        setup(state);
        sql(d->sql);
        c = check(false);
        if (d->code && !has_code(&c.found, d->code)) {
            show(&c.found);
            fail_msg("%s: no %s found", d->name, d->code);
        }
        assert_false(c.repaired);
        if (c.found.n_repairs)
            repaired(d);
        fc_workspace_check_release(&c);
        setup(state);
        sql(d->sql);
        loading_says(d);
    }
}

static void a_whole_one_has_no_finding(void **state)
{
    struct fc_workspace_check c = check(true);

    (void)state;
    if (c.found.n)
        show(&c.found);
    assert_int_equal(c.found.n, 0);
    assert_false(c.repaired);
    assert_null(c.backup);
    fc_workspace_check_release(&c);
}

/* Rows of files that lost their names stay until a repair, also when the workspace is used before. */
static void use_does_not_lose_what_has_no_name(void **state)
{
    struct fc_workspace *ws = NULL;
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    struct fc_workspace_new_layer l = {.locator = "dir:x", .name = "more"};
    struct fc_workspace_check c;
    struct fc_error err = {0};

    (void)state;
    sql("DELETE FROM dentry WHERE " NAME("sub"));
    ok(fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &ws, &err), &err);
    put(fc_workspace_live(ws), "/srv/fresh", 100000, 50);
    ok(fc_workspace_sync(ws, &err), &err);
    ok(fc_layer_open(cache, &fc_workspace_stack(ws, &(uint32_t){0})[0].diffid, &l.layer, &err), &err);
    assert_int_equal(fc_workspace_layers_add(ws, &l, 1, -1, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "fccompose fsck --repair"));
    fc_layer_unref(l.layer);
    fc_workspace_free(ws);
    c = check(true);
    assert_int_equal(c.left.n, 0);
    fc_workspace_check_release(&c);
    read_tree(home, &now);
    same_but(&now, "/srv/sub");
    assert_non_null(strstr(now.data, "/b 100644 0:0 n1"));
}

/* A layer's directory that was moved comes back with all that is in it, in one place. */
static void a_moved_directory_comes_back_whole(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    struct fc_workspace_check c;
    const char *at;

    (void)state;
    sql("DELETE FROM dentry WHERE " NAME("moved"));
    c = check(true);
    assert_int_equal(c.left.n, 0);
    fc_workspace_check_release(&c);
    read_tree(home, &now);
    same_but(&now, "/moved");
    at = strstr(now.data, "\n/lost+found/#");
    assert_non_null(at);
    at = strstr(at + 1, "\n/lost+found/#");
    assert_non_null(at);
    assert_memory_equal(at + strcspn(at, " "), " 100600 0:0 n1 ", 15);
    assert_null(strstr(at + 1, "\n/lost+found/#"));
}

/* The rows of layers say something else than what the edits were made on: nothing may be guessed then. */
static void edits_on_other_numbers_are_left_alone(void **state)
{
    struct fc_workspace_check c;
    char text[600];

    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(
            text, sizeof(text),
            "INSERT OR REPLACE INTO inode SELECT first_ino + %d, 33188, 0, 0, 0, 0, 1, 77777, 0, 0, 0, 0, 0, 0, 0, 0, "
            "1, NULL FROM layer",
            i);
        sql(text);
    }
    c = check(true);
    assert_true(has_code(&c.found, "stack") && c.partly);
    assert_null(c.backup);
    assert_false(c.repaired);
    fc_workspace_check_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_whole_one_has_no_finding, setup),
        cmocka_unit_test(each_damage_is_found_and_repaired),
        cmocka_unit_test_setup(use_does_not_lose_what_has_no_name, setup),
        cmocka_unit_test_setup(a_moved_directory_comes_back_whole, setup),
        cmocka_unit_test_setup(edits_on_other_numbers_are_left_alone, setup),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

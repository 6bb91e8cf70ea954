/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a workspace that is damaged at random. FC_CHECK_ROUNDS=N for more, FC_CHECK_SEED=N for one again. */
#include "unit/check_help.h"

#include <glob.h>
#include <sys/wait.h>

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

/* Call @round for each seed. */
static void rounds(void **state, uint64_t usual, void (*round)(void **state, uint64_t which))
{
    const char *n = getenv("FC_CHECK_ROUNDS"), *only = getenv("FC_CHECK_SEED");
    uint64_t from = only ? strtoull(only, NULL, 10) : 0, to = only ? from + 1 : n ? strtoull(n, NULL, 10) : usual;

    for (uint64_t which = from; which < to; which++) {
        seed = which;
        draw(2);
        assert_int_equal(setup(state), 0);
        round(state, which);
    }
}

static void flip(const char *path, unsigned at_most)
{
    unsigned n = 1 + (unsigned)draw(at_most);

    for (unsigned k = 0; k < n; k++) {
        unsigned char byte = (unsigned char)draw(256);

        overwrite(path, draw((uint64_t)size_of(path)), &byte, 1);
    }
    if (draw(8) == 0)
        assert_int_equal(truncate(path, (off_t)draw((uint64_t)size_of(path))), 0);
}

static int run_check(bool repair, struct fc_workspace_check *ret, struct fc_error *err)
{
    const struct fc_workspace_check_options how = {.repair = repair};

    *err = (struct fc_error){0};
    return fc_workspace_check(home, cache, &how, ret, err);
}

/* Whatever happened: no crash, words for every failure, and what is called whole opens. */
static void must_have_an_end(uint64_t which)
{
    struct fc_workspace_check c = {0};
    struct fc_workspace *ws = NULL;
    struct fc_error err;
    int r = run_check(false, &c, &err);
    bool whole = r == 0 && !fc_workspace_check_errors(&c);

    if (r < 0 && !err.msg[0])
        fail_msg("seed %llu: a failure without words", (unsigned long long)which);
    fc_workspace_check_release(&c);
    if (!whole && r == 0) {
        r = run_check(true, &c, &err);
        whole = r == 0 && !fc_workspace_check_errors(&c);
        fc_workspace_check_release(&c);
    }
    r = fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &ws, &err);
    if (r == 0)
        fc_workspace_free(ws);
    else if (whole)
        fail_msg("seed %llu: called whole, and %s", (unsigned long long)which, err.msg);
}

static void flip_database(void **state, uint64_t which)
{
    (void)state;
    flip(db_path, 8);
    must_have_an_end(which);
}

static void bytes_of_the_database(void **state) { rounds(state, 100, flip_database); }

/* A writer that was killed leaves a log. */
static void kill_a_writer(void)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct fc_workspace *ws = NULL;

        if (fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &ws, NULL) < 0)
            _exit(1);
        put(fc_workspace_live(ws), "/srv/sub/late", 5000, 77);
        verb(fc_workspace_live(ws), (struct fc_verb){.kind = FC_VERB_RM, .path = "/srv/a", .fd = -1});
        _exit(fc_workspace_sync(ws, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void flip_log(void **state, uint64_t which)
{
    char wal[140];

    (void)state;
    snprintf(wal, sizeof(wal), "%s-wal", db_path);
    kill_a_writer();
    assert_true(size_of(wal) > 0);
    if (draw(2))
        flip(db_path, 3);
    flip(wal, 8);
    must_have_an_end(which);
}

static void bytes_of_the_log(void **state) { rounds(state, 60, flip_log); }

static char index_path[200];

static void flip_index(void **state, uint64_t which)
{
    char command[512];

    (void)state;
    snprintf(command, sizeof(command), "cp -a %s %s/index.good", index_path, top);
    assert_int_equal(system(command), 0);
    flip(index_path, 8);
    must_have_an_end(which);
    snprintf(command, sizeof(command), "cp -a %s/index.good %s", top, index_path);
    assert_int_equal(system(command), 0);
}

static void bytes_of_a_layer(void **state)
{
    char pattern[120];
    glob_t g;

    snprintf(pattern, sizeof(pattern), "%s/cache/layers/*/index", top);
    assert_int_equal(glob(pattern, 0, NULL, &g), 0);
    snprintf(index_path, sizeof(index_path), "%s", g.gl_pathv[0]);
    globfree(&g);
    rounds(state, 60, flip_index);
}

/* Rows */

static const char *const columns[][20] = {
    {"inode", "ino", "mode", "uid", "gid", "rdev_major", "nlink", "size", "atime", "atime_ns", "mtime_ns", "ctime",
     "crtime_ns", "lower_content", "target", NULL},
    {"xattr", "ino", "name", "value", NULL},
    {"extent", "ino", "\"offset\"", "length", "source_offset", "source", NULL},
    {"dentry", "parent", "name", "ino", NULL},
    {"meta", "value", NULL},
};

/* A value for a column: often one that another row has, sometimes one that no row should have. */
static void draw_value(char *out, size_t size)
{
    static const char *const odd[] = {"0",          "1",          "-1",   "NULL",        "'text'", "x'00'", "x'2e2e'",
                                      "4294967296", "1 << 62",    "4096", "1.5",         "x'61'",  "x''",   "65535",
                                      "16877",      "1073741824", "8192", "zeroblob(9)", "33188",  "41471"};
    static const char *const other[] = {"SELECT ino FROM inode",   "SELECT parent FROM dentry",
                                        "SELECT ino FROM dentry",  "SELECT source_offset FROM extent",
                                        "SELECT name FROM dentry", "SELECT first_ino + 3 FROM layer"};

    if (draw(2))
        snprintf(out, size, "%s", odd[draw(FC_LENGTH(odd))]);
    else
        snprintf(out, size, "(%s ORDER BY 1 LIMIT 1 OFFSET %u)", other[draw(FC_LENGTH(other))], (unsigned)draw(12));
}

static void damage_a_row(sqlite3 *db)
{
    unsigned t = (unsigned)draw(FC_LENGTH(columns)), n = 0;
    const char *const *c = columns[t] + 1;
    char value[120], text[400], where[200];

    while (c[n])
        n++;
    snprintf(where, sizeof(where), "%s = (SELECT %s FROM %s ORDER BY 1 LIMIT 1 OFFSET %u)", c[0], c[0], columns[t][0],
             (unsigned)draw(20));
    draw_value(value, sizeof(value));
    if (draw(4) == 0)
        snprintf(text, sizeof(text), "DELETE FROM %s WHERE %s", columns[t][0], where);
    else if (draw(4) == 0 && t == 3)
        snprintf(text, sizeof(text),
                 "INSERT OR REPLACE INTO dentry SELECT parent, name, %s FROM dentry ORDER BY 1 LIMIT 1 OFFSET %u",
                 value, (unsigned)draw(12));
    else
        snprintf(text, sizeof(text), "UPDATE OR IGNORE %s SET %s = %s WHERE %s", columns[t][0], c[draw(n)], value,
                 where);
    /* What a constraint refuses is no damage. */
    sqlite3_exec(db, text, NULL, NULL, NULL);
    if (getenv("FC_CHECK_SEED"))
        print_message("%s\n", text);
}

/* Rows can all be repaired; nothing is left to say then, and the tree opens. */
static void damage_rows(void **state, uint64_t which)
{
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    struct fc_workspace_check c;
    struct fc_error err;
    sqlite3 *db = NULL;
    unsigned n = 1 + (unsigned)draw(6);

    (void)state;
    assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
    for (unsigned k = 0; k < n; k++)
        damage_a_row(db);
    sqlite3_close(db);
    ok(run_check(true, &c, &err), &err);
    if (c.repaired ? c.left.n : c.found.n) {
        show(&c.found);
        print_error("left:\n");
        show(&c.left);
        fail_msg("seed %llu: something is left", (unsigned long long)which);
    }
    fc_workspace_check_release(&c);
    read_tree(home, &now);
}

static void rows_anywhere(void **state) { rounds(state, 150, damage_rows); }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_of_the_database),
        cmocka_unit_test(bytes_of_the_log),
        cmocka_unit_test(bytes_of_a_layer),
        cmocka_unit_test(rows_anywhere),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

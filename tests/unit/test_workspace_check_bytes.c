/* SPDX-License-Identifier: Apache-2.0 */
/* The check of a workspace whose files are damaged: pages of the database, its header and log, the data file, the folder. */
#include "unit/check_help.h"

#include <sys/wait.h>

enum { PAGE = 4096, MANY = 3000 };

/* What a query gives. */
static int64_t number(const char *query)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int64_t n;

    assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, query, -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    n = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return n;
}

static void put_many(struct fc_live *live)
{
    char path[64];

    for (int i = 0; i < MANY; i++) {
        struct fc_attr a;
        struct fc_error err = {0};

        snprintf(path, sizeof(path), "/srv/sub/file-with-a-long-name-%d", i);
        verb(live, (struct fc_verb){.kind = FC_VERB_MKNOD, .path = path, .mode = S_IFREG | 0644, .fd = -1});
        ok(fc_live_resolve(live, path, false, &a, &err), &err);
        assert_int_equal(fc_live_write(live, a.ino, path, strlen(path), 0, 0), strlen(path));
    }
}

/* The workspace with so many files that each table has many pages. */
static void make_large(struct fc_buf *tree)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    struct fc_error err = {0};

    ok(fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &ws, &err), &err);
    put_many(fc_workspace_live(ws));
    ok(fc_workspace_sync(ws, &err), &err);
    fc_workspace_free(fc_steal(&ws));
    read_tree(home, tree);
}

static size_t lines_missing(const struct fc_buf *before, const struct fc_buf *after)
{
    size_t n = 0;

    for (char *p = before->data; *p;) {
        char *end = strchr(p, '\n');

        *end = '\0';
        n += !strstr(after->data, p);
        *end = '\n';
        p = end + 1;
    }
    return n;
}

static void repair_to(struct fc_buf *now)
{
    struct fc_workspace_check c = check(true);

    if (!c.repaired || c.left.n_errors) {
        show(&c.left);
        fail_msg("not repaired");
    }
    assert_non_null(c.backup);
    fc_workspace_check_release(&c);
    read_tree(home, now);
}

/* Without its first page SQLite cannot open the database at all; no row is lost by that. */
static void a_lost_header_loses_nothing(void **state)
{
    static const char zeros[PAGE];
    fc_auto(fc_buf_release) struct fc_buf now = {0};

    (void)state;
    sql("UPDATE sqlite_sequence SET seq = 9");
    overwrite(db_path, 0, zeros, PAGE);
    repair_to(&now);
    assert_string_equal(now.data, good.data);
    /* Ids of layers that are gone do not come again. */
    assert_int_equal(number("SELECT seq FROM sqlite_sequence WHERE name = 'layer'"), 9);
}

/* What a table's root page says is not needed to find the rows. */
static void inner_pages_lose_little(void **state)
{
    static const char zeros[PAGE];
    fc_auto(fc_buf_release) struct fc_buf before = {0}, now = {0};
    char command[300], page[PAGE];
    int fd, n_inner = 0;

    (void)state;
    make_large(&before);
    fd = open(db_path, O_RDONLY);
    for (off_t at = PAGE; at < size_of(db_path); at += PAGE) {
        assert_int_equal(fc_pread_full(fd, page, PAGE, (uint64_t)at), PAGE);
        if (page[0] == 5) { /* the inner page of a table with row numbers: it has no rows itself */
            overwrite(db_path, (uint64_t)at, zeros, PAGE);
            n_inner++;
        }
    }
    close(fd);
    assert_true(n_inner > 0);
    repair_to(&now);
    assert_int_equal(lines_missing(&before, &now), 0);
    snprintf(command, sizeof(command), "ls %s.before-fsck-* >/dev/null", db_path);
    assert_int_equal(system(command), 0);
}

/* One page in the middle: the rows on it are lost or found again under /lost+found, all others are as they were. */
static void one_page_loses_its_rows_alone(void **state)
{
    static const char zeros[PAGE];
    fc_auto(fc_buf_release) struct fc_buf before = {0}, now = {0};
    off_t n_pages;
    char command[300];

    make_large(&before);
    snprintf(command, sizeof(command), "rm -rf %s.large && cp -a %s %s.large", home, home, home);
    assert_int_equal(system(command), 0);
    n_pages = size_of(db_path) / PAGE;
    assert_true(n_pages > 100);
    for (off_t page = 20; page < n_pages; page += n_pages / 7) {
        snprintf(command, sizeof(command), "rm -rf %s && cp -a %s.large %s", home, home, home);
        assert_int_equal(system(command), 0);
        overwrite(db_path, (uint64_t)page * PAGE, zeros, PAGE);
        repair_to(&now);
        if (lines_missing(&before, &now) > 260)
            fail_msg("page %lld: %zu lines are lost", (long long)page, lines_missing(&before, &now));
    }
    snprintf(command, sizeof(command), "rm -rf %s.large", home);
    assert_int_equal(system(command), 0);
    (void)state;
}

/* What is in the log alone, of a program that was killed, counts, also when the rest of the database is damaged. */
static void the_log_is_read(void **state)
{
    static const char zeros[PAGE];
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    uint64_t root = (uint64_t)number("SELECT rootpage FROM sqlite_schema WHERE name = 'conflict'");
    char wal[140];
    int status;
    pid_t pid = fork();

    (void)state;
    snprintf(wal, sizeof(wal), "%s-wal", db_path);
    if (pid == 0) {
        struct fc_workspace *ws = NULL;

        if (fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &ws, NULL) < 0)
            _exit(1);
        put_many(fc_workspace_live(ws));
        _exit(fc_workspace_sync(ws, NULL) < 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_true(size_of(wal) > 100 * PAGE);
    /* One page that the log does not have: SQLite's own check fails. */
    overwrite(db_path, (root - 1) * PAGE, zeros, PAGE);
    repair_to(&now);
    assert_non_null(strstr(now.data, "/srv/sub/file-with-a-long-name-2999 "));
    assert_int_equal(lines_missing(&good, &now), 0);
}

static void a_short_data_file_is_told(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf now = {0};
    char data[140];
    struct fc_workspace_check c;

    (void)state;
    snprintf(data, sizeof(data), "%s/.fccompose/data/0", home);
    assert_int_equal(truncate(data, 2 * PAGE), 0);
    c = check(false);
    assert_true(has_code(&c.found, "data-lost"));
    fc_workspace_check_release(&c);
    repair_to(&now);
    same_but(&now, "/etc/new /etc/two /srv/hard /srv/a /srv/sub/b /big");
    assert_int_equal(unlink(data), 0);
    repair_to(&now);
    same_but(&now, "/etc/new /etc/two /srv/hard /srv/a /srv/sub/b /big");
}

static void a_missing_layer_is_told_and_nothing_changed(void **state)
{
    struct fc_workspace_check c;
    char from[100], to[100];

    (void)state;
    snprintf(from, sizeof(from), "%s/cache/layers", top);
    snprintf(to, sizeof(to), "%s/cache/away", top);
    sql("UPDATE inode SET uid = -1");
    assert_int_equal(rename(from, to) | mkdir(from, 0700), 0);
    c = check(true);
    assert_true(has_code(&c.found, "layer-missing"));
    assert_true(c.partly && c.left.n_errors >= 2);
    assert_null(c.backup);
    fc_workspace_check_release(&c);
    assert_int_equal(rmdir(from) | rename(to, from), 0);
}

static void the_folder(void **state)
{
    struct fc_workspace_check c;
    char path[160];
    struct stat st;

    (void)state;
    snprintf(path, sizeof(path), "%s/.fccompose", home);
    assert_int_equal(chmod(path, 0755), 0);
    strcat(path, "/workspace.db.new");
    close(open(path, O_CREAT | O_WRONLY, 0600));
    c = check(false);
    assert_true(has_code(&c.found, "mode") && has_code(&c.found, "left"));
    assert_int_equal(c.found.n_errors, 1);
    fc_workspace_check_release(&c);
    c = check(true);
    assert_int_equal(c.left.n, 0);
    assert_null(c.backup); /* the database was not changed */
    fc_workspace_check_release(&c);
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof(path), "%s/.fccompose", home);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_lost_header_loses_nothing, setup),
        cmocka_unit_test_setup(inner_pages_lose_little, setup),
        cmocka_unit_test_setup(one_page_loses_its_rows_alone, setup),
        cmocka_unit_test_setup(the_log_is_read, setup),
        cmocka_unit_test_setup(a_short_data_file_is_told, setup),
        cmocka_unit_test_setup(a_missing_layer_is_told_and_nothing_changed, setup),
        cmocka_unit_test_setup(the_folder, setup),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* A workspace with edits of every kind, and its tree as text, for the tests of the check. */
#ifndef CHECK_HELP_H
#define CHECK_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "layer/layer.h"
#include "live/verb.h"
#include "workspace/check.h"

FC_DEFINE_AUTO(struct fc_snapshot *, fc_snapshot_free)

static char top[64], model[80], home[80], db_path[128];
static struct fc_cache *cache;
static struct fc_buf good; /* the tree of the model */

static inline void ok(int r, const struct fc_error *err)
{
    if (r < 0)
        fail_msg("%s (%d)", err->msg, r);
}

/* A tree as text, a line a path: attributes, xattrs, the content's digest. */

static inline void add_content(struct fc_buf *out, const struct fc_snapshot *s, const struct fc_snap_inode *i)
{
    const struct fc_snap_extent *x = fc_snapshot_extents(s, NULL) + i->first_extent;
    char *data = calloc(1, (size_t)i->size + 1), text[FC_DIGEST_TEXT];
    struct fc_digest d;

    for (uint32_t k = 0; k < i->n_extents; k++)
        assert_int_equal(fc_pread_full(fc_snapshot_sources(s, NULL)[x[k].source].fd, data + x[k].offset,
                                       (size_t)x[k].length, x[k].source_offset),
                         x[k].length);
    assert_int_equal(fc_digest_of(data, (size_t)i->size, &d), 0);
    fc_buf_addf(out, " %llu %s", (unsigned long long)i->size, fc_digest_format(&d, text));
    free(data);
}

static inline void add_tree(struct fc_buf *out, const struct fc_snapshot *s, uint32_t index, const char *path)
{
    const struct fc_snap_inode *i = &fc_snapshot_inodes(s, NULL)[index];
    const struct fc_snap_dentry *d = fc_snapshot_dentries(s, NULL) + i->first_dentry;
    const struct fc_xattr *x = fc_snapshot_xattrs(s, NULL) + i->first_xattr;

    fc_buf_addf(out, "%s %o %u:%u", path, i->mode, i->uid, i->gid);
    if (!S_ISDIR(i->mode))
        fc_buf_addf(out, " n%u %lld", i->nlink, (long long)i->mtime.tv_sec);
    for (uint32_t k = 0; k < i->n_xattrs; k++)
        fc_buf_addf(out, " %s=%.*s", x[k].name, (int)x[k].size, (const char *)x[k].value);
    if (S_ISLNK(i->mode))
        fc_buf_addf(out, " -> %s", i->target);
    if (S_ISREG(i->mode))
        add_content(out, s, i);
    fc_buf_adds(out, "\n");
    for (uint32_t k = 0; k < i->n_dentries; k++) {
        char child[512];

        snprintf(child, sizeof(child), "%s/%.*s", path, (int)d[k].name_len, d[k].name);
        add_tree(out, s, d[k].inode, child);
    }
}

static inline void read_tree(const char *dir, struct fc_buf *out)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_snapshot_free) struct fc_snapshot *s = NULL;
    struct fc_error err = {0};

    ok(fc_workspace_open(dir, cache, FC_WORKSPACE_READ, &ws, &err), &err);
    ok(fc_workspace_snapshot(ws, &s, &err), &err);
    fc_buf_clear(out);
    add_tree(out, s, 0, "");
    fc_snapshot_free(fc_steal(&s));
}

/* The model: a layer, and edits of every kind on it. */

static inline void host_file(const char *path, size_t size, unsigned seed)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (size_t i = 0; i < size; i++)
        fputc((int)((i * 7 + i / 4096 + seed) % 251), f);
    fclose(f);
}

static inline struct fc_layer *make_layer(void)
{
    struct fc_layer *layer = NULL;
    struct fc_imported got = {0};
    struct fc_error err = {0};
    char dir[100], locator[120];

    snprintf(dir, sizeof(dir), "%s/lower", top);
    assert_int_equal(mkdir(dir, 0755) | chdir(dir) | mkdir("bin", 0755) | mkdir("etc", 0755) | mkdir("old", 0755) |
                         mkdir("usr", 0755) | mkdir("usr/share", 0755),
                     0);
    host_file("bin/tool", 5000, 1);
    host_file("etc/passwd", 100, 2);
    host_file("old/file", 300, 3);
    host_file("old/other", 301, 3);
    host_file("usr/share/doc", 4100, 4);
    host_file("big", 50000, 5);
    assert_int_equal(symlink("passwd", "etc/link") | mkdir("usr/many", 0755), 0);
    for (unsigned i = 0; i < 20; i++) {
        snprintf(locator, sizeof(locator), "usr/many/%u", i);
        host_file(locator, 100 + i, i);
    }
    assert_int_equal(chdir("/"), 0);
    snprintf(locator, sizeof(locator), "dir:%s", dir);
    ok(fc_stack_import(cache, locator, NULL, &got, &err), &err);
    layer = fc_layer_ref(got.layers[0]);
    fc_imported_release(&got);
    return layer;
}

static inline void verb(struct fc_live *live, struct fc_verb v)
{
    struct fc_error err = {0};

    ok(fc_verb_apply(live, &v, &err), &err);
}

static inline void put(struct fc_live *live, const char *path, size_t size, unsigned seed)
{
    char host[100];
    int fd;

    snprintf(host, sizeof(host), "%s/content", top);
    host_file(host, size, seed);
    fd = open(host, O_RDONLY);
    verb(live, (struct fc_verb){.kind = FC_VERB_WRITE, .path = path, .fd = fd});
    close(fd);
}

static inline void make_edits(struct fc_live *live)
{
    struct fc_attr a;
    struct fc_error err = {0};

    verb(live, (struct fc_verb){.kind = FC_VERB_MKDIR, .path = "/srv", .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_MKDIR, .path = "/srv/sub", .fd = -1});
    put(live, "/etc/new", 9000, 10);
    put(live, "/etc/two", 8000, 11);
    put(live, "/srv/a", 100, 12);
    put(live, "/srv/sub/b", 70000, 13);
    verb(live, (struct fc_verb){
                   .kind = FC_VERB_LN, .path = "/srv/sym", .target = "a/b/c", .flags = FC_VERB_SYMBOLIC, .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_LN, .path = "/srv/hard", .target = "/etc/new", .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_CHMOD, .path = "/bin/tool", .mode_text = "700", .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_RM, .path = "/old/file", .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_CHMOD, .path = "/usr/share/doc", .mode_text = "600", .fd = -1});
    verb(live, (struct fc_verb){.kind = FC_VERB_MV, .path = "/usr/share", .target = "/moved", .fd = -1});
    verb(live, (struct fc_verb){
                   .kind = FC_VERB_XATTR, .path = "/etc/new", .name = "user.k", .data = "v", .size = 1, .fd = -1});
    ok(fc_live_resolve(live, "/big", false, &a, &err), &err);
    assert_int_equal(fc_live_write(live, a.ino, "x", 1, 20000, 0), 1);
}

static inline int group_setup(void **state)
{
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    struct fc_workspace_new_layer l = {.locator = "dir:x", .name = "base"};
    struct fc_error err = {0};

    (void)state;
    /* In memory where that is possible: every case syncs many times. */
    strcpy(top, access("/dev/shm", W_OK) == 0 ? "/dev/shm/fc-check.XXXXXX" : "/tmp/fc-check.XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(model, sizeof(model), "%s/cache", top);
    ok(fc_cache_open(model, &cache, &err), &err);
    snprintf(model, sizeof(model), "%s/model", top);
    snprintf(home, sizeof(home), "%s/ws", top);
    snprintf(db_path, sizeof(db_path), "%s/.fccompose/workspace.db", home);
    ok(fc_workspace_create(model, &err), &err);
    ok(fc_workspace_open(model, cache, FC_WORKSPACE_WRITE, &ws, &err), &err);
    l.layer = make_layer();
    ok(fc_workspace_layers_add(ws, &l, 1, -1, &err), &err);
    fc_layer_unref(l.layer);
    make_edits(fc_workspace_live(ws));
    ok(fc_workspace_sync(ws, &err), &err);
    fc_workspace_free(fc_steal(&ws));
    read_tree(model, &good);
    return 0;
}

static inline int group_teardown(void **state)
{
    (void)state;
    fc_cache_free(cache);
    fc_buf_release(&good);
    return fc_remove_all(AT_FDCWD, top);
}

static inline int setup(void **state)
{
    char command[256];

    (void)state;
    fc_remove_all(AT_FDCWD, home);
    snprintf(command, sizeof(command), "cp -a %s %s", model, home);
    return system(command);
}

static inline void sql(const char *text)
{
    sqlite3 *db = NULL;
    char *why = NULL;

    assert_int_equal(sqlite3_open(db_path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s: %s", text, why);
    if (sqlite3_total_changes(db) == 0 && !strstr(text, "PRAGMA") && !strstr(text, "TABLE") && !strstr(text, "TRIGGER"))
        fail_msg("this damages nothing: %s", text);
    sqlite3_close(db);
}

static inline void overwrite(const char *path, uint64_t offset, const void *data, size_t size)
{
    int fd = open(path, O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(fc_pwrite_full(fd, data, size, offset), 0);
    close(fd);
}

static inline off_t size_of(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? st.st_size : 0;
}

static inline struct fc_workspace_check check(bool repair)
{
    const struct fc_workspace_check_options how = {.repair = repair};
    struct fc_workspace_check c = {0};
    struct fc_error err = {0};

    ok(fc_workspace_check(home, cache, &how, &c, &err), &err);
    return c;
}

static inline void show(const struct fc_findings *f)
{
    for (size_t i = 0; i < f->n; i++)
        print_error("  %s %s: /%s: %s (%s)\n", f->items[i].error ? "error" : "note", f->items[i].code,
                    f->items[i].path ? f->items[i].path : "?", f->items[i].what,
                    f->items[i].repair ? f->items[i].repair : "-");
}

static inline bool has_code(const struct fc_findings *f, const char *code)
{
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->items[i].code, code) == 0)
            return true;
    return false;
}

/* Whether @path is one of the space-separated @list, or below one that does not end in a slash. */
static inline bool listed(const char *list, const char *path, size_t len)
{
    for (const char *p = list; *p; p += strcspn(p, " "), p += *p == ' ') {
        size_t n = strcspn(p, " ");

        if (n && p[n - 1] == '/' && n - 1 == len && strncmp(p, path, len) == 0)
            return true;
        if (n && n <= len && strncmp(p, path, n) == 0 && (n == len || path[n] == '/'))
            return true;
    }
    return false;
}

/* All lines of the model's tree are in @now, but those of the listed paths. */
static inline void same_but(const struct fc_buf *now, const char *list)
{
    for (const char *p = good.data; *p; p += strcspn(p, "\n") + 1) {
        char line[1024];

        snprintf(line, sizeof(line), "%.*s\n", (int)strcspn(p, "\n"), p);
        if (!listed(list, p, strcspn(p, " ")) && !strstr(now->data, line))
            fail_msg("changed: %snow:\n%s", line, now->data);
    }
}

#endif

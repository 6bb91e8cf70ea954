/* SPDX-License-Identifier: Apache-2.0 */
/* Workspaces: opening, stack changes under edits, commit, reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fuse/fuse.h"
#include "layer/layer.h"
#include "live/verb.h"
#include "workspace/workspace.h"

FC_DEFINE_AUTO(struct fc_snapshot *, fc_snapshot_free)

static char top[64], home[80];
static struct fc_cache *cache;
static struct fc_buf text;
static unsigned n_trees;

static int setup(void **state)
{
    (void)state;
    strcpy(top, "/tmp/fc-ws.XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(home, sizeof(home), "%s/cache", top);
    if (fc_cache_open(home, &cache, NULL) < 0)
        return -1;
    snprintf(home, sizeof(home), "%s/ws", top);
    return fc_workspace_create(home, NULL);
}

static int teardown(void **state)
{
    (void)state;
    fc_cache_free(cache);
    fc_buf_release(&text);
    return fc_remove_all(AT_FDCWD, top);
}

static void ok(int r, const struct fc_error *err)
{
    if (r < 0)
        fail_msg("%s (%d)", err->msg, r);
}

static struct fc_workspace *must_open(enum fc_workspace_mode mode)
{
    struct fc_workspace *ws = NULL;
    struct fc_error err = {0};

    ok(fc_workspace_open(home, cache, mode, &ws, &err), &err);
    return ws;
}

/* A layer of the listed files: "dir/" or "path=content" or "path>symlink" or "path+existing" (hard link). */
static struct fc_layer *layer_of(const char *const *items)
{
    struct fc_imported got = {0};
    struct fc_layer *layer = NULL;
    struct fc_error err = {0};
    char dir[128], path[256], other[256], locator[160];

    snprintf(dir, sizeof(dir), "%s/tree%u", top, n_trees++);
    assert_int_equal(mkdir(dir, 0755), 0);
    for (; *items; items++) {
        size_t len = strcspn(*items, "=>+");
        const char *rest = *items + len;

        snprintf(path, sizeof(path), "%s/%.*s", dir, (int)len, *items);
        if (*rest == '=') {
            FILE *f = fopen(path, "w");

            assert_non_null(f);
            fputs(rest + 1, f);
            fclose(f);
        } else if (*rest == '>') {
            assert_int_equal(symlink(rest + 1, path), 0);
        } else if (*rest == '+') {
            snprintf(other, sizeof(other), "%s/%s", dir, rest + 1);
            assert_int_equal(link(other, path), 0);
        } else {
            assert_int_equal(mkdir(path, 0755), 0);
        }
        if (*rest != '>')
            assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{9, 0}, {9, 0}}, 0), 0);
    }
    snprintf(locator, sizeof(locator), "dir:%s", dir);
    ok(fc_stack_import(cache, locator, NULL, &got, &err), &err);
    layer = fc_layer_ref(got.layers[0]);
    fc_imported_release(&got);
    return layer;
}
#define LAYER(...) layer_of((const char *const[]){__VA_ARGS__, NULL})

static void add(struct fc_workspace *ws, struct fc_layer *layer, const char *name, int position)
{
    const struct fc_workspace_new_layer l = {.layer = layer, .locator = "dir:x", .name = name};
    struct fc_error err = {0};

    ok(fc_workspace_layers_add(ws, &l, 1, position, &err), &err);
    fc_layer_unref(layer);
}

/* Edits */

static uint64_t ino_of(struct fc_workspace *ws, const char *path)
{
    struct fc_attr a;
    struct fc_error err = {0};

    ok(fc_live_resolve(fc_workspace_live(ws), path, false, &a, &err), &err);
    return a.ino;
}

static uint64_t parent_of(struct fc_workspace *ws, const char *path, const char **name)
{
    char dir[256];

    *name = strrchr(path, '/') + 1;
    snprintf(dir, sizeof(dir), "%.*s", (int)(*name - path), path);
    return ino_of(ws, dir);
}

static void put(struct fc_workspace *ws, const char *path, const char *content)
{
    struct fc_live *live = fc_workspace_live(ws);
    const struct fc_cred cred = {.uid = 0, .gid = 0};
    struct fc_attr a;
    const char *name;
    uint64_t dir = parent_of(ws, path, &name);

    if (fc_live_lookup(live, dir, name, strlen(name), &a) < 0)
        assert_int_equal(fc_live_mknod(live, dir, name, strlen(name), S_IFREG | 0644, 0, 0, 0, &cred, &a), 0);
    a.size = 0;
    assert_int_equal(fc_live_setattr(live, a.ino, &a, FC_SET_SIZE, NULL), 0);
    assert_int_equal(fc_live_write(live, a.ino, content, strlen(content), 0, 0), strlen(content));
}

static void make_dir(struct fc_workspace *ws, const char *path)
{
    const struct fc_cred cred = {.uid = 0, .gid = 0};
    struct fc_attr a;
    const char *name;
    uint64_t dir = parent_of(ws, path, &name);

    assert_int_equal(fc_live_mknod(fc_workspace_live(ws), dir, name, strlen(name), S_IFDIR | 0755, 0, 0, 0, &cred, &a),
                     0);
}

static void del(struct fc_workspace *ws, const char *path)
{
    struct fc_error err = {0};

    ok(fc_verb_apply(fc_workspace_live(ws),
                     &(struct fc_verb){.kind = FC_VERB_RM, .path = path, .flags = FC_VERB_RECURSIVE, .fd = -1}, &err),
       &err);
}

static void rename_to(struct fc_workspace *ws, const char *path, const char *to)
{
    const char *name, *new_name;
    uint64_t dir = parent_of(ws, path, &name), new_dir = parent_of(ws, to, &new_name);

    assert_int_equal(
        fc_live_rename(fc_workspace_live(ws), dir, name, strlen(name), new_dir, new_name, strlen(new_name), 0), 0);
}

static void hard_link(struct fc_workspace *ws, const char *path, const char *to)
{
    const char *name;
    uint64_t dir = parent_of(ws, to, &name);
    struct fc_attr a;

    assert_int_equal(fc_live_link(fc_workspace_live(ws), ino_of(ws, path), dir, name, strlen(name), &a), 0);
}

static void mode(struct fc_workspace *ws, const char *path, uint32_t bits)
{
    struct fc_attr a = {.mode = bits};

    assert_int_equal(fc_live_setattr(fc_workspace_live(ws), ino_of(ws, path), &a, FC_SET_MODE, NULL), 0);
}

/* The tree as one text: "path type mode links content" a line. */

static void show(const struct fc_snapshot *s, uint32_t index, const char *path)
{
    uint32_t n;
    const struct fc_snap_inode *i = &fc_snapshot_inodes(s, &n)[index];
    const struct fc_snap_dentry *d = fc_snapshot_dentries(s, &n);
    const struct fc_snap_extent *x = fc_snapshot_extents(s, &n);

    if (*path)
        fc_buf_addf(&text, "%s %o %u ", path, i->mode & 07777, i->nlink);
    if (S_ISLNK(i->mode))
        fc_buf_addf(&text, "-> %s", i->target);
    for (uint32_t k = 0; S_ISREG(i->mode) && k < i->n_extents; k++) {
        char content[64] = "";
        size_t want = i->size < sizeof(content) ? (size_t)i->size : sizeof(content) - 1;

        assert_int_equal(fc_pread_full(fc_snapshot_sources(s, &n)[x[i->first_extent + k].source].fd, content, want,
                                       x[i->first_extent + k].source_offset),
                         want);
        fc_buf_adds(&text, content);
    }
    if (*path)
        fc_buf_adds(&text, S_ISDIR(i->mode) ? "/\n" : "\n");
    for (uint32_t k = 0; k < i->n_dentries; k++) {
        char child[512];

        snprintf(child, sizeof(child), "%s/%.*s", path, (int)d[i->first_dentry + k].name_len,
                 d[i->first_dentry + k].name);
        show(s, d[i->first_dentry + k].inode, child);
    }
}

/* Link counts are what the names say. */
static void check_links(const struct fc_snapshot *s)
{
    uint32_t n, n_inodes;
    const struct fc_snap_dentry *d = fc_snapshot_dentries(s, &n);
    const struct fc_snap_inode *i = fc_snapshot_inodes(s, &n_inodes);
    uint32_t *names = calloc(n_inodes, sizeof(*names));

    for (uint32_t k = 0; k < n; k++)
        names[d[k].inode]++;
    for (uint32_t k = 0; k < n_inodes; k++)
        if (!S_ISDIR(i[k].mode) && names[k] != i[k].nlink)
            fail_msg("inode %llu has %u names and %u links", (unsigned long long)i[k].ino, names[k], i[k].nlink);
    free(names);
}

static const char *tree(struct fc_workspace *ws)
{
    fc_auto(fc_snapshot_free) struct fc_snapshot *s = NULL;
    struct fc_error err = {0};

    ok(fc_workspace_snapshot(ws, &s, &err), &err);
    check_links(s);
    fc_buf_clear(&text);
    fc_buf_adds(&text, "");
    show(s, 0, "");
    return text.data;
}

static int note(void *arg, const char *path, const char *what)
{
    (void)what;
    return fc_buf_addf(arg, "%s\n", path);
}

static void expect_conflicts(struct fc_workspace *ws, const char *want)
{
    struct fc_buf b = {0};

    fc_buf_adds(&b, "");
    assert_int_equal(fc_workspace_conflicts(ws, note, &b, NULL), 0);
    assert_string_equal(b.data, want);
    fc_buf_release(&b);
}

/* Check the tree now, and again as another process would see it. */
static struct fc_workspace *expect(struct fc_workspace *ws, const char *want)
{
    assert_string_equal(tree(ws), want);
    fc_workspace_free(ws);
    ws = must_open(FC_WORKSPACE_READ);
    assert_string_equal(tree(ws), want);
    fc_workspace_free(ws);
    return must_open(FC_WORKSPACE_WRITE);
}

static void done(struct fc_workspace *ws) { fc_workspace_free(ws); }

/* Cases */

static void found_by_walking_up_or_words(void **state)
{
    struct fc_error err = {0};
    char *dir = NULL, deep[128];

    (void)state;
    assert_int_equal(fc_workspace_create(home, &err), -EEXIST);
    snprintf(deep, sizeof(deep), "%s/a/b", home);
    ok(fc_mkdir_all(deep, &err), &err);
    assert_int_equal(chdir(deep), 0);
    ok(fc_workspace_find(NULL, &dir, &err), &err);
    assert_string_equal(strstr(dir, "/ws"), "/ws");
    free(dir);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(fc_workspace_find(NULL, &dir, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "fccompose init"));
    assert_int_equal(fc_workspace_find(deep, &dir, &err), -ENOENT);
}

/* A folder that somebody else put above us is not taken for ours; in it, it is taken at its word. */
static void of_another_user_only_when_named(void **state)
{
    struct fc_error err = {0};
    char *dir = NULL, db[128], deep[128];

    (void)state;
    if (geteuid() != 0)
        skip();
    snprintf(deep, sizeof(deep), "%s/a", home);
    snprintf(db, sizeof(db), "%s/.fccompose/workspace.db", home);
    ok(fc_mkdir_all(deep, &err), &err);
    assert_int_equal(chown(db, 65534, 65534), 0);
    assert_int_equal(chdir(deep), 0);
    assert_int_equal(fc_workspace_find(NULL, &dir, &err), -EPERM);
    assert_non_null(strstr(err.msg, "user 65534"));
    assert_int_equal(chdir(home), 0);
    ok(fc_workspace_find(NULL, &dir, &err), &err);
    free(dir);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(fc_workspace_check_owner(home, &err), -EPERM);
    setenv("SUDO_UID", "65534", 1);
    ok(fc_workspace_check_owner(home, &err), &err);
    unsetenv("SUDO_UID");
    assert_int_equal(chown(db, 0, 0) | chown(home, 65534, 65534), 0);
    assert_int_equal(fc_workspace_check_owner(home, &err), -EPERM);
    assert_int_equal(chown(home, 0, 0), 0);
    ok(fc_workspace_check_owner(home, &err), &err);
}

static void readers_and_writers_wait_for_each_other(void **state)
{
    const struct fc_workspace_options now = {.mode = FC_WORKSPACE_WRITE, .wait_ms = -1}, soon = {.wait_ms = 50};
    struct fc_workspace *r = must_open(FC_WORKSPACE_READ), *r2 = must_open(FC_WORKSPACE_READ), *w = NULL;
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(fc_workspace_open_with(home, cache, &now, &w, &err), -EBUSY);
    fc_workspace_free(r);
    fc_workspace_free(r2);
    w = must_open(FC_WORKSPACE_WRITE);
    assert_int_equal(fc_workspace_open_with(home, cache, &soon, &r, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "in use by process"));
    fc_workspace_free(w);
}

static void layers_come_and_go(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_error err = {0};
    uint32_t n, at;

    (void)state;
    assert_string_equal(tree(ws), "");
    add(ws, LAYER("a=one"), "first", -1);
    add(ws, LAYER("a=two", "b=b"), "second", -1);
    add(ws, LAYER("a=zero", "z=z"), "bottom", 0);
    ws = expect(ws, "/a 644 1 two\n/b 644 1 b\n/z 644 1 z\n");
    fc_workspace_stack(ws, &n);
    assert_int_equal(n, 3);
    ok(fc_workspace_layer_find(ws, "first", &at, &err), &err);
    assert_int_equal(at, 1);
    assert_int_equal(fc_workspace_layer_find(ws, "dir:x", &at, &err), -ENOTUNIQ);
    assert_int_equal(fc_workspace_layer_find(ws, "none", &at, &err), -ENOENT);
    ok(fc_workspace_layer_move(ws, 2, 0, &err), &err);
    ws = expect(ws, "/a 644 1 one\n/b 644 1 b\n/z 644 1 z\n");
    ok(fc_workspace_layer_move(ws, 0, 2, &err), &err);
    ok(fc_workspace_layer_remove(ws, 2, &err), &err);
    ws = expect(ws, "/a 644 1 one\n/z 644 1 z\n");
    assert_int_equal(fc_workspace_layer_remove(ws, 2, &err), -ERANGE);
    done(ws);
}

static void edits_follow_their_paths(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);

    (void)state;
    add(ws, LAYER("etc/", "etc/conf=old", "etc/keep=keep", "etc/gone=gone", "lib/", "lib/x=x"), "base", -1);
    put(ws, "/etc/conf", "mine");
    put(ws, "/etc/new", "new");
    make_dir(ws, "/opt");
    put(ws, "/opt/o", "o");
    mode(ws, "/lib/x", 0755);
    del(ws, "/etc/gone");
    ws = expect(ws, "/etc 755 2 /\n/etc/conf 644 1 mine\n/etc/keep 644 1 keep\n/etc/new 644 1 new\n"
                    "/lib 755 2 /\n/lib/x 755 1 x\n/opt 755 2 /\n/opt/o 644 1 o\n");
    /* content that the user did not touch follows the new layer, his mode stays; so do his content and his deletion */
    add(ws, LAYER("etc/", "etc/conf=newer", "etc/sub/", "lib/", "lib/x=xx", "opt/", "opt/p=p"), "top", -1);
    ws = expect(ws, "/etc 755 3 /\n/etc/conf 644 1 mine\n/etc/keep 644 1 keep\n/etc/new 644 1 new\n/etc/sub 755 2 /\n"
                    "/lib 755 2 /\n/lib/x 755 1 xx\n/opt 755 2 /\n/opt/o 644 1 o\n/opt/p 644 1 p\n");
    expect_conflicts(ws, "");
    done(ws);
}

static void what_loses_its_layer_is_kept_and_noted(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_error err = {0};

    (void)state;
    add(ws, LAYER("a=a"), "base", -1);
    add(ws, LAYER("d/", "d/changed=1", "d/gone=2", "d/moved=3", "d/rest=4", "d/linked=5", "e/", "e/x=x"), "app", -1);
    put(ws, "/d/changed", "mine");
    del(ws, "/d/gone");
    rename_to(ws, "/d/moved", "/moved");
    hard_link(ws, "/d/linked", "/link");
    rename_to(ws, "/e", "/f");
    put(ws, "/d/added", "added");
    ok(fc_workspace_layer_remove(ws, 1, &err), &err);
    /* the moved and the linked file still come from the layer that left */
    ws = expect(ws, "/a 644 1 a\n/d 755 2 /\n/d/added 644 1 added\n/d/changed 644 1 mine\n/f 755 2 /\n/f/x 644 1 x\n"
                    "/link 644 1 5\n/moved 644 1 3\n");
    expect_conflicts(ws, "d\nd/changed\nd/gone\nd/linked\nd/moved\ne\n");
    /* and once more, now from a layer that is in no stack */
    add(ws, LAYER("b=b"), "other", 0);
    ws = expect(ws, "/a 644 1 a\n/b 644 1 b\n/d 755 2 /\n/d/added 644 1 added\n/d/changed 644 1 mine\n/f 755 2 /\n"
                    "/f/x 644 1 x\n/link 644 1 5\n/moved 644 1 3\n");
    done(ws);
}

static void other_types_are_conflicts(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);

    (void)state;
    add(ws, LAYER("lib/", "lib/old=old", "f=f", "g=g", "h=h"), "base", -1);
    put(ws, "/lib/mine", "mine");
    put(ws, "/f", "changed");
    del(ws, "/g");
    make_dir(ws, "/n");
    add(ws, LAYER("lib>usr/lib", "f/", "f/in=in", "g>x", "n=n"), "top", -1);
    ws = expect(ws, "/f 644 1 changed\n/g 777 1 -> x\n/h 644 1 h\n/lib 755 2 /\n/lib/mine 644 1 mine\n/n 755 2 /\n");
    expect_conflicts(ws, "f\ng\nlib\nn\n");
    done(ws);
}

static void hard_links_stay_links(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    const char *want = "/a 600 3 xyz\n/b 600 3 xyz\n/c 600 3 xyz\n/d 644 1 d\n/n 644 2 n\n/o 644 2 n\n/z 644 1 z\n";

    (void)state;
    add(ws, LAYER("a=abc", "b+a", "d=d", "e+d"), "base", -1);
    put(ws, "/a", "xyz");
    mode(ws, "/b", 0600);
    hard_link(ws, "/b", "/c");
    del(ws, "/e");
    put(ws, "/n", "n");
    hard_link(ws, "/n", "/o");
    add(ws, LAYER("z=z"), "top", -1);
    ws = expect(ws, want);
    assert_true(ino_of(ws, "/a") == ino_of(ws, "/c"));
    add(ws, LAYER("y=y"), "under", 0);
    expect_conflicts(ws, "");
    assert_true(ino_of(ws, "/a") == ino_of(ws, "/b"));
    done(ws);
}

static unsigned rnd(unsigned n)
{
    static uint64_t seed = 7;

    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static const char *any_path(void)
{
    static const char *const paths[] = {"/a",     "/b",   "/c", "/d/a", "/d/b", "/d/e/a",
                                        "/d/e/c", "/f/a", "/d", "/d/e", "/f",   "/g"};

    return paths[rnd(FC_LENGTH(paths))];
}

/* One change of any kind; what is not possible there is none. */
static void random_edit(struct fc_workspace *ws)
{
    const char *from = any_path(), *to = any_path();
    char content[] = {(char)('A' + rnd(26)), 0};
    struct fc_verb v = {.path = from, .fd = -1};

    switch (rnd(7)) {
    case 0:
        v.kind = FC_VERB_RM;
        v.flags = FC_VERB_RECURSIVE;
        break;
    case 1:
        v.kind = FC_VERB_MKDIR;
        break;
    case 2:
        v.kind = FC_VERB_LN;
        v.target = to;
        break;
    case 3:
        v.kind = FC_VERB_MV;
        v.target = to;
        break;
    case 4:
        v.kind = FC_VERB_CHMOD;
        v.mode_text = rnd(2) ? "0751" : "0640";
        break;
    default:
        v.kind = FC_VERB_WRITE;
        v.fd = memfd_create("content", 0);
        assert_int_equal(write(v.fd, content, 1), 1);
        lseek(v.fd, 0, SEEK_SET);
    }
    fc_verb_apply(fc_workspace_live(ws), &v, NULL);
    if (v.fd >= 0)
        close(v.fd);
}

/* A layer that touches nothing that the edits touch must leave them alone, whatever they are. */
static void unrelated_rounds(void)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_error err = {0};

    add(ws, LAYER("a=a", "b+a", "d/", "d/a=da", "d/e/", "d/e/a=dea", "d/e/c=dec", "f/", "f/a=fa"), "base", -1);
    for (int round = 0; round < 10; round++) {
        char *before;
        uint32_t at;

        for (unsigned i = 1 + rnd(12); i; i--)
            random_edit(ws), tree(ws);
        before = strdup(tree(ws));
        add(ws, LAYER("zz=z"), "zz", rnd(2) ? -1 : 0);
        assert_non_null(strstr(tree(ws), "/zz 644 1 z\n"));
        ok(fc_workspace_layer_find(ws, "zz", &at, &err), &err);
        ok(fc_workspace_layer_remove(ws, at, &err), &err);
        ws = expect(ws, before);
        expect_conflicts(ws, "");
        free(before);
    }
    done(ws);
}

static void an_unrelated_layer_changes_nothing(void **state)
{
    (void)state;
    unrelated_rounds();
    for (int i = 0; i < 8; i++) {
        snprintf(home, sizeof(home), "%s/ws%d", top, i);
        assert_int_equal(fc_workspace_create(home, NULL), 0);
        unrelated_rounds();
    }
}

/* What a mount process is to the others: the live tree with a control socket. */
static void a_reader_of_a_mounted_workspace_sees_one_moment(void **state)
{
    const struct fc_workspace_options mount = {.mode = FC_WORKSPACE_WRITE, .for_mount = true};
    struct fc_workspace *ws = NULL, *reader, *second = NULL;
    struct fc_workspace_status status;
    struct fc_control *control = NULL;
    struct fc_error err = {0};
    char *socket;

    (void)state;
    ws = must_open(FC_WORKSPACE_WRITE);
    add(ws, LAYER("a=a"), "base", -1);
    fc_workspace_free(ws);
    ok(fc_workspace_open_with(home, cache, &mount, &ws, &err), &err);
    socket = fc_workspace_socket(fc_workspace_dir(ws));
    ok(fc_control_new(&(struct fc_control_options){.path = socket, .live = fc_workspace_live(ws)}, &control, &err),
       &err);
    free(socket);
    assert_int_equal(fc_workspace_layer_remove(ws, 0, &err), -EINVAL);
    put(ws, "/b", "before");
    reader = must_open(FC_WORKSPACE_READ);
    assert_true(fc_workspace_is_mounted(reader));
    put(ws, "/b", "later!");
    put(ws, "/c", "c");
    ok(fc_live_sync(fc_workspace_live(ws), true, &err), &err);
    assert_string_equal(tree(reader), "/a 644 1 a\n/b 644 1 before\n");
    assert_string_equal(tree(ws), "/a 644 1 a\n/b 644 1 later!\n/c 644 1 c\n");
    ok(fc_workspace_status(reader, &status, &err), &err);
    assert_false(status.mounted); /* served, but not as a directory */
    assert_int_equal(status.pid, getpid());
    fc_workspace_status_release(&status);
    assert_int_equal(fc_workspace_open(home, cache, FC_WORKSPACE_WRITE, &second, &err), -EBUSY);
    assert_non_null(strstr(err.msg, "fccompose umount"));
    fc_workspace_free(reader);
    fc_control_free(control);
    fc_workspace_free(ws);
}

static void commit_keeps_the_tree(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_workspace_status status = {0};
    struct fc_error err = {0};
    struct fc_digest diffid;
    const struct fc_workspace_layer *stack;
    uint32_t n;
    char *before;

    (void)state;
    add(ws, LAYER("etc/", "etc/conf=old", "gone=gone", "dir/", "dir/x=x", "l1=l", "l2+l1"), "base", -1);
    assert_int_equal(fc_workspace_commit(ws, "nothing", &diffid, &err), -ENODATA);
    assert_non_null(strstr(err.msg, "nothing to commit"));
    put(ws, "/etc/conf", "mine");
    put(ws, "/new", "new");
    hard_link(ws, "/new", "/etc/new");
    mode(ws, "/l1", 0600);
    del(ws, "/gone");
    del(ws, "/dir");
    make_dir(ws, "/dir");
    put(ws, "/dir/y", "y");
    before = strdup(tree(ws));
    ok(fc_workspace_commit(ws, "work", &diffid, &err), &err);
    ws = expect(ws, before);
    free(before);
    stack = fc_workspace_stack(ws, &n);
    assert_int_equal(n, 2);
    assert_string_equal(stack[1].name, "work");
    assert_string_equal(stack[1].locator, "commit:work");
    assert_memory_equal(&stack[1].diffid, &diffid, sizeof(diffid));
    ok(fc_workspace_status(ws, &status, &err), &err);
    assert_int_equal(status.n_inodes + status.n_names + status.data_bytes, 0);
    assert_false(status.mounted);
    assert_int_equal(fc_workspace_commit(ws, "nothing", &diffid, &err), -ENODATA);
    done(ws);
}

static void reset_shows_the_layers_again(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_error err = {0};
    const char *path = "a";

    (void)state;
    add(ws, LAYER("a=a", "b=b"), "base", -1);
    put(ws, "/a", "A");
    put(ws, "/b", "B");
    put(ws, "/c", "C");
    ok(fc_workspace_reset(ws, &path, 1, &err), &err);
    ws = expect(ws, "/a 644 1 a\n/b 644 1 B\n/c 644 1 C\n");
    ok(fc_workspace_reset(ws, NULL, 0, &err), &err);
    ws = expect(ws, "/a 644 1 a\n/b 644 1 b\n");
    done(ws);
}

static void reset_brings_links_back(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_error err = {0};

    (void)state;
    add(ws, LAYER("a=a", "b+a"), "base", -1);
    del(ws, "/a");
    del(ws, "/b");
    ok(fc_workspace_reset(ws, NULL, 0, &err), &err);
    ws = expect(ws, "/a 644 2 a\n/b 644 2 a\n");
    del(ws, "/a");
    del(ws, "/b");
    ok(fc_workspace_sync(ws, &err), &err);
    fc_workspace_free(ws);
    ws = must_open(FC_WORKSPACE_WRITE);
    ok(fc_workspace_reset(ws, NULL, 0, &err), &err);
    ws = expect(ws, "/a 644 2 a\n/b 644 2 a\n");
    done(ws);
}

static void a_missing_layer_is_named(void **state)
{
    struct fc_workspace *ws = must_open(FC_WORKSPACE_WRITE);
    struct fc_layer *layer = LAYER("a=a");
    struct fc_error err = {0};
    char digest[FC_DIGEST_TEXT], path[256];
    struct fc_workspace_new_layer l = {.layer = layer};
    char locator[128];

    (void)state;
    snprintf(locator, sizeof(locator), "dir:%s/tree%u", top, n_trees - 1);
    l.locator = locator;
    ok(fc_workspace_layers_add(ws, &l, 1, -1, &err), &err);
    fc_digest_format(fc_layer_diffid(layer), digest);
    fc_layer_unref(layer);
    fc_workspace_free(ws);
    snprintf(path, sizeof(path), "%s/cache/layers", top);
    assert_int_equal(fc_remove_all(AT_FDCWD, path), 0);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(fc_workspace_open(home, cache, FC_WORKSPACE_READ, &ws, &err), -ENOENT);
    assert_non_null(strstr(err.msg, digest));
    assert_non_null(strstr(err.msg, locator));
    assert_int_equal(fc_workspace_pull(home, cache, NULL, &err), 1);
    assert_int_equal(fc_workspace_pull(home, cache, NULL, &err), 0);
    done(must_open(FC_WORKSPACE_READ));
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(found_by_walking_up_or_words),
        T(of_another_user_only_when_named),
        T(readers_and_writers_wait_for_each_other),
        T(layers_come_and_go),
        T(edits_follow_their_paths),
        T(what_loses_its_layer_is_kept_and_noted),
        T(other_types_are_conflicts),
        T(hard_links_stay_links),
        T(an_unrelated_layer_changes_nothing),
        T(a_reader_of_a_mounted_workspace_sees_one_moment),
        T(commit_keeps_the_tree),
        T(reset_shows_the_layers_again),
        T(reset_brings_links_back),
        T(a_missing_layer_is_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

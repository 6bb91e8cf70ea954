/* SPDX-License-Identifier: Apache-2.0 */
/* Edits to a layer and back: folding the exported layer gives the snapshot's tree, whatever was edited. */
#include "live_help.h"

#include "archive/archive.h"
#include "entry/entry.h"
#include "export/export.h"
#include "live/verb.h"

#define CASE(name) static void name(void **state)
#define BEGIN(...)                                                                                                     \
    struct live_test lt = {0};                                                                                         \
    (void)state;                                                                                                       \
    tree_begin(&lt.t);                                                                                                 \
    LAYER(&lt.t, __VA_ARGS__);                                                                                         \
    live_begin(&lt)
#define END live_end(&lt)
#define OK(...) ok(&lt, (struct fc_verb){__VA_ARGS__})

static void ok(struct live_test *lt, struct fc_verb v)
{
    int fd = v.fd ? v.fd : -1, r;

    v.fd = fd;
    r = fc_verb_apply(lt->live, &v, &lt->t.err);
    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
    if (fd >= 0)
        close(fd);
}

static int collect(void *arg, const void *data, size_t size, struct fc_error *err)
{
    (void)err;
    return fc_buf_add(arg, data, size);
}

/* A tar in memory as a byte source. */
struct memory {
    struct fc_byte_source base;
    const struct fc_buf *buf;
    size_t at;
};

static ssize_t memory_read(struct fc_byte_source *s, void *buffer, size_t size, struct fc_error *err)
{
    struct memory *m = (struct memory *)s;
    size_t n = m->buf->len - m->at < size ? m->buf->len - m->at : size;

    (void)err;
    memcpy(buffer, m->buf->data + m->at, n);
    m->at += n;
    return (ssize_t)n;
}

/* Turn the tar into a layer on top of lt->t's. */
static void import(struct tree_test *t, const struct fc_buf *tar)
{
    struct memory m = {.base = {.read = memory_read}, .buf = tar};
    static const struct fc_tar_options options = {.label = "export"};
    struct fc_entry_iter *raw = NULL, *it = NULL;
    struct fc_layer_builder *b;
    struct fc_digest d;
    int r;

    assert_int_equal(fc_digest_of(tar->data, tar->len, &d), 0);
    assert_int_equal(fc_tar_iter(&m.base, &options, &raw, &t->err), 0);
    assert_int_equal(fc_filter_whiteouts(raw, &it, &t->err), 0);
    assert_int_equal(fc_layer_builder_new(t->cache, "export", &b, &t->err), 0);
    r = fc_layer_builder_add_all(b, it, &t->err);
    if (r < 0)
        print_message("%s\n", t->err.msg);
    assert_int_equal(r, 0);
    assert_int_equal(fc_layer_builder_finish(b, &d, tar->len, &t->layers[t->n].layer, &t->err), 0);
    t->n++;
    fc_layer_builder_free(b);
    fc_entry_iter_free(it);
}

static int export_edits(struct live_test *lt, struct fc_buf *want, struct fc_buf *tar)
{
    struct fc_snapshot *s = NULL;
    struct fc_diff *d = NULL;
    int r;

    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    snap_text(s, true, want);
    assert_int_equal(fc_diff_new(lt->t.tree, s, &d, &lt->t.err), 0);
    r = fc_export_layer(s, lt->t.tree, d, collect, tar, &lt->t.err);
    fc_diff_free(d);
    fc_snapshot_free(s);
    return r;
}

/* The text of the folded tree of @t. */
static void folded_text(struct tree_test *t, struct fc_buf *out)
{
    struct fc_tree *tree = NULL;
    struct fc_snapshot *s = NULL;
    struct fc_tree_layer layers[16];
    int r;

    for (uint32_t i = 0; i < t->n; i++)
        layers[i] = (struct fc_tree_layer){.layer = t->layers[i].layer};
    r = fc_tree_fold(layers, t->n, NULL, &tree, &t->err);
    if (r < 0)
        print_message("%s\n", t->err.msg);
    assert_int_equal(r, 0);
    assert_int_equal(fc_snapshot_of_tree(tree, &s, &t->err), 0);
    snap_text(s, true, out);
    fc_snapshot_free(s);
    fc_tree_free(tree);
}

/* Export, fold on top, compare everything. */
static void round_trip(struct live_test *lt)
{
    struct fc_buf want = {0}, tar = {0}, got = {0};
    int r = export_edits(lt, &want, &tar);

    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
    import(&lt->t, &tar);
    folded_text(&lt->t, &got);
    assert_string_equal(got.data, want.data);
    fc_buf_release(&want);
    fc_buf_release(&tar);
    fc_buf_release(&got);
}

CASE(nothing_changed)
{
    BEGIN(DIR_("d"), FILE_("d/f"), LINK("g", "d/f"));
    round_trip(&lt);
    END;
}

CASE(added_changed_removed)
{
    BEGIN(DIR_M("d", 0750, 3), FILE_("d/f"), FILE_("d/g"), FILE_("k"), DIR_("e"), DIR_("e/e"), FILE_("e/e/x"));
    OK(.kind = FC_VERB_WRITE, .path = "/d/new", .fd = live_fd_of("new"));
    OK(.kind = FC_VERB_WRITE, .path = "/d/f", .fd = live_fd_of("changed"));
    OK(.kind = FC_VERB_RM, .path = "/d/g");
    OK(.kind = FC_VERB_RM, .path = "/e/e", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_CHMOD, .path = "/k", .mode_text = "4711");
    OK(.kind = FC_VERB_XATTR, .path = "/k", .name = "user.a", .data = "bc", .size = 2);
    OK(.kind = FC_VERB_LN, .path = "/s", .target = "../x", .flags = FC_VERB_SYMBOLIC);
    OK(.kind = FC_VERB_MKNOD, .path = "/dev/tty", .mode = S_IFCHR | 0620, .rdev_major = 5, .flags = FC_VERB_PARENTS);
    OK(.kind = FC_VERB_MKNOD, .path = "/dev/p", .mode = S_IFIFO | 0600);
    round_trip(&lt);
    END;
}

CASE(types_replaced)
{
    BEGIN(DIR_("d"), FILE_("d/f"), FILE_("f"), SYM("l", "d"), DIR_("usr"), FILE_("usr/x"), SYM("lib", "usr"));
    OK(.kind = FC_VERB_RM, .path = "/d", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_WRITE, .path = "/d", .fd = live_fd_of("file"));
    OK(.kind = FC_VERB_RM, .path = "/f");
    OK(.kind = FC_VERB_MKDIR, .path = "/f/sub", .flags = FC_VERB_PARENTS);
    OK(.kind = FC_VERB_RM, .path = "/lib");
    OK(.kind = FC_VERB_MKDIR, .path = "/lib");
    OK(.kind = FC_VERB_WRITE, .path = "/lib/y", .fd = live_fd_of("y"));
    OK(.kind = FC_VERB_RM, .path = "/usr", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_LN, .path = "/usr", .target = "lib", .flags = FC_VERB_SYMBOLIC);
    round_trip(&lt);
    END;
}

CASE(directory_made_again)
{
    BEGIN(DIR_("d"), FILE_("d/f"), DIR_("d/e"), FILE_("d/e/g"), FILE_("d/h"));
    OK(.kind = FC_VERB_RM, .path = "/d", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_MKDIR, .path = "/d/e", .flags = FC_VERB_PARENTS);
    OK(.kind = FC_VERB_WRITE, .path = "/d/h", .fd = live_fd_of("0004"));
    round_trip(&lt);
    END;
}

CASE(directory_renamed)
{
    BEGIN(DIR_M("d", 0700, 4), FILE_("d/f"), DIR_("d/e"), FILE_("d/e/g"), LINK("h", "d/f"));
    OK(.kind = FC_VERB_MV, .path = "/d", .target = "/n");
    OK(.kind = FC_VERB_MKDIR, .path = "/d");
    OK(.kind = FC_VERB_MV, .path = "/n/e", .target = "/d/e");
    round_trip(&lt);
    END;
}

CASE(link_groups)
{
    BEGIN(FILE_("a"), LINK("b", "a"), DIR_("d"), LINK("d/c", "a"), FILE_("x"), LINK("y", "x"), FILE_("m"), FILE_("n"),
          FILE_("p"), LINK("q", "p"));
    OK(.kind = FC_VERB_LN, .path = "/0new", .target = "/d/c");            /* joins unchanged lower names */
    OK(.kind = FC_VERB_WRITE, .path = "/y", .fd = live_fd_of("changed")); /* content of all names */
    OK(.kind = FC_VERB_MV, .path = "/m", .target = "/t");                 /* two files change places */
    OK(.kind = FC_VERB_MV, .path = "/n", .target = "/m");
    OK(.kind = FC_VERB_MV, .path = "/t", .target = "/n");
    OK(.kind = FC_VERB_RM, .path = "/p"); /* one name goes, the other stays */
    round_trip(&lt);
    END;
}

CASE(one_name_of_a_group_moved)
{
    BEGIN(FILE_("a"), LINK("b", "a"));
    OK(.kind = FC_VERB_MV, .path = "/a", .target = "/c");
    round_trip(&lt);
    END;
}

CASE(sparse_file)
{
    struct fc_attr a;
    BEGIN(DIR_("d"));
    OK(.kind = FC_VERB_WRITE, .path = "/d/s", .fd = live_fd_of("begin"));
    assert_int_equal(fc_live_resolve(lt.live, "/d/s", true, &a, NULL), 0);
    assert_int_equal(fc_live_write(lt.live, a.ino, "end", 3, 1000000, 0), 3);
    OK(.kind = FC_VERB_WRITE, .path = "/d/z", .fd = live_fd_of(""));
    assert_int_equal(fc_live_resolve(lt.live, "/d/z", true, &a, NULL), 0);
    a.size = 50000;
    assert_int_equal(fc_live_setattr(lt.live, a.ino, &a, FC_SET_SIZE, NULL), 0);
    round_trip(&lt);
    END;
}

CASE(what_a_layer_cannot_hold)
{
    struct fc_buf want = {0}, tar = {0};
    BEGIN(DIR_("d"));
    OK(.kind = FC_VERB_WRITE, .path = "/d/.wh.x", .fd = live_fd_of("x"));
    assert_int_equal(export_edits(&lt, &want, &tar), -EOPNOTSUPP);
    assert_non_null(strstr(lt.t.err.msg, ".wh.x"));
    OK(.kind = FC_VERB_RM, .path = "/d/.wh.x");
    OK(.kind = FC_VERB_MKNOD, .path = "/d/sock", .mode = S_IFSOCK | 0600);
    assert_int_equal(export_edits(&lt, &want, &tar), -EOPNOTSUPP);
    assert_non_null(strstr(lt.t.err.msg, "d/sock"));
    fc_buf_release(&want);
    fc_buf_release(&tar);
    END;
}

CASE(whole_tar)
{
    struct fc_snapshot *s = NULL;
    struct fc_buf want = {0}, tar = {0}, got = {0};
    struct fc_attr then = {.mtime = {1000, 5}};
    BEGIN(DIR_M("d", 0700, 4), FILE_("d/f"), LINK("h", "d/f"), SYM("s", "h"), DEV("c", 0, 0));
    OK(.kind = FC_VERB_WRITE, .path = "/d/n", .fd = live_fd_of("n"));
    OK(.kind = FC_VERB_MKNOD, .path = "/sock", .mode = S_IFSOCK | 0600);
    assert_int_equal(fc_live_setattr(lt.live, 1, &then, FC_SET_MTIME, NULL), 0);
    assert_int_equal(fc_live_snapshot(lt.live, &s, &lt.t.err), 0);
    assert_int_equal(fc_export_tar(s, collect, &tar, &lt.t.err), 0);
    fc_snapshot_free(s);
    s = NULL;
    OK(.kind = FC_VERB_RM, .path = "/sock");
    assert_int_equal(fc_live_setattr(lt.live, 1, &then, FC_SET_MTIME, NULL), 0);
    assert_int_equal(fc_live_snapshot(lt.live, &s, &lt.t.err), 0);
    snap_text(s, true, &want);
    fc_snapshot_free(s);
    import(&lt.t, &tar);
    fc_layer_unref(lt.t.layers[0].layer);
    lt.t.layers[0] = lt.t.layers[1];
    lt.t.n = 1;
    folded_text(&lt.t, &got);
    assert_string_equal(got.data, want.data);
    fc_buf_release(&want);
    fc_buf_release(&tar);
    fc_buf_release(&got);
    END;
}

int main(void)
{
#define T(f) cmocka_unit_test(f)
    const struct CMUnitTest tests[] = {
        T(nothing_changed),
        T(added_changed_removed),
        T(types_replaced),
        T(directory_made_again),
        T(directory_renamed),
        T(link_groups),
        T(one_name_of_a_group_moved),
        T(sparse_file),
        T(what_a_layer_cannot_hold),
        T(whole_tar),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

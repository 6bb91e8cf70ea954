/* SPDX-License-Identifier: Apache-2.0 */
/* What the diff says about edits. */
#include "live_help.h"

#include "live/diff.h"
#include "live/verb.h"

#define OK(...) ok(&lt, (struct fc_verb){__VA_ARGS__})

static void ok(struct live_test *lt, struct fc_verb v)
{
    int fd = v.fd ? v.fd : -1;

    v.fd = fd;
    assert_int_equal(fc_verb_apply(lt->live, &v, &lt->t.err), 0);
    if (fd >= 0)
        close(fd);
}

/* Kind, what (directories' own times left out: they are now), path. */
static void expect(struct live_test *lt, const char *want)
{
    struct fc_snapshot *s = NULL;
    struct fc_diff *d = NULL;
    struct fc_buf out = {0};
    const struct fc_change *c;
    size_t n;

    fc_buf_adds(&out, "");
    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    assert_int_equal(fc_diff_new(lt->t.tree, s, &d, &lt->t.err), 0);
    c = fc_diff_changes(d, &n);
    for (size_t i = 0; i < n; i++) {
        static const char flags[] = "cmotxlr";

        if (c[i].what == FC_CHANGED_MTIME && S_ISDIR(fc_tree_inodes(lt->t.tree, NULL)[c[i].lower].mode))
            continue;
        fc_buf_addf(&out, "%c", "AMDR"[c[i].kind]);
        for (int b = 0; b < 7; b++)
            if (c[i].what & 1u << b)
                fc_buf_addf(&out, "%c", flags[b]);
        fc_buf_addf(&out, " %s\n", c[i].path);
    }
    assert_string_equal(out.data, want);
    fc_buf_release(&out);
    fc_diff_free(d);
    fc_snapshot_free(s);
}

static void kinds_of_changes(void **state)
{
    struct live_test lt = {0};
    struct fc_attr a;

    (void)state;
    tree_begin(&lt.t);
    LAYER(&lt.t, DIR_("d"), FILE_("d/f"), DIR_("e"), FILE_("e/x"), FILE_("g"), FILE_("h"), LINK("i", "h"), FILE_("j"),
          FILE_("k"));
    live_begin(&lt);
    expect(&lt, "");
    OK(.kind = FC_VERB_RM, .path = "/e", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_MKDIR, .path = "/n/m", .flags = FC_VERB_PARENTS);
    OK(.kind = FC_VERB_CHMOD, .path = "/d/f", .mode_text = "600");
    OK(.kind = FC_VERB_CHOWN, .path = "/d", .uid = 3, .flags = FC_VERB_SET_UID);
    OK(.kind = FC_VERB_RM, .path = "/g");
    OK(.kind = FC_VERB_MKDIR, .path = "/g");
    OK(.kind = FC_VERB_RM, .path = "/i");
    OK(.kind = FC_VERB_XATTR, .path = "/j", .name = "user.x", .data = "1", .size = 1);
    /* The same bytes written again: extents differ, content does not. */
    assert_int_equal(fc_live_resolve(lt.live, "/k", true, &a, NULL), 0);
    assert_int_equal(fc_live_write(lt.live, a.ino, "0008", 4, 0, 0), 4);
    expect(&lt, "Mo d\nMm d/f\nD e\nR g\nMl h\nD i\nMx j\nMt k\nA n\nA n/m\n");
    assert_int_equal(fc_live_write(lt.live, a.ino, "x", 1, 2, 0), 1);
    expect(&lt, "Mo d\nMm d/f\nD e\nR g\nMl h\nD i\nMx j\nMct k\nA n\nA n/m\n");
    live_end(&lt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_of_changes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}

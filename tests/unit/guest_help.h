/* SPDX-License-Identifier: Apache-2.0 */
/* Plans for small trees: made, listed, carried out, made again. */
#ifndef TESTS_UNIT_GUEST_HELP_H
#define TESTS_UNIT_GUEST_HELP_H

#include "live_help.h"

#include "guest/guest.h"

#define CASE(name) static void name(void **state)
/** A tree of folders, and what the arguments add in its layer. */
#define BEGIN(...)                                                                                                     \
    struct live_test lt = {0};                                                                                         \
    (void)state;                                                                                                       \
    tree_begin(&lt.t);                                                                                                 \
    LAYER(&lt.t, __VA_ARGS__);                                                                                         \
    live_begin(&lt)
#define END live_end(&lt)

static inline void do_verb(struct live_test *lt, struct fc_verb v)
{
    int r = fc_verb_apply(lt->live, &v, &lt->t.err);

    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
}

/** Put a file with this content and mode into the tree. */
static inline void put(struct live_test *lt, const char *path, uint32_t mode, const char *text)
{
    int fd = live_fd_of(text);

    do_verb(
        lt,
        (struct fc_verb){
            .kind = FC_VERB_WRITE, .flags = FC_VERB_PARENTS | FC_VERB_SET_MODE, .path = path, .mode = mode, .fd = fd});
    close(fd);
}

static inline void put_link(struct live_test *lt, const char *path, const char *target)
{
    do_verb(lt, (struct fc_verb){.kind = FC_VERB_LN,
                                 .flags = FC_VERB_PARENTS | FC_VERB_SYMBOLIC | FC_VERB_FORCE | FC_VERB_NO_FOLLOW,
                                 .path = path,
                                 .target = target,
                                 .fd = -1});
}

/** Programs of the tree: their path and nothing else matters. */
static inline void put_programs(struct live_test *lt, const char *const *paths)
{
    for (; *paths; paths++)
        put(lt, *paths, 0755, "x");
}
#define PROGRAMS(...) put_programs(&lt, (const char *const[]){__VA_ARGS__, NULL})

/** Plan and carry out. The list of what was done, then the remarks after "! ". Caller frees. */
static inline char *enable(struct live_test *lt, const struct fc_guest_options *o)
{
    struct fc_guest_plan *p = NULL;
    struct fc_snapshot *s = NULL;
    struct fc_buf out = {0};
    const struct fc_guest_action *a;
    const char *note;
    int r;

    fc_buf_adds(&out, "");
    assert_int_equal(fc_live_snapshot(lt->live, &s, &lt->t.err), 0);
    r = fc_guest_plan(s, o, &p, &lt->t.err);
    fc_snapshot_free(s);
    if (r < 0) {
        fc_buf_addf(&out, "error %d: %s", -r, lt->t.err.msg);
        return out.data;
    }
    for (size_t i = 0; (a = fc_guest_plan_action(p, i)); i++) {
        do_verb(lt, a->verb);
        fc_buf_addf(&out, "%s\n", a->what);
    }
    for (size_t i = 0; (note = fc_guest_plan_note(p, i)); i++)
        fc_buf_addf(&out, "! %s\n", note);
    fc_guest_plan_free(p);
    return out.data;
}

/** The content of a file of the tree. Caller frees. */
static inline char *content(struct live_test *lt, const char *path)
{
    struct fc_attr attr;
    char *text;

    assert_int_equal(fc_live_resolve(lt->live, path, true, &attr, &lt->t.err), 0);
    text = calloc(attr.size + 1, 1);
    assert_int_equal(fc_live_read(lt->live, attr.ino, text, attr.size, 0), (ssize_t)attr.size);
    return text;
}

/** What the tree has at @path: "100644 0:0", "-> target", or "nothing". In a buffer of its own. */
static inline const char *what_is(struct live_test *lt, const char *path)
{
    static char text[512];
    struct fc_buf target = {0};
    struct fc_attr attr;

    if (fc_live_resolve(lt->live, path, false, &attr, NULL) < 0)
        return "nothing";
    if (S_ISLNK(attr.mode)) {
        assert_int_equal(fc_live_readlink(lt->live, attr.ino, &target), 0);
        snprintf(text, sizeof(text), "-> %s", target.data);
        fc_buf_release(&target);
    } else {
        snprintf(text, sizeof(text), "%o %u:%u", attr.mode, attr.uid, attr.gid);
    }
    return text;
}

#define DOES(options, want)                                                                                            \
    do {                                                                                                               \
        char *done_ = enable(&lt, options);                                                                            \
        assert_string_equal(done_, want);                                                                              \
        free(done_);                                                                                                   \
    } while (0)
/** The list, and that a second plan is empty but for the remarks, whatever these are. */
#define DOES_ONCE(options, want)                                                                                       \
    do {                                                                                                               \
        char *again_;                                                                                                  \
        DOES(options, want);                                                                                           \
        again_ = enable(&lt, options);                                                                                 \
        assert_true(!*again_ || *again_ == '!');                                                                       \
        free(again_);                                                                                                  \
    } while (0)
#define FAILS(options, code, words)                                                                                    \
    do {                                                                                                               \
        char *said_ = enable(&lt, options), start_[32];                                                                \
        snprintf(start_, sizeof(start_), "error %d: ", code);                                                          \
        if (strncmp(said_, start_, strlen(start_)) != 0 || !strstr(said_, words))                                      \
            fail_msg("said: %s", said_);                                                                               \
        free(said_);                                                                                                   \
    } while (0)
#define CONTENT(path, want)                                                                                            \
    do {                                                                                                               \
        char *text_ = content(&lt, path);                                                                              \
        assert_string_equal(text_, want);                                                                              \
        free(text_);                                                                                                   \
    } while (0)
#define IS(path, want) assert_string_equal(what_is(&lt, path), want)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs: edits by path as the tools of the same names make them. */
#include "live_help.h"
#include "live/verb.h"
#include "live/verb_internal.h"

#define CASE(name) static void name(void **state)
#define BEGIN(...)                                                                                                     \
    struct live_test lt = {0};                                                                                         \
    (void)state;                                                                                                       \
    tree_begin(&lt.t);                                                                                                 \
    LAYER(&lt.t, __VA_ARGS__);                                                                                         \
    live_begin(&lt)
#define END live_end(&lt)
#define DO(...) apply(&lt, &(struct fc_verb){__VA_ARGS__})
#define OK(...) ok(&lt, &(struct fc_verb){__VA_ARGS__})

/* Descriptor 0 in the table means none. */
static int apply(struct live_test *lt, const struct fc_verb *v)
{
    int fd = v->fd ? v->fd : -1;
    struct fc_verb back;
    struct fc_buf flat = {0};
    int r;

    /* Through the socket's form each time. */
    assert_int_equal(fc_verb_encode(v, &flat), 0);
    assert_int_equal(fc_verb_decode(flat.data, flat.len, fd, &back), 0);
    lt->t.err = (struct fc_error){0};
    r = fc_verb_apply(lt->live, &back, &lt->t.err);
    fc_buf_release(&flat);
    if (fd >= 0)
        close(fd);
    return r;
}

static void ok(struct live_test *lt, const struct fc_verb *v)
{
    int r = apply(lt, v);

    if (r < 0)
        print_message("%s\n", lt->t.err.msg);
    assert_int_equal(r, 0);
}

static struct fc_attr stat_of(struct live_test *lt, const char *path)
{
    struct fc_attr a = {0};

    assert_int_equal(fc_live_resolve(lt->live, path, false, &a, &lt->t.err), 0);
    return a;
}

CASE(mode_texts)
{
    static const struct {
        const char *text;
        uint32_t from, to;
    } cases[] = {
        {"755", S_IFREG | 0644, S_IFREG | 0755},       {"0644", S_IFREG | 04755, S_IFREG | 0644},
        {"755", S_IFDIR | 02700, S_IFDIR | 02755},     {"00755", S_IFDIR | 02700, S_IFDIR | 0755},
        {"u+x", S_IFREG | 0644, S_IFREG | 0744},       {"+x", S_IFREG | 0644, S_IFREG | 0755},
        {"go-rwx", S_IFREG | 0755, S_IFREG | 0700},    {"a=r", S_IFREG | 0755, S_IFREG | 0444},
        {"u=rwx,g=u,o=", S_IFREG | 0, S_IFREG | 0770}, {"a+X", S_IFREG | 0644, S_IFREG | 0644},
        {"a+X", S_IFREG | 0744, S_IFREG | 0755},       {"a+X", S_IFDIR | 0644, S_IFDIR | 0755},
        {"u+s,g+s", S_IFREG | 0755, S_IFREG | 06755},  {"+t", S_IFDIR | 0777, S_IFDIR | 01777},
        {"g-s", S_IFDIR | 02755, S_IFDIR | 0755},      {"g=rx", S_IFDIR | 02755, S_IFDIR | 02755},
        {"u=rw-w+x", S_IFREG | 0, S_IFREG | 0500},     {"=644", S_IFREG | 0777, S_IFREG | 0644},
        {"o=g", S_IFREG | 0750, S_IFREG | 0755},
    };
    static const char *const bad[] = {"", "u", "9", "u+q", "77777", "u+x,", "x", "755 ", "u755"};
    uint32_t mode;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        assert_int_equal(fc_mode_apply(cases[i].text, cases[i].from, &mode), 0);
        if (mode != cases[i].to)
            print_message("%s: %o\n", cases[i].text, mode);
        assert_int_equal(mode, cases[i].to);
    }
    for (size_t i = 0; i < FC_LENGTH(bad); i++)
        assert_int_equal(fc_mode_apply(bad[i], 0, &mode), -EINVAL);
}

CASE(resolve_stays_in_the_root)
{
    struct fc_attr a;
    BEGIN(DIR_("d"), FILE_("d/f"), SYM("abs", "/d"), SYM("up", "../../../d"), SYM("loop", "loop"), SYM("dang", "x"));
    assert_int_equal(fc_live_resolve(lt.live, "/../../d/./f", true, &a, NULL), 0);
    assert_int_equal(fc_live_resolve(lt.live, "abs/f", true, &a, NULL), 0);
    assert_int_equal(fc_live_resolve(lt.live, "/up/f", true, &a, NULL), 0);
    assert_int_equal(fc_live_resolve(lt.live, "/", true, &a, NULL), 0);
    assert_int_equal(a.ino, 1);
    assert_int_equal(fc_live_resolve(lt.live, "/abs", false, &a, NULL), 0);
    assert_true(S_ISLNK(a.mode));
    assert_int_equal(fc_live_resolve(lt.live, "/abs/", false, &a, NULL), 0);
    assert_true(S_ISDIR(a.mode));
    assert_int_equal(fc_live_resolve(lt.live, "/loop", true, &a, &lt.t.err), -ELOOP);
    assert_int_equal(fc_live_resolve(lt.live, "/dang", true, &a, &lt.t.err), -ENOENT);
    assert_int_equal(fc_live_resolve(lt.live, "/d/f/x", true, &a, &lt.t.err), -ENOTDIR);
    assert_int_equal(fc_live_resolve(lt.live, "/d/f/", true, &a, &lt.t.err), -ENOTDIR);
    END;
}

CASE(mkdir_like_mkdir)
{
    BEGIN(DIR_("d"), FILE_("f"));
    assert_int_equal(DO(.kind = FC_VERB_MKDIR, .path = "/d"), -EEXIST);
    assert_int_equal(DO(.kind = FC_VERB_MKDIR, .path = "/x/y"), -ENOENT);
    OK(.kind = FC_VERB_MKDIR, .path = "/x/y", .flags = FC_VERB_PARENTS, .mode_text = "1777", .uid = 5);
    OK(.kind = FC_VERB_MKDIR, .path = "/x/y", .flags = FC_VERB_PARENTS);
    assert_int_equal(DO(.kind = FC_VERB_MKDIR, .path = "/f", .flags = FC_VERB_PARENTS), -EEXIST);
    live_expect(&lt, "d d\nf f '0001'\nd x\nd x/y\n");
    assert_int_equal(stat_of(&lt, "/x/y").mode, S_IFDIR | 01777);
    assert_int_equal(stat_of(&lt, "/x/y").uid, 5);
    assert_int_equal(stat_of(&lt, "/x").mode, S_IFDIR | 0755);
    END;
}

CASE(rm_like_rm)
{
    BEGIN(DIR_("d"), FILE_("d/f"), DIR_("d/e"), SYM("d/s", "/k"), FILE_("g"), DIR_("k"), FILE_("k/x"));
    assert_int_equal(DO(.kind = FC_VERB_RM, .path = "/d"), -EISDIR);
    assert_int_equal(DO(.kind = FC_VERB_RM, .path = "/no"), -ENOENT);
    assert_int_equal(DO(.kind = FC_VERB_RM, .path = "/", .flags = FC_VERB_RECURSIVE), -EINVAL);
    OK(.kind = FC_VERB_RM, .path = "/no", .flags = FC_VERB_FORCE);
    OK(.kind = FC_VERB_RM, .path = "/g/x", .flags = FC_VERB_FORCE);
    OK(.kind = FC_VERB_RM, .path = "/d", .flags = FC_VERB_RECURSIVE);
    live_expect(&lt, "f g '0004'\nd k\nf k/x '0006'\n");
    END;
}

CASE(rm_of_a_deep_tree)
{
    enum { DEPTH = 10000 };
    char *path = malloc(2 * DEPTH + 2);
    BEGIN(FILE_("a"));
    for (int i = 0; i < DEPTH; i++)
        memcpy(path + 2 * i, "/d", 3);
    OK(.kind = FC_VERB_MKDIR, .path = path, .flags = FC_VERB_PARENTS);
    OK(.kind = FC_VERB_CHOWN, .path = "/d", .flags = FC_VERB_RECURSIVE | FC_VERB_SET_UID, .uid = 9);
    assert_int_equal(stat_of(&lt, path).uid, 9);
    OK(.kind = FC_VERB_RM, .path = "/d", .flags = FC_VERB_RECURSIVE);
    live_expect(&lt, "f a '0000'\n");
    free(path);
    END;
}

CASE(mv_like_mv)
{
    BEGIN(DIR_("d"), FILE_("d/f"), FILE_("g"), DIR_("e"), SYM("s", "e"), DIR_("e/d"), FILE_("e/d/x"));
    OK(.kind = FC_VERB_MV, .path = "/g", .target = "/s");
    assert_int_equal(DO(.kind = FC_VERB_MV, .path = "/d", .target = "/e"), -ENOTEMPTY);
    assert_int_equal(DO(.kind = FC_VERB_MV, .path = "/d", .target = "/d"), -EINVAL);
    OK(.kind = FC_VERB_MV, .path = "/d", .target = "/n");
    OK(.kind = FC_VERB_MV, .path = "/n/f", .target = "/e/g", .flags = FC_VERB_NO_CLOBBER);
    OK(.kind = FC_VERB_MV, .path = "/n/f", .target = "/e/g");
    live_expect(&lt, "d e\nd e/d\nf e/d/x '0006'\nf e/g '0001'\nd n\nl s -> e\n");
    END;
}

CASE(ln_like_ln)
{
    BEGIN(DIR_("d"), FILE_("f"), SYM("s", "d"), FILE_("h"));
    OK(.kind = FC_VERB_LN, .path = "/d/f2", .target = "/f");
    OK(.kind = FC_VERB_LN, .path = "/s", .target = "/f");
    assert_int_equal(DO(.kind = FC_VERB_LN, .path = "/h", .target = "/f"), -EEXIST);
    OK(.kind = FC_VERB_LN, .path = "/h", .target = "/f", .flags = FC_VERB_FORCE);
    OK(.kind = FC_VERB_LN, .path = "/h", .target = "/f", .flags = FC_VERB_FORCE);
    assert_int_equal(DO(.kind = FC_VERB_LN, .path = "/q", .target = "/d"), -EPERM);
    OK(.kind = FC_VERB_LN, .path = "/s", .target = "new",
       .flags = FC_VERB_SYMBOLIC | FC_VERB_FORCE | FC_VERB_NO_FOLLOW);
    live_expect(&lt, "d d\nf d/f '0001' =1/4\nf d/f2 '0001' =1/4\nf f '0001' =1/4\nf h '0001' =1/4\nl s -> new\n");
    END;
}

CASE(mknod_makes_devices)
{
    BEGIN(DIR_("dev"));
    OK(.kind = FC_VERB_MKNOD, .path = "/dev/null", .mode = S_IFCHR | 0666, .rdev_major = 1, .rdev_minor = 3);
    assert_int_equal(DO(.kind = FC_VERB_MKNOD, .path = "/dev/null", .mode = S_IFIFO | 0600), -EEXIST);
    assert_int_equal(stat_of(&lt, "/dev/null").rdev_minor, 3);
    assert_int_equal(stat_of(&lt, "/dev/null").mode, S_IFCHR | 0666);
    END;
}

CASE(chmod_and_chown)
{
    BEGIN(DIR_("d"), FILE_("d/f"), SYM("d/s", "/k"), FILE_("k"));
    OK(.kind = FC_VERB_CHMOD, .path = "/d", .mode_text = "u=rwX,go=", .flags = FC_VERB_RECURSIVE);
    assert_int_equal(stat_of(&lt, "/d").mode, S_IFDIR | 0700);
    assert_int_equal(stat_of(&lt, "/d/f").mode, S_IFREG | 0600);
    assert_int_equal(stat_of(&lt, "/k").mode, S_IFREG | 0644);
    assert_int_equal(DO(.kind = FC_VERB_CHMOD, .path = "/d", .mode_text = "zz"), -EINVAL);
    OK(.kind = FC_VERB_CHOWN, .path = "/d", .uid = 1, .gid = 2,
       .flags = FC_VERB_RECURSIVE | FC_VERB_SET_UID | FC_VERB_SET_GID);
    assert_int_equal(stat_of(&lt, "/d/s").uid, 1);
    assert_int_equal(stat_of(&lt, "/k").uid, 0);
    OK(.kind = FC_VERB_CHOWN, .path = "/d/s", .gid = 4, .flags = FC_VERB_SET_GID);
    assert_int_equal(stat_of(&lt, "/k").gid, 4);
    END;
}

CASE(xattr_set_and_remove)
{
    char value[8];
    BEGIN(FILE_("f"));
    OK(.kind = FC_VERB_XATTR, .path = "/f", .name = "trusted.x", .data = "ab", .size = 2);
    assert_int_equal(fc_live_getxattr(lt.live, stat_of(&lt, "/f").ino, "trusted.x", value, sizeof(value)), 2);
    OK(.kind = FC_VERB_XATTR, .path = "/f", .name = "trusted.x", .flags = FC_VERB_REMOVE);
    assert_int_equal(DO(.kind = FC_VERB_XATTR, .path = "/f", .name = "trusted.x", .flags = FC_VERB_REMOVE), -ENODATA);
    END;
}

CASE(by_inode_instead_of_by_path)
{
    char value[8];
    uint64_t d, l;
    BEGIN(DIR_("d"), FILE_("d/f"), SYM("d/l", "/k"), FILE_("k"));
    d = stat_of(&lt, "/d").ino;
    l = stat_of(&lt, "/d/l").ino;
    OK(.kind = FC_VERB_MKNOD, .at = d, .path = "tty", .mode = S_IFCHR | 0666, .umask = 027, .rdev_major = 4095,
       .rdev_minor = 0xfffff, .uid = 7);
    assert_int_equal(stat_of(&lt, "/d/tty").mode, S_IFCHR | 0640);
    assert_int_equal(stat_of(&lt, "/d/tty").rdev_minor, 0xfffff);
    assert_int_equal(stat_of(&lt, "/d/tty").uid, 7);
    assert_int_equal(DO(.kind = FC_VERB_MKNOD, .at = d, .path = "l", .mode = S_IFCHR | 0666), -EEXIST);
    assert_int_equal(DO(.kind = FC_VERB_MKNOD, .at = l, .path = "tty", .mode = S_IFCHR | 0666), -ENOTDIR);
    assert_int_equal(DO(.kind = FC_VERB_MKNOD, .at = 12345, .path = "tty", .mode = S_IFCHR | 0666), -ESTALE);
    /* "" is the inode, also when it is a symlink. */
    OK(.kind = FC_VERB_CHOWN, .at = l, .path = "", .uid = 33, .flags = FC_VERB_SET_UID);
    assert_int_equal(stat_of(&lt, "/d/l").uid, 33);
    assert_int_equal(stat_of(&lt, "/k").uid, 0);
    OK(.kind = FC_VERB_XATTR, .at = l, .path = "", .name = "trusted.x", .data = "ab", .size = 2);
    assert_int_equal(fc_live_getxattr(lt.live, l, "trusted.x", value, sizeof(value)), 2);
    assert_int_equal(DO(.kind = FC_VERB_CHOWN, .at = 12345, .path = "", .flags = FC_VERB_SET_UID), -ESTALE);
    END;
}

CASE(xattr_only_if_there_or_only_if_not)
{
    BEGIN(FILE_("f"));
#define X(...) DO(.kind = FC_VERB_XATTR, .path = "/f", .name = "trusted.x", __VA_ARGS__)
    assert_int_equal(X(.flags = FC_VERB_ONLY_REPLACE), -ENODATA);
    assert_int_equal(X(.flags = FC_VERB_NO_CLOBBER), 0);
    assert_int_equal(X(.flags = FC_VERB_NO_CLOBBER), -EEXIST);
    assert_int_equal(X(.flags = FC_VERB_ONLY_REPLACE), 0);
#undef X
    END;
}

CASE(write_replaces_and_appends)
{
    BEGIN(DIR_("etc"), FILE_("etc/a"), LINK("etc/b", "etc/a"), FILE_("etc/c"), SYM("etc/s", "new"));
    OK(.kind = FC_VERB_WRITE, .path = "/etc/c", .fd = live_fd_of("hello"));
    OK(.kind = FC_VERB_WRITE, .path = "/etc/c", .fd = live_fd_of(" you"), .flags = FC_VERB_APPEND);
    OK(.kind = FC_VERB_WRITE, .path = "/etc/a", .fd = live_fd_of("both"));
    OK(.kind = FC_VERB_WRITE, .path = "/etc/s", .fd = live_fd_of("through"), .mode_text = "u+x");
    OK(.kind = FC_VERB_WRITE, .path = "/x/y/z", .fd = live_fd_of(""), .flags = FC_VERB_PARENTS);
    assert_int_equal(DO(.kind = FC_VERB_WRITE, .path = "/etc", .fd = live_fd_of("")), -EISDIR);
    live_expect(&lt, "d etc\nf etc/a 'both' =1/2\nf etc/b 'both' =1/2\nf etc/c 'hello you'\nf etc/new 'through'\n"
                     "l etc/s -> new\nd x\nd x/y\nf x/y/z\n");
    assert_int_equal(stat_of(&lt, "/etc/new").mode, S_IFREG | 0744);
    assert_int_equal(stat_of(&lt, "/x/y/z").mode, S_IFREG | 0644);
    END;
}

static int open_source(const char *dir, const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/src/%s", dir, name);
    return open(path, O_RDONLY | O_NOFOLLOW | O_PATH * (name[0] == 'l') | O_CLOEXEC);
}

CASE(cp_brings_a_directory)
{
    char command[1000];
    BEGIN(DIR_("usr"), DIR_("usr/lib"), SYM("lib", "usr/lib"), DIR_("opt"), FILE_("opt/old"));
    snprintf(
        command, sizeof(command),
        "cd %s && mkdir -p src/lib/sub && cd src && echo -n one >a && ln a b && ln -s a l && echo -n so >lib/x.so && "
        "chmod 4755 a && touch -d @1000 lib/sub && touch -d @5.5 lib/x.so && truncate -s 100000 big && "
        "echo -n end >>big",
        lt.t.dir);
    assert_int_equal(system(command), 0);
    assert_int_equal(DO(.kind = FC_VERB_CP, .path = "/opt", .fd = open_source(lt.t.dir, "."), .source_name = "src"),
                     -EISDIR);
    OK(.kind = FC_VERB_CP, .path = "/", .fd = open_source(lt.t.dir, "."), .source_name = "src/.",
       .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_CP, .path = "/opt", .fd = open_source(lt.t.dir, "a"), .source_name = "src/a", .uid = 7);
    OK(.kind = FC_VERB_CP, .path = "/opt/old", .fd = open_source(lt.t.dir, "lib/x.so"), .source_name = "x.so");
    OK(.kind = FC_VERB_RM, .path = "/big");
    live_expect(&lt,
                "f a 'one' =1/2\nf b 'one' =1/2\nl l -> a\nl lib -> usr/lib\nd opt\nf opt/a 'one'\nf opt/old 'so'\n"
                "d usr\nd usr/lib\nd usr/lib/sub\nf usr/lib/x.so 'so'\n");
    assert_int_equal(stat_of(&lt, "/a").mode, S_IFREG | 04755);
    assert_int_equal(stat_of(&lt, "/opt/a").uid, 7);
    assert_int_equal(stat_of(&lt, "/usr/lib/sub").mtime.tv_sec, 1000);
    assert_int_equal(stat_of(&lt, "/usr/lib/x.so").mtime.tv_nsec, 500000000);
    OK(.kind = FC_VERB_CP, .path = "/opt", .fd = open_source(lt.t.dir, "big"), .source_name = "big");
    assert_int_equal(stat_of(&lt, "/opt/big").size, 100003);
    assert_int_equal(stat_of(&lt, "/opt/big").blocks, 8);
    END;
}

CASE(verbs_on_a_mounted_tree_keep_no_references)
{
    struct live_test lt = {.count_refs = true};
    uint64_t ino;

    (void)state;
    tree_begin(&lt.t);
    LAYER(&lt.t, DIR_("d"), FILE_("d/f"));
    live_begin(&lt);
    OK(.kind = FC_VERB_WRITE, .path = "/d/n", .fd = live_fd_of("staged"));
    OK(.kind = FC_VERB_WRITE, .path = "/d/f", .fd = live_fd_of("replaced"));
    OK(.kind = FC_VERB_LN, .path = "/l", .target = "/d/n");
    OK(.kind = FC_VERB_MKDIR, .path = "/x/y", .flags = FC_VERB_PARENTS);
    ino = stat_of(&lt, "/d/n").ino;
    live_expect(&lt, "d d\nf d/f 'replaced'\nf d/n 'staged' =1/2\nf l 'staged' =1/2\nd x\nd x/y\n");
    OK(.kind = FC_VERB_RM, .path = "/d", .flags = FC_VERB_RECURSIVE);
    OK(.kind = FC_VERB_RM, .path = "/l");
    assert_int_equal(fc_live_getattr(lt.live, ino, &(struct fc_attr){0}), -ESTALE);
    live_end(&lt);
}

CASE(decode_refuses_damage)
{
    struct fc_verb v = {.kind = FC_VERB_RM, .path = "/a", .fd = -1}, back;
    struct fc_buf flat = {0};

    (void)state;
    assert_int_equal(fc_verb_encode(&v, &flat), 0);
    for (size_t i = 0; i < flat.len; i++)
        assert_int_equal(fc_verb_decode(flat.data, i, -1, &back), -EBADMSG);
    fc_buf_add(&flat, "x", 1);
    assert_int_equal(fc_verb_decode(flat.data, flat.len, -1, &back), -EBADMSG);
    fc_buf_release(&flat);
}

int main(void)
{
#define T(f) cmocka_unit_test(f)
    const struct CMUnitTest tests[] = {
        T(mode_texts),
        T(resolve_stays_in_the_root),
        T(mkdir_like_mkdir),
        T(rm_like_rm),
        T(rm_of_a_deep_tree),
        T(mv_like_mv),
        T(ln_like_ln),
        T(mknod_makes_devices),
        T(chmod_and_chown),
        T(xattr_set_and_remove),
        T(by_inode_instead_of_by_path),
        T(xattr_only_if_there_or_only_if_not),
        T(write_replaces_and_appends),
        T(cp_brings_a_directory),
        T(verbs_on_a_mounted_tree_keep_no_references),
        T(decode_refuses_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

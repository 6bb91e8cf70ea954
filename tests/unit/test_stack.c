/* SPDX-License-Identifier: Apache-2.0 */
/* stack: locators, imports of tars and folders, recognition, builtin:busybox. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "stack/stack.h"

static char dir[64];
static struct fc_cache *cache;

static int enter(void **state)
{
    struct fc_error err = {0};

    (void)state;
    strcpy(dir, "/tmp/fc-stack-XXXXXX");
    return mkdtemp(dir) && chdir(dir) == 0 ? fc_cache_open("cache", &cache, &err) : -1;
}

static int leave(void **state)
{
    (void)state;
    fc_cache_free(cache);
    return chdir("/") == 0 ? fc_remove_all(AT_FDCWD, dir) : -1;
}

static void run(const char *command) { assert_int_equal(system(command), 0); }

static void locators_are_told_apart(void **state)
{
    static const struct {
        const char *text;
        int result, kind;
        const char *rest;
    } cases[] = {
        {"-", 0, FC_LOCATOR_STDIN, "-"},
        {"file:-", 0, FC_LOCATOR_FILE, "-"},
        {"dir:x", 0, FC_LOCATOR_DIR, "x"},
        {"dir:", -EINVAL, 0, NULL},
        {"", -EINVAL, 0, NULL},
        {"builtin:busybox", 0, FC_LOCATOR_BUILTIN, "busybox"},
        {"sha256:12", -EINVAL, 0, NULL},
        {"sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", 0, FC_LOCATOR_DIGEST,
         "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"alpine:3.20", 0, FC_LOCATOR_NAME, "alpine:3.20"},
        {"ubuntu:24.04/arm64", 0, FC_LOCATOR_NAME, "ubuntu:24.04/arm64"},
        {"debian:12-slim", 0, FC_LOCATOR_NAME, "debian:12-slim"},
        {"fedora:42", -EOPNOTSUPP, 0, NULL},
        {"alpine", -ENOENT, 0, NULL},
        {"file:///a/b", 0, FC_LOCATOR_URL, "file:///a/b"},
        {"ghcr.io/a/b@sha256:12", -EOPNOTSUPP, 0, NULL},
        {"https://example.org/x.tar", 0, FC_LOCATOR_URL, "https://example.org/x.tar"},
        {"docker://alpine", 0, FC_LOCATOR_REGISTRY, "alpine"},
        {"oci:a:b", 0, FC_LOCATOR_OCI, "a:b"},
        {"oci-archive:a", 0, FC_LOCATOR_OCI_ARCHIVE, "a"},
        {"docker-archive:-:n:t", 0, FC_LOCATOR_DOCKER_ARCHIVE, "-:n:t"},
        {"missing.tar", -ENOENT, 0, NULL},
        {"debian:12", 0, FC_LOCATOR_FILE, "debian:12"},
    };

    (void)state;
    run("touch debian:12");
    for (size_t i = 0; i < FC_LENGTH(cases); i++) {
        struct fc_locator l = {0};
        struct fc_error err = {0};

        assert_int_equal(fc_locator_parse(cases[i].text, &l, &err), cases[i].result);
        assert_int_equal(l.kind, cases[i].kind);
        if (cases[i].rest)
            assert_string_equal(l.rest, cases[i].rest);
        else
            assert_true(err.msg[0]);
    }
}

/* Import what is one layer; *result, which may be NULL, keeps its counts. */
static struct fc_layer *import(const char *locator, const struct fc_import_options *options, struct fc_imported *result)
{
    struct fc_imported got = {0};
    struct fc_error err = {0};
    struct fc_layer *l;

    if (fc_stack_import(cache, locator, options, &got, &err) < 0)
        fail_msg("%s: %s", locator, err.msg);
    assert_int_equal(got.n_layers, 1);
    assert_null(got.config);
    l = fc_layer_ref(got.layers[0]);
    if (result)
        *result = (struct fc_imported){.cached = got.cached, .source_bytes = got.source_bytes};
    fc_imported_release(&got);
    return l;
}

static void make_tree(void)
{
    run("rm -rf t && mkdir -p t/sub && echo hello > t/f && ln t/f t/sub/hard && ln -s f t/s && touch -d @1000 t/f "
        "t/sub t");
}

static void tar_is_named_by_its_uncompressed_digest_and_recognised(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *plain = NULL, *zipped = NULL, *again = NULL, *by_name = NULL;
    fc_auto(fc_buf_release) struct fc_buf bytes = {0};
    struct fc_imported result;
    struct fc_digest d;
    char text[FC_DIGEST_TEXT];

    (void)state;
    make_tree();
    run("tar -C t -cf t.tar . && gzip -kf t.tar");
    assert_int_equal(fc_read_file(AT_FDCWD, "t.tar", 1 << 20, &bytes), 0);
    assert_int_equal(fc_digest_of(bytes.data, bytes.len, &d), 0);
    zipped = import("t.tar.gz", NULL, &result);
    assert_false(result.cached);
    assert_memory_equal(fc_layer_diffid(zipped), &d, sizeof(d));
    plain = import("file:t.tar", NULL, &result);
    assert_false(result.cached);
    assert_memory_equal(fc_layer_diffid(plain), &d, sizeof(d));
    run("mv t.tar.gz renamed");
    again = import("renamed", NULL, &result);
    assert_true(result.cached);
    assert_memory_equal(fc_layer_diffid(again), &d, sizeof(d));
    by_name = import(fc_digest_format(&d, text), NULL, &result);
    assert_true(result.cached);
}

static void layer_that_was_removed_is_imported_again(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL;
    struct fc_imported result;

    (void)state;
    run("mkdir -p r && echo r > r/r && tar -C r -cf r.tar .");
    a = import("r.tar", NULL, &result);
    run("rm -rf cache/layers/????????*");
    b = import("r.tar", NULL, &result);
    assert_false(result.cached);
}

static void forced_owner_is_another_layer(void **state)
{
    const struct fc_import_options options = {.force_owner = true, .uid = 12, .gid = 34};
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL, *again = NULL;
    struct fc_imported result;
    const struct fc_layer_view *v;

    (void)state;
    run("mkdir -p o && echo o > o/o && tar -C o -cf o.tar .");
    a = import("o.tar", NULL, &result);
    b = import("o.tar", &options, &result);
    assert_false(result.cached);
    assert_memory_not_equal(fc_layer_diffid(a), fc_layer_diffid(b), 32);
    v = fc_layer_view(b);
    for (uint32_t i = 0; i < v->header->n_inodes; i++)
        assert_true(v->inodes[i].uid == 12 && v->inodes[i].gid == 34);
    again = import("o.tar", &options, &result);
    assert_true(result.cached);
}

static void truncated_tar_is_an_error_and_leaves_nothing(void **state)
{
    struct fc_imported got = {0};
    struct fc_error err = {0};

    (void)state;
    run("head -c 100000 /dev/urandom > big && tar -cf big.tar big && head -c 60000 big.tar > cut.tar");
    assert_int_equal(fc_stack_import(cache, "cut.tar", NULL, &got, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "cut.tar"));
    assert_int_equal(got.n_layers, 0);
    run("! ls -a cache/layers | grep -q '^.tmp'");
}

static void folder_is_named_by_a_tar_that_gives_the_same_layer(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL;
    struct fc_imported result;
    struct fc_layer_stats st;

    (void)state;
    make_tree();
    a = import("dir:t", NULL, &result);
    b = import("dir:t", NULL, &result);
    assert_memory_equal(fc_layer_diffid(a), fc_layer_diffid(b), 32);
    fc_layer_stats(a, &st);
    assert_int_equal(st.n_entries, 5);
    assert_true(st.tar_bytes > 0 && st.tar_bytes % 512 == 0);
    run("echo changed > t/f");
    fc_layer_unref(b);
    b = import("dir:t", NULL, &result);
    assert_memory_not_equal(fc_layer_diffid(a), fc_layer_diffid(b), 32);
}

static void folder_without_dir_is_explained(void **state)
{
    struct fc_imported got = {0};
    struct fc_error err = {0};

    (void)state;
    make_tree();
    assert_int_equal(fc_stack_import(cache, "t", NULL, &got, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "dir:t"));
}

static void pipe_is_imported_in_one_pass(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL;
    struct fc_imported result;
    int keep = dup(0), fds;

    (void)state;
    run("mkdir -p p && echo p > p/p && tar -C p -czf p.tgz . && mkfifo pipe && (cat p.tgz > pipe &)");
    fds = open("pipe", O_RDONLY);
    dup2(fds, 0);
    a = import("-", NULL, &result);
    dup2(keep, 0);
    close(keep);
    close(fds);
    assert_false(result.cached);
    b = import("p.tgz", NULL, &result);
    assert_true(result.cached);
    assert_memory_equal(fc_layer_diffid(a), fc_layer_diffid(b), 32);
}

/* What is no tar is refused at once, and not when the writer at the other end is done: it may never be. */
static void pipe_that_stays_open_is_let_go(void **state)
{
    struct fc_imported got = {0};
    struct fc_error err = {0};
    int keep = dup(0), fds[2];

    (void)state;
    run("seq 1 500 > junk && gzip -kf junk");
    for (int zipped = 0; zipped < 2; zipped++) {
        assert_int_equal(pipe(fds), 0);
        {
            fc_auto(fc_buf_release) struct fc_buf bytes = {0};

            assert_int_equal(fc_read_file(AT_FDCWD, zipped ? "junk.gz" : "junk", 1 << 20, &bytes), 0);
            assert_int_equal(fc_write_full(fds[1], bytes.data, bytes.len), 0);
        }
        dup2(fds[0], 0);
        alarm(60);
        assert_int_equal(fc_stack_import(cache, "-", NULL, &got, &err), -EBADMSG);
        alarm(0);
        assert_non_null(strstr(err.msg, "this is not a tar archive"));
        close(fds[0]);
        close(fds[1]);
    }
    dup2(keep, 0);
    close(keep);
}

static void busybox_is_deterministic_and_has_an_init(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL;
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    struct fc_imported result;
    const struct fc_entry *e;
    struct fc_digest first;
    struct fc_error err = {0};
    const char *path;
    bool init = false, shell = false;

    (void)state;
    if (fc_busybox_find(&path, &err) < 0) {
        print_message("no static busybox: %s\n", err.msg);
        skip();
    }
    a = import("builtin:busybox", NULL, &result);
    first = *fc_layer_diffid(a);
    run("rm -rf cache/layers/????????*");
    b = import("builtin:busybox", NULL, &result);
    assert_false(result.cached);
    assert_memory_equal(&first, fc_layer_diffid(b), 32);
    fc_layer_unref(b);
    b = import("builtin:busybox", NULL, &result);
    assert_true(result.cached);
    assert_int_equal(fc_layer_iter(b, &it, &err), 0);
    while (fc_entry_next(it, &e, &err) > 0) {
        init = init || (strcmp(e->path, "sbin/init") == 0 && S_ISREG(e->mode));
        shell = shell || (strcmp(e->path, "bin/sh") == 0 && S_ISLNK(e->mode));
    }
    assert_true(init && shell);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(locators_are_told_apart),
        cmocka_unit_test(tar_is_named_by_its_uncompressed_digest_and_recognised),
        cmocka_unit_test(layer_that_was_removed_is_imported_again),
        cmocka_unit_test(forced_owner_is_another_layer),
        cmocka_unit_test(truncated_tar_is_an_error_and_leaves_nothing),
        cmocka_unit_test(folder_is_named_by_a_tar_that_gives_the_same_layer),
        cmocka_unit_test(folder_without_dir_is_explained),
        cmocka_unit_test(pipe_is_imported_in_one_pass),
        cmocka_unit_test(pipe_that_stays_open_is_let_go),
        cmocka_unit_test(busybox_is_deterministic_and_has_an_init),
    };

    return cmocka_run_group_tests_name("stack", tests, enter, leave);
}

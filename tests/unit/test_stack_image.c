/* SPDX-License-Identifier: Apache-2.0 */
/* stack: the layers of an image are opened ahead of their imports, a bounded number of them, and only those that are needed. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/io.h"
#include "stack/image.h"

#define N 10

static char dir[64];
static struct fc_cache *cache;
static char blobs[N][FC_DIGEST_TEXT], diffids[N][FC_DIGEST_TEXT];
static const char *diff_ids[N];
static struct fc_oci_descriptor descriptors[N];
static const struct fc_oci_image image = {.document = {.items = descriptors, .n_items = N},
                                          .config = {.diff_ids = diff_ids, .n_diff_ids = N}};

/* A source that notes what is opened when; its blobs are files. */
struct notes {
    struct fc_oci_source source;
    size_t n_opened, opened[2 * N];
    size_t ahead_most; /* blobs opened, less layers in the cache, at its most */
    int missing;       /* this one is not there; -1: all are */
};

static void run(const char *command) { assert_int_equal(system(command), 0); }

static size_t n_in_cache(void)
{
    size_t n = 0;

    for (size_t i = 0; i < N - 1; i++) {
        char path[160];

        snprintf(path, sizeof(path), "cache/layers/%s/index", diffids[i] + strlen("sha256:"));
        n += access(path, F_OK) == 0;
    }
    return n;
}

static int notes_open(struct fc_oci_source *s, const struct fc_oci_descriptor *d, struct fc_oci_blob *ret,
                      struct fc_error *err)
{
    struct notes *notes = (struct notes *)s;
    size_t i = (size_t)(d - descriptors);
    char path[16];

    if ((int)i == notes->missing)
        return fc_fail(err, ENOENT, "blob %zu is missing", i);
    notes->opened[notes->n_opened++] = i;
    if (notes->n_opened > n_in_cache() + notes->ahead_most)
        notes->ahead_most = notes->n_opened - n_in_cache();
    snprintf(path, sizeof(path), "%zu.tar.gz", i);
    *ret = (struct fc_oci_blob){.fd = open(path, O_RDONLY | O_CLOEXEC)};
    return ret->fd < 0 ? -errno : 0;
}

static struct notes new_notes(int missing)
{
    return (struct notes){.source = {.open = notes_open, .label = "notes"}, .missing = missing};
}

static void digest_of(const char *path, char *ret)
{
    fc_auto(fc_buf_release) struct fc_buf bytes = {0};
    struct fc_digest digest;

    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &bytes), 0);
    assert_int_equal(fc_digest_of(bytes.data, bytes.len, &digest), 0);
    fc_digest_format(&digest, ret);
}

static int enter(void **state)
{
    struct fc_error err = {0};

    (void)state;
    strcpy(dir, "/tmp/fc-stack-XXXXXX");
    if (!mkdtemp(dir) || chdir(dir) != 0 || fc_cache_open("cache", &cache, &err) < 0)
        return -1;
    /* The last is the same as the first. */
    run("for i in 0 1 2 3 4 5 6 7 8 9; do echo $((i % 9)) > f; tar --mtime=@1 -cf $i.tar f; gzip -nk $i.tar; done");
    for (size_t i = 0; i < N; i++) {
        char path[16];

        snprintf(path, sizeof(path), "%zu.tar", i);
        digest_of(path, diffids[i]);
        strcat(path, ".gz");
        digest_of(path, blobs[i]);
        diff_ids[i] = diffids[i];
        descriptors[i] = (struct fc_oci_descriptor){.media_type = "tar+gzip", .digest = blobs[i]};
    }
    return 0;
}

static int leave(void **state)
{
    (void)state;
    fc_cache_free(cache);
    return chdir("/") == 0 ? fc_remove_all(AT_FDCWD, dir) : -1;
}

static int import(struct notes *notes, struct fc_imported *ret, struct fc_error *err)
{
    static const struct fc_import_options options;
    const struct fc_import im = {.cache = cache, .label = "image", .options = &options, .result = ret};

    ret->layers = calloc(N, sizeof(*ret->layers));
    assert_non_null(ret->layers);
    return fc_import_layers(&im, &notes->source, &image, ret, err);
}

static void next_layers_are_open_while_one_is_imported(void **state)
{
    __attribute__((cleanup(fc_imported_release_auto))) struct fc_imported got = {0};
    struct notes notes = new_notes(-1);
    struct fc_error err = {0};
    struct fc_digest want;

    (void)state;
    assert_int_equal(import(&notes, &got, &err), 0);
    assert_int_equal(got.n_layers, N);
    assert_false(got.cached);
    for (size_t i = 0; i < N; i++) {
        assert_int_equal(fc_digest_parse(diffids[i], &want), 0);
        assert_memory_equal(fc_layer_diffid(got.layers[i]), &want, sizeof(want));
    }
    /* Several, but not all. */
    assert_int_equal(notes.ahead_most, 6);
    /* The last was imported as the first. */
    assert_int_equal(notes.n_opened, N - 1);
    for (size_t i = 0; i < notes.n_opened; i++)
        assert_int_equal(notes.opened[i], i);
}

static void what_the_cache_has_is_not_opened(void **state)
{
    __attribute__((cleanup(fc_imported_release_auto))) struct fc_imported first = {0}, again = {0};
    struct notes notes = new_notes(-1), none = new_notes(-1);
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(import(&notes, &first, &err), 0);
    assert_int_equal(import(&none, &again, &err), 0);
    assert_true(again.cached);
    assert_int_equal(again.n_layers, N);
    assert_int_equal(none.n_opened, 0);
}

static void what_cannot_be_opened_is_said_in_its_turn(void **state)
{
    __attribute__((cleanup(fc_imported_release_auto))) struct fc_imported got = {0};
    struct notes notes = new_notes(3);
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(import(&notes, &got, &err), -ENOENT);
    assert_string_equal(err.msg, "blob 3 is missing");
    assert_int_equal(got.n_layers, 3);
    assert_int_equal(n_in_cache(), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(next_layers_are_open_while_one_is_imported, enter, leave),
        cmocka_unit_test_setup_teardown(what_the_cache_has_is_not_opened, enter, leave),
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_said_in_its_turn, enter, leave),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

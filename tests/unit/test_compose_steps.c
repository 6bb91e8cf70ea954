/* SPDX-License-Identifier: Apache-2.0 */
/* Texts as YAML; what a step is called; keys, and why they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compose/as_steps.h"
#include "compose/key.h"

static void quoted(const char *text, size_t size, const char *expected)
{
    struct fc_buf b = {0};

    if (!expected) {
        assert_int_equal(fc_yaml_quote(&b, text, size), -EILSEQ);
        assert_int_equal(b.len, 0);
    } else {
        assert_int_equal(fc_yaml_quote(&b, text, size), 0);
        assert_string_equal(b.data, expected);
    }
    fc_buf_release(&b);
}

static void test_quote(void **state)
{
    (void)state;
    quoted("", 0, "\"\"");
    quoted("a \"b\" \\c", 8, "\"a \\\"b\\\" \\\\c\"");
    quoted("x${Y}", 5, "\"x$${Y}\"");
    quoted("\n\t\x01\x7f", 4, "\"\\n\\t\\x01\\x7f\"");
    quoted("caf\xc3\xa9", 5, "\"caf\xc3\xa9\"");
    quoted("\xc2\x85", 2, "\"\\x85\"");
    quoted("\xef\xbb\xbf", 3, "\"\\ufeff\"");
    quoted("\xf0\x9f\x98\x80", 4, "\"\xf0\x9f\x98\x80\"");
    quoted("caf\xe9", 4, NULL);
    quoted("\xed\xa0\x80", 3, NULL);
    quoted("\xc0\x80", 2, NULL);
    quoted("\xc3", 1, NULL);
    quoted("a\0b", 3, NULL);
}

static void test_describe(void **state)
{
    char *from[] = {(char[]){"/r/app"}, (char[]){"/else/x"}, NULL}, *to[] = {(char[]){"/bin"}, NULL};
    const struct fc_recipe recipe = {.dir = (char[]){"/r"}};
    struct fc_recipe_step step = {.verb = FC_STEP_COPY, .from = {from, 2}, .path = {to, 1}};
    char out[100];

    (void)state;
    assert_string_equal(fc_recipe_build_describe(&recipe, &step, out, sizeof(out)), "copy app /else/x to /bin");
    step = (struct fc_recipe_step){.verb = FC_STEP_RUN, .text = (char[]){"one\ntwo"}};
    assert_string_equal(fc_recipe_build_describe(&recipe, &step, out, sizeof(out)), "run one");
}

static struct fc_step_key key_of(const struct fc_recipe_step *step, const struct fc_digest *below, int64_t epoch)
{
    const struct fc_recipe recipe = {.dir = (char[]){"/r"}, .arch = (char[]){"x86_64"}};
    const struct fc_recipe_build_options o = {.recipe = &recipe, .epoch = epoch};
    const struct fc_sources none = {0};
    struct fc_step_key key;
    struct fc_cache *cache;
    struct fc_recipe_build_options with = o;
    char dir[] = "/tmp/fc-test-key-XXXXXX", command[64];

    assert_non_null(mkdtemp(dir));
    assert_int_equal(fc_cache_open(dir, &cache, NULL), 0);
    with.cache = cache;
    assert_int_equal(fc_step_key(&with, step, &none, below, &key, NULL), 0);
    fc_cache_free(cache);
    snprintf(command, sizeof(command), "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
    return key;
}

static bool same(const struct fc_step_key *a, const struct fc_step_key *b)
{
    return memcmp(&a->whole, &b->whole, sizeof(a->whole)) == 0;
}

static void test_keys(void **state)
{
    char *path[] = {(char[]){"/a"}, NULL};
    struct fc_recipe_step step = {.verb = FC_STEP_MKDIR, .path = {path, 1}};
    struct fc_digest below = {{1}};
    struct fc_step_key first = key_of(&step, &below, 0), other;
    struct fc_key_notes notes = {&first, 1};

    (void)state;
    other = key_of(&step, &below, 0);
    assert_true(same(&first, &other));
    assert_string_equal(fc_key_why(&notes, 0, &other), "the cache has no layer for it any more");
    assert_string_equal(fc_key_why(&notes, 1, &other), "it was not built before");
    other = key_of(&step, &below, 1);
    assert_false(same(&first, &other));
    step.mode = (char[]){""};
    other = key_of(&step, &below, 0);
    assert_false(same(&first, &other));
    assert_string_equal(fc_key_why(&notes, 0, &other), "the step is another");
    step.mode = NULL;
    below.bytes[0] = 2;
    other = key_of(&step, &below, 0);
    assert_false(same(&first, &other));
    assert_string_equal(fc_key_why(&notes, 0, &other), "what it stands on has changed");
}

static void test_notes(void **state)
{
    struct fc_step_key keys[2] = {0};
    struct fc_key_notes notes = {0};
    char path[] = "/tmp/fc-test-notes-XXXXXX";
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "what\n", 5), 5);
    close(fd);
    fc_key_notes_read(path, &notes);
    assert_int_equal(notes.n, 0);
    fc_key_notes_release(&notes);
    keys[1].part[FC_KEY_FILES].bytes[31] = 7;
    keys[1].whole.bytes[0] = 9;
    assert_int_equal(fc_key_notes_write(path, keys, 2, NULL), 0);
    fc_key_notes_read(path, &notes);
    assert_int_equal(notes.n, 2);
    assert_memory_equal(notes.keys, keys, sizeof(keys));
    fc_key_notes_release(&notes);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quote),
        cmocka_unit_test(test_describe),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_notes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The space allocator against a byte-per-block model, with random operations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "edit/space.h"

#define BLOCKS 512

static uint64_t seed = 1;

static unsigned rnd(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

static void check_set(const struct fc_ranges *r, const char *model, char mark)
{
    struct fc_range x = {0}, before = {0};
    uint64_t bytes = 0;
    size_t n = 0;

    while (fc_ranges_next(r, x.offset + x.length, &x)) {
        if (n)
            assert_true(x.offset > before.offset + before.length);
        for (uint64_t b = x.offset; b < x.offset + x.length && b < BLOCKS; b++)
            assert_int_equal(model[b], mark);
        bytes += x.length;
        before = x;
        n++;
    }
    assert_int_equal(n, r->n);
    assert_int_equal(bytes, r->bytes);
    for (size_t b = 0; b < BLOCKS; b++)
        assert_int_equal(fc_ranges_covers(r, b, 1), model[b] == mark);
}

static void ranges_match_a_model(void **state)
{
    struct fc_ranges r = {0};
    char model[BLOCKS];

    (void)state;
    memset(model, 0, sizeof(model));
    for (int i = 0; i < 4000; i++) {
        unsigned at = rnd(BLOCKS), len = rnd(i % 7 ? 8 : 100);
        uint64_t fit = 0;
        bool found = false;

        if (at + len > BLOCKS)
            len = BLOCKS - at;
        if (rnd(2)) {
            assert_int_equal(fc_ranges_add(&r, at, len), 0);
            memset(model + at, 1, len);
        } else {
            assert_int_equal(fc_ranges_remove(&r, at, len), 0);
            memset(model + at, 0, len);
        }
        if (i % 16 == 0)
            check_set(&r, model, 1);
        len = 1 + rnd(12);
        for (unsigned b = at; b + len <= BLOCKS && !found; b++)
            found = !memchr(model + b, 0, len) && (fit = b, true);
        uint64_t got;

        assert_int_equal(fc_ranges_fit(&r, at, len, &got), found);
        if (found)
            assert_int_equal(got, fit);
    }
    fc_ranges_release(&r);
}

enum { FRESH, USED, FREED, READY, FREE };

static void allocator_matches_a_model(void **state)
{
    struct fc_space s = {0};
    char model[BLOCKS * 64];
    struct fc_range x;

    (void)state;
    memset(model, FRESH, sizeof(model));
    for (int i = 0; i < 6000; i++) {
        uint64_t at = 0, len = 1 + rnd(10), near = rnd(3) ? 0 : rnd((unsigned)s.end + 1);

        switch (rnd(6)) {
        case 0:
        case 1:
        case 2:
            assert_int_equal(fc_space_alloc(&s, len, near, &at), 0);
            for (uint64_t b = at; b < at + len; b++) {
                assert_true(model[b] == FRESH || model[b] == FREE);
                model[b] = USED;
            }
            break;
        case 3: /* any range: what is not allocated is ignored */
        case 4:
            at = rnd((unsigned)s.end + 1);
            fc_space_free(&s, at, len);
            for (uint64_t b = at; b < at + len; b++)
                if (model[b] == USED)
                    model[b] = FREED;
            break;
        default:
            fc_space_durable(&s);
            for (size_t b = 0; b < sizeof(model); b++)
                if (model[b] == FREED)
                    model[b] = READY;
            while (rnd(4) && fc_space_take_ready(&s, &x)) {
                for (uint64_t b = x.offset; b < x.offset + x.length; b++) {
                    assert_int_equal(model[b], READY);
                    model[b] = FREE;
                }
                fc_space_put_free(&s, &x, false);
            }
        }
        assert_true(s.end < sizeof(model));
        if (i % 64 == 0) {
            check_set(&s.free, model, FREE);
            check_set(&s.freed, model, FREED);
            check_set(&s.ready, model, READY);
        }
    }
    fc_space_release(&s);
}

static void extends_in_place_only_when_free(void **state)
{
    struct fc_space s = {0};
    uint64_t a, b;

    (void)state;
    assert_int_equal(fc_space_alloc(&s, 10, 0, &a), 0);
    assert_true(fc_space_alloc_at(&s, a + 10, 5));
    assert_int_equal(fc_space_alloc(&s, 10, a + 15, &b), 0);
    assert_int_equal(b, a + 15);
    assert_false(fc_space_alloc_at(&s, a + 10, 5));
    assert_false(fc_space_alloc_at(&s, s.end + 1, 5));
    fc_space_release(&s);
}

static void rebuild_finds_gaps_and_overlaps(void **state)
{
    struct fc_range used[] = {{20, 5}, {0, 5}, {10, 2}}, bad, twice[] = {{4, 4}, {0, 5}}, x;
    struct fc_space s = {0};

    (void)state;
    assert_int_equal(fc_space_rebuild(&s, used, 3, &bad), 0);
    assert_int_equal(s.end, 25);
    assert_int_equal(s.ready.bytes, 13);
    assert_true(fc_space_take_ready(&s, &x));
    assert_int_equal(x.offset, 5);
    assert_int_equal(x.length, 5);
    fc_space_release(&s);
    s = (struct fc_space){0};
    assert_int_equal(fc_space_rebuild(&s, twice, 2, &bad), -74 /* EBADMSG */);
    assert_int_equal(bad.offset, 4);
    fc_space_release(&s);
}

static void many_files_are_quick(void **state)
{
    struct fc_space s = {0};
    uint64_t at;

    (void)state;
    for (int i = 0; i < 300000; i++)
        assert_int_equal(fc_space_alloc(&s, 1 + (uint64_t)i % 3, 0, &at), 0);
    for (uint64_t a = 0; a < s.end; a += 4)
        fc_space_free(&s, a, 2);
    fc_space_durable(&s);
    for (struct fc_range x; fc_space_take_ready(&s, &x);)
        fc_space_put_free(&s, &x, false);
    for (int i = 0; i < 150000; i++)
        assert_int_equal(fc_space_alloc(&s, 1 + (uint64_t)i % 4, 0, &at), 0);
    fc_space_release(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_match_a_model),
        cmocka_unit_test(allocator_matches_a_model),
        cmocka_unit_test(extends_in_place_only_when_free),
        cmocka_unit_test(rebuild_finds_gaps_and_overlaps),
        cmocka_unit_test(many_files_are_quick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

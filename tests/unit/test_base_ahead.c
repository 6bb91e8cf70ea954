/* SPDX-License-Identifier: Apache-2.0 */
/* base: a producer ahead of its reader: order, ends, failures, watchers, cancelling at any moment. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/ahead.h"

/* Numbers 0 to @n, up to @most in a buffer; then the end, or the failure @code. */
struct numbers {
    uint32_t n, next, most;
    int code;
};

static ssize_t give_numbers(void *arg, void *buffer, size_t size, struct fc_error *err)
{
    struct numbers *s = arg;
    uint32_t *to = buffer, k = 0;

    while (k < s->most && s->next < s->n && (k + 1) * sizeof(*to) <= size)
        to[k++] = s->next++;
    if (k == 0 && s->code)
        return fc_fail(err, s->code, "no number after %u", s->next);
    return (ssize_t)(k * sizeof(*to));
}

/* Sums up what passes; fails at @fail_at. */
struct sum {
    uint64_t value, calls, fail_at;
};

static int add_up(void *arg, const void *data, size_t size, struct fc_error *err)
{
    struct sum *s = arg;
    const uint32_t *p = data;

    if (s->fail_at && ++s->calls == s->fail_at)
        return fc_fail(err, EDOM, "does not add up");
    for (size_t i = 0; i < size / sizeof(*p); i++)
        s->value += p[i];
    return 0;
}

/* Read to the end; the numbers must come in order. Returns what ended it, and how many came. */
static ssize_t read_all(struct fc_ahead *a, uint32_t *ret_count, struct fc_error *err)
{
    uint32_t expected = 0;
    const void *data;
    ssize_t n;

    while ((n = fc_ahead_next(a, &data, err)) > 0) {
        const uint32_t *p = data;

        for (size_t i = 0; i < (size_t)n / sizeof(*p); i++)
            assert_int_equal(p[i], expected++);
    }
    *ret_count = expected;
    return n;
}

static void test_order_and_end(void **state)
{
    const struct fc_ahead_options rings[] = {{.n = 2, .size = 1}, {.n = 3, .size = 8192}, {.n = 64, .size = 4096}, {0}};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(rings); i++) {
        for (uint32_t most = 1; most < 3000; most = most * 3 + 1) {
            struct numbers source = {.n = most * 200, .most = most};
            struct sum sum = {0};
            struct fc_ahead_options o = rings[i];
            struct fc_ahead *a = NULL;
            struct fc_error err = {0};
            uint32_t count;

            o.watch = most % 2 ? add_up : NULL;
            o.watch_arg = &sum;
            assert_int_equal(fc_ahead_new(give_numbers, &source, &o, &a, &err), 0);
            assert_int_equal(read_all(a, &count, &err), 0);
            assert_int_equal(count, source.n);
            /* At the end the watcher has seen everything; and the end stays the end. */
            if (o.watch)
                assert_int_equal(sum.value, (uint64_t)source.n * (source.n - 1) / 2);
            assert_int_equal(read_all(a, &count, &err), 0);
            assert_int_equal(count, 0);
            fc_ahead_free(a);
        }
    }
}

static void test_failure_comes_after_what_was_made(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 40; n++) {
        struct numbers source = {.n = n, .most = 3, .code = ENODATA};
        struct sum sum = {0};
        struct fc_ahead_options o = {.watch = n % 2 ? add_up : NULL, .watch_arg = &sum};
        struct fc_ahead *a = NULL;
        struct fc_error err = {0};
        char words[64];
        uint32_t count;

        snprintf(words, sizeof(words), "no number after %u", n);
        assert_int_equal(fc_ahead_new(give_numbers, &source, &o, &a, &err), 0);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(read_all(a, &count, &err), -ENODATA);
            assert_int_equal(err.code, ENODATA);
            assert_string_equal(err.msg, words);
            assert_int_equal(count, again ? 0 : n);
        }
        fc_ahead_free(a);
    }
}

static void test_watcher_that_fails(void **state)
{
    (void)state;
    for (uint64_t at = 1; at < 12; at++) {
        struct numbers source = {.n = 30, .most = 3};
        struct sum sum = {.fail_at = at};
        const struct fc_ahead_options o = {.n = 4, .watch = add_up, .watch_arg = &sum};
        struct fc_ahead *a = NULL;
        struct fc_error err = {0};
        uint32_t count;

        assert_int_equal(fc_ahead_new(give_numbers, &source, &o, &a, &err), 0);
        if (at <= 10) {
            assert_int_equal(read_all(a, &count, &err), -EDOM);
            assert_string_equal(err.msg, "does not add up");
        } else {
            assert_int_equal(read_all(a, &count, &err), 0);
        }
        fc_ahead_free(a);
    }
}

/* Given up after @k buffers, while the producer and the watcher are anywhere. */
static void test_given_up(void **state)
{
    (void)state;
    for (int k = 0; k < 60; k++) {
        struct numbers source = {.n = 100000, .most = 10};
        struct sum sum = {0};
        const struct fc_ahead_options o = {.n = 2 + (unsigned)k % 5, .watch = k % 2 ? add_up : NULL, .watch_arg = &sum};
        struct fc_ahead *a = NULL;
        struct fc_error err = {0};
        const void *data;

        assert_int_equal(fc_ahead_new(give_numbers, &source, &o, &a, &err), 0);
        for (int i = 0; i < k % 7; i++)
            assert_true(fc_ahead_next(a, &data, &err) > 0);
        if (k % 3 == 0) {
            fc_ahead_cancel(a);
            assert_int_equal(fc_ahead_next(a, &data, &err), -ECANCELED);
        }
        fc_ahead_free(a);
    }
    fc_ahead_free(NULL);
}

/* A ring that reads from a ring, given up while the upper one waits for the lower, and that for a pipe. */
struct upper {
    struct fc_ahead *lower;
};

static ssize_t read_pipe(void *arg, void *buffer, size_t size, struct fc_error *err)
{
    ssize_t n = read(*(const int *)arg, buffer, size);

    return n < 0 ? fc_fail_errno(err, errno, "pipe") : n;
}

static ssize_t read_lower(void *arg, void *buffer, size_t size, struct fc_error *err)
{
    const void *data;
    ssize_t n = fc_ahead_next(((struct upper *)arg)->lower, &data, err);

    assert_true(n <= (ssize_t)size);
    if (n > 0)
        memcpy(buffer, data, (size_t)n);
    return n;
}

static void test_chain_is_cancelled_from_below(void **state)
{
    struct upper u = {0};
    struct fc_ahead *upper = NULL;
    struct fc_error err = {0};
    const void *data;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(fc_ahead_new(read_pipe, &fds[0], NULL, &u.lower, &err), 0);
    assert_int_equal(fc_ahead_new(read_lower, &u, NULL, &upper, &err), 0);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    assert_int_equal(fc_ahead_next(upper, &data, &err), 3);
    assert_memory_equal(data, "abc", 3);
    assert_false(fc_ahead_ready(upper));
    fc_ahead_cancel(u.lower);
    while (!fc_ahead_ready(upper))
        usleep(1000);
    assert_int_equal(fc_ahead_next(upper, &data, &err), -ECANCELED);
    fc_ahead_free(upper);
    close(fds[1]); /* which is what lets go of the lower one's producer */
    fc_ahead_free(u.lower);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_end),
        cmocka_unit_test(test_failure_comes_after_what_was_made),
        cmocka_unit_test(test_watcher_that_fails),
        cmocka_unit_test(test_given_up),
        cmocka_unit_test(test_chain_is_cancelled_from_below),
    };

    return cmocka_run_group_tests_name("base_ahead", tests, NULL, NULL);
}

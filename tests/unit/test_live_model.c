/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a live tree against a model, alone and with threads. Run with options it is a tool:
 *
 *   test_live_model --seed N --ops M [--threads T] [--keep LIST] [--trace] [--here] [--shrink] [--times K]
 *
 * --keep leaves out all but some operations, --shrink looks for the shortest such list that fails, --trace prints each
 * operation, --here runs in the process itself (for a debugger), --times goes on with the next seeds. As a test it runs
 * fixed seeds and one of the time, which it prints; FC_TEST_OPS multiplies the number of operations.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <getopt.h>

#include "unit/live_model/plan.h"

static const char *program;

static uint64_t scaled(uint64_t ops)
{
    const char *factor = getenv("FC_TEST_OPS");

    return factor ? ops * strtoull(factor, NULL, 10) : ops;
}

static uint64_t seed_of_now(void)
{
    uint64_t seed = (uint64_t)time(NULL);

    printf("# seed of now: %llu\n", (unsigned long long)seed);
    return seed;
}

static void try_seed(uint64_t seed, uint64_t ops, unsigned threads)
{
    struct plan p = {.seed = seed, .ops = scaled(ops), .threads = threads};
    uint64_t last;

    if (plan_try(&p, false, &last))
        return;
    plan_print(&p, program);
    fail_msg("seed %llu", (unsigned long long)seed);
}

static void alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++)
        try_seed(seed, 4000, 1);
    try_seed(seed_of_now(), 4000, 1);
}

static void threads(void **state)
{
    (void)state;
    try_seed(1, 3000, 4);
    try_seed(seed_of_now(), 3000, 3);
}

static int tool(int argc, char **argv)
{
    static const struct option options[] = {
        {"seed", 1, NULL, 's'},   {"ops", 1, NULL, 'n'},   {"threads", 1, NULL, 't'},
        {"keep", 1, NULL, 'k'},   {"trace", 0, NULL, 'v'}, {"here", 0, NULL, 'h'},
        {"shrink", 0, NULL, 'x'}, {"times", 1, NULL, 'm'}, {NULL, 0, NULL, 0}};
    struct plan p = {.seed = 1, .ops = 4000, .threads = 1};
    uint64_t times = 1, last = 0;
    bool here = false, shrink = false;
    const char *keep = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            p.seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            p.ops = strtoull(optarg, NULL, 10);
            break;
        case 't':
            p.threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'm':
            times = strtoull(optarg, NULL, 10);
            break;
        case 'k':
            keep = optarg;
            break;
        case 'v':
            p.trace = true;
            break;
        case 'h':
            here = true;
            break;
        case 'x':
            shrink = true;
            break;
        default:
            return 2;
        }
    }
    if (keep)
        plan_keep(&p, keep);
    if (here) {
        plan_run(&p, &last);
        return 0;
    }
    for (; times > 0; times--, p.seed++) {
        if (plan_try(&p, false, &last))
            continue;
        if (shrink && p.threads == 1)
            plan_shrink(&p, last, 300);
        plan_print(&p, program);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(alone), cmocka_unit_test(threads)};

    program = argv[0];
    if (argc > 1)
        return tool(argc, argv);
    return cmocka_run_group_tests_name("live model", tests, NULL, NULL);
}

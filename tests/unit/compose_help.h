/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes out of texts, for the tests of compose/. */
#ifndef TESTS_UNIT_COMPOSE_HELP_H
#define TESTS_UNIT_COMPOSE_HELP_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compose/recipe.h"

/** The folder in which the recipe stands. */
static char work[64];

static inline int enter_work(void **state)
{
    (void)state;
    strcpy(work, "/tmp/fc-recipe-XXXXXX");
    return mkdtemp(work) && chdir(work) == 0 ? 0 : -1;
}

static inline int leave_work(void **state)
{
    char command[96];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", work);
    return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

static inline void put_file(const char *name, const void *data, size_t size)
{
    FILE *f = fopen(name, "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/** Read @text as the file r.yaml. */
static inline int read_with(const char *text, const struct fc_recipe_options *o, struct fc_recipe **ret,
                            struct fc_error *err)
{
    put_file("r.yaml", text, strlen(text));
    *err = (struct fc_error){0};
    return fc_recipe_read("r.yaml", o, ret, err);
}

/** The same, and it must be good. */
static inline struct fc_recipe *good_with(const char *text, const struct fc_recipe_options *o)
{
    struct fc_recipe *r = NULL;
    struct fc_error err = {0};

    if (read_with(text, o, &r, &err) != 0)
        fail_msg("%s\n%s", err.msg, text);
    return r;
}

static inline struct fc_recipe *good(const char *text) { return good_with(text, NULL); }

/** It must be refused with just these words. */
static inline void bad(const char *text, const char *words)
{
    struct fc_recipe *r = NULL;
    struct fc_error err = {0};

    if (read_with(text, NULL, &r, &err) != -EBADMSG)
        fail_msg("accepted, or another error (%s): %s", err.msg, text);
    if (strcmp(err.msg, words) != 0)
        fail_msg("\n  said:   %s\n  wanted: %s\n%s", err.msg, words, text);
    assert_null(r);
}

/** "WORK/NAME", for what is made absolute; valid until the next call. */
static inline const char *in_work(const char *name)
{
    static char path[4200];

    snprintf(path, sizeof(path), "%s/%s", work, name);
    return path;
}

#endif

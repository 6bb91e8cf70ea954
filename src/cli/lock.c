/* SPDX-License-Identifier: Apache-2.0 */
/* Read the lock, and say what it has for a locator. */
#include "cli/lock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fetch.h"
#include "stack/stack.h"
#include "workspace/workspace.h"

/* What struct cli keeps. */
struct cli_lock {
    struct fc_lock lock;
    bool there, ignored;
    bool of_recipe; /* see cli_lock_for_recipe() */
};

static struct cli_lock *state(struct cli *cli)
{
    if (!cli->lock)
        cli->lock = calloc(1, sizeof(*cli->lock));
    return cli->lock;
}

char *cli_lock_path(void)
{
    fc_auto(fc_free) char *dir = NULL;
    char *path;

    if (fc_workspace_find(NULL, &dir, NULL) < 0)
        dir = NULL;
    return asprintf(&path, "%s/" FC_LOCK_NAME, dir ? dir : ".") < 0 ? NULL : path;
}

int cli_lock_for_recipe(struct cli *cli, struct fc_error *err)
{
    struct cli_lock *l = state(cli);

    if (!l)
        return fc_fail_errno(err, ENOMEM, "the lock");
    l->of_recipe = true;
    return 0;
}

int cli_lock_load(struct cli *cli, struct fc_error *err)
{
    struct cli_lock *l = state(cli);
    fc_auto(fc_free) char *path = NULL;
    int r;

    if (!l)
        return fc_fail_errno(err, ENOMEM, "the lock");
    if (l->there || l->ignored)
        return 0;
    path = l->of_recipe ? strdup(FC_LOCK_NAME) : cli_lock_path();
    if (!path)
        return fc_fail_errno(err, ENOMEM, "the lock");
    r = fc_lock_read(path, &l->lock, err);
    l->there = r == 0;
    if (r == -ENOENT && cli_fetch_is_locked(cli)) {
        cli_hint(cli, "next: fccompose lock");
        return fc_fail(err, ENOENT, "--locked, but there is no %s", path);
    }
    return r == -ENOENT ? 0 : r;
}

const struct fc_lock *cli_lock(const struct cli *cli)
{
    return cli->lock && cli->lock->there ? &cli->lock->lock : NULL;
}

/* What is named by its digest, or comes from nowhere, needs no lock. */
static bool needs_lock(const char *locator)
{
    struct fc_locator l;

    return fc_locator_parse(locator, &l, NULL) < 0 || (l.kind != FC_LOCATOR_DIGEST && l.kind != FC_LOCATOR_STDIN);
}

static bool is_local(const char *locator)
{
    struct fc_locator l;

    return fc_locator_parse(locator, &l, NULL) == 0 && (fc_locator_has_path(&l) || l.kind == FC_LOCATOR_BUILTIN);
}

int cli_lock_find(struct cli *cli, const char *locator, const struct fc_lock_entry **ret, struct fc_error *err)
{
    const struct fc_lock *lock = cli_lock(cli);

    *ret = lock ? fc_lock_find(lock, locator) : NULL;
    if (*ret && cli->lock->of_recipe && !cli_fetch_is_locked(cli) && is_local(locator))
        *ret = NULL;
    if (*ret || !cli_fetch_is_locked(cli) || !needs_lock(locator))
        return 0;
    cli_hint(cli, "next: the same without --locked, and then fccompose lock");
    return fc_fail(err, ESTALE, "%s is not in " FC_LOCK_NAME, locator);
}

void cli_lock_ignore(struct cli *cli)
{
    struct cli_lock *l = state(cli);

    if (!l)
        return;
    fc_lock_release(&l->lock);
    l->there = false;
    l->ignored = true;
}

void cli_lock_release(struct cli *cli)
{
    if (cli->lock)
        fc_lock_release(&cli->lock->lock);
    free(cli->lock);
    cli->lock = NULL;
}

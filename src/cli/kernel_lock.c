/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of kernels and the lock. */
#include <errno.h>
#include <string.h>

#include "cli/kernel.h"
#include "cli/lock.h"
#include "lock/lock.h"

/* Add the sources to what the lock has, and write it. A folder is not locked: it is what it is. */
static int record_source(const char *locator, const struct fc_source *s, struct fc_error *err)
{
    fc_auto(fc_lock_release) struct fc_lock l = {0};
    fc_auto(fc_free) char *path = cli_lock_path();
    int r = path ? fc_lock_read(path, &l, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r < 0 && r != -ENOENT)
        return r;
    if (fc_lock_set_kernel(&l, locator, s->origin, s->unpatched) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_lock_write(&l, path, err);
}

int cli_kernel_source(struct cli *cli, struct fc_fetcher *f, struct fc_source_request *q, bool record,
                      struct fc_source *ret, struct fc_error *err)
{
    const char *locator = q->source ? q->source : q->version;
    const struct fc_lock_kernel *k = NULL;
    int r = cli_lock_load(cli, err);

    if (r == 0 && !record && cli_lock(cli))
        k = fc_lock_find_kernel(cli_lock(cli), locator);
    if (r == 0 && !k && cli_fetch_is_locked(cli)) {
        cli_hint(cli, "next: the same with --lock and without --locked");
        return fc_fail(err, ESTALE, "the kernel %s is not in " FC_LOCK_NAME, locator);
    }
    if (k && !q->pin)
        q->pin = k->digest;
    /* What "latest" stood for is fetched, not what it stands for now; a local file is where it was. */
    if (k && (strstr(k->origin, "://") || strncmp(k->origin, "git:", 4) == 0))
        q->source = k->origin;
    if (r == 0)
        r = fc_source_get(f, q, ret, err);
    return r < 0 || !record || ret->is_folder ? r : record_source(locator, ret, err);
}

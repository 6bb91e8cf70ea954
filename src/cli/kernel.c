/* SPDX-License-Identifier: Apache-2.0 */
/* Options about a kernel's configuration as a request; its conflicts as warnings. */
#include "cli/kernel.h"

#include <errno.h>
#include <string.h>

#include "base/arch.h"
#include "layer/layer.h"

static void on_conflict(void *arg, const struct fc_kconflict *k)
{
    (void)arg;
    cli_warn("CONFIG_%s: %s:%u says %s, %s:%u says %s; the later one counts", k->before->name, k->before->file,
             k->before->line, k->before->value, k->file, k->line, k->value);
}

/* --fragment a,b --fragment c: three. */
static int split(struct cli_kernel *k, const char *const *values, struct fc_error *err)
{
    struct fc_buf all = {0};
    size_t n = 1, i = 0;

    for (size_t v = 0; values[v]; v++) {
        n++;
        for (const char *p = values[v]; *p; p++)
            n += *p == ',';
        if (fc_buf_addf(&all, "%s,", values[v]) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    k->words = all.data;
    k->fragments = calloc(n, sizeof(*k->fragments));
    if (!k->fragments)
        return fc_fail(err, ENOMEM, "out of memory");
    for (char *save = NULL, *word = k->words ? strtok_r(k->words, ",", &save) : NULL; word;
         word = strtok_r(NULL, ",", &save))
        k->fragments[i++] = word;
    return 0;
}

int cli_kernel_arch(const struct cli *cli, const char **ret, struct fc_error *err)
{
    const char *given = cli_fetch_arch(cli), *name = given ? fc_arch_machine(given) : fc_arch_host();

    if (!name || (strcmp(name, "x86_64") != 0 && strcmp(name, "aarch64") != 0))
        return cli_usage(err, "--arch: Firecracker runs on x86_64 and aarch64, not on %s",
                         given  ? given
                         : name ? name
                                : "this machine");
    *ret = name;
    return 0;
}

int cli_kernel_take(struct cli *cli, const struct cli_args *args, const char *version, struct cli_kernel *ret,
                    struct fc_error *err)
{
    fc_auto(fc_free) const char **fragments = cli_values(args, CLI_KERNEL_FRAGMENT, NULL);
    int r = fragments ? split(ret, fragments, err) : fc_fail(err, ENOMEM, "out of memory");

    ret->sets = cli_values(args, CLI_KERNEL_SET, NULL);
    if (r == 0 && !ret->sets)
        r = fc_fail(err, ENOMEM, "out of memory");
    ret->q = (struct fc_merge_request){.version = version,
                                       .config = cli_value(args, CLI_KERNEL_CONFIG),
                                       .fragments = ret->fragments,
                                       .sets = ret->sets,
                                       .how = {.conflict = on_conflict}};
    if (r == 0)
        r = cli_kernel_arch(cli, &ret->q.arch, err);
    if (r == 0)
        r = fc_cache_open(NULL, &ret->cache, err);
    return r < 0 ? r : cli_fetcher_new(cli, fc_cache_dir(ret->cache), &ret->fetcher, err);
}

void cli_kernel_release(struct cli_kernel *k)
{
    cli_fetcher_free(k->fetcher);
    fc_cache_free(k->cache);
    free(k->fragments);
    free(k->sets);
    free(k->words);
    *k = (struct cli_kernel){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose ls-remote: the distributions that are known by name, and what there is of one. */
#include <errno.h>
#include <string.h>

#include "catalogue/catalogue.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/json.h"
#include "layer/layer.h"

static const struct cli_option options[] = {
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* Where releases go. */
struct listing {
    const char *name;
    json_t *list; /* NULL: standard output, as text */
};

static int put_release(void *arg, const struct fc_catalogue_release *r)
{
    struct listing *l = arg;
    char locator[160], size[32];
    json_t *o;

    snprintf(locator, sizeof(locator), "%s:%s", l->name, r->version);
    if (!l->list) {
        printf("%-28s %-22s %-10s  %s\n", locator, r->full, r->date ? r->date : "-",
               r->have_size ? cli_size(size, r->size) : "-");
        return 0;
    }
    o = json_pack("{s:s, s:s, s:s?}", "locator", locator, "version", r->full, "date", r->date);
    if (r->have_size)
        json_object_set_new(o, "size", json_integer((json_int_t)r->size));
    return json_array_append_new(l->list, o) < 0 ? -ENOMEM : 0;
}

static int list_names(struct cli *cli, struct fc_error *err)
{
    const char *const *abouts, *const *names = fc_catalogue_names(&abouts);
    json_t *list = cli->json ? json_array() : NULL;

    for (size_t i = 0; names[i]; i++) {
        if (cli->json)
            json_array_append_new(list, json_pack("{s:s, s:s}", "name", names[i], "about", abouts[i]));
        else
            printf("%-12s %s\n", names[i], abouts[i]);
    }
    return list ? cli_json_print(list, err) : 0;
}

static int list_releases(struct cli *cli, const char *name, struct fc_error *err)
{
    struct fc_catalogue_options o = {.arch = cli_fetch_arch(cli)};
    struct listing l = {.name = name, .list = cli->json ? json_array() : NULL};
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct fc_fetcher *f = NULL;
    int r = fc_cache_open(NULL, &cache, err);

    if (r == 0)
        r = cli_fetcher_new(cli, fc_cache_dir(cache), &f, err);
    o.require_signature = cli_fetch_requires_signature(cli);
    if (r == 0)
        r = fc_catalogue_list(f, name, &o, put_release, &l, err);
    if (r == 0 && l.list)
        r = cli_json_print(fc_steal(&l.list), err);
    json_decref(l.list);
    cli_fetcher_free(f);
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    return args->n_operands ? list_releases(cli, args->operands[0], err) : list_names(cli, err);
}

static const struct cli_example examples[] = {
    {"Which distributions there are", "fccompose ls-remote"},
    {"What there is of one, for another machine", "fccompose ls-remote --arch arm64 alpine"},
    {0},
};

const struct cli_command cmd_ls_remote = {
    .name = "ls-remote",
    .group = CLI_GROUP_STACK,
    .summary = "List distributions that are known by name, and their releases",
    .usage = "[OPTIONS] [NAME]",
    .options = options,
    .about =
        "Where a command takes a LAYER, NAME:VERSION is the root file system that the distribution publishes under "
        "that "
        "name now, for this machine's architecture, that of --arch, or that behind a slash (ubuntu:24.04/arm64), under "
        "any "
        "of its names. The columns: what to write, the version in full, its date and size.\n\n"
        "URL and digest come from the distribution's own index. Where that, or the file, is signed, the signature is "
        "checked by sqv or gpgv with a keyring: keys/NAME.gpg or keys/NAME.asc in ~/.config/fccompose, /etc/fccompose, "
        "/usr/local/share/fccompose or /usr/share/fccompose, the first that is there. Without a keyring or a verifier "
        "a "
        "warning says so; with --require-signature it is an error.\n\n"
        "--mirror and --rewrite ask somewhere else: for a URL that begins with PREFIX, that of URL and what follows "
        "the "
        "prefix. So do FCCOMPOSE_MIRROR and FCCOMPOSE_REWRITE (several, with spaces between), and "
        "~/.config/fccompose/config.yaml "
        "(FCCOMPOSE_CONFIG names another file):\n\n"
        "  mirrors:\n"
        "    https://dl-cdn.alpinelinux.org/: [https://one.example/, https://two.example/]\n"
        "  rewrites:\n"
        "    https://cdimage.ubuntu.com/: http://10.0.0.1/ubuntu/\n"
        "  insecure: [registry.lan:5000]   # certificates are not checked\n"
        "  offline: false\n"
        "  require-signature: true\n"
        "  attempts: 5\n"
        "  retry-delay: 1000               # milliseconds, doubled each time\n"
        "  connect-timeout: 20             # seconds\n"
        "  stall-timeout: 60               # seconds without a byte\n"
        "  downloads: 6                    # at once\n\n"
        "Proxies are those of http_proxy, https_proxy, all_proxy and no_proxy.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .run = run,
};

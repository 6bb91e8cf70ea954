/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel build: sources, configuration, make, results. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "cli/cmd_kernel.h"
#include "cli/json.h"
#include "cli/kernel.h"
#include "kernel/build.h"
#include "layer/layer.h"

enum {
    OPT_SOURCE = CLI_KERNEL_OWN,
    OPT_PATCH,
    OPT_MENUCONFIG,
    OPT_LLVM,
    OPT_CCACHE,
    OPT_CROSS,
    OPT_NO_CHECK,
    OPT_PIN,
    OPT_LOCK,
};

static const struct cli_option options[] = {
    {OPT_SOURCE, 0, "source", "DIR|TARBALL|URL|git:URL[#REF]", "build from there", CLI_WORD_FILE},
    CLI_KERNEL_CONFIG_OPTIONS,
    {OPT_PATCH, 0, "patch", "DIR", "apply its *.patch to a copy of the sources, in the order of their names",
     CLI_WORD_DIR},
    {OPT_MENUCONFIG, 0, "menuconfig", NULL, "change the configuration in the kernel's own menu before building", 0},
    {'o', 'o', "output", "DIR", "put the results there (default: the current folder)", CLI_WORD_DIR},
    {'j', 'j', "jobs", "N", "so many at once (default: as many as processors)", 0},
    {OPT_LLVM, 0, "llvm", NULL, "build with clang and lld (LLVM=1), which need no cross compiler", 0},
    {OPT_CROSS, 0, "cross", "PREFIX", "prefix of compiler and binutils (default: by --arch)", 0},
    {OPT_CCACHE, 0, "ccache", NULL, "compile through ccache", 0},
    {OPT_NO_CHECK, 0, "no-check", NULL, "build although an option that booting needs was lost", 0},
    {OPT_PIN, 0, "digest", "DIGEST", "fail unless the sources are these: sha256:... of a tar, git:COMMIT", 0},
    {OPT_LOCK, 0, "lock", NULL, "record in fccompose.lock.json which sources VERSION or --source stood for", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* What the build has to tell. */
struct teller {
    const struct cli *cli;
    json_t *lost;
};

static void on_lost(void *arg, const struct fc_kernel_loss *l)
{
    const struct teller *t = arg;

    json_array_append_new(t->lost,
                          json_pack("{s:s, s:s, s:s, s:s, s:b}", "option", l->wanted->name, "wanted", l->wanted->value,
                                    "got", l->got, "why", l->why, "needed", l->need != NULL));
    cli_warn("CONFIG_%s=%s (%s:%u) did not survive: it is %s; %s%s%s", l->wanted->name, l->wanted->value,
             l->wanted->file, l->wanted->line, l->got, l->why, l->need ? "; booting needs it: " : "",
             l->need ? l->need->why : "");
}

static void on_error_line(void *arg, const char *line)
{
    char shown[400];

    (void)arg;
    cli_progress_hide();
    fprintf(stderr, "  %s\n", fc_name_show(shown, sizeof(shown), line, strlen(line)));
}

static int report(struct cli *cli, const struct fc_built *b, const char *output, json_t *lost, struct fc_error *err)
{
    json_t *o, *files;

    if (b->n_base_lost)
        cli_say(cli,
                "%u options of the base are not as it has them: this source does not know them, or decides otherwise",
                b->n_base_lost);
    if (!cli->json) {
        for (size_t i = 0; i < b->n_files; i++) {
            printf("%s%s", output ? output : "", output ? "/" : "");
            cli_put_name(b->files[i], strlen(b->files[i]), false);
            putchar('\n');
        }
        return cli_flush(err);
    }
    files = json_array();
    for (size_t i = 0; i < b->n_files; i++)
        json_array_append_new(files, json_string(b->files[i]));
    o = json_pack("{s:b, s:s?, s:O, s:i, s:o}", "cached", b->cached, "log", b->log, "lost", lost, "base_lost",
                  (int)b->n_base_lost, "files", files);
    return cli_json_print(o, err);
}

/* The sources, and the configuration: all for which somebody may have to be asked over the network. */
static int prepare(struct cli *cli, const struct cli_args *args, struct cli_kernel *k, char **kernels,
                   struct fc_source *source, struct fc_merged *m, struct fc_error *err)
{
    const char *version = args->n_operands ? args->operands[0] : NULL;
    struct fc_source_request q = {.version = version,
                                  .source = cli_value(args, OPT_SOURCE),
                                  .patches = cli_value(args, OPT_PATCH),
                                  .pin = cli_value(args, OPT_PIN)};
    int r;

    if (!version && !q.source)
        return cli_usage(err, "which kernel? Give a VERSION, or --source");
    r = cli_kernel_take(cli, args, version, k, err);
    if (r == 0)
        r = fc_kernels_dir(fc_cache_dir(k->cache), kernels, err);
    if (r < 0)
        return r;
    q.cache = *kernels;
    q.require_signature = cli_fetch_requires_signature(cli);
    r = cli_kernel_source(cli, k->fetcher, &q, cli_has(args, OPT_LOCK), source, err);
    if (r < 0)
        return r;
    if (!k->q.version)
        k->q.version = source->version;
    return fc_merge(k->fetcher, &k->q, m, err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    __attribute__((cleanup(cli_kernel_release_auto))) struct cli_kernel k = {0};
    __attribute__((cleanup(fc_source_release_auto))) struct fc_source source = {0};
    __attribute__((cleanup(fc_merged_release_auto))) struct fc_merged m = {0};
    __attribute__((cleanup(fc_built_release_auto))) struct fc_built built = {0};
    struct teller t = {cli, json_array()};
    fc_auto(fc_free) char *kernels = NULL;
    uint64_t jobs = 0;
    struct fc_build_request q = {.output = cli_value(args, 'o'),
                                 .cross = cli_value(args, OPT_CROSS),
                                 .llvm = cli_has(args, OPT_LLVM),
                                 .ccache = cli_has(args, OPT_CCACHE),
                                 .menuconfig = cli_has(args, OPT_MENUCONFIG),
                                 .unchecked = cli_has(args, OPT_NO_CHECK),
                                 .lost = on_lost,
                                 .error_line = on_error_line,
                                 .arg = &t,
                                 .progress = cli->progress};
    int r = cli_value(args, 'j') ? cli_parse_number("--jobs", cli_value(args, 'j'), 4096, &jobs, err) : 0;

    if (r == 0)
        r = cli_source_date_epoch(0, &q.epoch, err);
    if (r == 0)
        r = prepare(cli, args, &k, &kernels, &source, &m, err);
    q.source = &source;
    q.merged = &m;
    q.arch = k.q.arch;
    q.cache = kernels;
    q.jobs = (unsigned)jobs;
    /* From here on Ctrl-C ends us, and make with us. */
    cli_fetcher_free(k.fetcher);
    k.fetcher = NULL;
    if (r == 0)
        r = cli_fetch_check(err);
    if (r == 0)
        r = fc_build(&q, &built, err);
    if (r == 0)
        r = report(cli, &built, q.output, t.lost, err);
    json_decref(t.lost);
    return r;
}

static const struct cli_example examples[] = {
    {"Firecracker's 6.1 guest kernel, able to run Docker", "fccompose kernel build 6.1 --fragment docker,ikconfig"},
    {"A small one from sources at hand", "fccompose kernel build --source linux-6.1 --config minimal -o out"},
    {"For the other architecture", "fccompose kernel build 6.1.167 --arch aarch64"},
    {0},
};

const struct cli_command cmd_kernel_build = {
    .name = "kernel build",
    .group = CLI_GROUP_MACHINE,
    .summary = "Get, configure and build a guest kernel",
    .usage = "[OPTIONS] [VERSION]",
    .options = options,
    .about =
        "VERSION is a preset (5.10, 5.10-no-acpi, 6.1, 6.18: the newest tag of Amazon Linux for it, as Firecracker's "
        "own "
        "tests take it), a version of kernel.org (6.1.167, v6.1), \"latest\" or \"lts\". kernel.org's tars must have "
        "the "
        "digest of its sha256sums.asc; with its keys in fccompose/keys/kernel.gpg of the configuration folder "
        "signatures "
        "are checked, too. --source builds from something else. --lock records the sources in fccompose.lock.json; "
        "what "
        "that has is taken from then on, and checked.\n\n"
        "The configuration is that of `kernel config`, settled by the kernel's own olddefconfig without a question "
        "(with "
        "--config minimal, allnoconfig: what is not said is off). Each option of a fragment or of --set that did not "
        "survive is reported with why; one that booting under Firecracker needs is an error.\n\n"
        "Built out of tree, below the cache; what an interrupted build has made is gone on with, and a kernel that was "
        "built from the same sources, configuration and compiler is not built again. Two builds of the same are the "
        "same to the byte (SOURCE_DATE_EPOCH is honoured).\n\n"
        "Results: vmlinux-VERSION (Image-VERSION for aarch64), with -no-acpi when it has no ACPI; its .config; "
        "bzImage; "
        "vmlinux-VERSION.debug.gz when it has symbols; modules-VERSION.tar, a layer for `init`, when it has modules; "
        "kernel-VERSION.json, which says what it was made of. The whole output of make is kept; when it fails the "
        "lines "
        "around the first error are shown.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = 1,
    .run = run,
};

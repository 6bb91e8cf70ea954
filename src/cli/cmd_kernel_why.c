/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel why: what an option depends on, and what of that is missing. */
#include <errno.h>
#include <string.h>

#include "cli/cmd_kernel.h"
#include "cli/json.h"
#include "cli/kernel.h"
#include "kernel/why.h"

enum { OPT_SOURCE = CLI_KERNEL_OWN, OPT_VALUE };

static const struct cli_option options[] = {
    {OPT_SOURCE, 0, "source", "DIR", "sources of a kernel, with their Kconfig files (default: the current folder)",
     CLI_WORD_DIR},
    {CLI_KERNEL_CONFIG, 0, "config", "FILE", "the .config that says what is set (default: nothing is)", CLI_WORD_FILE},
    {OPT_VALUE, 0, "value", "y|m|n", "why it is not this (default: y)", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

static json_t *lines(const struct fc_buf *text)
{
    json_t *list = json_array();

    for (const char *p = text->data; p && *p; p = strchr(p, '\n') + 1)
        json_array_append_new(list, json_stringn(p, strcspn(p, "\n")));
    return list;
}

static void print_lines(const char *what, const struct fc_buf *text)
{
    for (const char *p = text->data; p && *p; p = strchr(p, '\n') + 1)
        printf("%s %.*s\n", what, (int)strcspn(p, "\n"), p);
}

static int print(struct cli *cli, const char *name, const struct fc_why *w, const char *value, const char *answer,
                 struct fc_error *err)
{
    if (cli->json)
        return cli_json_print(json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:s}", "option", name, "type", w->type,
                                        "value", value, "prompt", w->prompt, "defined", lines(&w->defined), "depends",
                                        lines(&w->depends), "selected", lines(&w->selected), "why", answer),
                              err);
    printf("CONFIG_%s is %s: %s\n", name, value, answer);
    print_lines("defined at", &w->defined);
    print_lines("depends on", &w->depends);
    print_lines("selected by", &w->selected);
    return cli_flush(err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    __attribute__((cleanup(fc_why_release_auto))) struct fc_why w = {0};
    fc_auto(fc_kconfig_free) struct fc_kconfig *c = fc_kconfig_new();
    struct fc_buf answer __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *name = args->operands[0], *source = cli_value(args, OPT_SOURCE), *wanted = cli_value(args, OPT_VALUE);
    const char *file = cli_value(args, CLI_KERNEL_CONFIG), *arch = NULL, *value;
    int r = cli_kernel_arch(cli, &arch, err);

    name += strncmp(name, "CONFIG_", 7) == 0 ? 7 : 0;
    wanted = wanted ? wanted : "y";
    if (r == 0 && !c)
        r = fc_fail(err, ENOMEM, "out of memory");
    if (r == 0 && file)
        r = fc_kconfig_add_file(c, file, NULL, err);
    if (r == 0)
        r = fc_why_read(source ? source : ".", strcmp(arch, "aarch64") == 0 ? "arm64" : "x86", name, &w, err);
    if (r < 0)
        return r;
    value = fc_kconfig_value(c, name);
    r = strcmp(value, wanted) == 0 ? fc_buf_adds(&answer, "as it should be") : fc_why_say(&w, c, wanted, &answer);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : print(cli, name, &w, value, answer.data, err);
}

static const struct cli_example examples[] = {
    {"What does a lost option need?",
     "fccompose kernel why VIRTIO_FS --source linux-6.1 --config vmlinux-6.1.167.config"},
    {0},
};

const struct cli_command cmd_kernel_why = {
    .name = "kernel why",
    .group = CLI_GROUP_MACHINE,
    .summary = "Say why an option is not set: what it depends on, and what of that is missing",
    .usage = "[OPTIONS] OPTION",
    .options = options,
    .about =
        "Reads the Kconfig files of the sources: where the option is defined, what it depends on (with the menus and "
        "conditions around it), what selects it; and compares that with the .config.",
    .examples = examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};

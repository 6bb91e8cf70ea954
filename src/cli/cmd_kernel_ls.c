/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel ls: presets and how long they are supported, fragments, what is built. */
#include <string.h>
#include <time.h>

#include "cli/cmd_kernel.h"
#include "cli/json.h"
#include "kernel/fragment.h"
#include "kernel/preset.h"

static void today(char out[16])
{
    time_t now = time(NULL);
    struct tm tm;

    strftime(out, 16, "%Y-%m-%d", gmtime_r(&now, &tm));
}

static json_t *list_presets(bool text)
{
    json_t *list = json_array();
    char now[16];

    today(now);
    if (text)
        printf("presets\n");
    for (const struct fc_kernel_preset *p = fc_kernel_presets; p->name; p++) {
        bool over = strcmp(p->until, now) < 0;

        if (text)
            printf("  %-14s Firecracker %s and later, supported until %s%s\n", p->name, p->since, p->until,
                   over ? " (over)" : "");
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:b}", "name", p->name, "since", p->since, "until",
                                              p->until, "over", over));
    }
    return list;
}

static json_t *list_fragments(bool text)
{
    json_t *list = json_array();
    const struct fc_fragment *f;
    char about[200];

    if (text)
        printf("fragments\n");
    for (size_t i = 0; (f = fc_fragment_at(i)) != NULL; i++) {
        if (strcmp(f->name, FC_FRAGMENT_MINIMAL) == 0)
            continue;
        fc_fragment_about(f, about, sizeof(about));
        if (text)
            printf("  %-14s %s\n", f->name, about);
        json_array_append_new(list, json_pack("{s:s, s:s}", "name", f->name, "about", about));
    }
    return list;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    json_t *all = json_object();

    (void)args;
    json_object_set_new(all, "presets", list_presets(!cli->json));
    json_object_set_new(all, "fragments", list_fragments(!cli->json));
    if (cli->json)
        return cli_json_print(all, err);
    json_decref(all);
    return cli_flush(err);
}

const struct cli_command cmd_kernel_ls = {
    .name = "kernel ls",
    .group = CLI_GROUP_MACHINE,
    .summary = "List presets with their support dates, fragments, and what is built",
    .usage = "[--json]",
    .about = "The presets are the guest kernels with which Firecracker is tested, with the date until which it "
             "supports them "
             "at least.",
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};

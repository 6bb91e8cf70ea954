/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose kernel ls: presets and how long they are supported, fragments, what is built. */
#include <glob.h>
#include <string.h>
#include <time.h>

#include "cli/cmd_kernel.h"
#include "cli/json.h"
#include "kernel/fragment.h"
#include "kernel/preset.h"
#include "layer/layer.h"

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

/* A result's manifest: what it is, where it is. */
static json_t *describe_built(const char *path, bool text)
{
    json_t *m = json_load_file(path, 0, NULL);
    const char *version = json_string_value(json_object_get(m, "version"));
    const char *arch = json_string_value(json_object_get(m, "arch"));
    const char *config = json_string_value(json_object_get(m, "config"));
    const char *slash = strrchr(path, '/');
    json_t *o = NULL;

    if (version && arch && config && slash) {
        if (text)
            printf("  %-14s %s, %s, %.*s\n", version, arch, config, (int)(slash - path), path);
        o = json_pack("{s:s, s:s, s:s, s:s%}", "version", version, "arch", arch, "config", config, "dir", path,
                      (size_t)(slash - path));
    }
    json_decref(m);
    return o;
}

static json_t *list_built(const char *cache, bool text)
{
    json_t *list = json_array();
    fc_auto(fc_free) char *pattern = NULL;
    glob_t found = {0};

    if (asprintf(&pattern, "%s/kernels/built/*/kernel-*.json", cache) < 0)
        return pattern = NULL, list;
    glob(pattern, 0, NULL, &found);
    if (text && found.gl_pathc)
        printf("built\n");
    for (size_t i = 0; i < found.gl_pathc; i++) {
        json_t *o = strstr(found.gl_pathv[i], ".part.") ? NULL : describe_built(found.gl_pathv[i], text);

        if (o)
            json_array_append_new(list, o);
    }
    globfree(&found);
    return list;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    json_t *all;
    int r = fc_cache_open(NULL, &cache, err);

    (void)args;
    if (r < 0)
        return r;
    all = json_object();
    json_object_set_new(all, "presets", list_presets(!cli->json));
    json_object_set_new(all, "fragments", list_fragments(!cli->json));
    json_object_set_new(all, "built", list_built(fc_cache_dir(cache), !cli->json));
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
             "at least. What is built is in the cache, below kernels/built, until it is removed there.",
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose build: carry out a recipe. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/json.h"
#include "cli/lock.h"
#include "cli/progress.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

enum { OPT_NO_CACHE = CLI_LONG_ONLY, OPT_PROFILE, OPT_DRY_RUN, OPT_SET, OPT_DEPFILE };

static const struct cli_option options[] = {
    {'f', 'f', "file", "FILE", "the recipe (default fccompose.yaml)", CLI_WORD_FILE},
    {'o', 'o', "output", "OUT", "write the image there (default: as the recipe says)", CLI_WORD_FILE},
    {OPT_SET, 0, "set", "NAME=VALUE", "the value of a name that the recipe's args declare; may be repeated", 0},
    {OPT_PROFILE, 0, "profile", "NAME", "choose what the recipe has for this profile", 0},
    {OPT_NO_CACHE, 0, "no-cache", NULL, "do every step again", 0},
    {OPT_DRY_RUN, 0, "dry-run", NULL, "do no step: print which would be done, and why", 0},
    {OPT_DEPFILE, 0, "depfile", "FILE", "write what the image depends on into FILE, as a rule for make", CLI_WORD_FILE},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* How far the build is. */
struct telling {
    struct build_run run; /* first: build_run() finds it there */
    struct cli *cli;
    size_t n_steps;
    double began;
    bool dry_run;
    json_t *steps; /* NULL: no JSON is wanted */
};

static const char *const states[] = {
    [FC_BUILD_CACHED] = "cached",
    [FC_BUILD_NEEDED] = "needed",
    [FC_BUILD_DONE] = "done",
    [FC_BUILD_UNKNOWN] = "follows",
};

static void tell_json(struct telling *t, const struct fc_recipe_build_event *e)
{
    char text[FC_DIGEST_TEXT];
    json_t *o;

    if (!t->steps || (e->state == FC_BUILD_NEEDED && !t->dry_run))
        return;
    o = json_pack("{s:I, s:s}", "step", (json_int_t)e->index + 1, "state", states[e->state]);
    cli_json_name(o, "what", e->what, strlen(e->what));
    if (e->why)
        json_object_set_new(o, "why", json_string(e->why));
    if (e->layer)
        json_object_set_new(o, "layer", json_string(fc_digest_format(fc_layer_diffid(e->layer), text)));
    json_array_append_new(t->steps, o);
}

static void tell_plan(const struct telling *t, const struct fc_recipe_build_event *e)
{
    const char *how = e->state == FC_BUILD_CACHED   ? "in the cache"
                      : e->state == FC_BUILD_NEEDED ? "to be done: "
                                                    : "follows a step that is to be done";

    printf("[%zu/%zu] %s: %s%s\n", e->index + 1, t->n_steps, e->what, how, e->why ? e->why : "");
}

static void tell(void *arg, const struct fc_recipe_build_event *e)
{
    struct telling *t = arg;

    tell_json(t, e);
    if (t->dry_run) {
        if (!t->steps)
            tell_plan(t, e);
    } else if (e->state == FC_BUILD_NEEDED) {
        t->began = cli_progress_now();
        if (t->cli->verbose)
            cli_say(t->cli, "[%zu/%zu] %s: %s", e->index + 1, t->n_steps, e->what, e->why);
    } else if (e->state == FC_BUILD_CACHED) {
        cli_say(t->cli, "[%zu/%zu] %s: CACHED", e->index + 1, t->n_steps, e->what);
    } else {
        cli_say(t->cli, "[%zu/%zu] %s: done, %.1f s%s", e->index + 1, t->n_steps, e->what,
                cli_progress_now() - t->began, e->layer ? "" : " (changes nothing)");
    }
}

static int steps(struct cli *cli, struct build_job *job, json_t *list, struct fc_error *err)
{
    fc_auto(fc_free) struct fc_layer **layers = calloc(job->layers.n + 1, sizeof(struct fc_layer *));
    struct telling t = {{cli, false}, cli, job->recipe->n_steps, 0, job->dry_run, list};
    struct fc_recipe_build_options o = {
        .cache = job->cache,
        .recipe = job->recipe,
        .layers = layers,
        .n_layers = job->layers.n,
        .notes = FC_WORKSPACE_FOLDER "/build/steps",
        .config = job->layers.config,
        .no_cache = cli_has(job->args, OPT_NO_CACHE),
        .dry_run = job->dry_run,
        .run = build_run,
        .event = tell,
        .arg = &t,
    };
    int r = layers ? cli_source_date_epoch(0, &o.epoch, err) : fc_fail(err, ENOMEM, "out of memory");

    for (size_t i = 0; i < job->layers.n && layers; i++)
        layers[i] = job->layers.list[i].layer;
    return r < 0 ? r : fc_recipe_build(&o, &job->built, err);
}

static int say_image(struct cli *cli, const struct build_job *job, const struct freeze_report *report, bool fresh,
                     json_t *summary)
{
    char size[32], written[32];

    if (summary)
        cli_json_name(summary, "image", job->image, strlen(job->image));
    if (summary)
        json_object_set_new(summary, "image_written", json_boolean(fresh));
    if (!fresh) {
        cli_say(cli, "%s: as it was", job->image);
        return 0;
    }
    if (summary)
        json_object_set_new(summary, "image_bytes", json_integer((json_int_t)report->summary.size));
    cli_say(cli, "%s: %s, %s written, %.1f s", job->image, cli_size(size, report->summary.size),
            cli_size(written, report->result.copied + report->result.memory), report->seconds);
    return 0;
}

/* What comes after the steps. */
static int results(struct cli *cli, struct build_job *job, json_t *summary, struct fc_error *err)
{
    struct freeze_report report = {0};
    bool fresh = false;
    int r = job->for_workspace ? build_workspace(cli, job, err) : 0;

    if (r == 0 && job->image) {
        r = build_image(cli, job, &report, &fresh, err);
        if (r == 0)
            r = say_image(cli, job, &report, fresh, summary);
    }
    return r == 0 && job->depfile ? build_depfile(job, err) : r;
}

static int build(struct cli *cli, struct build_job *job, json_t *all, struct fc_error *err)
{
    json_t *summary = all ? json_pack("{s:s, s:[]}", "arch", job->recipe->arch, "steps") : NULL;
    int r = 0;

    if (all)
        json_array_append_new(all, summary);
    if (!job->dry_run)
        r = access(FC_WORKSPACE_FOLDER "/workspace.db", F_OK) < 0 ? fc_workspace_create(".", err) : 0;
    if (r == 0 && !job->dry_run)
        r = fc_mkdir_all(FC_WORKSPACE_FOLDER "/build", err);
    if (r == 0)
        r = build_image_path(cli, job, err);
    if (r == 0)
        r = build_layers(cli, job, err);
    if (r == 0)
        r = build_lock(cli, job, err);
    if (r == 0)
        r = steps(cli, job, summary ? json_object_get(summary, "steps") : NULL, err);
    return r < 0 || job->dry_run ? r : results(cli, job, summary, err);
}

static void job_release(struct build_job *job)
{
    fc_recipe_built_release(&job->built);
    cli_layers_release(&job->layers);
    fc_recipe_free(job->recipe);
    free(job->image);
    job->recipe = NULL;
    job->image = NULL;
}

static int read_recipe(struct cli *cli, const struct cli_args *args, const char *file, const char *arch,
                       struct fc_recipe **ret, struct fc_error *err)
{
    fc_auto(fc_free) const char **set = cli_values(args, OPT_SET, NULL);
    const struct fc_recipe_options o = {.arch = arch, .profile = cli_value(args, OPT_PROFILE), .set = set};
    int r = set ? fc_recipe_read(file, &o, ret, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r == -ENOENT && !cli_has(args, 'f'))
        cli_hint(cli, "next: write one, or start from an example: fccompose init --example NAME");
    return r;
}

/* Several images at one path would be the last of them. */
static int check_archs(struct cli *cli, const struct fc_recipe *recipe, const char *out, struct fc_error *err)
{
    const char *output = out ? out : recipe->image.output;

    if (cli_fetch_arch(cli) || recipe->archs.n < 2 || !output || strstr(output, "{arch}"))
        return 0;
    return fc_fail(err, EINVAL,
                   "the recipe is for %s and others: put {arch} into the image's name, or choose one with --arch",
                   recipe->archs.items[0]);
}

static int build_each(struct cli *cli, struct build_job *job, const char *file, json_t *all, struct fc_error *err)
{
    const char *chosen = cli_fetch_arch(cli);
    size_t n = 1;
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++) {
        fc_auto(fc_free) char *arch = NULL;

        job->for_workspace = i == 0;
        if (i && job->recipe)
            arch = strdup(job->recipe->archs.items[i]);
        job_release(job);
        r = read_recipe(cli, job->args, file, i ? arch : chosen, &job->recipe, err);
        if (r == 0 && i == 0)
            r = check_archs(cli, job->recipe, job->out, err);
        if (r == 0 && chdir(job->recipe->dir) < 0)
            r = fc_fail_errno(err, errno, "%s", job->recipe->dir);
        if (r == 0 && !chosen && job->recipe->archs.n > 1)
            n = job->recipe->archs.n;
        if (r == 0)
            r = cli_fetch_take(cli, CLI_OPT_ARCH, job->recipe->arch, err);
        if (r == 0)
            r = build(cli, job, all, err);
    }
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    const char *name = cli_value(args, 'f'), *out = cli_value(args, 'o'), *depfile = cli_value(args, OPT_DEPFILE);
    fc_auto(fc_free) char *file = fc_abspath(name ? name : "fccompose.yaml"), *abs_out = out ? fc_abspath(out) : NULL,
                          *abs_depfile = depfile ? fc_abspath(depfile) : NULL;
    struct build_job job = {
        .args = args, .out = abs_out, .depfile = abs_depfile, .dry_run = cli_has(args, OPT_DRY_RUN)};
    json_t *all = cli->json ? json_array() : NULL;
    int r = file && (!out || abs_out) && (!depfile || abs_depfile) ? fc_cache_open(NULL, &cache, err)
                                                                   : fc_fail(err, ENOMEM, "out of memory");

    job.cache = cache;
    if (r == 0)
        r = build_each(cli, &job, name && strcmp(name, "-") == 0 ? name : file, all, err);
    job_release(&job);
    if (r == 0 && all)
        return cli_json_print(json_pack("{s:o}", "builds", all), err);
    json_decref(all);
    return r == 0 ? cli_flush(err) : r;
}

static const struct cli_example examples[] = {
    {"The recipe of this folder", "fccompose build"},
    {"What would be done, and why", "fccompose build --dry-run"},
    {"In CI: the bytes of the lock or nothing", "fccompose build --locked"},
    {"From make, which then knows what the image depends on", "fccompose build -o root.ext4 --depfile root.d"},
    {0},
};

const struct cli_command cmd_build = {
    .name = "build",
    .group = CLI_GROUP_RECIPE,
    .summary = "Carry out a recipe: layers, steps, image",
    .usage = "[OPTIONS]",
    .options = options,
    .about =
        "Each step becomes a layer in the cache, named by what it stands on and all of its inputs: what the recipe "
        "says, "
        "the contents, names and modes of the files that it copies, secrets. A step is done again only when one of "
        "these "
        "is another than in any build before. What a step makes has the time SOURCE_DATE_EPOCH, or that of 1970: the "
        "same "
        "recipe gives the same bytes.\n\n"
        "The workspace beside the recipe (it is made if there is none) gets the stack that was built; edits made there "
        "by "
        "hand stay on top, and are not in the image. Layers stand for what fccompose.lock.json says, which is written "
        "beside the recipe; files and folders of this machine stand for what they are now. With --locked nothing may "
        "be "
        "other than the lock says.\n\n"
        "A recipe for several architectures gives an image for each, with {arch} in its name; the workspace gets the "
        "first.",
    .examples = examples,
    .max_operands = 0,
    .run = run,
};

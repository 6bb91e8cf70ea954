/* SPDX-License-Identifier: Apache-2.0 */
/* The image of a recipe: its section as freeze's options, and the stack that was built, without edits made by hand. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/io.h"
#include "cli/build.h"
#include "cli/commands.h"
#include "compose/hash.h"
#include "workspace/workspace.h"

#define BUILD_FOLDER FC_WORKSPACE_FOLDER "/build"

/* Words of a command line. */
struct words {
    char *list[64];
    size_t n;
};

static void words_release(struct words *w)
{
    for (size_t i = 0; i < w->n; i++)
        free(w->list[i]);
}

static int add(struct words *w, const char *word)
{
    if (w->n + 1 >= FC_LENGTH(w->list))
        return -E2BIG;
    w->list[w->n] = strdup(word);
    return w->list[w->n] ? (w->n++, 0) : -ENOMEM;
}

/* What says the default is no option. */
static int add_option(struct words *w, const char *name, const char *value, const char *unset)
{
    int r = value && (!unset || strcmp(value, unset) != 0) ? add(w, name) : 1;

    return r == 0 ? add(w, value) : r < 0 ? r : 0;
}

static int image_words(const struct build_job *job, struct words *w, struct fc_error *err)
{
    const struct fc_recipe_image *i = &job->recipe->image;
    const struct {
        const char *name, *value, *unset;
    } options[] = {
        {"--size", i->size, NULL},         {"--free", i->free, NULL},
        {"--label", i->label, NULL},       {"--uuid", i->uuid, "auto"},
        {"--profile", i->profile, NULL},   {"--journal", i->journal, NULL},
        {"--inodes", i->inodes, NULL},     {"--inode-size", i->inode_size, NULL},
        {"--reserved", i->reserved, NULL}, {"--align", i->align, NULL},
        {"--verity", i->verity, "off"},
    };
    int r = add(w, "freeze");

    if (i->features.n)
        return fc_fail(err, EOPNOTSUPP, "features: the image's features are those of its profile");
    for (size_t k = 0; k < FC_LENGTH(options) && r == 0; k++)
        r = add_option(w, options[k].name, options[k].value, options[k].unset);
    if (r == 0 && i->read_only)
        r = add(w, "--read-only");
    if (r == 0 && i->compact)
        r = add(w, "--compact");
    if (r == 0 && i->inline_data)
        r = add(w, "--inline-data");
    if (r == 0)
        r = add(w, "--");
    if (r == 0)
        r = add(w, job->image);
    return r < 0 ? fc_fail_errno(err, -r, "the image's options") : 0;
}

int build_image_path(struct cli *cli, struct build_job *job, struct fc_error *err)
{
    static const char arch[] = "{arch}";
    struct fc_buf path __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *from = job->out ? job->out : job->recipe->image.output, *at;
    int r = 0;

    (void)cli;
    if (!from)
        return 0;
    for (; r == 0 && (at = strstr(from, arch)) != NULL; from = at + strlen(arch)) {
        r = fc_buf_add(&path, from, (size_t)(at - from));
        if (r == 0)
            r = fc_buf_adds(&path, job->recipe->arch);
    }
    if (r == 0)
        r = fc_buf_adds(&path, from);
    job->image = r == 0 ? strdup(path.data) : NULL;
    return job->image ? 0 : fc_fail(err, ENOMEM, "out of memory");
}

/* What the image is made of, and what stat(2) says of it: while that stays the same, so does the image. */
static int digest_image(const struct build_job *job, const struct words *w, const struct freeze_request *f,
                        struct fc_digest *ret)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    uint64_t numbers[7];
    struct stat st;
    int r = h ? fc_hash_text(h, fc_version()) : -ENOMEM;

    if (r == 0 && lstat(job->image, &st) < 0)
        return -errno;
    if (r < 0 || !S_ISREG(st.st_mode))
        return r < 0 ? r : -EINVAL;
    numbers[0] = st.st_dev;
    numbers[1] = st.st_ino;
    numbers[2] = (uint64_t)st.st_size;
    numbers[3] = (uint64_t)st.st_mtim.tv_sec * 1000000000u + (uint64_t)st.st_mtim.tv_nsec;
    numbers[4] = (uint64_t)st.st_ctim.tv_sec * 1000000000u + (uint64_t)st.st_ctim.tv_nsec;
    numbers[5] = (uint64_t)f->ext4.epoch;
    numbers[6] = FC_BUILD_VERSION;
    r = fc_hash_bytes(h, numbers, sizeof(numbers));
    for (size_t i = 0; i < w->n && r == 0; i++)
        r = fc_hash_text(h, w->list[i]);
    for (size_t i = 0; i < job->layers.n && r == 0; i++)
        r = fc_hash_bytes(h, fc_layer_diffid(job->layers.list[i].layer), sizeof(struct fc_digest));
    for (size_t i = 0; i < job->built.n_layers && r == 0; i++)
        r = fc_hash_bytes(h, fc_layer_diffid(job->built.layers[i].layer), sizeof(struct fc_digest));
    return r == 0 ? fc_hasher_finish(h, ret) : r;
}

/* The note of the image at that path. */
static int note_path(const struct build_job *job, char **ret, struct fc_error *err)
{
    struct fc_digest d;
    char text[FC_DIGEST_TEXT];

    if (fc_digest_of(job->image, strlen(job->image), &d) < 0 ||
        asprintf(ret, BUILD_FOLDER "/image-%.16s", strchr(fc_digest_format(&d, text), ':') + 1) < 0) {
        *ret = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

static bool is_noted(const char *note, const struct fc_digest *now)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_digest then;

    return fc_read_file(AT_FDCWD, note, FC_DIGEST_TEXT, &text) == 0 && text.data &&
           fc_digest_parse(text.data, &then) == 0 && memcmp(&then, now, sizeof(then)) == 0;
}

static int write_tree(struct cli *cli, const struct build_job *job, struct freeze_request *f, struct freeze_report *ret,
                      struct fc_error *err)
{
    size_t n = job->layers.n + job->built.n_layers;
    fc_auto(fc_free) struct fc_tree_layer *stack = calloc(n + 1, sizeof(*stack));
    struct fc_tree_options options = {.default_time = f->ext4.epoch};
    struct cli_view v = {0};
    int r;

    if (!stack)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++)
        stack[i].layer = i < job->layers.n ? job->layers.list[i].layer : job->built.layers[i - job->layers.n].layer;
    /* Numbered by the stack alone, not by what the workspace has seen: the recipe gives the same bytes everywhere. */
    r = fc_tree_fold(stack, (uint32_t)n, &options, &v.own_tree, err);
    v.tree = v.own_tree;
    if (r == 0)
        r = fc_snapshot_of_tree(v.tree, &v.snapshot, err);
    f->records = FC_WORKSPACE_FOLDER "/frozen";
    if (r == 0)
        r = freeze_write(cli, f, &v, ret, err);
    cli_view_release(&v);
    return r;
}

static int freeze(struct cli *cli, const struct build_job *job, const struct words *w, struct freeze_request *f,
                  struct freeze_report *ret, bool *ret_fresh, struct fc_error *err)
{
    fc_auto(fc_free) char *note = NULL;
    struct fc_digest now;
    char text[FC_DIGEST_TEXT];
    bool one_file = !f->write.verity.path;
    int r = note_path(job, &note, err);

    if (r < 0)
        return r;
    *ret_fresh = !one_file || digest_image(job, w, f, &now) < 0 || !is_noted(note, &now);
    if (!*ret_fresh)
        return 0;
    r = write_tree(cli, job, f, ret, err);
    if (r == 0 && one_file && digest_image(job, w, f, &now) == 0) {
        fc_digest_format(&now, text);
        (void)fc_atomic_write(note, text, strlen(text), false, NULL);
    }
    return r;
}

int build_image(struct cli *cli, const struct build_job *job, struct freeze_report *ret, bool *ret_fresh,
                struct fc_error *err)
{
    struct freeze_request f __attribute__((cleanup(freeze_request_release))) = {0};
    struct words w __attribute__((cleanup(words_release))) = {.n = 0};
    const struct cli_command *command = cli->command;
    struct cli_args args = {0};
    int next, what, r = image_words(job, &w, err);

    if (r == 0)
        r = cli_parse(cli, &cmd_freeze, (int)w.n, w.list, false, &args, &next, &what, err);
    if (r == 0)
        r = freeze_take(cli, &args, &f, err);
    if (r == -CLI_EUSAGE) { /* the recipe's values, not the command line's */
        struct fc_error inner = *err;

        r = fc_fail(err, EINVAL, "%s", inner.msg);
    }
    if (r < 0 && job->recipe->image.place.file)
        r = fc_recipe_build_fail_at(&job->recipe->image.place, err);
    if (r == 0)
        r = freeze(cli, job, &w, &f, ret, ret_fresh, err);
    cli->command = command;
    cli_args_release(&args);
    return r;
}

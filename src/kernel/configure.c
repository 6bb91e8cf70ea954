/* SPDX-License-Identifier: Apache-2.0 */
/* Configure a build without a question, and compare what came out with what was asked for. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "kernel/build_private.h"
#include "kernel/why.h"

static int write_file(struct fc_building *b, const char *name, const struct fc_buf *text, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;

    if (asprintf(&path, "%s/%s", b->objects, name) < 0)
        return path = NULL, fc_fail(err, ENOMEM, "out of memory");
    return fc_atomic_write(path, text->data, text->len, false, err);
}

/* Run the kernel's own tool. With the minimal base all that is not said is off; otherwise it gets its default. */
static int settle(struct fc_building *b, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *all = NULL;
    const char *words[] = {"olddefconfig", NULL, NULL};
    int r = fc_kconfig_write(b->q->merged->config, &text);

    if (r < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    if (!b->q->merged->minimal) {
        r = write_file(b, ".config", &text, err);
        return r < 0 ? r : fc_building_make(b, words, "olddefconfig", err);
    }
    if (asprintf(&all, "KCONFIG_ALLCONFIG=%s/requested.config", b->objects) < 0)
        return all = NULL, fc_fail(err, ENOMEM, "out of memory");
    words[0] = all;
    words[1] = "allnoconfig";
    r = write_file(b, "requested.config", &text, err);
    return r < 0 ? r : fc_building_make(b, words, "allnoconfig", err);
}

/* On the terminal; what is saved there is what was asked for. */
static int ask(struct fc_building *b, struct fc_error *err)
{
    fc_auto(fc_free) char *o = NULL, *arch = NULL;
    const char *argv[] = {"make", "-C", b->q->source->dir, NULL, NULL, "--no-print-directory", "menuconfig", NULL};
    int r;

    if (asprintf(&o, "O=%s", b->objects) < 0 ||
        asprintf(&arch, "ARCH=%s", strcmp(b->srcarch, "x86") == 0 ? "x86_64" : b->srcarch) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    argv[3] = o;
    argv[4] = arch;
    r = fc_child_run(argv, NULL, err);
    return r > 0
               ? fc_fail(err, EIO, "make menuconfig failed with status %d (it needs libncurses-dev and a terminal)", r)
               : r;
}

static int read_back(struct fc_building *b, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;

    fc_kconfig_free(b->config);
    b->config = fc_kconfig_new();
    if (!b->config || asprintf(&path, "%s/.config", b->objects) < 0)
        return path = NULL, fc_fail(err, ENOMEM, "out of memory");
    return fc_kconfig_add_file(b->config, path, &(struct fc_kconfig_add){.base = true}, err);
}

static int tell(struct fc_building *b, const struct fc_koption *wanted, const char *got, struct fc_error *err)
{
    __attribute__((cleanup(fc_why_release_auto))) struct fc_why w = {0};
    struct fc_buf why __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_kernel_loss l = {wanted, got, NULL, fc_need_for(b->config, b->q->arch, wanted->name)};
    int r = fc_why_read(b->q->source->dir, b->srcarch, wanted->name, &w, err);

    if (r == 0)
        r = fc_why_say(&w, b->config, wanted->value, &why);
    if (r < 0)
        return r;
    l.why = why.data ? why.data : "";
    json_array_append_new(b->losses,
                          json_pack("{s:s, s:s, s:s, s:s, s:i, s:s}", "option", wanted->name, "wanted", wanted->value,
                                    "got", got, "file", wanted->file, "line", (int)wanted->line, "why", l.why));
    if (b->q->lost)
        b->q->lost(b->q->arg, &l);
    return 0;
}

/* What the tools set for themselves is nobody's request. */
static bool is_request(const char *name)
{
    static const char *const own[] = {"CC_",  "GCC_",    "CLANG_", "AS_",   "LD_",
                                      "LLD_", "PAHOLE_", "RUSTC_", "HAVE_", "ARCH_"};

    for (size_t i = 0; i < FC_LENGTH(own); i++)
        if (strncmp(name, own[i], strlen(own[i])) == 0)
            return false;
    return true;
}

static int compare(struct fc_building *b, struct fc_error *err)
{
    const struct fc_kconfig *wanted = b->q->merged->config;

    for (size_t i = 0; i < fc_kconfig_count(wanted); i++) {
        const struct fc_koption *o = fc_kconfig_at(wanted, i);
        const char *got = fc_kconfig_value(b->config, o->name);
        int r;

        if (strcmp(o->value, got) == 0)
            continue;
        if (o->base && !fc_need_for(b->config, b->q->arch, o->name)) {
            b->n_base_lost += is_request(o->name);
            continue;
        }
        r = tell(b, o, got, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The first finding that keeps the guest from booting. */
static void keep_first(void *arg, const struct fc_kernel_finding *f)
{
    struct fc_buf *first = arg;

    if (f->severity == FC_KERNEL_ERROR && first->len == 0)
        fc_buf_addf(first, "%s", f->what);
}

static int check_contract(struct fc_building *b, struct fc_error *err)
{
    struct fc_buf first __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_kernel k = {
        .format = FC_KERNEL_CONFIG, .arch = b->q->arch, .config = b->config, .config_from = b->objects};

    if (b->q->unchecked || fc_kernel_judge(&k, b->q->arch, keep_first, &first) != FC_KERNEL_ERROR)
        return 0;
    return fc_fail(err, EINVAL, "the guest would not boot: %s (--no-check builds it all the same)",
                   first.data ? first.data : "an option is missing");
}

int fc_building_configure(struct fc_building *b, struct fc_error *err)
{
    int r = settle(b, err);

    if (r == 0 && b->q->menuconfig)
        r = ask(b, err);
    if (r == 0)
        r = read_back(b, err);
    if (r == 0 && !b->q->menuconfig)
        r = compare(b, err);
    return r < 0 ? r : check_contract(b, err);
}

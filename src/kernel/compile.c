/* SPDX-License-Identifier: Apache-2.0 */
/* Compile, with as much of a progress bar as the last build of the same configuration teaches. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/io.h"
#include "kernel/build_private.h"

static __thread uint64_t n_objects;

/* make leaves a .NAME.cmd beside each thing it made. */
static int count_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    const char *name = path + ftw->base;
    size_t len = strlen(name);

    (void)st;
    n_objects += type == FTW_F && *name == '.' && len > 5 && strcmp(name + len - 4, ".cmd") == 0;
    return 0;
}

static uint64_t count_objects(const char *dir)
{
    n_objects = 0;
    nftw(dir, count_one, 64, FTW_PHYS);
    return n_objects;
}

/* Options that are on, and a digest of them: what decides how much there is to do. */
static unsigned fingerprint(const struct fc_building *b, char ret[FC_DIGEST_TEXT])
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_digest d = {{0}};
    unsigned n = 0;

    fc_buf_addf(&text, "%s %s\n", b->q->source->version, b->q->arch);
    for (size_t i = 0; i < fc_kconfig_count(b->config); i++) {
        const struct fc_koption *o = fc_kconfig_at(b->config, i);

        if (strcmp(o->value, "y") != 0 && strcmp(o->value, "m") != 0)
            continue;
        n++;
        fc_buf_addf(&text, "%s=%s\n", o->name, o->value);
    }
    fc_digest_of(text.data, text.len, &d);
    fc_digest_format(&d, ret);
    return n;
}

/* What a note "OBJECTS OPTIONS" says; 0: there is none. */
static uint64_t read_note(const struct fc_building *b, const char *name, unsigned long long *ret_options)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *path = NULL;
    unsigned long long n = 0;

    if (asprintf(&path, "%s/counts/%s", b->q->cache, name) < 0)
        return path = NULL, 0;
    if (fc_read_file(AT_FDCWD, path, 4096, &text) < 0 || !text.data ||
        sscanf(text.data, "%llu %llu", &n, ret_options) != 2)
        return 0;
    return n;
}

static void write_note(const struct fc_building *b, const char *name, uint64_t objects, unsigned options)
{
    fc_auto(fc_free) char *dir = NULL, *path = NULL;
    char text[64];
    int n = snprintf(text, sizeof(text), "%llu %u\n", (unsigned long long)objects, options);

    /* Only a bar is worse without it. */
    if (asprintf(&dir, "%s/counts", b->q->cache) < 0 || asprintf(&path, "%s/%s", dir, name) < 0 ||
        fc_mkdir_all(dir, NULL) < 0 || fc_atomic_write(path, text, (size_t)n, false, NULL) < 0)
        return;
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int fc_building_compile(struct fc_building *b, struct fc_error *err)
{
    bool x86 = strcmp(b->q->arch, "x86_64") == 0, modules = fc_kconfig_is_y(b->config, "MODULES");
    unsigned long long last_options = 0;
    struct fc_progress *p = b->q->progress;
    char print[FC_DIGEST_TEXT], jobs[16], what[128];
    const char *words[] = {jobs, "vmlinux", x86 ? "bzImage" : "Image", modules ? "modules" : NULL, NULL};
    unsigned options = fingerprint(b, print);
    double began = now();
    int r;

    snprintf(jobs, sizeof(jobs), "-j%u", b->q->jobs ? b->q->jobs : (unsigned)sysconf(_SC_NPROCESSORS_ONLN));
    b->done = count_objects(b->objects);
    b->total = read_note(b, print + 7, &last_options);
    /* Another configuration has about as many objects for each option. */
    if (!b->total && (b->total = read_note(b, b->q->arch, &last_options)) != 0)
        b->total = last_options ? b->total * options / last_options : 0;
    snprintf(what, sizeof(what), "kernel %s", b->release);
    if (p && p->begin)
        p->begin(p, what, b->total, FC_PROGRESS_ITEMS);
    b->counting = true;
    r = fc_building_make(b, words, "the build", err);
    b->counting = false;
    b->seconds = now() - began;
    if (r == 0) {
        b->done = count_objects(b->objects);
        write_note(b, print + 7, b->done, options);
        write_note(b, b->q->arch, b->done, options);
        if (p && p->update)
            p->update(p, b->total && b->done > b->total ? b->total : b->done);
    }
    if (p && p->end)
        p->end(p, r == 0);
    return r;
}

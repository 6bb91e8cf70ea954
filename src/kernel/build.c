/* SPDX-License-Identifier: Apache-2.0 */
/* Build a kernel, or find it in the cache: key, lock, the three parts, results to where they are wanted. */
#include "kernel/build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/digest.h"
#include "base/io.h"
#include "kernel/build_private.h"
#include "kernel/source_private.h"

static void forget_files(struct fc_built *b)
{
    for (size_t i = 0; i < b->n_files; i++)
        free(b->files[i]);
    free(b->files);
    b->files = NULL;
    b->n_files = 0;
}

void fc_built_release(struct fc_built *b)
{
    forget_files(b);
    free(b->dir);
    free(b->log);
    *b = (struct fc_built){0};
}

static void building_release(struct fc_building *b)
{
    if (b->log_fd >= 0)
        close(b->log_fd);
    free(b->objects);
    free(b->log_path);
    free(b->compiler);
    free(b->release);
    fc_kconfig_free(b->config);
    json_decref(b->losses);
    fc_buf_release(&b->args);
    fc_buf_release(&b->first_error);
}

int fc_kernels_dir(const char *cache_dir, char **ret, struct fc_error *err)
{
    fc_auto(fc_free) char *dir = fc_source_text("%s/kernels", cache_dir);
    int r = dir ? fc_mkdir_all(dir, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r == 0)
        *ret = fc_steal(&dir);
    return r;
}

/* Bytes to a name of 32 digits. */
static int name_of(const struct fc_buf *text, char ret[80])
{
    struct fc_digest d;
    char hex[FC_DIGEST_TEXT];

    if (fc_digest_of(text->data, text->len, &d) < 0)
        return -EIO;
    snprintf(ret, 80, "%.32s", fc_digest_format(&d, hex) + 7);
    return 0;
}

/*
 * What decides the result, and what decides where its objects are: of a folder of the user's the latter is the same after a
 * change, so that only what changed is made again.
 */
static int name_build(struct fc_building *b, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const struct fc_source *s = b->q->source;
    char place[80];
    int r = fc_buf_addf(&text, "2 %s %s %d %d %s %d\n", b->q->arch, fc_building_cross(b), b->q->llvm, b->q->ccache,
                        b->compiler, b->q->merged->minimal);

    if (r == 0)
        r = fc_kconfig_write(b->q->merged->config, &text);
    if (r == 0)
        r = fc_buf_addf(&text, "%s\n", s->is_folder ? s->dir : s->digest);
    if (r == 0)
        r = name_of(&text, place);
    if (r == 0)
        r = fc_buf_addf(&text, "%s %lld\n", s->digest, (long long)b->q->epoch);
    if (r == 0)
        r = name_of(&text, b->key);
    b->objects = fc_source_text("%s/objects/%s", b->q->cache, place);
    b->log_path = fc_source_text("%s/logs/%s.log", b->q->cache, b->key);
    return r < 0 || !b->objects || !b->log_path ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* Out of tree, make refuses a tree in which somebody has built. */
static int check_clean(const struct fc_source *s, struct fc_error *err)
{
    static const char *const names[] = {".config", "include/config", "include/generated"};

    for (size_t i = 0; i < FC_LENGTH(names); i++) {
        fc_auto(fc_free) char *path = fc_source_text("%s/%s", s->dir, names[i]);

        if (path && access(path, F_OK) == 0)
            return fc_fail(err, EEXIST, "%s was built in: it has %s; make -C %s mrproper cleans it", s->dir, names[i],
                           s->dir);
    }
    return 0;
}

/* The names of the result in @dir. Returns 0, or -ENOENT when there is no whole one. */
static int read_result(const char *dir, struct fc_built *ret)
{
    fc_auto(fc_free) char *path = fc_source_text("%s/files", dir);
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char *save = NULL;

    if (!path || fc_read_file(AT_FDCWD, path, 1 << 20, &text) < 0 || !text.data)
        return -ENOENT;
    for (char *line = strtok_r(text.data, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        fc_auto(fc_free) char *file = fc_source_text("%s/%s", dir, line);

        if (!file || access(file, R_OK) < 0 || fc_built_add(ret, line) < 0) {
            forget_files(ret);
            return -ENOENT;
        }
    }
    return ret->n_files ? 0 : -ENOENT;
}

static int write_result(const char *dir, const struct fc_built *b, struct fc_error *err)
{
    fc_auto(fc_free) char *path = fc_source_text("%s/files", dir);
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};

    for (size_t i = 0; i < b->n_files; i++)
        if (fc_buf_addf(&text, "%s\n", b->files[i]) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    return path ? fc_atomic_write(path, text.data, text.len, false, err) : fc_fail(err, ENOMEM, "out of memory");
}

/* "-no-acpi", where there could be ACPI. */
static const char *suffix(const struct fc_building *b)
{
    return strcmp(b->q->arch, "x86_64") == 0 && !fc_kconfig_is_y(b->config, "ACPI") ? "-no-acpi" : "";
}

static int open_log(struct fc_building *b, struct fc_error *err)
{
    fc_auto(fc_free) char *logs = fc_source_text("%s/logs", b->q->cache);
    int r = logs ? fc_mkdir_all(logs, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r == 0)
        r = fc_mkdir_all(b->objects, err);
    if (r < 0)
        return r;
    b->log_fd = open(b->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return b->log_fd < 0 ? fc_fail_errno(err, errno, "cannot write %s", b->log_path) : 0;
}

static int make_result(struct fc_building *b, struct fc_built *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *part = fc_source_text("%s.part.%d", ret->dir, (int)getpid());
    int r = check_clean(b->q->source, err);

    if (r == 0)
        r = open_log(b, err);
    if (r == 0)
        r = fc_building_configure(b, err);
    if (r < 0)
        return r;
    b->release = fc_source_text("%s%s", b->q->source->version, suffix(b));
    if (!b->release || !part)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_building_compile(b, err);
    if (r == 0)
        r = fc_mkdir_all(part, err);
    if (r == 0)
        r = fc_building_collect(b, part, ret, err);
    if (r == 0)
        r = write_result(part, ret, err);
    if (r == 0) {
        fc_remove_all(AT_FDCWD, ret->dir);
        if (rename(part, ret->dir) < 0)
            r = fc_fail_errno(err, errno, "cannot make %s", ret->dir);
    }
    fc_remove_all(AT_FDCWD, part);
    ret->n_base_lost = b->n_base_lost;
    ret->log = strdup(b->log_path);
    return r;
}

static int deliver(const struct fc_built *b, const char *to, struct fc_error *err)
{
    int r = fc_mkdir_all(to, err);

    for (size_t i = 0; i < b->n_files && r == 0; i++) {
        __attribute__((cleanup(fc_atomic_release_auto))) struct fc_atomic a = {0};
        fc_auto(fc_free) char *from = fc_source_text("%s/%s", b->dir, b->files[i]);
        fc_auto(fc_free) char *path = fc_source_text("%s/%s", to, b->files[i]);
        fc_auto(fc_close) int in = from ? open(from, O_RDONLY | O_CLOEXEC) : -1;
        struct stat st;

        if (in < 0 || !path || fstat(in, &st) < 0)
            return fc_fail_errno(err, errno, "cannot read %s/%s", b->dir, b->files[i]);
        r = fc_atomic_begin(&a, path, err);
        if (r == 0) {
            r = fc_copy_range(in, 0, a.fd, 0, (uint64_t)st.st_size);
            r = r < 0 ? fc_fail_errno(err, -r, "cannot write %s", path) : fc_atomic_commit(&a, false, err);
        }
    }
    return r;
}

int fc_build(const struct fc_build_request *q, struct fc_built *ret, struct fc_error *err)
{
    __attribute__((cleanup(building_release))) struct fc_building b = {.q = q, .log_fd = -1, .losses = json_array()};
    __attribute__((cleanup(fc_built_release_auto))) struct fc_built built = {0};
    fc_auto(fc_free) char *lock_path = NULL;
    fc_auto(fc_close) int lock = -1;
    int r;

    r = fc_building_tools(&b, err);
    if (r == 0)
        r = name_build(&b, err);
    if (r == 0)
        r = fc_building_variables(&b, err);
    if (r < 0)
        return r;
    built.dir = fc_source_text("%s/built/%s", q->cache, b.key);
    lock_path = fc_source_text("%s.lock", b.objects);
    if (!built.dir || !lock_path)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_mkdir_all(b.objects, err);
    lock = r == 0 ? fc_lock_file(lock_path, true, true) : -1;
    if (r == 0 && lock < 0)
        r = fc_fail_errno(err, -lock, "cannot lock %s", lock_path);
    if (r < 0)
        return r;
    if (!q->menuconfig && read_result(built.dir, &built) == 0)
        built.cached = true;
    else
        r = make_result(&b, &built, err);
    if (r == 0)
        r = deliver(&built, q->output ? q->output : ".", err);
    if (r < 0)
        return r;
    *ret = built;
    built = (struct fc_built){0};
    return 0;
}

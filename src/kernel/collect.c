/* SPDX-License-Identifier: Apache-2.0 */
/* Collect what a build made: kernels without debugging symbols, these apart, modules as a layer, the manifest. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/archive.h"
#include "base/digest.h"
#include "base/io.h"
#include "kernel/build_private.h"
#include "kernel/source_private.h"

int fc_built_add(struct fc_built *b, const char *name)
{
    char **list = reallocarray(b->files, b->n_files + 2, sizeof(*list)), *copy = list ? strdup(name) : NULL;

    if (list)
        b->files = list;
    if (!copy)
        return -ENOMEM;
    list[b->n_files++] = copy;
    list[b->n_files] = NULL;
    return 0;
}

static int oom(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

/* Copy @from, below the objects, to @to/@name. */
static int take(struct fc_building *b, const char *from, const char *to, const char *name, struct fc_built *ret,
                struct fc_error *err)
{
    fc_auto(fc_free) char *source = fc_source_text("%s/%s", b->objects, from),
                          *target = fc_source_text("%s/%s", to, name);
    fc_auto(fc_close) int in = source ? open(source, O_RDONLY | O_CLOEXEC) : -1, out = -1;
    struct stat st;
    int r;

    if (!source || !target)
        return oom(err);
    if (in < 0 || fstat(in, &st) < 0)
        return fc_fail_errno(err, errno, "the build left no %s", source);
    out = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (out < 0)
        return fc_fail_errno(err, errno, "cannot write %s", target);
    r = fc_copy_range(in, 0, out, 0, (uint64_t)st.st_size);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot write %s", target);
    return fc_built_add(ret, name) < 0 ? oom(err) : 0;
}

static int write_out(void *arg, const void *data, size_t size, struct fc_error *err)
{
    int r = fc_write_full(*(int *)arg, data, size);

    return r < 0 ? fc_fail_errno(err, -r, "cannot write the symbols") : 0;
}

/* gzip @path to @path.gz and remove it. */
static int pack(const char *path, struct fc_error *err)
{
    fc_auto(fc_free) char *packed = fc_source_text("%s.gz", path);
    fc_auto(fc_close) int in = open(path, O_RDONLY | O_CLOEXEC), out = -1;
    fc_auto(fc_compressor_free) struct fc_compressor *c = NULL;
    char buffer[1 << 16];
    ssize_t n = -1;
    int r;

    if (!packed)
        return oom(err);
    out = open(packed, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (in < 0 || out < 0)
        return fc_fail_errno(err, errno, "cannot write %s", packed);
    r = fc_compressor_new(FC_COMPRESS_GZIP, 6, write_out, &out, &c, err);
    while (r == 0 && (n = fc_read_full(in, buffer, sizeof(buffer))) > 0)
        r = fc_compressor_add(c, buffer, (size_t)n, err);
    if (r == 0 && n < 0)
        r = fc_fail_errno(err, (int)-n, "cannot read %s", path);
    if (r == 0)
        r = fc_compressor_finish(c, err);
    if (r == 0)
        unlink(path);
    return r;
}

/* vmlinux without debugging symbols into @name, which says where they are; these into VERSION.debug.gz. */
static int split_symbols(struct fc_building *b, const char *to, const char *name, struct fc_built *ret,
                         struct fc_error *err)
{
    const char *cross = b->q->llvm ? "llvm-" : fc_building_cross(b);
    fc_auto(fc_free) char *tool = fc_source_text("%sobjcopy", cross), *whole = fc_source_text("%s/vmlinux", b->objects);
    fc_auto(fc_free) char *debug = fc_source_text("%s/vmlinux-%s.debug", to, b->release), *packed = NULL;
    fc_auto(fc_free) char *link = NULL, *stripped = name ? fc_source_text("%s/%s", to, name) : strdup("");
    int r;

    link = debug ? fc_source_text("--add-gnu-debuglink=%s", debug) : NULL;
    packed = fc_source_text("vmlinux-%s.debug.gz", b->release);
    if (!tool || !whole || !link || !packed || !stripped)
        return oom(err);
    r = fc_source_run((const char *[]){tool, "--only-keep-debug", whole, debug, NULL}, "the symbols", err);
    if (r == 0 && name)
        r = fc_source_run((const char *[]){tool, "--strip-debug", link, whole, stripped, NULL}, "the symbols", err);
    if (r == 0 && name && fc_built_add(ret, name) < 0)
        r = oom(err);
    if (r == 0)
        r = pack(debug, err);
    return r < 0 ? r : fc_built_add(ret, packed) < 0 ? oom(err) : 0;
}

/* Modules as a tar that `init` takes as a layer. */
static int take_modules(struct fc_building *b, const char *to, struct fc_built *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *stage = fc_source_text("%s/modules-stage", b->objects), *where = NULL, *name = NULL;
    fc_auto(fc_free) char *tar = NULL, *mtime = NULL;
    const char *words[] = {NULL, "INSTALL_MOD_STRIP=1", "modules_install", NULL};
    int r;

    where = stage ? fc_source_text("INSTALL_MOD_PATH=%s", stage) : NULL;
    name = fc_source_text("modules-%s.tar", b->release);
    tar = name ? fc_source_text("%s/%s", to, name) : NULL;
    mtime = fc_source_text("--mtime=@%lld", (long long)(b->q->epoch ? b->q->epoch : 1));
    if (!where || !tar || !mtime)
        return oom(err);
    words[0] = where;
    fc_remove_all(AT_FDCWD, stage);
    r = fc_building_make(b, words, "modules_install", err);
    if (r == 0)
        r = fc_source_run((const char *[]){"find", stage, "(", "-name", "build", "-o", "-name", "source", ")", "-type",
                                           "l", "-delete", NULL},
                          "modules", err);
    if (r == 0)
        r = fc_source_run((const char *[]){"tar", "-c", "-f", tar, "-C", stage, "--sort=name", mtime, "--owner=0",
                                           "--group=0", "--numeric-owner", "--mode=u+rwX,go+rX,go-w", "--format=gnu",
                                           "lib", NULL},
                          "modules", err);
    fc_remove_all(AT_FDCWD, stage);
    return r < 0 ? r : fc_built_add(ret, name) < 0 ? oom(err) : 0;
}

static int take_config(struct fc_building *b, const char *to, const char *kernel, struct fc_built *ret,
                       struct fc_error *err)
{
    fc_auto(fc_free) char *name = fc_source_text("%s.config", kernel);

    return name ? take(b, ".config", to, name, ret, err) : oom(err);
}

static json_t *describe_file(const char *dir, const char *name)
{
    fc_auto(fc_free) char *path = fc_source_text("%s/%s", dir, name);
    fc_auto(fc_close) int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    struct fc_digest d = {{0}};
    char buffer[1 << 16], text[FC_DIGEST_TEXT];
    json_int_t size = 0;
    ssize_t n;

    while (fd >= 0 && h && (n = fc_read_full(fd, buffer, sizeof(buffer))) > 0) {
        fc_hasher_add(h, buffer, (size_t)n);
        size += n;
    }
    if (h)
        fc_hasher_finish(h, &d);
    return json_pack("{s:s, s:I, s:s}", "name", name, "size", size, "digest", fc_digest_format(&d, text));
}

static int write_manifest(struct fc_building *b, const char *to, struct fc_built *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *name = fc_source_text("kernel-%s.json", b->release), *path = NULL, *text = NULL;
    json_t *files = json_array(), *all;
    int r;

    for (size_t i = 0; i < ret->n_files; i++)
        json_array_append_new(files, describe_file(to, ret->files[i]));
    all = json_pack("{s:i, s:s, s:s, s:{s:s, s:s, s:s?}, s:s, s:s, s:O, s:i, s:o}", "manifest", 1, "version",
                    b->q->source->version, "arch", b->q->arch, "source", "origin", b->q->source->origin, "digest",
                    b->q->source->digest, "signer", b->q->source->signer, "config", b->q->merged->base, "compiler",
                    b->compiler, "lost", b->losses, "base_lost", (int)b->n_base_lost, "files", files);
    text = all ? json_dumps(all, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(all);
    path = name ? fc_source_text("%s/%s", to, name) : NULL;
    if (!text || !path)
        return oom(err);
    r = fc_atomic_write(path, text, strlen(text), false, err);
    return r < 0 ? r : fc_built_add(ret, name) < 0 ? oom(err) : 0;
}

static int take_x86(struct fc_building *b, const char *to, bool debug, struct fc_built *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *vmlinux = fc_source_text("vmlinux-%s", b->release);
    fc_auto(fc_free) char *compressed = fc_source_text("bzImage-%s", b->release);
    int r;

    if (!vmlinux || !compressed)
        return oom(err);
    r = debug ? split_symbols(b, to, vmlinux, ret, err) : take(b, "vmlinux", to, vmlinux, ret, err);
    if (r == 0)
        r = take_config(b, to, vmlinux, ret, err);
    return r < 0 ? r : take(b, "arch/x86/boot/bzImage", to, compressed, ret, err);
}

static int take_arm(struct fc_building *b, const char *to, bool debug, struct fc_built *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *image = fc_source_text("Image-%s", b->release);
    int r = image ? take(b, "arch/arm64/boot/Image", to, image, ret, err) : oom(err);

    if (r == 0)
        r = take_config(b, to, image, ret, err);
    return r < 0 || !debug ? r : split_symbols(b, to, NULL, ret, err);
}

int fc_building_collect(struct fc_building *b, const char *to, struct fc_built *ret, struct fc_error *err)
{
    bool debug = fc_kconfig_is_y(b->config, "DEBUG_INFO");
    int r = strcmp(b->q->arch, "x86_64") == 0 ? take_x86(b, to, debug, ret, err) : take_arm(b, to, debug, ret, err);

    if (r == 0 && fc_kconfig_is_y(b->config, "MODULES"))
        r = take_modules(b, to, ret, err);
    return r < 0 ? r : write_manifest(b, to, ret, err);
}

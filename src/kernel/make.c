/* SPDX-License-Identifier: Apache-2.0 */
/* Call make: tools for the architecture, variables for reproducible results, the log, the first error. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/io.h"
#include "kernel/build_private.h"

enum { ERROR_LINES = 12 };

int fc_building_arg(struct fc_building *b, const char *fmt, ...)
{
    char *text = NULL;
    va_list ap;
    int r;

    va_start(ap, fmt);
    r = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (r < 0)
        return -ENOMEM;
    r = fc_buf_add(&b->args, text, strlen(text) + 1);
    b->n_args += r == 0;
    free(text);
    return r;
}

const char *fc_building_cross(const struct fc_building *b)
{
    struct utsname host;

    if (b->q->cross)
        return b->q->cross;
    if (uname(&host) == 0 && strcmp(host.machine, b->q->arch) == 0)
        return "";
    return strcmp(b->q->arch, "aarch64") == 0 ? "aarch64-linux-gnu-" : "x86_64-linux-gnu-";
}

/* The first line of what @tool says of itself. */
static int ask_version(struct fc_building *b, const char *prefix, const char *tool, struct fc_buf *ret,
                       struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char name[128];
    const char *argv[] = {name, "--version", NULL};
    int r;

    snprintf(name, sizeof(name), "%s%s", prefix, tool);
    r = fc_child_run(argv, &said, err);
    if (r == -ENOENT)
        return fc_fail(err, ENOENT, "there is no %s to build for %s with: Debian and Ubuntu have it in the package %s",
                       name, b->q->arch,
                       b->q->llvm                         ? "clang, lld and llvm"
                       : strncmp(name, "aarch64", 7) == 0 ? "gcc-aarch64-linux-gnu"
                       : strncmp(name, "x86_64", 6) == 0  ? "gcc-x86-64-linux-gnu"
                                                          : "build-essential");
    if (r < 0)
        return r;
    return fc_buf_addf(ret, "%.*s\n", (int)strcspn(said.data ? said.data : "", "\n"), said.data ? said.data : "");
}

/* When the sources are from: the same for everybody who has them. */
static int64_t epoch_of(const struct fc_building *b)
{
    fc_auto(fc_free) char *path = NULL;
    struct stat st;

    if (b->q->epoch)
        return b->q->epoch;
    /* Of git's checkouts and copies the times are those of the copying. */
    if (strncmp(b->q->source->digest, "sha256:", 7) != 0 || asprintf(&path, "%s/Makefile", b->q->source->dir) < 0)
        return path = NULL, 1;
    return stat(path, &st) == 0 ? st.st_mtim.tv_sec : 1;
}

static int add_reproducible(struct fc_building *b)
{
    time_t epoch = (time_t)epoch_of(b);
    const char *dir = b->q->source->dir;
    char when[64];
    struct tm tm;

    strftime(when, sizeof(when), "%a %b %e %H:%M:%S UTC %Y", gmtime_r(&epoch, &tm));
    if (fc_building_arg(b, "KBUILD_BUILD_TIMESTAMP=%s", when) < 0 ||
        fc_building_arg(b, "KBUILD_BUILD_USER=fccompose") < 0 ||
        fc_building_arg(b, "KBUILD_BUILD_HOST=fccompose") < 0 || fc_building_arg(b, "KBUILD_BUILD_VERSION=1") < 0 ||
        fc_building_arg(b, "LOCALVERSION=") < 0 || fc_building_arg(b, "SOURCE_DATE_EPOCH=%lld", (long long)epoch) < 0 ||
        fc_building_arg(b, "KCFLAGS=-ffile-prefix-map=%s=. -ffile-prefix-map=%s=.", b->objects, dir) < 0 ||
        fc_building_arg(b, "KAFLAGS=-ffile-prefix-map=%s=. -ffile-prefix-map=%s=.", b->objects, dir) < 0)
        return -ENOMEM;
    return 0;
}

int fc_building_tools(struct fc_building *b, struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *cross = b->q->llvm ? "" : fc_building_cross(b), *cc = b->q->llvm ? "clang" : "gcc";
    int r = ask_version(b, cross, cc, &said, err);

    if (r == 0)
        r = ask_version(b, b->q->llvm ? "ld." : cross, b->q->llvm ? "lld" : "ld", &said, err);
    if (r < 0)
        return r;
    b->compiler = fc_steal(&said.data);
    b->srcarch = strcmp(b->q->arch, "aarch64") == 0 ? "arm64" : "x86";
    r = fc_building_arg(b, "ARCH=%s", strcmp(b->q->arch, "aarch64") == 0 ? "arm64" : "x86_64");
    if (r == 0 && b->q->llvm)
        r = fc_building_arg(b, "LLVM=1");
    else if (r == 0 && *cross)
        r = fc_building_arg(b, "CROSS_COMPILE=%s", cross);
    if (r == 0 && b->q->ccache)
        r = fc_building_arg(b, "CC=ccache %s%s", cross, cc);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

int fc_building_variables(struct fc_building *b, struct fc_error *err)
{
    return add_reproducible(b) < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

static bool begins_error(const char *line)
{
    static const char *const words[] = {" error:",     "fatal error", "*** ",         "undefined reference",
                                        "cannot find", ": not found", "No such file", "command not found"};

    for (size_t i = 0; i < FC_LENGTH(words); i++)
        if (strstr(line, words[i]))
            return true;
    return false;
}

/* "  CC      init/main.o" and the like. */
static bool is_object(const char *line)
{
    return line[0] == ' ' && line[1] == ' ' && line[2] >= 'A' && line[2] <= 'Z' && strchr(line + 3, ' ');
}

static void on_line(void *arg, const char *line)
{
    struct fc_building *b = arg;

    (void)!write(b->log_fd, line, strlen(line));
    (void)!write(b->log_fd, "\n", 1);
    if (is_object(line)) {
        b->done++;
        if (b->counting && b->q->progress && b->q->progress->update)
            b->q->progress->update(b->q->progress, b->total && b->done >= b->total ? b->total - 1 : b->done);
        return;
    }
    if (b->error_lines || begins_error(line)) {
        if (b->error_lines++ < ERROR_LINES)
            fc_buf_addf(&b->first_error, "%s\n", line);
    }
}

static int call(struct fc_building *b, const char **argv, const char *what, struct fc_error *err)
{
    static const char *const env[] = {"LC_ALL=C",       "MAKEFLAGS",     "MAKELEVEL", "MFLAGS",
                                      "KCONFIG_CONFIG", "KBUILD_OUTPUT", NULL};
    struct fc_child_options o = {.env = env, .line = on_line, .arg = b};
    int r;

    fc_buf_clear(&b->first_error);
    b->error_lines = 0;
    r = fc_child_lines(argv, &o, err);
    if (r <= 0)
        return r;
    for (char *save = NULL, *line = b->first_error.data ? strtok_r(b->first_error.data, "\n", &save) : NULL;
         line && b->q->error_line; line = strtok_r(NULL, "\n", &save))
        b->q->error_line(b->q->arg, line);
    return fc_fail(err, EIO, "%s failed (make ended with status %d); its whole output is in %s", what, r, b->log_path);
}

int fc_building_make(struct fc_building *b, const char *const *words, const char *what, struct fc_error *err)
{
    size_t n = 0, n_words = 0;
    fc_auto(fc_free) const char **argv = NULL;
    fc_auto(fc_free) char *o = NULL;
    const char *p;

    while (words[n_words])
        n_words++;
    argv = calloc(b->n_args + n_words + 8, sizeof(*argv));
    if (!argv || asprintf(&o, "O=%s", b->objects) < 0)
        return o = NULL, fc_fail(err, ENOMEM, "out of memory");
    argv[n++] = "make";
    argv[n++] = "-C";
    argv[n++] = b->q->source->dir;
    argv[n++] = "--no-print-directory";
    argv[n++] = o;
    p = b->args.data;
    for (size_t i = 0; i < b->n_args; i++, p += strlen(p) + 1)
        argv[n++] = p;
    for (size_t i = 0; i < n_words; i++)
        argv[n++] = words[i];
    return call(b, argv, what, err);
}

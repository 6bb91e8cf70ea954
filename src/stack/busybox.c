/* SPDX-License-Identifier: Apache-2.0 */
/* Make builtin:busybox: the host's static busybox, a symlink for each of its applets, and a small system around it. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/child.h"
#include "base/io.h"
#include "stack/busybox_files.h"
#include "stack/stack.h"

/* Every time in the layer: 2020-01-01 00:00:00 UTC, so that the same busybox gives the same layer. */
#define FIXED_TIME 1577836800

enum { PROGRAM_MAX = 64 << 20 };

/* Whether the program headers of @elf name no interpreter (the dynamic loader). */
static bool is_static(const char *elf, size_t size)
{
    bool wide = elf[EI_CLASS] == ELFCLASS64;
    Elf64_Ehdr h64;
    Elf32_Ehdr h32;
    uint64_t offset, n, each;

    if (size < sizeof(h64) || memcmp(elf, ELFMAG, SELFMAG) != 0)
        return false;
    memcpy(&h64, elf, sizeof(h64));
    memcpy(&h32, elf, sizeof(h32));
    offset = wide ? h64.e_phoff : h32.e_phoff;
    n = wide ? h64.e_phnum : h32.e_phnum;
    each = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (offset > size || n * each > size - offset)
        return false;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t type; /* the first member in both classes */

        memcpy(&type, elf + offset + i * each, sizeof(type));
        if (type == PT_INTERP)
            return false;
    }
    return n > 0;
}

static bool is_static_program(const char *path)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    char head[4096] = "";
    ssize_t n = fd < 0 ? -1 : fc_pread_full(fd, head, sizeof(head), 0);

    return n > 0 && is_static(head, (size_t)n);
}

int fc_busybox_find(const char **ret_path, struct fc_error *err)
{
    static const char *const places[] = {"/bin/busybox", "/usr/bin/busybox", "/bin/busybox.static",
                                         "/usr/local/bin/busybox"};
    bool dynamic = false;

    for (size_t i = 0; i < FC_LENGTH(places); i++) {
        if (access(places[i], X_OK) < 0)
            continue;
        if (is_static_program(places[i])) {
            *ret_path = places[i];
            return 0;
        }
        dynamic = true;
    }
    return fc_fail(err, ENOENT,
                   "builtin:busybox needs a statically linked busybox on this machine%s: install the package "
                   "busybox-static",
                   dynamic ? " (the one that is here is not)" : "");
}

struct busybox_iter {
    struct fc_entry_iter iter; /* first: it is what callers hold */
    struct fc_arena arena;     /* of the applets' paths */
    struct fc_buf program;
    char **applets; /* sorted */
    size_t n_applets, cap_applets, at;
    struct fc_entry entry;
    const char *content;
};

/* Entry @at: first the fixed files, then the program, then the symlinks. */
static void describe(struct busybox_iter *it, size_t at)
{
    struct fc_entry *e = &it->entry;

    *e = (struct fc_entry){.op = FC_ENTRY_ADD, .mtime = {.tv_sec = FIXED_TIME}, .offset = at};
    it->content = NULL;
    if (at < fc_n_busybox_files) {
        const struct fc_fixed_file *f = &fc_busybox_files[at];

        e->path = f->path;
        e->mode = f->mode;
        e->rdev_major = f->major;
        e->rdev_minor = f->minor;
        if (S_ISLNK(f->mode))
            e->target = f->text;
        else if (S_ISREG(f->mode))
            it->content = f->text;
        e->size = it->content ? strlen(it->content) : 0;
    } else if (at == fc_n_busybox_files) {
        e->path = "bin/busybox";
        e->mode = S_IFREG | 0755;
        e->size = it->program.len;
        it->content = it->program.data;
    } else {
        e->path = it->applets[at - fc_n_busybox_files - 1];
        e->mode = S_IFLNK | 0777;
        e->target = "/bin/busybox";
    }
}

static int busybox_next(struct fc_entry_iter *base, const struct fc_entry **ret_entry, struct fc_error *err)
{
    struct busybox_iter *it = (struct busybox_iter *)base;

    (void)err;
    if (it->at == fc_n_busybox_files + 1 + it->n_applets)
        return 0;
    describe(it, it->at++);
    *ret_entry = &it->entry;
    return 1;
}

static int busybox_read(struct fc_entry_iter *base, struct fc_block *ret_block, struct fc_error *err)
{
    struct busybox_iter *it = (struct busybox_iter *)base;

    (void)err;
    if (!it->content || it->entry.size == 0)
        return 0;
    *ret_block = (struct fc_block){.data = it->content, .size = it->entry.size};
    it->content = NULL;
    return 1;
}

static void busybox_free(struct fc_entry_iter *base)
{
    struct busybox_iter *it = (struct busybox_iter *)base;

    fc_arena_release(&it->arena);
    fc_buf_release(&it->program);
    free(it->applets);
    free(it);
}

/* Whether @path ("usr/bin/env") lies in one of our folders and is not a name that we give ourselves. */
static bool is_wanted(const char *path)
{
    static const char *const folders[] = {"bin/", "sbin/", "usr/bin/", "usr/sbin/"};

    if (strcmp(path, "sbin/init") == 0 || strcmp(path, "bin/busybox") == 0)
        return false;
    for (size_t i = 0; i < FC_LENGTH(folders); i++) {
        size_t len = strlen(folders[i]);

        if (strncmp(path, folders[i], len) == 0 && path[len] && !strchr(path + len, '/'))
            return true;
    }
    return false;
}

static int compare_paths(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static int list_applets(struct busybox_iter *it, const char *busybox, struct fc_error *err)
{
    const char *const argv[] = {busybox, "--list-full", NULL};
    fc_auto(fc_buf_release) struct fc_buf out = {0};
    bool shell = false;
    char *line, *rest = NULL;
    int r = fc_child_run(argv, &out, err);

    if (r < 0)
        return r;
    line = r == 0 && out.data ? strtok_r(out.data, "\n", &rest) : NULL;
    for (; line; line = strtok_r(NULL, "\n", &rest)) {
        line += *line == '/';
        if (!is_wanted(line))
            continue;
        if (fc_grow(&it->applets, &it->cap_applets, it->n_applets + 1, sizeof(*it->applets)) < 0 ||
            !(it->applets[it->n_applets] = fc_arena_copy(&it->arena, line, strlen(line))))
            return fc_fail(err, ENOMEM, "out of memory");
        it->n_applets++;
        shell = shell || strcmp(line, "bin/sh") == 0;
    }
    if (!shell)
        return fc_fail(err, EOPNOTSUPP, "%s --list-full does not name a shell: this busybox cannot be used", busybox);
    qsort(it->applets, it->n_applets, sizeof(*it->applets), compare_paths);
    return 0;
}

int fc_busybox_iter(const char *busybox, struct fc_entry_iter **ret, struct fc_error *err)
{
    struct busybox_iter *it = calloc(1, sizeof(*it));
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *owned = NULL;
    int r;

    if (!it)
        return fc_fail(err, ENOMEM, "out of memory");
    it->iter = (struct fc_entry_iter){.next = busybox_next, .read = busybox_read, .free = busybox_free};
    owned = &it->iter;
    r = fc_read_file(AT_FDCWD, busybox, PROGRAM_MAX, &it->program);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", busybox);
    r = list_applets(it, busybox, err);
    if (r < 0)
        return r;
    *ret = fc_steal(&owned);
    return 0;
}

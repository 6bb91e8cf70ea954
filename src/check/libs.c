/* SPDX-License-Identifier: Apache-2.0 */
/* Find the shared libraries of a program in the tree as its loader would: glibc's order (ld.so(8)), or musl's. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

enum { OBJECTS_MAX = 512, DIRS_MAX = 256, INCLUDES_MAX = 4 };

/* What is loaded: the program is the first. */
struct object {
    struct preflight_place at;
    struct preflight_elf elf;
    uint32_t parent; /* who needs it */
};

/* A loader at work. */
struct loader {
    struct fc_preflight *c;
    const char *program, *interp;
    bool musl;
    struct object *objects;
    size_t n, cap;
    const char *dirs[DIRS_MAX];
    size_t n_dirs;
};

static void add_dir(struct loader *l, const char *dir)
{
    if (*dir == '/' && l->n_dirs < DIRS_MAX)
        l->dirs[l->n_dirs++] = preflight_textf(l->c, "%s", dir);
}

static void read_conf(struct loader *l, const char *path, int depth);

/* A line "include PATTERN", such as all of a folder that ends in ".conf". */
static void include(struct loader *l, const char *pattern, int depth)
{
    const char *slash = strrchr(pattern, '/');
    const char *dir = *pattern == '/' ? preflight_textf(l->c, "%.*s", (int)(slash - pattern), pattern)
                      : slash         ? preflight_textf(l->c, "/etc/%.*s", (int)(slash - pattern), pattern)
                                      : "/etc";
    uint32_t n;
    const struct fc_snap_dentry *e = preflight_list(l->c, dir, &n);

    for (uint32_t i = 0; i < n && depth < INCLUDES_MAX; i++) {
        const char *name = preflight_textf(l->c, "%.*s", (int)e[i].name_len, e[i].name);

        if (fnmatch(slash ? slash + 1 : pattern, name, FNM_PERIOD) == 0)
            read_conf(l, preflight_textf(l->c, "%s/%s", dir, name), depth + 1);
    }
}

/* /etc/ld.so.conf: a directory a line, or several with colons, spaces or commas between them. */
static void read_conf(struct loader *l, const char *path, int depth)
{
    char *text = preflight_content(l->c, path), *line, *word, *save;

    while ((line = preflight_line(&text))) {
        line[strcspn(line, "#")] = '\0';
        word = strtok_r(line, " \t\r:,", &save);
        if (word && strcmp(word, "include") == 0) {
            while ((word = strtok_r(NULL, " \t\r", &save)))
                include(l, word, depth);
            continue;
        }
        for (; word && strcmp(word, "hwcap") != 0; word = strtok_r(NULL, " \t\r:,", &save)) {
            word[strcspn(word, "=")] = '\0';
            add_dir(l, word);
        }
    }
}

/* The folder of the architecture where Debian has its libraries. */
static const char *triple_of(const struct preflight_elf *e)
{
    static const char *const triples[][2] = {
        {"x86_64", "x86_64-linux-gnu"}, {"i386", "i386-linux-gnu"},       {"aarch64", "aarch64-linux-gnu"},
        {"arm", "arm-linux-gnueabihf"}, {"riscv64", "riscv64-linux-gnu"}, {"ppc64le", "powerpc64le-linux-gnu"},
        {"s390x", "s390x-linux-gnu"},
    };
    const char *arch = preflight_elf_arch(e);

    for (size_t i = 0; arch && i < FC_LENGTH(triples); i++)
        if (strcmp(triples[i][0], arch) == 0)
            return triples[i][1];
    return NULL;
}

static void musl_dirs(struct loader *l, const char *name)
{
    static const char usual[] = "/lib\n/usr/local/lib\n/usr/lib";
    const char *arch = name + strlen("ld-musl-");
    char *text =
        preflight_content(l->c, preflight_textf(l->c, "/etc/ld-musl-%.*s.path", (int)strcspn(arch, "."), arch));
    char *word, *save;

    if (!text)
        text = fc_arena_copy(&l->c->arena, usual, strlen(usual));
    for (word = text ? strtok_r(text, ":\n", &save) : NULL; word; word = strtok_r(NULL, ":\n", &save))
        add_dir(l, word);
}

static void find_dirs(struct loader *l, const struct preflight_elf *e)
{
    const char *name = strrchr(l->interp, '/'), *triple = triple_of(e);

    name = name ? name + 1 : l->interp;
    l->musl = strncmp(name, "ld-musl-", strlen("ld-musl-")) == 0;
    if (l->musl) {
        musl_dirs(l, name);
        return;
    }
    read_conf(l, "/etc/ld.so.conf", 0);
    if (triple) {
        add_dir(l, preflight_textf(l->c, "/lib/%s", triple));
        add_dir(l, preflight_textf(l->c, "/usr/lib/%s", triple));
    }
    add_dir(l, e->wide ? "/lib64" : "/lib32");
    add_dir(l, e->wide ? "/usr/lib64" : "/usr/lib32");
    add_dir(l, "/lib");
    add_dir(l, "/usr/lib");
}

/* Take what is at @path as the library that @by needs, if it is one for the same machine. Returns whether it is there. */
static bool load(struct loader *l, uint32_t by, const char *path)
{
    struct preflight_place at = preflight_find(l->c, path);
    const struct preflight_elf *first = &l->objects[0].elf;
    struct preflight_elf e;
    const char *why = NULL;
    int r;

    if (!S_ISREG(at.mode))
        return false;
    for (size_t i = 0; i < l->n; i++)
        if (l->objects[i].at.inode == at.inode)
            return true;
    r = preflight_elf_read(l->c, &at, &e, &why);
    if (r < 0)
        preflight_say(l->c, FC_PREFLIGHT_ELF_DAMAGED, at.path, "a library of %s: %s", l->program, why);
    if (r == 0 || (r > 0 && (e.machine != first->machine || e.wide != first->wide)))
        return false;
    if (l->n >= OBJECTS_MAX || r < 0)
        return true;
    if (fc_grow(&l->objects, &l->cap, l->n + 1, sizeof(*l->objects)) < 0)
        preflight_fail(l->c, ENOMEM, path);
    else
        l->objects[l->n++] = (struct object){at, e, by};
    return true;
}

/* One folder of a RPATH or RUNPATH, with what stands for something in it. */
static const char *expand(struct loader *l, const struct object *o, const char *dir, const char *lib)
{
    const char *dollar = strchr(dir, '$'), *name, *with;
    size_t len;

    if (!dollar)
        return dir;
    name = dollar + 1 + (dollar[1] == '{');
    len = strcspn(name, "}/");
    if (len == 6 && memcmp(name, "ORIGIN", 6) == 0)
        with = preflight_textf(l->c, "%.*s", (int)(strrchr(o->at.path, '/') - o->at.path), o->at.path);
    else if (len == 3 && memcmp(name, "LIB", 3) == 0)
        with = lib;
    else
        return dir;
    name += len + (name[len] == '}' && dollar[1] == '{');
    return preflight_textf(l->c, "%.*s%s%s", (int)(dollar - dir), dir, with, name);
}

static bool in_path(struct loader *l, uint32_t by, const struct object *o, const char *path, const char *name)
{
    const char *triple = triple_of(&o->elf);
    const char *libs[] = {triple ? preflight_textf(l->c, "lib/%s", triple) : "lib", o->elf.wide ? "lib64" : "lib32",
                          "lib"};
    char *text = fc_arena_copy(&l->c->arena, path, strlen(path)), *save, *dir;

    for (dir = text ? strtok_r(text, ":", &save) : NULL; dir; dir = strtok_r(NULL, ":", &save))
        for (size_t i = 0; i < FC_LENGTH(libs); i++)
            if (load(l, by, preflight_textf(l->c, "%s/%s", expand(l, o, dir, libs[i]), name)))
                return true;
    return false;
}

/* The paths that programs and libraries bring with them. */
static bool in_own_paths(struct loader *l, uint32_t by, const char *name)
{
    const struct object o = l->objects[by];
    uint32_t i = by;

    while (!o.elf.runpath || l->musl) {
        const struct object p = l->objects[i];
        const char *path = p.elf.runpath && l->musl ? p.elf.runpath : p.elf.runpath ? NULL : p.elf.rpath;

        if (path && in_path(l, by, &p, path, name))
            return true;
        if (i == 0)
            break;
        i = p.parent;
    }
    return o.elf.runpath && !l->musl && in_path(l, by, &o, o.elf.runpath, name);
}

static bool is_loaded(const struct loader *l, const char *name)
{
    const char *interp = strrchr(l->interp, '/');

    /* musl's loader is its C library, under all the names that others split it into. */
    if (strcmp(interp ? interp + 1 : l->interp, name) == 0 || (l->musl && strcmp(name, "libc.so") == 0))
        return true;
    for (size_t i = 1; i < l->n; i++)
        if (l->objects[i].elf.soname && strcmp(l->objects[i].elf.soname, name) == 0)
            return true;
    return false;
}

static void need(struct loader *l, uint32_t by, const char *name)
{
    const char *of = l->objects[by].at.path;
    bool found = is_loaded(l, name);

    if (!found && strchr(name, '/'))
        found = load(l, by, name);
    else if (!found)
        found = in_own_paths(l, by, name);
    for (size_t i = 0; i < l->n_dirs && !found && !strchr(name, '/'); i++)
        found = load(l, by, preflight_textf(l->c, "%s/%s", l->dirs[i], name));
    if (!found && by == 0)
        preflight_say(l->c, FC_PREFLIGHT_LIBRARY_MISSING, l->program,
                      "needs %s, which is in none of the loader's folders", name);
    else if (!found)
        preflight_say(l->c, FC_PREFLIGHT_LIBRARY_MISSING, l->program,
                      "%s, which it needs, needs %s, which is in none of the "
                      "loader's folders",
                      of, name);
}

void preflight_libraries(struct fc_preflight *c, const struct preflight_place *at, const struct preflight_elf *e)
{
    fc_auto(fc_free) struct loader *l = calloc(1, sizeof(*l));
    const char *interp = e->interp;

    if (!l || fc_grow(&l->objects, &l->cap, 1, sizeof(*l->objects)) < 0) {
        preflight_fail(c, ENOMEM, at->path);
        return;
    }
    l->c = c;
    l->program = at->path;
    l->interp = interp;
    l->objects[l->n++] = (struct object){*at, *e, 0};
    find_dirs(l, e);
    for (uint32_t i = 0; i < l->n && !c->failed; i++)
        for (size_t k = 0; k < l->objects[i].elf.n_needed; k++)
            need(l, i, l->objects[i].elf.needed[k]);
    free(l->objects);
}

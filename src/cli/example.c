/* SPDX-License-Identifier: Apache-2.0 */
/* Find the recipes that were installed with the program, or are beside it in its source tree, and copy one. */
#include "cli/example.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"

enum { FILE_MAX_BYTES = 1 << 20 };

/* PREFIX/bin/fccompose has PREFIX/share/fccompose/examples; build/fccompose has examples in the folder above. */
static int find_folder(char **ret, struct fc_error *err)
{
    static const char *const places[] = {"../share/fccompose/examples", "../examples"};
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    char *slash;

    exe[n < 0 ? 0 : n] = '\0';
    slash = strrchr(exe, '/');
    for (size_t i = 0; slash && i < FC_LENGTH(places); i++) {
        char *path;

        if (asprintf(&path, "%.*s/%s", (int)(slash - exe), exe, places[i]) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
        if (access(path, R_OK | X_OK) == 0) {
            *ret = path;
            return 0;
        }
        free(path);
    }
    return fc_fail(err, ENOENT, "the examples were not installed with this program");
}

static bool has_recipe(const char *folder, const char *name)
{
    fc_auto(fc_free) char *path = NULL;

    if (name[0] == '.' || strchr(name, '/') || asprintf(&path, "%s/%s/fccompose.yaml", folder, name) < 0) {
        path = NULL;
        return false;
    }
    return access(path, R_OK) == 0;
}

/* The names of all, with @between after each but the last. */
static int names_of(const char *folder, const char *between, struct fc_buf *ret, struct fc_error *err)
{
    struct dirent **list;
    int n = scandir(folder, &list, NULL, alphasort), r = 0;

    if (n < 0)
        return fc_fail_errno(err, errno, "%s", folder);
    for (int i = 0; i < n; i++) {
        if (r == 0 && has_recipe(folder, list[i]->d_name))
            r = fc_buf_addf(ret, "%s%s", ret->len ? between : "", list[i]->d_name);
        free(list[i]);
    }
    free(list);
    return r < 0 ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

static int list(const char *folder, struct fc_error *err)
{
    struct fc_buf names __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = names_of(folder, "\n", &names, err);

    if (r == 0 && names.len)
        puts(names.data);
    return r == 0 ? cli_flush(err) : r;
}

static int unknown(const char *folder, const char *name, struct fc_error *err)
{
    struct fc_buf names __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = names_of(folder, ", ", &names, err);

    if (r < 0)
        return r;
    return fc_fail(err, ENOENT, "there is no example \"%s\"; there are: %s", name, names.len ? names.data : "none");
}

static int copy_file(const char *from, const char *to, mode_t mode, struct fc_error *err)
{
    struct fc_buf data __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_close) int fd = -1;
    int r = fc_read_file(AT_FDCWD, from, FILE_MAX_BYTES, &data);

    if (r < 0)
        return fc_fail_errno(err, -r, "%s", from);
    fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    if (fd < 0)
        return fc_fail_errno(err, errno, "%s", to);
    r = fc_write_full(fd, data.data, data.len);
    return r < 0 ? fc_fail_errno(err, -r, "%s", to) : 0;
}

/* First whether anything is in the way, then all of it. */
static int copy_all(const char *folder, bool look_only, struct fc_error *err)
{
    char *roots[] = {strdup(folder), NULL};
    size_t len = strlen(folder);
    FTS *fts = roots[0] ? fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL) : NULL;
    FTSENT *e;
    int r = fts ? 0 : fc_fail_errno(err, errno, "%s", folder);

    while (r == 0 && (e = fts_read(fts)) != NULL) {
        const char *below = e->fts_path + len + (e->fts_path[len] == '/');

        if (e->fts_info == FTS_F && look_only)
            r = access(below, F_OK) == 0 ? fc_fail(err, EEXIST, "%s is there already", below) : 0;
        else if (e->fts_info == FTS_F)
            r = copy_file(e->fts_path, below, e->fts_statp->st_mode, err);
        else if (e->fts_info == FTS_D && *below && !look_only)
            r = fc_mkdir_all(below, err);
    }
    if (fts)
        fts_close(fts);
    free(roots[0]);
    return r;
}

int cli_example_copy(struct cli *cli, const char *name, struct fc_error *err)
{
    fc_auto(fc_free) char *folder = NULL, *path = NULL;
    int r = find_folder(&folder, err);

    if (r < 0)
        return r;
    if (strcmp(name, "list") == 0)
        return list(folder, err);
    if (!has_recipe(folder, name))
        return unknown(folder, name, err);
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = copy_all(path, true, err);
    if (r == 0)
        r = copy_all(path, false, err);
    if (r == 0)
        cli_say(cli, "fccompose.yaml: the example %s; next: fccompose build", name);
    return r;
}

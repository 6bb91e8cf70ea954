/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose ls: list directories of the tree. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/json.h"
#include "cli/view.h"

enum { OPT_LAYER = CLI_LONG_ONLY };

static const struct cli_option options[] = {
    {'l', 'l', "long", NULL, "type, permissions, names, owner, size, time", 0},
    {'R', 'R', "recursive", NULL, "directories below, too; prints whole paths", 0},
    {'d', 'd', "directory-itself", NULL, "a directory itself, not what is in it", 0},
    {'z', 'z', "null", NULL, "end lines with NUL, and print names as they are", 0},
    {OPT_LAYER, 0, "layer", "LAYER", "look into these layers, with no workspace; may be repeated", CLI_WORD_FILE},
    CLI_IMAGE_OPTION("look into this ext4 image, with no workspace"),
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* How to list. */
struct lister {
    const struct cli_view *view;
    const struct fc_snap_inode *inodes;
    const struct fc_snap_dentry *dentries;
    bool long_form, recursive, itself, null;
    json_t *list;
    struct fc_buf path; /* of the directory that is listed, with a slash at its end when recursive */
};

static void mode_text(uint32_t mode, char out[11])
{
    static const char rwx[] = "rwxrwxrwx";

    out[0] = S_ISDIR(mode)    ? 'd'
             : S_ISLNK(mode)  ? 'l'
             : S_ISBLK(mode)  ? 'b'
             : S_ISCHR(mode)  ? 'c'
             : S_ISFIFO(mode) ? 'p'
             : S_ISSOCK(mode) ? 's'
                              : '-';
    for (int i = 0; i < 9; i++)
        out[1 + i] = mode & (0400u >> i) ? rwx[i] : '-';
    if (mode & S_ISUID)
        out[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        out[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        out[9] = mode & S_IXOTH ? 't' : 'T';
    out[10] = '\0';
}

static void put_long(const struct fc_snap_inode *i)
{
    char mode[11], size[32], when[32] = "?";
    struct tm tm;

    mode_text(i->mode, mode);
    if (S_ISCHR(i->mode) || S_ISBLK(i->mode))
        snprintf(size, sizeof(size), "%u, %u", i->rdev_major, i->rdev_minor);
    else
        snprintf(size, sizeof(size), "%llu", (unsigned long long)i->size);
    if (gmtime_r(&i->mtime.tv_sec, &tm))
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    printf("%s %3u %5u %5u %10s %s ", mode, i->nlink, i->uid, i->gid, size, when);
}

static int put_json(struct lister *l, uint32_t inode, const char *path, size_t len)
{
    const struct fc_snap_inode *i = &l->inodes[inode];
    char mode[11], octal[16];
    json_t *o;

    mode_text(i->mode, mode);
    snprintf(octal, sizeof(octal), "%04o", i->mode & 07777u);
    o = json_pack("{s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I}", "mode", mode, "permissions", octal, "inode",
                  (json_int_t)i->ino, "links", (json_int_t)i->nlink, "uid", (json_int_t)i->uid, "gid",
                  (json_int_t)i->gid, "size", (json_int_t)i->size, "mtime", (json_int_t)i->mtime.tv_sec);
    cli_json_name(o, "path", path, len);
    if (i->target)
        cli_json_name(o, "target", i->target, strlen(i->target));
    if (S_ISCHR(i->mode) || S_ISBLK(i->mode)) {
        json_object_set_new(o, "major", json_integer(i->rdev_major));
        json_object_set_new(o, "minor", json_integer(i->rdev_minor));
    }
    return json_array_append_new(l->list, o) < 0 ? -ENOMEM : 0;
}

static int put(struct lister *l, uint32_t inode, const char *name, size_t len)
{
    const struct fc_snap_inode *i = &l->inodes[inode];

    if (l->list)
        return put_json(l, inode, name, len);
    if (l->long_form)
        put_long(i);
    cli_put_name(name, len, l->null);
    if (l->long_form && i->target) {
        fputs(" -> ", stdout);
        cli_put_name(i->target, strlen(i->target), l->null);
    }
    putchar(l->null ? '\0' : '\n');
    return 0;
}

/* What is in directory @dir, whose path is in l->path. Depth is bounded by the longest path that a tree may have. */
static int list(struct lister *l, uint32_t dir)
{
    size_t len = l->path.len;
    int r = 0;

    for (uint32_t n = 0; n < l->inodes[dir].n_dentries && r == 0; n++) {
        const struct fc_snap_dentry *d = &l->dentries[l->inodes[dir].first_dentry + n];

        if (!l->recursive && !l->list) {
            r = put(l, d->inode, d->name, d->name_len);
            continue;
        }
        r = fc_buf_add(&l->path, d->name, d->name_len);
        if (r == 0)
            r = put(l, d->inode, l->path.data, l->path.len);
        if (r == 0 && l->recursive && S_ISDIR(l->inodes[d->inode].mode)) {
            r = fc_buf_adds(&l->path, "/");
            if (r == 0)
                r = list(l, d->inode);
        }
        l->path.len = len;
        l->path.data[len] = '\0';
    }
    return r;
}

static int show(struct lister *l, const char *path, bool title, struct fc_error *err)
{
    uint32_t inode;
    int r = cli_view_find(l->view, path, !l->itself && !l->long_form, &inode, err);

    if (r < 0)
        return r;
    if (S_ISLNK(l->inodes[inode].mode) && !l->itself && path[0] && path[strlen(path) - 1] == '/')
        r = cli_view_find(l->view, path, true, &inode, err);
    if (r < 0)
        return r;
    if (l->itself || !S_ISDIR(l->inodes[inode].mode))
        return put(l, inode, path, strlen(path));
    if (title && !l->recursive && !l->list) {
        cli_put_name(path, strlen(path), l->null);
        fputs(":\n", stdout);
    }
    fc_buf_clear(&l->path);
    r = fc_buf_addf(&l->path, "%s%s%s", path[0] == '/' ? "" : "/", path,
                    path[0] && path[strlen(path) - 1] == '/' ? "" : "/");
    if (r == 0 && !path[0])
        fc_buf_clear(&l->path), r = fc_buf_adds(&l->path, "/");
    return r < 0 ? fc_fail_errno(err, -r, "%s", path) : list(l, inode);
}

static int show_all(struct cli *cli, const struct cli_args *args, const struct cli_view *v, struct fc_error *err)
{
    struct lister l = {
        .view = v,
        .inodes = cli_inodes(v->snapshot),
        .dentries = cli_dentries(v->snapshot),
        .long_form = cli_has(args, 'l'),
        .recursive = cli_has(args, 'R'),
        .itself = cli_has(args, 'd'),
        .null = cli_has(args, 'z'),
        .list = cli->json ? json_array() : NULL,
    };
    int r = args->n_operands ? 0 : show(&l, "/", false, err);

    for (size_t i = 0; i < args->n_operands && r == 0; i++)
        r = show(&l, args->operands[i], args->n_operands > 1, err);
    fc_buf_release(&l.path);
    if (r < 0) {
        json_decref(l.list);
        return r;
    }
    return l.list ? cli_json_print(l.list, err) : cli_flush(err);
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_view v = {0};
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_values(args, OPT_LAYER, &n);
    int r = layers ? cli_view_open_args(cli, args, layers, n, false, &v, err) : fc_fail_errno(err, ENOMEM, "ls");

    if (r == 0)
        r = show_all(cli, args, &v, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example examples[] = {
    {"A directory of the workspace", "fccompose ls -l /etc"},
    {"Every path of a tarball", "fccompose ls -R --layer alpine.tar.gz"},
    {"A directory of an image", "fccompose ls -l -i rootfs.ext4 /etc"},
    {0},
};

const struct cli_command cmd_ls = {
    .name = "ls",
    .group = CLI_GROUP_OUT,
    .summary = "List directories of the tree",
    .usage = "[OPTIONS] [PATH...]",
    .options = options,
    .about = "Needs no mount. Names are escaped as by `fccompose diff`; times are in UTC.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .run = run,
};

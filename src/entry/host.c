/* SPDX-License-Identifier: Apache-2.0 */
/* Ask the host about one object: stat, xattrs, names in a directory, hard links. */
#include "entry/host.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "base/cleanup.h"
#include "entry/entry.h"

int fc_host_stat(int dirfd, const char *name, struct fc_host_stat *ret)
{
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;

    if (fstatat(dirfd, name, &ret->st, flags) < 0)
        return -errno;
    ret->mount = ret->st.st_dev;
#ifdef STATX_MNT_ID
    /* The mount's number also tells bind mounts of one file system apart. */
    {
        struct statx sx;

        if (statx(dirfd, name, flags, STATX_MNT_ID, &sx) == 0 && (sx.stx_mask & STATX_MNT_ID))
            ret->mount = sx.stx_mnt_id;
    }
#endif
    return 0;
}

/* Where an object's xattrs are read: by descriptor, or by a path that reaches it without opening it. */
struct place {
    int fd;
    bool follow; /* the last part of the path is the link of a descriptor */
    struct fc_buf path;
};

static ssize_t place_list(const struct place *p, char *buffer, size_t size)
{
    ssize_t n;

    if (p->fd >= 0)
        n = flistxattr(p->fd, buffer, size);
    else
        n = p->follow ? listxattr(p->path.data, buffer, size) : llistxattr(p->path.data, buffer, size);
    return n < 0 ? -errno : n;
}

static ssize_t place_get(const struct place *p, const char *name, void *buffer, size_t size)
{
    ssize_t n;

    if (p->fd >= 0)
        n = fgetxattr(p->fd, name, buffer, size);
    else
        n = p->follow ? getxattr(p->path.data, name, buffer, size) : lgetxattr(p->path.data, name, buffer, size);
    return n < 0 ? -errno : n;
}

/* Append the value of @name, which may change between the question for its length and the one for its bytes. */
static ssize_t read_value(const struct place *p, const char *name, struct fc_buf *values)
{
    for (;;) {
        ssize_t n = place_get(p, name, NULL, 0);

        if (n < 0)
            return n;
        if (fc_buf_reserve(values, (size_t)n + 1) < 0)
            return -ENOMEM;
        n = place_get(p, name, values->data + values->len, (size_t)n + 1);
        if (n == -ERANGE)
            continue;
        if (n >= 0)
            values->len += (size_t)n;
        return n;
    }
}

static ssize_t read_names(const struct place *p, struct fc_buf *names)
{
    for (;;) {
        ssize_t n = place_list(p, NULL, 0);

        if (n <= 0)
            return n;
        fc_buf_clear(names);
        if (fc_buf_reserve(names, (size_t)n) < 0)
            return -ENOMEM;
        n = place_list(p, names->data, (size_t)n);
        if (n == -ERANGE)
            continue;
        if (n > 0)
            names->len = (size_t)n;
        return n;
    }
}

static int compare_xattrs(const void *a, const void *b)
{
    return strcmp(((const struct fc_xattr *)a)->name, ((const struct fc_xattr *)b)->name);
}

static int read_all(struct fc_host_xattrs *x, const struct place *p)
{
    ssize_t n = read_names(p, &x->names);

    if (n <= 0)
        return n == -EOPNOTSUPP ? 0 : (int)n;
    for (const char *name = x->names.data; name < x->names.data + x->names.len; name += strlen(name) + 1) {
        if (fc_xattr_is_host_only(name))
            continue;
        if (fc_grow(&x->list, &x->cap, x->n + 1, sizeof(*x->list)) < 0)
            return -ENOMEM;
        n = read_value(p, name, &x->values);
        if (n == -ENODATA || n == -EOPNOTSUPP) /* gone meanwhile, or listed but not for us */
            continue;
        if (n < 0)
            return (int)n;
        x->list[x->n++] = (struct fc_xattr){.name = name, .size = (size_t)n};
    }
    /* The values have their final place only now. */
    for (size_t i = 0, at = 0; i < x->n; at += x->list[i++].size)
        x->list[i].value = x->values.data + at;
    if (x->n)
        qsort(x->list, x->n, sizeof(*x->list), compare_xattrs);
    return 0;
}

int fc_host_xattrs_read(struct fc_host_xattrs *x, int fd, int dirfd, const char *name)
{
    struct place p = {.fd = fd, .follow = !*name};
    int r;

    x->n = 0;
    fc_buf_clear(&x->names);
    fc_buf_clear(&x->values);
    if (fd < 0 && (fc_buf_addf(&p.path, "/proc/self/fd/%d", dirfd) < 0 ||
                   (*name && (fc_buf_adds(&p.path, "/") < 0 || fc_buf_adds(&p.path, name) < 0)))) {
        fc_buf_release(&p.path);
        return -ENOMEM;
    }
    r = read_all(x, &p);
    /* Without /proc what cannot be opened cannot be asked. */
    if (r == -ENOENT && fd < 0 && access("/proc/self/fd", F_OK) < 0)
        r = 0;
    fc_buf_release(&p.path);
    return r;
}

void fc_host_xattrs_release(struct fc_host_xattrs *x)
{
    fc_buf_release(&x->names);
    fc_buf_release(&x->values);
    free(x->list);
    *x = (struct fc_host_xattrs){0};
}

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* Put the @n names of @unsorted into @names in byte order. */
static ssize_t sort_names(const struct fc_buf *unsorted, size_t n, struct fc_buf *names)
{
    fc_auto(fc_free) const char **list = calloc(n + 1, sizeof(*list));
    size_t i = 0;

    if (!list || fc_buf_reserve(names, unsorted->len) < 0)
        return -ENOMEM;
    for (const char *p = unsorted->data; i < n; p += strlen(p) + 1)
        list[i++] = p;
    qsort(list, n, sizeof(*list), compare_names);
    for (i = 0; i < n; i++)
        if (fc_buf_add(names, list[i], strlen(list[i]) + 1) < 0)
            return -ENOMEM;
    return (ssize_t)n;
}

ssize_t fc_host_names(int fd, struct fc_buf *names)
{
    fc_auto(fc_buf_release) struct fc_buf unsorted = {0};
    int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own < 0 ? NULL : fdopendir(own);
    size_t n = 0;
    ssize_t r;

    if (!dir) {
        r = -errno;
        if (own >= 0)
            close(own);
        return r;
    }
    for (;;) {
        struct dirent *d;

        errno = 0;
        d = readdir(dir);
        if (!d)
            break;
        if (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0)
            continue;
        if (fc_buf_add(&unsorted, d->d_name, strlen(d->d_name) + 1) < 0) {
            errno = ENOMEM;
            break;
        }
        n++;
    }
    r = errno ? -errno : sort_names(&unsorted, n, names);
    closedir(dir);
    return r;
}

struct fc_host_link {
    uint64_t dev, ino;
    const char *path;
    uint64_t next; /* another object with the same hash */
};

int fc_host_links_meet(struct fc_host_links *l, const struct stat *st, const char *path, const char **ret_path)
{
    uint64_t id[2] = {st->st_dev, st->st_ino}, key = fc_hash(0, id, sizeof(id)) >> 1, first = UINT64_MAX;
    struct fc_host_link link = {.dev = id[0], .ino = id[1]};

    if (!fc_map_get(&l->map, key, &first))
        first = UINT64_MAX;
    for (uint64_t i = first; i != UINT64_MAX; i = l->links[i].next) {
        if (l->links[i].dev == link.dev && l->links[i].ino == link.ino) {
            *ret_path = l->links[i].path;
            return 1;
        }
    }
    link.next = first;
    link.path = fc_arena_copy(&l->arena, path, strlen(path));
    if (!link.path || fc_grow(&l->links, &l->cap, l->n + 1, sizeof(*l->links)) < 0)
        return -ENOMEM;
    l->links[l->n] = link;
    if (fc_map_set(&l->map, key, l->n) < 0)
        return -ENOMEM;
    l->n++;
    return 0;
}

void fc_host_links_release(struct fc_host_links *l)
{
    fc_map_release(&l->map);
    free(l->links);
    fc_arena_release(&l->arena);
    *l = (struct fc_host_links){0};
}

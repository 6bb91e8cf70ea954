/* SPDX-License-Identifier: Apache-2.0 */
/* Paths from the command line, and paths and contents in a snapshot. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "cli/view.h"
#include "entry/entry.h"

enum { MAX_LINKS = 40, CHUNK = 1 << 20 };

int cli_paths_take(const char *const *operands, size_t n, struct cli_paths *ret, struct fc_error *err)
{
    struct fc_buf one __attribute__((cleanup(fc_buf_release_auto))) = {0};

    *ret = (struct cli_paths){.list = calloc(n + 1, sizeof(*ret->list))};
    if (!ret->list)
        return fc_fail_errno(err, ENOMEM, "paths");
    for (; ret->n < n; ret->n++) {
        int r = fc_path_normalise(operands[ret->n], strlen(operands[ret->n]), &one, err);

        if (r < 0)
            return r;
        ret->list[ret->n] = strdup(one.data ? one.data : "");
        if (!ret->list[ret->n])
            return fc_fail_errno(err, ENOMEM, "paths");
    }
    return 0;
}

bool cli_paths_cover(const struct cli_paths *paths, const char *path)
{
    for (size_t i = 0; i < paths->n; i++) {
        size_t len = strlen(paths->list[i]);

        if (!len || (strncmp(path, paths->list[i], len) == 0 && (!path[len] || path[len] == '/')))
            return true;
    }
    return paths->n == 0;
}

void cli_paths_release(struct cli_paths *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        free(paths->list[i]);
    free(paths->list);
    *paths = (struct cli_paths){0};
}

static uint32_t child(const struct fc_snapshot *s, const struct fc_snap_inode *dir, const char *name, size_t len)
{
    const struct fc_snap_dentry *dentries = cli_dentries(s) + dir->first_dentry;
    uint32_t low = 0, high = dir->n_dentries;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct fc_snap_dentry *d = &dentries[mid];
        size_t common = d->name_len < len ? d->name_len : len;
        int order = memcmp(d->name, name, common);

        if (order == 0 && d->name_len == len)
            return d->inode;
        if (order < 0 || (order == 0 && d->name_len < len))
            low = mid + 1;
        else
            high = mid;
    }
    return FC_TREE_NONE;
}

/* Put the symlink's text in front of what is left of the path. */
static int splice(struct fc_buf *path, size_t at, const char *target)
{
    struct fc_buf next = {0};
    int r = fc_buf_adds(&next, target);

    if (r == 0)
        r = fc_buf_adds(&next, "/");
    if (r == 0)
        r = fc_buf_add(&next, path->data + at, path->len - at);
    if (r == 0 && next.len > FC_PATH_MAX)
        r = -ENAMETOOLONG;
    fc_buf_release(path);
    *path = next;
    return r;
}

static int walk(const struct fc_snapshot *s, struct fc_buf *path, bool follow, uint32_t *ret_inode)
{
    const struct fc_snap_inode *inodes = cli_inodes(s);
    uint32_t at = 0, next;
    size_t pos = 0;
    int links = 0, r;

    for (;;) {
        size_t begin, len;
        bool last;

        pos += strspn(path->data + pos, "/");
        len = strcspn(path->data + pos, "/");
        if (!len)
            break;
        begin = pos;
        pos += len;
        last = !path->data[pos]; /* "link/" means what the link points to */
        if (!S_ISDIR(inodes[at].mode))
            return -ENOTDIR;
        if (len == 1 && path->data[begin] == '.')
            continue;
        if (len == 2 && memcmp(path->data + begin, "..", 2) == 0) {
            at = inodes[at].parent == FC_TREE_NONE ? 0 : inodes[at].parent;
            continue;
        }
        next = child(s, &inodes[at], path->data + begin, len);
        if (next == FC_TREE_NONE)
            return -ENOENT;
        if (!S_ISLNK(inodes[next].mode) || (last && !follow)) {
            at = next;
            continue;
        }
        if (++links > MAX_LINKS)
            return -ELOOP;
        if (inodes[next].target[0] == '/')
            at = 0;
        r = splice(path, pos, inodes[next].target);
        if (r < 0)
            return r;
        pos = 0;
    }
    *ret_inode = at;
    return 0;
}

int cli_view_find(const struct cli_view *v, const char *path, bool follow, uint32_t *ret_inode, struct fc_error *err)
{
    struct fc_buf rest __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_buf_adds(&rest, path);

    if (r == 0)
        r = fc_buf_reserve(&rest, 1);
    if (r == 0 && !rest.data[0])
        r = fc_buf_adds(&rest, "/");
    if (r == 0)
        r = walk(v->snapshot, &rest, follow, ret_inode);
    return r < 0 ? fc_fail_errno(err, -r, "%s", path) : 0;
}

static int put_zeros(int fd, uint64_t n)
{
    static const char zeros[65536];
    int r = 0;

    while (n && r == 0) {
        size_t now = n < sizeof(zeros) ? (size_t)n : sizeof(zeros);

        r = fc_write_full(fd, zeros, now);
        n -= now;
    }
    return r;
}

static int put_extent(const struct fc_snap_source *source, const struct fc_snap_extent *e, uint64_t length,
                      char *buffer, int fd, struct fc_error *err)
{
    char name[512];

    for (uint64_t done = 0; done < length;) {
        uint64_t left = length - done;
        size_t want = left < CHUNK ? (size_t)left : (size_t)CHUNK;
        ssize_t n = fc_snap_source_read(source, buffer, want, e->source_offset + done);
        int r;

        if (n <= 0)
            return fc_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read %s",
                                 fc_fd_path(source->fd, name, sizeof(name)));
        r = fc_write_full(fd, buffer, (size_t)n);
        if (r < 0)
            return fc_fail_errno(err, -r, "cannot write the content");
        done += (uint64_t)n;
    }
    return 0;
}

static int cat(const struct fc_snapshot *s, uint32_t inode, int fd, struct fc_error *err)
{
    const struct fc_snap_inode *i = &cli_inodes(s)[inode];
    const struct fc_snap_extent *extents = cli_extents(s) + i->first_extent;
    const struct fc_snap_source *sources = cli_sources(s);
    fc_auto(fc_free) char *buffer = malloc(CHUNK);
    uint64_t at = 0;
    int r = buffer ? 0 : -ENOMEM;

    for (uint32_t n = 0; n < i->n_extents && r == 0 && extents[n].offset < i->size; n++) {
        uint64_t length = extents[n].length;

        if (length > i->size - extents[n].offset)
            length = i->size - extents[n].offset;
        r = put_zeros(fd, extents[n].offset - at);
        if (r < 0)
            break;
        r = put_extent(&sources[extents[n].source], &extents[n], length, buffer, fd, err);
        if (r < 0)
            return r;
        at = extents[n].offset + length;
    }
    if (r == 0)
        r = put_zeros(fd, i->size - at);
    return r < 0 ? fc_fail_errno(err, -r, "cannot write the content") : 0;
}

int cli_view_cat(const struct cli_view *v, uint32_t inode, int fd, struct fc_error *err)
{
    struct fc_ext4_read_options options = {.no_content = true, .no_warnings = true};
    struct fc_snapshot *s = NULL;
    uint32_t n;
    int r;

    if (!v->image)
        return cat(v->snapshot, inode, fd, err);
    /* Contents may have to be copied first: of this file, and not of all others, too. */
    options.content_of = cli_inodes(v->snapshot)[inode].ino;
    r = fc_ext4_read_image(v->image, &options, &s, err);
    if (r < 0)
        return r;
    fc_snapshot_inodes(s, &n);
    r = inode < n ? cat(s, inode, fd, err) : fc_fail(err, EIO, "%s has changed while it was read", v->image);
    fc_snapshot_free(s);
    return r;
}

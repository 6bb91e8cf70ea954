/* SPDX-License-Identifier: Apache-2.0 */
/* Find the saved plan of an unedited stack, and refuse what cannot be relied on. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fccompose/fccompose.h>

#include "base/digest.h"
#include "ext4/saved.h"

bool fc_ext4_can_save(const struct fc_ext4_options *o)
{
    return !o->size && !o->compact && !o->read_only && !o->inline_data && !o->label_of;
}

int fc_ext4_saved_key(const struct fc_digest *stack, const struct fc_ext4_options *o, struct fc_digest *ret_key)
{
    fc_auto(fc_hasher_free) struct fc_hasher *h = fc_hasher_new();
    const char *label = o->label ? o->label : "rootfs", *version = fc_version();
    const uint64_t words[] = {FC_EXT4_SAVED_VERSION,
                              o->free_bytes,
                              o->have_uuid,
                              o->journal,
                              o->journal_bytes,
                              o->inode_size ? o->inode_size : 256,
                              o->n_inodes,
                              o->reserved_permille,
                              o->align,
                              (uint64_t)o->epoch,
                              o->profile,
                              o->clamp_times};
    int r = h ? fc_hasher_add(h, words, sizeof(words)) : -ENOMEM;

    if (r == 0)
        r = fc_hasher_add(h, stack, sizeof(*stack));
    if (r == 0)
        r = fc_hasher_add(h, o->uuid, sizeof(o->uuid));
    if (r == 0)
        r = fc_hasher_add(h, label, strlen(label) + 1);
    if (r == 0)
        r = fc_hasher_add(h, version, strlen(version));
    return r == 0 ? fc_hasher_finish(h, ret_key) : r;
}

char *fc_ext4_saved_path(const char *dir, const struct fc_digest *key)
{
    char text[FC_DIGEST_TEXT], *path;

    fc_digest_format(key, text);
    return asprintf(&path, "%s/" FC_RECORD_PLAN_PREFIX "%.32s", dir, text + strlen("sha256:")) < 0 ? NULL : path;
}

/* Point @s at a table of @n rows of @size bytes at *at, which goes on behind it. NULL: the file is too short. */
static void *table(const struct fc_ext4_saved *s, uint64_t *at, uint64_t n, size_t size)
{
    uint64_t begin = *at;

    if (begin > s->size || n > (s->size - begin) / size)
        return NULL;
    *at += (n * size + 7) & ~UINT64_C(7);
    return (char *)s->map + begin;
}

static bool find_tables(struct fc_ext4_saved *s)
{
    const struct fc_ext4_saved_header *h = s->header;
    uint64_t at = sizeof(*h);

    s->nodes = table(s, &at, h->n_nodes, sizeof(*s->nodes));
    s->runs = s->nodes ? table(s, &at, h->n_runs, sizeof(*s->runs)) : NULL;
    s->trees = s->runs ? table(s, &at, h->n_trees, sizeof(*s->trees)) : NULL;
    s->segments = s->trees ? table(s, &at, h->n_segments, sizeof(*s->segments)) : NULL;
    s->leaves = s->segments ? table(s, &at, h->n_leaves, sizeof(*s->leaves)) : NULL;
    s->dirs = s->leaves ? table(s, &at, h->n_dirs, sizeof(*s->dirs)) : NULL;
    s->blocks = s->dirs ? table(s, &at, h->block_bytes, 1) : NULL;
    s->numbers = s->blocks ? table(s, &at, h->number_bytes, 1) : NULL;
    return s->numbers && at == s->size && h->n_nodes >= FC_EXT4_NODE_TREE && h->block_bytes == h->n_blocks / 8 + 1 &&
           h->number_bytes == h->last_ino / 8 + 1;
}

static bool is_whole(const struct fc_ext4_saved *s, const struct fc_digest *key)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new_fast();
    const struct fc_ext4_saved_header *h = s->header;
    struct fc_ext4_saved_header plain = *h;
    struct fc_digest sum;

    memset(&plain.sum, 0, sizeof(plain.sum));
    return memcmp(h->magic, FC_EXT4_SAVED_MAGIC, sizeof(h->magic)) == 0 && memcmp(&h->key, key, sizeof(*key)) == 0 &&
           hasher && fc_hasher_add(hasher, (const char *)s->map + sizeof(*h), s->size - sizeof(*h)) == 0 &&
           fc_hasher_add(hasher, &plain, sizeof(plain)) == 0 && fc_hasher_finish(hasher, &sum) == 0 &&
           memcmp(&sum, &h->sum, sizeof(sum)) == 0;
}

int fc_ext4_saved_open(const char *dir, const struct fc_digest *key, struct fc_ext4_saved *ret)
{
    fc_auto(fc_free) char *path = fc_ext4_saved_path(dir, key);
    fc_auto(fc_close) int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
    struct fc_ext4_saved s = {0};
    struct stat st;

    if (!path)
        return -ENOMEM;
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != geteuid() || (st.st_mode & 022) ||
        (uint64_t)st.st_size < sizeof(*s.header) || (uint64_t)st.st_size > FC_EXT4_SAVED_MOST)
        return -ENOENT;
    s.size = (size_t)st.st_size;
    s.map = mmap(NULL, s.size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (s.map == MAP_FAILED)
        return -ENOENT;
    s.header = s.map;
    if (!is_whole(&s, key) || !find_tables(&s)) {
        fc_ext4_saved_release(&s);
        return -ENOENT;
    }
    *ret = s;
    return 0;
}

void fc_ext4_saved_release(struct fc_ext4_saved *saved)
{
    if (saved->map)
        munmap(saved->map, saved->size);
    memset(saved, 0, sizeof(*saved));
}

uint32_t fc_ext4_saved_find(const struct fc_ext4_saved *saved, uint64_t ino)
{
    size_t low = FC_EXT4_NODE_TREE, high = saved->header->n_nodes;

    if (ino == 1)
        return FC_EXT4_NODE_ROOT;
    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (saved->nodes[middle].ino == ino)
            return (uint32_t)middle;
        if (saved->nodes[middle].ino < ino)
            low = middle + 1;
        else
            high = middle;
    }
    return FC_TREE_NONE;
}

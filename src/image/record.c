/* SPDX-License-Identifier: Apache-2.0 */
/* Keep what was written to an output, so that the next image for the same place can start from it. */
#include "image/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/io.h"
#include "base/map.h"

#define MAGIC "fc-frozen-2\n"
#define RECORD_MOST (1u << 30)
#define RECORD_NAME 32u  /* digits */
#define RECORDS_MOST 64u /* in a folder; the oldest go */

/* The file: this, the keys, the segments, the note, and the digest of all that. As the host has its numbers: it never leaves it. */
struct header {
    char magic[16];
    struct fc_record_identity identity;
    uint64_t n_keys, n_segments, n_note;
};

int fc_record_path(const char *dir, const char *output, char **ret_path)
{
    const char *slash = strrchr(output, '/'), *name = slash ? slash + 1 : output;
    fc_auto(fc_free) char *folder = slash ? strndup(output, (size_t)(slash - output) + 1) : strdup(".");
    fc_auto(fc_free) char *real = folder ? realpath(folder, NULL) : NULL, *whole = NULL;
    char text[FC_DIGEST_TEXT];
    struct fc_digest d;

    if (!real)
        return folder ? -errno : -ENOMEM;
    if (asprintf(&whole, "%s/%s", real, name) < 0)
        return whole = NULL, -ENOMEM;
    if (fc_digest_of(whole, strlen(whole), &d) < 0)
        return -EIO;
    fc_digest_format(&d, text);
    return asprintf(ret_path, "%s/%.32s", dir, text + strlen("sha256:")) < 0 ? -ENOMEM : 0;
}

/* The random number of this boot, from /proc; zero on failure, which fits no record. */
static void get_boot(uint8_t to[16])
{
    struct fc_buf text = {0};
    struct fc_digest d;

    memset(to, 0, 16);
    if (fc_read_file(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 4096, &text) == 0 && text.len > 0 &&
        fc_digest_of(text.data, text.len, &d) == 0)
        memcpy(to, d.bytes, 16);
    fc_buf_release(&text);
}

static struct fc_record_identity identity_of(const struct stat *st)
{
    return (struct fc_record_identity){.dev = st->st_dev,
                                       .ino = st->st_ino,
                                       .size = (uint64_t)st->st_size,
                                       .mtime = st->st_mtim.tv_sec,
                                       .ctime = st->st_ctim.tv_sec,
                                       .mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
                                       .ctime_ns = (uint32_t)st->st_ctim.tv_nsec};
}

bool fc_record_fits(const struct fc_record *r, const struct stat *st)
{
    struct fc_record_identity now = identity_of(st);
    uint8_t boot[16], none[16] = {0};

    get_boot(boot);
    memcpy(now.boot, r->identity.boot, sizeof(now.boot));
    return memcmp(&now, &r->identity, sizeof(now)) == 0 &&
           (memcmp(now.boot, none, sizeof(none)) == 0 || memcmp(now.boot, boot, sizeof(boot)) == 0);
}

/* Check that what the bytes at @b say can be relied on, and point @ret into them. */
static int parse(const struct fc_buf *b, struct header *ret)
{
    struct fc_digest d;
    uint64_t left;

    if (b->len < sizeof(*ret) + sizeof(d))
        return -EBADMSG;
    memcpy(ret, b->data, sizeof(*ret));
    left = b->len - sizeof(*ret) - sizeof(d);
    if (strncmp(ret->magic, MAGIC, sizeof(ret->magic)) != 0 || ret->n_keys > left / sizeof(d) ||
        ret->n_segments > left / sizeof(struct fc_record_segment) || ret->n_note > left ||
        ret->n_keys * sizeof(d) + ret->n_segments * sizeof(struct fc_record_segment) + ret->n_note != left)
        return -EBADMSG;
    if (fc_digest_of(b->data, b->len - sizeof(d), &d) < 0 || memcmp(&d, b->data + b->len - sizeof(d), sizeof(d)) != 0)
        return -EBADMSG;
    return 0;
}

static int copy_out(const struct fc_buf *b, const struct header *h, struct fc_record *ret)
{
    struct fc_record r = {
        .identity = h->identity, .n_keys = h->n_keys, .n_segments = h->n_segments, .n_note = h->n_note};
    size_t keys = (size_t)h->n_keys * sizeof(*r.keys), segments = (size_t)h->n_segments * sizeof(*r.segments);

    r.keys = malloc(keys + 1);
    r.segments = malloc(segments + 1);
    r.note = malloc((size_t)h->n_note + 1);
    if (!r.keys || !r.segments || !r.note) {
        fc_record_release(&r);
        return -ENOMEM;
    }
    memcpy(r.keys, b->data + sizeof(*h), keys);
    memcpy(r.segments, b->data + sizeof(*h) + keys, segments);
    memcpy(r.note, b->data + sizeof(*h) + keys + segments, (size_t)h->n_note);
    *ret = r;
    return 0;
}

int fc_record_load(const char *path, struct fc_record *ret)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf b = {0};
    struct header h;
    int r = fc_read_file(AT_FDCWD, path, RECORD_MOST, &b);

    if (r == 0)
        r = parse(&b, &h);
    return r == 0 ? copy_out(&b, &h, ret) : r;
}

void fc_record_release(struct fc_record *r)
{
    free(r->keys);
    free(r->segments);
    free(r->note);
    *r = (struct fc_record){0};
}

static bool later(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec : a->tv_nsec > b->tv_nsec;
}

int fc_record_settle(int fd, struct stat *ret)
{
    struct timespec now, pause = {0, 500000};

    if (fstat(fd, ret) < 0)
        return -errno;
    /* The coarse clock steps a few milliseconds at a time; a host whose clock is behind its files' is not waited for. */
    for (int i = 0; i < 40; i++) {
        if (clock_gettime(CLOCK_REALTIME_COARSE, &now) == 0 && later(&now, &ret->st_mtim))
            return 0;
        nanosleep(&pause, NULL);
    }
    return -EAGAIN;
}

/* Building */

struct build {
    struct fc_buf keys, segments;
    struct fc_map index_of; /* descriptor to index of its key */
    uint64_t n_keys, n_segments;
};

static int key_index(struct build *b, const struct fc_image *image, int fd, uint32_t *ret)
{
    const struct fc_digest *key = fc_image_source_key(image, fd);
    uint64_t index = b->n_keys;
    int r;

    *ret = FC_RECORD_OTHER;
    if (!key)
        return 0;
    if (!fc_map_get(&b->index_of, (uint64_t)fd, &index)) {
        r = fc_map_set(&b->index_of, (uint64_t)fd, index);
        if (r == 0)
            r = fc_buf_add(&b->keys, key, sizeof(*key));
        if (r < 0)
            return r;
        b->n_keys++;
    }
    *ret = (uint32_t)index;
    return 0;
}

static int add_segment(struct build *b, const struct fc_image *image, const struct fc_segment *s)
{
    struct fc_record_segment out = {.offset = s->offset, .length = s->length, .source = FC_RECORD_OTHER};
    int r = 0;

    if (s->kind == FC_SEGMENT_ZERO)
        return 0;
    if (s->kind == FC_SEGMENT_FILE) {
        r = key_index(b, image, s->file.fd, &out.source);
        out.source_offset = s->file.offset;
    }
    b->n_segments++;
    return r == 0 ? fc_buf_add(&b->segments, &out, sizeof(out)) : r;
}

static int build(struct build *b, const struct fc_image *image, uint64_t file_size)
{
    size_t n;
    const struct fc_segment *s = fc_image_segments(image, &n);
    uint64_t size = fc_image_size(image);
    struct fc_record_segment behind = {.offset = size, .length = file_size - size, .source = FC_RECORD_OTHER};
    int r = 0;

    for (size_t i = 0; i < n && r == 0; i++)
        r = add_segment(b, image, &s[i]);
    if (r == 0 && behind.length) {
        b->n_segments++;
        r = fc_buf_add(&b->segments, &behind, sizeof(behind));
    }
    return r;
}

static int join(const struct build *b, const struct fc_record_identity *identity,
                const struct fc_image_write_options *options, struct fc_buf *out)
{
    struct header h = {.magic = MAGIC,
                       .identity = *identity,
                       .n_keys = b->n_keys,
                       .n_segments = b->n_segments,
                       .n_note = options->n_note};
    struct fc_digest d;
    int r = fc_buf_add(out, &h, sizeof(h));

    if (r == 0)
        r = fc_buf_add(out, b->keys.data, b->keys.len);
    if (r == 0)
        r = fc_buf_add(out, b->segments.data, b->segments.len);
    if (r == 0)
        r = fc_buf_add(out, options->note, options->n_note);
    if (r == 0)
        r = fc_digest_of(out->data, out->len, &d);
    return r == 0 ? fc_buf_add(out, &d, sizeof(d)) : r;
}

/* A name that a record had while it was written; an hour later its writer is dead. */
static bool is_left(const char *name, const struct stat *st)
{
    return name[0] == '.' && S_ISREG(st->st_mode) && time(NULL) - st->st_mtim.tv_sec > 3600;
}

/* Remove the oldest of @dir while it has too many: outputs come and go, and nobody says when. And what was left. */
static void thin_out(const char *dir)
{
    char oldest[NAME_MAX + 1] = "";
    struct timespec age = {0};
    struct stat st;
    DIR *d = opendir(dir);
    const struct dirent *e;
    unsigned n = 0;

    while (d && (e = readdir(d))) {
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (is_left(e->d_name, &st))
            unlinkat(dirfd(d), e->d_name, 0);
        if (strlen(e->d_name) != RECORD_NAME)
            continue;
        if (n++ == 0 || later(&age, &st.st_mtim)) {
            age = st.st_mtim;
            snprintf(oldest, sizeof(oldest), "%s", e->d_name);
        }
    }
    if (n > RECORDS_MOST)
        unlinkat(dirfd(d), oldest, 0);
    if (d)
        closedir(d);
}

static int put(const char *path, const struct fc_buf *b)
{
    fc_auto(fc_free) char *dir = strdup(path);
    int r;

    if (!dir)
        return -ENOMEM;
    *strrchr(dir, '/') = '\0';
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return -errno;
    r = fc_atomic_write(path, b->data, b->len, false, NULL);
    if (r == 0)
        thin_out(dir);
    return r;
}

int fc_record_save(const char *path, const struct fc_image *image, int fd, const struct stat *settled,
                   const struct fc_image_write_options *options)
{
    __attribute__((cleanup(fc_buf_release_auto))) struct fc_buf out = {0};
    struct fc_record_identity identity;
    struct build b = {0};
    struct stat st;
    int r;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (st.st_size != settled->st_size || later(&st.st_mtim, &settled->st_mtim) ||
        later(&settled->st_mtim, &st.st_mtim))
        return -ESTALE;
    identity = identity_of(&st);
    if (options->no_sync)
        get_boot(identity.boot);
    r = build(&b, image, (uint64_t)st.st_size);
    if (r == 0)
        r = join(&b, &identity, options, &out);
    if (r == 0)
        r = put(path, &out);
    fc_buf_release(&b.keys);
    fc_buf_release(&b.segments);
    fc_map_release(&b.index_of);
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Digest an image on other cores while it is written: of the whole in order, of its pieces and blocks in any order. */
#include "image/sums.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "image/beside.h"
#include "image/verity.h"

#define CHUNK FC_IMAGE_CHUNK
#define BLOCKS (CHUNK / FC_VERITY_BLOCK)
#define PIECE (256u << 10) /* read at once for the digest of the whole */
#define WORKERS_MOST 8u

struct fc_sums {
    const struct fc_image *image;
    const struct fc_image_write_options *options;
    uint64_t size;
    bool want_tree;
    struct fc_verity verity;
    struct fc_digest *chunks; /* of the whole file, an appended area included */
    uint64_t n_chunks;
    struct fc_digest whole, zero_chunk, zero_block;

    pthread_t workers[WORKERS_MOST], in_order;
    unsigned n_workers;
    bool has_in_order;
    atomic_uint_fast64_t next; /* the first chunk that no worker has */
    atomic_bool stop;
    pthread_mutex_t lock; /* for what follows */
    pthread_cond_t area_ready;
    bool area_done;
    struct fc_error err; /* the first failure */
};

static const unsigned char zeros[CHUNK];

bool fc_sums_wanted(const struct fc_image_write_options *o)
{
    return o->sha256 || o->chunks || o->verity.append || o->verity.path;
}

/* Keep the first failure; the others stop. */
static void *give_up(struct fc_sums *s, int r, const struct fc_error *err)
{
    pthread_mutex_lock(&s->lock);
    if (!s->err.code) {
        if (err->code)
            s->err = *err;
        else
            fc_fail_errno(&s->err, -r, "cannot digest the image");
    }
    s->stop = true;
    pthread_cond_broadcast(&s->area_ready);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static bool all_zeros(const struct fc_sums *s, uint64_t offset, uint64_t n)
{
    size_t count;
    const struct fc_segment *seg = fc_image_segments(s->image, &count) + fc_image_find(s->image, offset);

    return seg->kind == FC_SEGMENT_ZERO && offset + n <= seg->offset + seg->length;
}

/* Pieces and blocks */

static uint64_t at_most(uint64_t n, uint64_t most) { return n < most ? n : most; }

static int digest_blocks(struct fc_sums *s, struct fc_hasher *h, uint64_t first, const unsigned char *data, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++) {
        struct fc_digest d = s->zero_block;
        int r = data ? fc_verity_digest(&s->verity, h, data + i * FC_VERITY_BLOCK, &d) : 0;

        if (r < 0)
            return r;
        fc_verity_set(&s->verity, first + i, &d);
    }
    return 0;
}

/* A last piece that an appended area goes on with is digested when that is known. */
static int digest_piece(struct fc_sums *s, struct fc_hasher *h, uint64_t index, unsigned char *buffer,
                        struct fc_error *err)
{
    uint64_t offset = index * CHUNK, n = at_most(s->size - offset, CHUNK);
    const unsigned char *data = all_zeros(s, offset, n) ? NULL : buffer;
    ssize_t got = data ? fc_image_read(s->image, buffer, (size_t)n, offset, err) : 0;
    int r = got < 0 ? (int)got : 0;

    if (r == 0 && s->chunks && !data && n == CHUNK) {
        s->chunks[index] = s->zero_chunk;
    } else if (r == 0 && s->chunks && (n == CHUNK || !s->options->verity.append)) {
        r = fc_hasher_add(h, data ? data : zeros, (size_t)n);
        if (r == 0)
            r = fc_hasher_finish(h, &s->chunks[index]);
    }
    if (r == 0 && s->want_tree)
        r = digest_blocks(s, h, index * BLOCKS, data, n / FC_VERITY_BLOCK);
    return r;
}

static void *work(void *arg)
{
    struct fc_sums *s = arg;
    struct fc_hasher *h = fc_hasher_new();
    unsigned char *buffer = malloc(CHUNK);
    struct fc_error err = {0};
    int r = h && buffer ? 0 : -ENOMEM;

    while (r == 0 && !s->stop) {
        uint64_t i = atomic_fetch_add(&s->next, 1);

        if (i * CHUNK >= s->size)
            break;
        r = digest_piece(s, h, i, buffer, &err);
    }
    fc_hasher_free(h);
    free(buffer);
    return r < 0 ? give_up(s, r, &err) : NULL;
}

/* The whole, in order */

static int digest_image(struct fc_sums *s, struct fc_hasher *h, unsigned char *buffer, struct fc_error *err)
{
    uint64_t n;
    int r = 0;

    for (uint64_t at = 0; at < s->size && r == 0 && !s->stop; at += n) {
        n = at_most(s->size - at, CHUNK);
        if (all_zeros(s, at, n)) {
            r = fc_hasher_add(h, zeros, (size_t)n);
            continue;
        }
        n = at_most(s->size - at, PIECE);
        r = (int)fc_image_read(s->image, buffer, (size_t)n, at, err);
        r = r < 0 ? r : fc_hasher_add(h, buffer, (size_t)n);
    }
    return r;
}

static int digest_area(struct fc_sums *s, struct fc_hasher *h)
{
    bool stopped;

    if (!s->options->verity.append)
        return 0;
    pthread_mutex_lock(&s->lock);
    while (!s->area_done && !s->stop)
        pthread_cond_wait(&s->area_ready, &s->lock);
    stopped = s->stop;
    pthread_mutex_unlock(&s->lock);
    return stopped ? 0 : fc_hasher_add(h, s->verity.area, (size_t)s->verity.area_size);
}

static void *digest_in_order(void *arg)
{
    struct fc_sums *s = arg;
    struct fc_hasher *h = fc_hasher_new();
    unsigned char *buffer = malloc(PIECE);
    struct fc_error err = {0};
    int r = h && buffer ? digest_image(s, h, buffer, &err) : -ENOMEM;

    if (r == 0)
        r = digest_area(s, h);
    if (r == 0)
        r = fc_hasher_finish(h, &s->whole);
    fc_hasher_free(h);
    free(buffer);
    return r < 0 ? give_up(s, r, &err) : NULL;
}

/* Start, end */

static int init_verity(struct fc_sums *s, struct fc_error *err)
{
    const struct fc_image_verity_options *v = &s->options->verity;
    struct fc_hasher *h;
    int r;

    s->want_tree = v->append || v->path;
    if (!s->want_tree)
        return 0;
    if (!s->size || s->size % FC_VERITY_BLOCK)
        return fc_fail(err, EINVAL, "an image of %llu bytes can have no dm-verity tree: it takes blocks of %u",
                       (unsigned long long)s->size, FC_VERITY_BLOCK);
    r = fc_verity_init(&s->verity, s->size / FC_VERITY_BLOCK, v->salt, v->uuid);
    h = r == 0 ? fc_hasher_new() : NULL;
    if (r == 0)
        r = h ? fc_verity_digest(&s->verity, h, zeros, &s->zero_block) : -ENOMEM;
    fc_hasher_free(h);
    return r < 0 ? fc_fail_errno(err, -r, "cannot begin the dm-verity tree") : 0;
}

static int init_chunks(struct fc_sums *s, struct fc_error *err)
{
    uint64_t whole = s->size + (s->options->verity.append ? s->verity.area_size : 0);
    int r;

    if (!s->options->chunks)
        return 0;
    s->n_chunks = whole / CHUNK + (whole % CHUNK != 0);
    s->chunks = calloc((size_t)s->n_chunks + 1, sizeof(*s->chunks));
    r = s->chunks ? fc_digest_of(zeros, CHUNK, &s->zero_chunk) : -ENOMEM;
    return r < 0 ? fc_fail_errno(err, -r, "cannot begin the digests of pieces") : 0;
}

static unsigned count_cpus(void)
{
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;

    return n < 1 ? 1 : n > (int)WORKERS_MOST ? WORKERS_MOST : (unsigned)n;
}

static int start_threads(struct fc_sums *s)
{
    unsigned n = s->want_tree || s->chunks ? count_cpus() : 0;
    int code = 0;

    if (s->options->sha256) {
        code = pthread_create(&s->in_order, NULL, digest_in_order, s);
        s->has_in_order = code == 0;
    }
    while (code == 0 && s->n_workers < n) {
        code = pthread_create(&s->workers[s->n_workers], NULL, work, s);
        s->n_workers += code == 0;
    }
    return s->n_workers ? 0 : -code; /* one is enough */
}

int fc_sums_start(const struct fc_image *image, const struct fc_image_write_options *options, struct fc_sums **ret_sums,
                  struct fc_error *err)
{
    fc_auto(fc_sums_free) struct fc_sums *s = calloc(1, sizeof(*s));
    int r;

    if (!s)
        return fc_fail(err, ENOMEM, "out of memory");
    s->image = image;
    s->options = options;
    s->size = fc_image_size(image);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->area_ready, NULL);
    r = init_verity(s, err);
    if (r == 0)
        r = init_chunks(s, err);
    if (r < 0)
        return r;
    r = start_threads(s);
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot start a thread");
    *ret_sums = fc_steal(&s);
    return 0;
}

static void join_workers(struct fc_sums *s)
{
    while (s->n_workers)
        pthread_join(s->workers[--s->n_workers], NULL);
}

static int failed(const struct fc_sums *s, struct fc_error *err)
{
    return s->err.code ? fc_fail(err, s->err.code, "%s", s->err.msg) : 0;
}

/* Bytes of the file that the image and an appended area make. */
static int read_file(const struct fc_sums *s, unsigned char *buffer, uint64_t n, uint64_t offset, struct fc_error *err)
{
    uint64_t in_image = offset < s->size ? at_most(s->size - offset, n) : 0;
    ssize_t got = in_image ? fc_image_read(s->image, buffer, (size_t)in_image, offset, err) : 0;

    if (got < 0)
        return (int)got;
    if (n > in_image)
        memcpy(buffer + in_image, s->verity.area + (offset + in_image - s->size), (size_t)(n - in_image));
    return 0;
}

/* The pieces that an appended area ends or makes. */
static int digest_last_pieces(struct fc_sums *s, struct fc_error *err)
{
    fc_auto(fc_free) unsigned char *buffer = malloc(CHUNK);
    uint64_t end = s->size + s->verity.area_size;

    if (!buffer)
        return fc_fail(err, ENOMEM, "out of memory");
    for (uint64_t i = s->size / CHUNK; i < s->n_chunks; i++) {
        uint64_t n = at_most(end - i * CHUNK, CHUNK);
        int r = read_file(s, buffer, n, i * CHUNK, err);

        if (r == 0)
            r = fc_digest_of(buffer, (size_t)n, &s->chunks[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

int fc_sums_area(struct fc_sums *s, const void **ret_area, uint64_t *ret_size, struct fc_error *err)
{
    int r;

    join_workers(s);
    r = failed(s, err);
    if (r == 0 && s->want_tree && fc_verity_finish(&s->verity) < 0)
        r = fc_fail(err, EIO, "cannot finish the dm-verity tree");
    if (r == 0 && s->options->verity.append && s->chunks)
        r = digest_last_pieces(s, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->lock);
    s->area_done = true;
    pthread_cond_broadcast(&s->area_ready);
    pthread_mutex_unlock(&s->lock);
    *ret_area = s->verity.area;
    *ret_size = s->verity.area_size;
    return 0;
}

int fc_sums_finish(struct fc_sums *s, struct fc_image_write_result *result, struct fc_error *err)
{
    int r;

    if (s->has_in_order)
        pthread_join(s->in_order, NULL);
    s->has_in_order = false;
    r = failed(s, err);
    if (r < 0)
        return r;
    result->sha256 = s->whole;
    result->verity = (struct fc_image_verity_result){.root = s->verity.root,
                                                     .data_blocks = s->verity.data_blocks,
                                                     .offset = s->options->verity.append ? s->size : 0,
                                                     .bytes = s->verity.area_size};
    return 0;
}

uint64_t fc_sums_appended(const struct fc_sums *s) { return s && s->options->verity.append ? s->verity.area_size : 0; }

int fc_sums_write_files(const struct fc_sums *s, bool sync, struct fc_error *err)
{
    const char *verity = s->options->verity.path, *chunks = s->options->chunks;
    int r = 0;

    if (verity)
        r = fc_image_put_file(verity, s->verity.area, (size_t)s->verity.area_size, sync, err);
    if (r == 0 && chunks)
        r = fc_image_put_chunks(chunks, s->size + fc_sums_appended(s), s->chunks, s->n_chunks, sync, err);
    return r;
}

void fc_sums_free(struct fc_sums *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_broadcast(&s->area_ready);
    pthread_mutex_unlock(&s->lock);
    join_workers(s);
    if (s->has_in_order)
        pthread_join(s->in_order, NULL);
    pthread_cond_destroy(&s->area_ready);
    pthread_mutex_destroy(&s->lock);
    fc_verity_release(&s->verity);
    free(s->chunks);
    free(s);
}

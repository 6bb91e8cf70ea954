/* SPDX-License-Identifier: Apache-2.0 */
/* layer: files on disk: extents, round trip, damage, builders at once, builders killed, the cache's memory. */
#include <signal.h>
#include <sys/wait.h>

#include "base/digest.h"
#include "unit/layer_helper.h"

static char *layer_file(unsigned char id, const char *name)
{
    char hex[65];
    char *path = NULL;

    for (int i = 0; i < 32; i++)
        snprintf(hex + (ptrdiff_t)2 * i, 3, "%02x", id);
    assert_true(asprintf(&path, "%s/layers/%s%s", cache_dir, hex, name) > 0);
    return path;
}

static void blocks_become_extents_on_boundaries(void **state)
{
    /* 100 bytes in the first block; a hole; bytes around 1 MiB that touch in one block; the end, unaligned. */
    const struct fc_block blocks[] = {{"aaaa", 4, 10},    {"bb", 2, 4090},           {"cc", 2, 4096},
                                      {"dd", 2, 1048570}, {"ee", 2, 1048576 + 8192}, {"f", 1, UINT64_C(5) << 40},
                                      {NULL, 0, 0}};
    const struct step s[] = {FILE_("sparse", NULL, .blocks = blocks, .size = (UINT64_C(5) << 40) + 1),
                             FILE_("hole", NULL, .blocks = &blocks[6], .size = UINT64_C(1) << 40)};
    const struct fc_layer_view *v;
    const struct fc_layer_extent *e;
    struct fc_error err = {0};
    struct fc_layer *l;
    char byte[8];

    (void)state;
    BUILD(next_id, s, &l);
    next_id++;
    v = fc_layer_view(l);
    e = v->extents;
    assert_int_equal(v->header->n_extents, 4);
    assert_true(e[0].offset == 0 && e[0].length == 8192 && e[0].pack_offset == 0);
    assert_true(e[1].offset == 1048576 - 4096 && e[1].length == 4096 && e[1].pack_offset == 8192);
    assert_true(e[2].offset == 1048576 + 8192 && e[2].length == 4096 && e[2].pack_offset == 12288);
    assert_true(e[3].offset == UINT64_C(5) << 40 && e[3].length == 1 && e[3].pack_offset == 16384);
    assert_int_equal(v->header->pack_size, 20480);
    assert_int_equal(v->inodes[2].n_extents, 0);
    assert_int_equal(fc_pread_full(v->pack_fd, byte, 8, 4090), 8);
    assert_memory_equal(byte, "bb\0\0\0\0cc", 8);
    fc_layer_unref(l);
}

static void large_file_is_one_extent(void **state)
{
    enum { SIZE = 3 << 20 };
    char *data = malloc(SIZE), *back = malloc(SIZE);
    const struct fc_block blocks[] = {{data, 1234567, 0}, {data + 1234567, SIZE - 1234567 - 1, 1234567}, {NULL, 0, 0}};
    const struct step s[] = {FILE_("f", NULL, .blocks = blocks, .size = SIZE - 1)};
    const struct fc_layer_view *v;
    struct fc_error err = {0};
    struct fc_layer *l;

    (void)state;
    for (int i = 0; i < SIZE; i++)
        data[i] = (char)(i * 7 + i / 4096);
    BUILD(next_id, s, &l);
    next_id++;
    v = fc_layer_view(l);
    assert_int_equal(v->header->n_extents, 1);
    assert_int_equal(v->extents[0].length, SIZE - 1);
    assert_int_equal(fc_pread_full(v->pack_fd, back, SIZE, 0), SIZE);
    assert_memory_equal(data, back, SIZE - 1);
    assert_int_equal(back[SIZE - 1], 0);
    assert_int_equal(fc_layer_verify(l, NULL, &err), 0);
    fc_layer_unref(l);
    free(data);
    free(back);
}

static const struct fc_xattr some_xattrs[] = {{"security.capability", "\1\0\0\2", 4}, {"user.x", "", 0}};
static const struct fc_block some_blocks[] = {{"head", 4, 0}, {"tail", 4, 100000}, {NULL, 0, 0}};
static const struct step some_steps[] = {
    DIR_("", .uid = 1),
    FILE_("a/b/c", "content", .uid = 4000000000u, .mtime = {-5, 999999999}),
    LINK_("hard", "a/b/c"),
    SYMLINK_("s\xff\n", "any \xfe where"),
    {.op = FC_ENTRY_ADD, .path = "dev", .mode = S_IFCHR | 0600},
    {.op = FC_ENTRY_ADD, .path = "fifo", .mode = S_IFIFO | 0600},
    {.op = FC_ENTRY_ADD, .path = "sock", .mode = S_IFSOCK | 0600},
    FILE_("x", "", .xattrs = some_xattrs, .n_xattrs = 2),
    FILE_("sparse", NULL, .blocks = some_blocks, .size = 200000),
    WHITEOUT_("gone"),
    WHITEOUT_("both"),
    FILE_("both", "here"),
    DIR_("o"),
    OPAQUE_("o"),
    SYMLINK_("lib", "usr/lib"),
    FILE_("lib/z", "z"),
    LINK_("below", "not/here"),
    LINK_("later", "much/later"),
    FILE_("much/later", "l"),
};

/* The same layer once more through its own entry stream. */
static void layer_goes_through_its_entry_stream(void **state)
{
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    fc_auto(fc_layer_builder_free) struct fc_layer_builder *b = NULL;
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL, *again = NULL;
    const struct fc_layer_view *v, *w;
    struct fc_error err = {0};
    struct fc_digest d;
    char *text;

    (void)state;
    BUILD(next_id, some_steps, &l);
    next_id++;
    memset(d.bytes, next_id++, sizeof(d.bytes));
    assert_int_equal(fc_layer_iter(l, &it, &err), 0);
    assert_int_equal(fc_layer_builder_new(cache, "again", &b, &err), 0);
    assert_int_equal(fc_layer_builder_add_all(b, it, &err), 0);
    assert_int_equal(fc_layer_builder_finish(b, &d, 10240, &again, &err), 0);
    text = show(l);
    EXPECT(again, text);
    free(text);
    v = fc_layer_view(l);
    w = fc_layer_view(again);
    assert_memory_equal(v->header->pack_digest, w->header->pack_digest, 32);
    assert_int_equal(v->header->n_inodes, w->header->n_inodes);
    assert_int_equal(v->header->n_entries, w->header->n_entries);
    assert_memory_equal(v->extents, w->extents, v->header->n_extents * sizeof(*v->extents));
    for (uint32_t i = 0; i < v->header->n_inodes; i++) {
        struct fc_layer_inode a = v->inodes[i], c = w->inodes[i];

        a.target = c.target = 0;
        assert_memory_equal(&a, &c, sizeof(a));
    }
}

static void building_twice_gives_the_same_bytes(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *a = NULL, *b = NULL;
    fc_auto(fc_buf_release) struct fc_buf first = {0}, second = {0};
    char *path = layer_file(next_id, "/index"), *folder = layer_file(next_id, "");
    struct fc_error err = {0};

    (void)state;
    BUILD(next_id, some_steps, &a);
    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &first), 0);
    assert_int_equal(fc_remove_all(AT_FDCWD, folder), 0);
    BUILD(next_id, some_steps, &b);
    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &second), 0);
    assert_int_equal(first.len, second.len);
    assert_memory_equal(first.data, second.data, first.len);
    next_id++;
    free(path);
    free(folder);
}

static void overwrite(const char *path, const struct fc_buf *data)
{
    int fd;

    unlink(path);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_int_equal(fc_pwrite_full(fd, data->data, data->len, 0), 0);
    close(fd);
}

/* Open, and when that works go over everything and verify: some step must complain, and none may go out of bounds. */
static int use_layer(unsigned char id)
{
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL;
    fc_auto(fc_entry_iter_free) struct fc_entry_iter *it = NULL;
    const struct fc_entry *e;
    struct fc_error err = {0};
    struct fc_block block;
    struct fc_digest d;
    int r;

    memset(d.bytes, id, sizeof(d.bytes));
    r = fc_layer_open(cache, &d, &l, &err);
    if (r < 0)
        return r;
    assert_int_equal(fc_layer_iter(l, &it, &err), 0);
    while ((r = fc_entry_next(it, &e, &err)) > 0) {
        assert_true(strlen(e->path) <= FC_PATH_MAX);
        if (e->op == FC_ENTRY_ADD && S_ISREG(e->mode))
            while (fc_entry_read(it, &block, &err) > 0)
                assert_true(block.offset + block.size <= e->size);
    }
    return fc_layer_verify(l, NULL, &err);
}

static void damage_anywhere_is_noticed(void **state)
{
    static const unsigned char flips[] = {0x01, 0x80, 0xff};
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL;
    unsigned char id = next_id++;
    struct fc_error err = {0};

    (void)state;
    BUILD(id, some_steps, &l);
    assert_int_equal(use_layer(id), 0);
    for (int pack = 0; pack < 2; pack++) {
        char *path = layer_file(id, pack ? "/pack" : "/index");
        fc_auto(fc_buf_release) struct fc_buf data = {0};
        int fd;

        assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &data), 0);
        overwrite(path, &data);
        fd = open(path, O_WRONLY);
        for (size_t i = 0; i < data.len; i += pack ? 997 : 1) {
            for (size_t k = 0; k < sizeof(flips); k++) {
                char c = (char)(data.data[i] ^ flips[k]);

                assert_int_equal(fc_pwrite_full(fd, &c, 1, i), 0);
                assert_int_equal(use_layer(id), -EBADMSG);
            }
            assert_int_equal(fc_pwrite_full(fd, data.data + i, 1, i), 0);
        }
        assert_int_equal(use_layer(id), 0);
        for (size_t n = 0; n < data.len; n += 61) {
            struct fc_buf part = {.data = data.data, .len = n};

            overwrite(path, &part);
            assert_int_equal(use_layer(id), -EBADMSG);
        }
        close(fd);
        overwrite(path, &data);
        free(path);
    }
    assert_int_equal(use_layer(id), 0);
}

/* Take the end of the header away, which older versions did not have. */
static void shorten_header(struct fc_buf *index)
{
    enum { MORE = sizeof(struct fc_layer_header) - FC_LAYER_HEADER_OLD };
    struct fc_layer_header *h = (struct fc_layer_header *)(void *)index->data;
    uint64_t *tables[] = {&h->nodes, &h->inodes, &h->extents, &h->xattrs, &h->strings};

    for (size_t i = 0; i < FC_LENGTH(tables); i++)
        *tables[i] -= MORE;
    h->header_size -= MORE;
    h->index_size -= MORE;
    index->len -= MORE;
    memmove(index->data + FC_LAYER_HEADER_OLD, index->data + sizeof(*h), index->len - FC_LAYER_HEADER_OLD);
}

/* Make the layer's index one of @version, with @pack_digest, and its own digest right. */
static void rewrite_header(const char *path, uint32_t version, const struct fc_digest *pack_digest)
{
    fc_auto(fc_buf_release) struct fc_buf index = {0};
    struct fc_layer_header *h;
    struct fc_digest d;

    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &index), 0);
    h = (struct fc_layer_header *)(void *)index.data;
    if (h->version == 3)
        shorten_header(&index);
    h->version = version;
    memcpy(h->pack_digest, pack_digest->bytes, sizeof(h->pack_digest));
    memset(h->index_digest, 0, sizeof(h->index_digest));
    assert_int_equal(fc_digest_of(index.data, index.len, &d), 0);
    memcpy(h->index_digest, d.bytes, sizeof(h->index_digest));
    overwrite(path, &index);
}

/* Layers of the first two formats, with one digest for the whole pack, stay good, and their damage is noticed. */
static void older_formats_are_read(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL;
    fc_auto(fc_buf_release) struct fc_buf pack = {0};
    unsigned char id = next_id++;
    char *index_path = layer_file(id, "/index"), *pack_path = layer_file(id, "/pack");
    struct fc_error err = {0};
    struct fc_digest fast = {{0}}, sha;

    (void)state;
    BUILD(id, some_steps, &l);
    assert_int_equal(fc_layer_view(l)->header->version, 3);
    assert_int_equal(fc_read_file(AT_FDCWD, pack_path, 1 << 20, &pack), 0);
    assert_int_equal(fc_digest_of(pack.data, pack.len, &sha), 0);
    fc_fast_digest(pack.data, pack.len, fast.bytes);
    rewrite_header(index_path, 1, &sha);
    assert_int_equal(use_layer(id), 0);
    rewrite_header(index_path, 1, &fast);
    assert_int_equal(use_layer(id), -EBADMSG);
    rewrite_header(index_path, 2, &sha);
    assert_int_equal(use_layer(id), -EBADMSG);
    rewrite_header(index_path, 2, &fast);
    assert_int_equal(use_layer(id), 0);
    rewrite_header(index_path, 4, &fast);
    assert_int_equal(use_layer(id), -EBADMSG);
    rewrite_header(index_path, 1, &sha);
    pack.data[0] ^= 1;
    overwrite(pack_path, &pack);
    assert_int_equal(use_layer(id), -EBADMSG);
    free(index_path);
    free(pack_path);
}

/* Blocks of every size, gathered or written from where they are, end up in order; holes stay holes. */
static void blocks_of_all_sizes_come_back(void **state)
{
    static const uint32_t sizes[] = {1, 4095, 65535, 65536, 3, 300000, 262144, 1, 65537, 131072, 8191, 1000000, 4096};
    static unsigned char bytes[2000000];
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL;
    const struct fc_layer_view *v;
    struct fc_block blocks[FC_LENGTH(sizes) + 1] = {0};
    struct fc_error err = {0};
    uint64_t at = 0;
    unsigned char id = next_id++;

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < FC_LENGTH(sizes); i++) {
        blocks[i] = (struct fc_block){.data = bytes + at, .size = sizes[i], .offset = at};
        at += sizes[i] + (i == 5 ? 40960 : 0); /* a hole behind the sixth */
    }
    {
        const struct step steps[] = {FILE_("a", "small"), FILE_("f", NULL, .blocks = blocks, .size = at),
                                     FILE_("z", "small, too"), FILE_("g", NULL, .blocks = blocks, .size = at)};

        BUILD(id, steps, &l);
    }
    v = fc_layer_view(l);
    for (uint32_t i = 0; i < v->header->n_inodes; i++) {
        const struct fc_layer_inode *inode = &v->inodes[i];

        if (inode->size != at)
            continue;
        assert_int_equal(inode->n_extents, 2);
        for (size_t k = 0; k < FC_LENGTH(sizes); k++) {
            const struct fc_layer_extent *e = &v->extents[inode->first_extent + (k > 5)];
            unsigned char *back = malloc(sizes[k]);

            assert_int_equal(fc_pread_full(v->pack_fd, back, sizes[k], e->pack_offset + blocks[k].offset - e->offset),
                             sizes[k]);
            assert_memory_equal(back, blocks[k].data, sizes[k]);
            free(back);
        }
    }
    assert_int_equal(fc_layer_verify(l, NULL, &err), 0);
}

static int flip(const char *path, uint64_t at)
{
    int fd = open(path, O_RDWR);
    char c;
    int r = fc_pread_full(fd, &c, 1, at) == 1 ? 0 : -EIO;

    c ^= 4;
    if (r == 0)
        r = fc_pwrite_full(fd, &c, 1, at);
    close(fd);
    return r;
}

/* Every byte of the index counts: also one that changes nothing which the structure forbids. */
static void flipped_byte_of_the_index_is_found_at_the_opening(void **state)
{
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL, *again = NULL;
    unsigned char id = next_id++;
    char *path = layer_file(id, "/index");
    struct fc_error err = {0};
    uint64_t size, uid;

    (void)state;
    BUILD(id, some_steps, &l);
    size = fc_layer_view(l)->header->index_size;
    uid = fc_layer_view(l)->header->inodes + offsetof(struct fc_layer_inode, uid);
    chmod(path, 0600);
    for (uint64_t at = 0; at < size; at++) {
        assert_int_equal(flip(path, at), 0);
        assert_int_equal(fc_layer_open(cache, fc_layer_diffid(l), &again, &err), -EBADMSG);
        if (at == uid)
            assert_non_null(strstr(err.msg, "/index is damaged: its digest is not the recorded one"));
        assert_int_equal(flip(path, at), 0);
    }
    assert_int_equal(fc_layer_open(cache, fc_layer_diffid(l), &again, &err), 0);
    free(path);
}

/* A pack of several sums: what is read is checked, wherever a read begins and ends; the rest is not touched. */
static void flipped_byte_of_the_pack_is_found_when_it_is_read(void **state)
{
    enum { SIZE = 5 * FC_LAYER_SUM_BLOCK + 777, BAD = 2 * FC_LAYER_SUM_BLOCK + 5 };
    static unsigned char bytes[SIZE], back[SIZE];
    const struct step steps[] = {FILE_("f", NULL, .blocks = (struct fc_block[]){{bytes, SIZE, 0}, {0}}, .size = SIZE)};
    static const struct {
        uint64_t from, to;
        bool bad;
    } reads[] = {
        {0, 100, false},
        {FC_LAYER_SUM_BLOCK - 1, 2 * FC_LAYER_SUM_BLOCK, false},
        {2 * FC_LAYER_SUM_BLOCK, 2 * FC_LAYER_SUM_BLOCK + 1, true}, /* another byte of the same block */
        {0, SIZE, true},
        {3 * FC_LAYER_SUM_BLOCK - 1, 4 * FC_LAYER_SUM_BLOCK, true},
        {3 * FC_LAYER_SUM_BLOCK, SIZE, false},
        {BAD, BAD + 1, true},
    };
    fc_auto(fc_layer_unref) struct fc_layer *l = NULL, *again = NULL;
    unsigned char id = next_id++;
    char *path = layer_file(id, "/pack"), *note = layer_file(id, "/damaged");
    struct fc_error err = {0};

    (void)state;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * 2654435761u >> 11);
    BUILD(id, steps, &l);
    chmod(path, 0600);
    assert_int_equal(flip(path, BAD), 0);
    assert_int_equal(fc_layer_open(cache, fc_layer_diffid(l), &again, &err), 0);
    for (size_t i = 0; i < FC_LENGTH(reads); i++) {
        size_t size = (size_t)(reads[i].to - reads[i].from);
        ssize_t n = fc_layer_read_pack(again, back, size, reads[i].from);

        assert_int_equal(n, reads[i].bad ? -EBADMSG : (ssize_t)size);
        assert_int_equal(access(note, F_OK), i < 2 ? -1 : 0);
        if (n > 0)
            assert_memory_equal(back, bytes + reads[i].from, size);
    }
    /* Who reads only wants it nevertheless; who can make it again does, and it is whole then. */
    fc_layer_unref(fc_steal(&again));
    assert_int_equal(fc_layer_open_whole(cache, fc_layer_diffid(l), &again, &err), -EBADMSG);
    assert_int_equal(fc_layer_verify(l, NULL, &err), -EBADMSG);
    fc_layer_unref(fc_steal(&l));
    BUILD(id, steps, &l);
    assert_int_equal(fc_layer_open_whole(cache, fc_layer_diffid(l), &again, &err), 0);
    assert_int_equal(fc_layer_read_pack(again, back, SIZE, 0), SIZE);
    /* A note that turns out to be wrong goes. */
    close(open(note, O_WRONLY | O_CREAT, 0600));
    assert_true(fc_layer_is_damaged(l));
    assert_int_equal(fc_layer_verify(l, NULL, &err), 0);
    assert_false(fc_layer_is_damaged(l));
    free(path);
    free(note);
}

static void damaged_layer_is_replaced_by_the_next_build(void **state)
{
    struct fc_layer *l = NULL;
    unsigned char id = next_id++;
    struct fc_buf junk = {.data = (char[]){"junk"}, .len = 4};
    char *path = layer_file(id, "/index");
    struct fc_error err = {0};

    (void)state;
    BUILD(id, some_steps, &l);
    fc_layer_unref(l);
    overwrite(path, &junk);
    assert_int_equal(use_layer(id), -EBADMSG);
    BUILD(id, some_steps, &l);
    fc_layer_unref(l);
    assert_int_equal(use_layer(id), 0);
    free(path);
}

static void missing_layer_is_enoent(void **state)
{
    (void)state;
    assert_int_equal(use_layer(249), -ENOENT);
}

/* Names in layers/ that are neither layers nor the cache's own. */
static int count_temps(void)
{
    fc_auto(fc_buf_release) struct fc_buf out = {0};
    char command[128];
    FILE *f;
    int n = 0;

    snprintf(command, sizeof(command), "ls -a %s/layers | grep -c '^.tmp-'", cache_dir);
    f = popen(command, "r");
    assert_int_equal(fscanf(f, "%d", &n), 1);
    pclose(f);
    return n;
}

static void builders_at_once_leave_one_layer(void **state)
{
    unsigned char id = next_id++;
    pid_t pids[4];
    int status;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(pids); i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            struct fc_error err = {0};
            struct fc_layer *l = NULL;

            for (int k = 0; k < 5; k++) {
                if (build_as(id, some_steps, FC_LENGTH(some_steps), &l, &err) < 0)
                    _exit(1);
                fc_layer_unref(l);
            }
            _exit(0);
        }
    }
    for (size_t i = 0; i < FC_LENGTH(pids); i++) {
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    assert_int_equal(use_layer(id), 0);
    assert_int_equal(count_temps(), 0);
}

static void killed_builder_leaves_nothing_after_the_next_open(void **state)
{
    struct fc_layer_builder *live = NULL;
    struct fc_cache *other = NULL;
    struct fc_error err = {0};
    int status, fds[2];
    char c;
    pid_t pid;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        struct fc_layer_builder *b = NULL;

        if (fc_layer_builder_new(cache, "killed", &b, &err) == 0 && write(fds[1], "x", 1) == 1)
            pause();
        _exit(1);
    }
    assert_int_equal(read(fds[0], &c, 1), 1);
    assert_int_equal(fc_layer_builder_new(cache, "alive", &live, &err), 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(count_temps(), 2);
    assert_int_equal(fc_cache_open(cache_dir, &other, &err), 0);
    assert_int_equal(count_temps(), 1);
    fc_layer_builder_free(live);
    assert_int_equal(count_temps(), 0);
    fc_cache_free(other);
    close(fds[0]);
    close(fds[1]);
}

static void failed_build_leaves_nothing(void **state)
{
    const struct step s[] = {FILE_("x", "x"), LINK_("x", "x")};

    (void)state;
    FAILS(s, "itself");
    assert_int_equal(count_temps(), 0);
    assert_int_equal(use_layer(250), -ENOENT);
}

static int collect_first_bytes(void *arg, const struct fc_digest *d) { return fc_buf_add(arg, d->bytes, 1); }

static void cache_lists_its_layers_in_order(void **state)
{
    fc_auto(fc_buf_release) struct fc_buf seen = {0};

    (void)state;
    assert_int_equal(fc_cache_each(cache, collect_first_bytes, &seen), 0);
    assert_true(seen.len > 3);
    for (size_t i = 1; i < seen.len; i++)
        assert_true(seen.data[i - 1] < seen.data[i]);
}

static void cache_remembers_sources(void **state)
{
    struct fc_digest blob = {{1}}, diffid = {{2}}, got;

    (void)state;
    assert_int_equal(fc_cache_recall(cache, &blob, &got), -ENOENT);
    assert_int_equal(fc_cache_remember(cache, &blob, &diffid), 0);
    assert_int_equal(fc_cache_recall(cache, &blob, &got), 0);
    assert_memory_equal(&got, &diffid, sizeof(got));
}

/* Damaged, or no file at all: the tar is imported once more, and nobody waits for a FIFO. */
static void cache_note_that_is_none_is_no_source(void **state)
{
    struct fc_digest blob = {{3}}, got;
    char path[256];
    FILE *f;

    (void)state;
    snprintf(path, sizeof(path), "%s/layers/.sources/03%062d", cache_dir, 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(fc_cache_recall(cache, &blob, &got), -ENOENT);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(fc_cache_recall(cache, &blob, &got), -ENOENT);
    assert_int_equal(rmdir(path), 0);
    f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("sha256:", f);
    fclose(f);
    assert_int_equal(fc_cache_recall(cache, &blob, &got), -ENOENT);
    assert_int_equal(unlink(path), 0);
}

static void cache_path_follows_the_environment(void **state)
{
    struct fc_cache *c = NULL;
    struct fc_error err = {0};
    char path[128];

    (void)state;
    unsetenv("FCCOMPOSE_CACHE");
    setenv("XDG_CACHE_HOME", "relative/is/ignored", 1);
    setenv("HOME", cache_dir, 1);
    assert_int_equal(fc_cache_open(NULL, &c, &err), 0);
    snprintf(path, sizeof(path), "%s/.cache/fccompose", cache_dir);
    assert_string_equal(fc_cache_dir(c), path);
    fc_cache_free(c);
    snprintf(path, sizeof(path), "%s/xdg", cache_dir);
    setenv("XDG_CACHE_HOME", path, 1);
    assert_int_equal(fc_cache_open(NULL, &c, &err), 0);
    snprintf(path, sizeof(path), "%s/xdg/fccompose", cache_dir);
    assert_string_equal(fc_cache_dir(c), path);
    fc_cache_free(c);
    snprintf(path, sizeof(path), "%s/own", cache_dir);
    setenv("FCCOMPOSE_CACHE", path, 1);
    assert_int_equal(fc_cache_open(NULL, &c, &err), 0);
    assert_string_equal(fc_cache_dir(c), path);
    fc_cache_free(c);
}

static void cache_that_cannot_be_made_names_the_remedy(void **state)
{
    struct fc_error err = {0};
    struct fc_cache *c = NULL;

    (void)state;
    assert_true(fc_cache_open("/dev/null/cache", &c, &err) < 0);
    assert_null(c);
    assert_non_null(strstr(err.msg, "/dev/null"));
    assert_non_null(strstr(err.msg, "FCCOMPOSE_CACHE"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_become_extents_on_boundaries),
        cmocka_unit_test(large_file_is_one_extent),
        cmocka_unit_test(layer_goes_through_its_entry_stream),
        cmocka_unit_test(building_twice_gives_the_same_bytes),
        cmocka_unit_test(damage_anywhere_is_noticed),
        cmocka_unit_test(older_formats_are_read),
        cmocka_unit_test(blocks_of_all_sizes_come_back),
        cmocka_unit_test(flipped_byte_of_the_index_is_found_at_the_opening),
        cmocka_unit_test(flipped_byte_of_the_pack_is_found_when_it_is_read),
        cmocka_unit_test(damaged_layer_is_replaced_by_the_next_build),
        cmocka_unit_test(missing_layer_is_enoent),
        cmocka_unit_test(builders_at_once_leave_one_layer),
        cmocka_unit_test(killed_builder_leaves_nothing_after_the_next_open),
        cmocka_unit_test(failed_build_leaves_nothing),
        cmocka_unit_test(cache_lists_its_layers_in_order),
        cmocka_unit_test(cache_remembers_sources),
        cmocka_unit_test(cache_note_that_is_none_is_no_source),
        cmocka_unit_test(cache_path_follows_the_environment),
        cmocka_unit_test(cache_that_cannot_be_made_names_the_remedy),
    };

    return cmocka_run_group_tests_name("layer files", tests, enter, leave);
}

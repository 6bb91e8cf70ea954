/* SPDX-License-Identifier: Apache-2.0 */
/* Images of a stack before and after edits: what edits leave alone keeps its inode number and its place. */
#include "ext4_kernel.h"

/* A tree of some hundred objects: the same each time. */
static void build(struct gen *g, uint32_t n_dirs, uint32_t n_files)
{
    char name[300];

    gen_init(g);
    for (uint32_t d = 0; d < n_dirs; d++) {
        uint32_t dir;

        snprintf(name, sizeof(name), "dir%u", d);
        dir = gen_add(g, 0, name, S_IFDIR | 0755);
        for (uint32_t i = 0; i < n_files; i++) {
            uint32_t f;

            snprintf(name, sizeof(name), "file-with-a-longer-name-%u", i);
            f = gen_add(g, dir, name, S_IFREG | 0644);
            if (i % 5 == 1)
                gen_xattr(g, f, "user.large", 2000, (int)(i % 3));
            if (i % 7)
                gen_extent(g, f, 0, i % 11 == 3 ? 8192 : 1 + i * 997 % 40000, true);
            if (i % 11 == 3) /* more runs than an inode holds */
                for (uint64_t k = 1; k < 8; k++)
                    gen_extent(g, f, 65536 + k * 16384, 4096, true);
        }
        gen_symlink(g, dir, "long", 100);
    }
}

static struct fc_image *plan_edited(struct gen *base, struct gen *edited, const struct fc_ext4_options *o,
                                    struct fc_ext4_summary *ret)
{
    struct fc_ext4_tables b = gen_tables(base), t = gen_tables(edited);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    t.base = &b;
    if (fc_ext4_plan_tables(&t, o, &image, ret, &err) < 0)
        fail_msg("%s", err.msg);
    return image;
}

/* Plan, write, and have e2fsck and the kernel look at it. */
static struct fc_image *judge_edited(struct gen *base, struct gen *edited, const struct fc_ext4_options *o,
                                     struct fc_ext4_summary *ret)
{
    struct fc_image_write_options w = {.no_sync = true};
    struct fc_image *image = plan_edited(base, edited, o, ret);
    struct fc_error err = {0};

    if (fc_image_write(image, gen_path(), &w, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    gen_run("e2fsck -fn");
    gen_compare(edited);
    return image;
}

static struct fc_image *plan_alone(struct gen *g, const struct fc_ext4_options *o)
{
    struct fc_ext4_tables t = gen_tables(g);
    struct fc_image *image = NULL;
    struct fc_error err = {0};

    if (fc_ext4_plan_tables(&t, o, &image, NULL, &err) < 0)
        fail_msg("%s", err.msg);
    return image;
}

/* Blocks of 4 KiB that are not the same at the same place. */
static uint64_t count_different(const struct fc_image *a, const struct fc_image *b)
{
    uint64_t size = fc_image_size(a) > fc_image_size(b) ? fc_image_size(a) : fc_image_size(b), n = 0;

    for (uint64_t at = 0; at < size; at += 4096) {
        unsigned char x[4096] = {0}, y[4096] = {1};

        fc_image_read(a, x, sizeof(x), at, NULL);
        fc_image_read(b, y, sizeof(y), at, NULL);
        n += memcmp(x, y, sizeof(x)) != 0;
    }
    return n;
}

static void unlink_name(struct gen *g, size_t index)
{
    g->inodes[g->names[index].inode].nlink--;
    free(g->names[index].name);
    g->names[index] = g->names[--g->n_names];
}

/* A file of one extent and some blocks. */
static uint32_t find_plain(const struct gen *g)
{
    uint32_t i = 0;

    while (i < g->n_inodes && !(S_ISREG(g->inodes[i].mode) && g->inodes[i].n_extents == 1 && g->inodes[i].size > 8192))
        i++;
    assert_true(i < g->n_inodes);
    return i;
}

static size_t find_named(const struct gen *g, uint32_t inode)
{
    size_t i = 0;

    while (i < g->n_names && g->names[i].inode != inode)
        i++;
    assert_true(i < g->n_names);
    return i;
}

/* A tree that was edited back is the unedited one, byte for byte. */
static void test_no_difference(void **state)
{
    struct gen base, edited;
    struct fc_image *a, *b;

    (void)state;
    build(&base, 3, 90);
    build(&edited, 3, 90);
    a = plan_alone(&base, NULL);
    b = judge_edited(&base, &edited, NULL, NULL);
    assert_int_equal(fc_image_size(a), fc_image_size(b));
    assert_int_equal(count_different(a, b), 0);
    fc_image_free(a);
    fc_image_free(b);
    gen_release(&base);
    gen_done(&edited);
}

/* Other bytes in one file, of the same length: its blocks and nothing else. */
static void test_one_file(void **state)
{
    uint64_t words[2] = {1234567, 89};
    struct gen base, edited;
    struct fc_snap_inode *s;
    struct fc_image *a, *b;
    uint64_t end;

    (void)state;
    build(&base, 3, 90);
    build(&edited, 3, 90);
    s = &edited.inodes[find_plain(&edited)];
    end = edited.source_end; /* written anew: somewhere else in the source */
    edited.extents[s->first_extent].source_offset = end;
    edited.source_end += fc_ext4_blocks(s->size) * 4096;
    assert_int_equal(ftruncate(edited.source.fd, (off_t)edited.source_end), 0);
    for (uint64_t k = 0; k < fc_ext4_blocks(s->size); k++)
        assert_int_equal(pwrite(edited.source.fd, words, 16, (off_t)(end + k * 4096)), 16);
    a = plan_alone(&base, NULL);
    b = plan_edited(&base, &edited, NULL, NULL);
    assert_int_equal(count_different(a, b), fc_ext4_blocks(s->size));
    fc_image_free(a);
    fc_image_free(b);
    gen_release(&base);
    gen_done(&edited);
}

/* What is deleted leaves room, which what is added fills; what finds none follows at the end. */
static void test_fill_then_append(void **state)
{
    struct gen base, edited;
    struct fc_ext4_summary s, less, more;
    struct fc_image *a, *b;
    uint32_t big;

    (void)state;
    build(&base, 2, 50);
    build(&edited, 2, 50);
    a = judge_edited(&base, &edited, NULL, &s);
    big = find_plain(&edited);
    unlink_name(&edited, find_named(&edited, big));
    b = judge_edited(&base, &edited, NULL, &less);
    assert_int_equal(less.size, s.size);
    assert_int_equal(less.free_blocks, fc_ext4_blocks(edited.inodes[big].size));
    assert_int_equal(less.free_inodes, s.free_inodes + 1);
    assert_true(count_different(a, b) <
                8 + less.free_blocks); /* superblock, descriptors, bitmaps, a directory, an inode table block */
    fc_image_free(b);
    gen_file(&edited, 0, "new", edited.inodes[big].size);
    b = judge_edited(&base, &edited, NULL, &more);
    assert_int_equal(more.size, s.size);
    assert_int_equal(more.free_blocks, 0);
    assert_int_equal(more.free_inodes, s.free_inodes);
    fc_image_free(b);
    gen_file(&edited, 0, "newer", 20000);
    b = judge_edited(&base, &edited, NULL, &more);
    assert_int_equal(more.size, s.size + 5 * 4096);
    assert_int_equal(more.free_blocks, 0);
    fc_image_free(a);
    fc_image_free(b);
    gen_release(&base);
    gen_done(&edited);
}

/* More inodes than the unedited stack's tables hold. */
static void test_many_new_inodes(void **state)
{
    struct fc_ext4_summary s;
    struct gen base, edited;
    char name[32];

    (void)state;
    build(&base, 1, 20);
    build(&edited, 1, 20);
    for (int i = 0; i < 9000; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        gen_add(&edited, 0, name, S_IFREG | 0644);
    }
    fc_image_free(judge_edited(&base, &edited, NULL, &s));
    assert_true(s.inodes >= 9032);
    gen_release(&base);
    gen_done(&edited);
}

/* Growth over the borders of groups, of the descriptors' reserve and of the journal's size. */
static void test_growth(void **state)
{
    static const uint64_t sizes[] = {20 << 20, 130 << 20, UINT64_C(1100) << 20, UINT64_C(2300) << 20};
    struct gen base, edited;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct fc_ext4_tables b, t;
        struct fc_image *image = NULL, *old;
        struct fc_error err = {0};
        unsigned char x[4096], y[4096];
        uint32_t f, n = 0;

        build(&base, 2, 60);
        build(&edited, 2, 60);
        f = gen_add(&edited, 0, "large", S_IFREG | 0644);
        gen_extent(&edited, f, 0, sizes[i], false);
        b = gen_tables(&base);
        t = gen_tables(&edited);
        t.base = &b;
        gen_judge_tables(&t, NULL);
        assert_int_equal(fc_ext4_plan_tables(&t, NULL, &image, NULL, &err), 0);
        old = plan_alone(&base, NULL);
        for (uint64_t at = 0; at + 4096 <= fc_image_size(old); at += 4096) {
            fc_image_read(old, x, 4096, at, NULL);
            fc_image_read(image, y, 4096, at, NULL);
            n += memcmp(x, y, 4096) != 0;
        }
        /* Superblock, descriptors and their reserve, which names its copies in other groups; bitmaps, inodes, root, journal. */
        assert_true(n <= 24);
        fc_image_free(image);
        fc_image_free(old);
        gen_release(&base);
        gen_release(&edited);
    }
    unlink(gen_path());
}

/* The size that was asked for: holes too small for a whole file are used when nothing else is left. */
static void test_fixed_size(void **state)
{
    struct fc_ext4_options o = {0};
    struct fc_ext4_summary s, fixed;
    struct gen base, edited;
    uint64_t freed = 0;

    (void)state;
    build(&base, 2, 80);
    build(&edited, 2, 80);
    fc_image_free(judge_edited(&base, &edited, NULL, &s));
    for (uint32_t i = 2; i < 160; i += 2) {
        size_t at = 0;

        while (at < edited.n_names && edited.names[at].inode != i)
            at++;
        if (at == edited.n_names || !S_ISREG(edited.inodes[i].mode))
            continue;
        unlink_name(&edited, at);
        for (uint32_t k = 0; k < edited.inodes[i].n_extents; k++)
            freed += fc_ext4_blocks(edited.extents[edited.inodes[i].first_extent + k].length);
    }
    gen_file(&edited, 0, "scattered", (freed - 2) * 4096); /* two for its extent tree */
    o.size = s.size;
    fc_image_free(judge_edited(&base, &edited, &o, &fixed));
    assert_int_equal(fixed.size, s.size);
    /* An unedited tree that does not fit is no reason to refuse one that does. */
    unlink_name(&edited, find_named(&edited, (uint32_t)edited.n_inodes - 1));
    o.size = s.size - (freed / 2) * 4096;
    fc_image_free(judge_edited(&base, &edited, &o, &fixed));
    assert_int_equal(fixed.size, o.size);
    o = (struct fc_ext4_options){.compact = true};
    fc_image_free(judge_edited(&base, &edited, &o, &fixed));
    assert_true(fixed.size < s.size - (freed - 10) * 4096);
    assert_int_equal(fixed.free_blocks, 0);
    gen_release(&base);
    gen_done(&edited);
}

/* Random edits: sound to e2fsck and the kernel, and most blocks stay. */
static void test_random(void **state)
{
    unsigned seed = getenv("FC_TEST_SEED") ? (unsigned)atoi(getenv("FC_TEST_SEED")) : 1;

    (void)state;
    for (unsigned last = seed + 12; seed < last; seed++) {
        struct gen base, edited;
        unsigned n, state_of = seed;
        struct fc_image *a, *b;
        uint64_t allowed = 40;

        build(&base, 4, 70);
        build(&edited, 4, 70);
        n = (unsigned)rand_r(&state_of) % 60;
        for (unsigned i = 0; i < n; i++) {
            size_t at = (size_t)rand_r(&state_of) % edited.n_names;
            struct fc_snap_inode *s = &edited.inodes[edited.names[at].inode];
            char name[64];
            uint32_t f;

            allowed += 3;
            switch (rand_r(&state_of) % 4) {
            case 0:
                if (!S_ISDIR(s->mode))
                    unlink_name(&edited, at);
                break;
            case 1:
                snprintf(name, sizeof(name), "new-%u", i);
                f = gen_add(&edited, 0, name, S_IFREG | 0600);
                if (rand_r(&state_of) % 2)
                    gen_xattr(&edited, f, "user.large", 3000, (int)i);
                gen_extent(&edited, f, 0, 1 + (uint64_t)rand_r(&state_of) % 100000, true);
                allowed += 30;
                break;
            case 2:
                s->uid++;
                break;
            default:
                if (S_ISREG(s->mode) && s->n_extents == 1) {
                    s->size = edited.extents[s->first_extent].length /= 2;
                    s->n_extents = s->size > 0;
                }
                break;
            }
        }
        a = plan_alone(&base, NULL);
        b = judge_edited(&base, &edited, NULL, NULL);
        if (count_different(a, b) > allowed)
            fail_msg("seed %u: %llu blocks differ, %llu were to be expected at most", seed,
                     (unsigned long long)count_different(a, b), (unsigned long long)allowed);
        fc_image_free(a);
        fc_image_free(b);
        gen_release(&base);
        gen_release(&edited);
    }
    unlink(gen_path());
}

/* Directories with an index: a name more or less changes its block and not all that follow; full ones are parted. */
static void test_large_directory(void **state)
{
    static const struct {
        uint32_t add, remove;
        uint64_t most;
    } cases[] = {{1, 0, 12}, {0, 1, 10}, {0, 200, 420}, {50, 50, 200}, {30000, 0, UINT64_MAX}, {0, 29990, UINT64_MAX}};

    (void)state;
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        struct gen base, edited;
        struct fc_image *a, *b;
        uint32_t dir = 0;
        char name[64];

        for (int turn = 0; turn < 2; turn++) {
            struct gen *g = turn ? &edited : &base;

            gen_init(g);
            dir = gen_add(g, 0, "dir", S_IFDIR | 0755);
            for (uint32_t i = 0; i < 30000; i++) {
                snprintf(name, sizeof(name), "name-that-is-not-short-%u", i * 7919);
                gen_add(g, dir, name, S_IFREG | 0644);
            }
        }
        for (uint32_t i = 0; i < cases[c].remove; i++)
            unlink_name(&edited, 1 + (i * 104729) % (edited.n_names - 1));
        for (uint32_t i = 0; i < cases[c].add; i++) {
            snprintf(name, sizeof(name), "another-%u", i);
            gen_add(&edited, dir, name, S_IFREG | 0644);
        }
        a = plan_alone(&base, NULL);
        b = judge_edited(&base, &edited, NULL, NULL);
        if (count_different(a, b) > cases[c].most)
            fail_msg("%u added, %u removed: %llu blocks differ", cases[c].add, cases[c].remove,
                     (unsigned long long)count_different(a, b));
        fc_image_free(a);
        fc_image_free(b);
        gen_release(&base);
        gen_release(&edited);
    }
    unlink(gen_path());
}

/* Copies of a file with more than 65,000 names keep their numbers, too. */
static void test_split_links(void **state)
{
    struct gen base, edited;
    struct fc_image *a, *b;
    char name[32];
    uint32_t dir = 0;

    (void)state;
    for (int turn = 0; turn < 2; turn++) {
        struct gen *g = turn ? &edited : &base;
        uint32_t f;

        gen_init(g);
        dir = gen_add(g, 0, "dir", S_IFDIR | 0755);
        f = gen_file(g, 0, "many", 5000);
        for (int i = 0; i < 130010; i++) {
            snprintf(name, sizeof(name), "n%d", i);
            gen_link(g, 0, name, f);
        }
        gen_file(g, 0, "other", 9000);
    }
    gen_file(&edited, dir, "new", 9000);
    a = plan_alone(&base, NULL);
    b = judge_edited(&base, &edited, NULL, NULL);
    assert_true(count_different(a, b) < 20);
    fc_image_free(a);
    fc_image_free(b);
    gen_release(&base);
    gen_done(&edited);
}

/* Large attributes and data in inodes stay too: with other numbers or places than before nearly every block would differ. */
static void test_features_stay(void **state)
{
    struct fc_ext4_options o = {.profile = FC_EXT4_PROFILE_6_18, .inline_data = true, .free_bytes = 1 << 20};
    struct gen base, edited, *both[] = {&base, &edited};
    struct fc_image *a, *b;

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        char name[32];

        build(both[k], 2, 60);
        for (unsigned i = 0; i < 40; i++) {
            snprintf(name, sizeof(name), "value%u", i);
            gen_xattr(both[k], gen_file(both[k], 0, name, 1 + i * 5), "user.large", 5000 + i / 2,
                      k && i == 7 ? 'n' : 'o');
        }
    }
    gen_file(&edited, 0, "new", 100);
    gen_xattr(&edited, gen_file(&edited, 0, "newer", 10000), "user.large", 9000, 'n');
    unlink_name(&edited, find_named(&edited, find_plain(&edited)));
    a = plan_alone(&base, &o);
    b = judge_edited(&base, &edited, &o, NULL);
    assert_in_range(count_different(a, b), 5, 40);
    fc_image_free(a);
    fc_image_free(b);
    gen_release(&base);
    gen_done(&edited);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_difference),    cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_fill_then_append), cmocka_unit_test(test_many_new_inodes),
        cmocka_unit_test(test_growth),           cmocka_unit_test(test_fixed_size),
        cmocka_unit_test(test_random),           cmocka_unit_test(test_split_links),
        cmocka_unit_test(test_large_directory),  cmocka_unit_test(test_features_stay),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

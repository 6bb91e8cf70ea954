/* SPDX-License-Identifier: Apache-2.0 */
/* Digests made while an image is written: the whole, its pieces, its hash tree; judged by sha256sum and veritysetup. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/io.h"
#include "image/image.h"

static char dir[] = "/tmp/fc-sums-XXXXXX";

/* The first line that a command prints. Fails the test when it fails. */
static char *said(const char *command, char line[512])
{
    FILE *f = popen(command, "r");

    assert_non_null(f);
    line[0] = '\0';
    if (!fgets(line, 512, f))
        line[0] = '\0';
    while (fgetc(f) != EOF)
        ;
    assert_int_equal(pclose(f), 0);
    line[strcspn(line, " \n")] = '\0';
    return line;
}

/* @blocks blocks: memory, a file with a cut last block, zeros, memory at the end. The source is @fd. */
static struct fc_image *make_image(int fd, uint64_t blocks)
{
    struct fc_image *image = NULL;
    struct fc_error err = {0};
    uint64_t from_file = blocks / 3;
    unsigned char *memory, *text = malloc((size_t)(from_file + 1) * 4096);

    for (size_t i = 0; i < (from_file + 1) * 4096; i++)
        text[i] = (unsigned char)(i * 2654435761u >> 13);
    if (from_file)
        assert_int_equal(fc_pwrite_full(fd, text, (size_t)from_file * 4096 - 77, 0), 0);
    assert_int_equal(fc_image_new(blocks * 4096, &image), 0);
    memory = fc_image_alloc(image, 4096);
    memcpy(memory, text, 4096);
    memory[0] = 'm';
    assert_int_equal(fc_image_add_memory(image, 0, memory, 4096), 0);
    if (blocks > 2) {
        assert_int_equal(fc_image_add_memory(image, (blocks - 1) * 4096, memory, 4096), 0);
        assert_int_equal(fc_image_add_file(image, 4096, fd, 0, from_file * 4096), 0);
    }
    assert_int_equal(fc_image_finish(image, &err), 0);
    free(text);
    return image;
}

static void check_whole(const char *path, const struct fc_digest *got)
{
    char command[256], line[512], text[FC_DIGEST_TEXT];

    snprintf(command, sizeof(command), "sha256sum %s", path);
    assert_string_equal(said(command, line), fc_digest_format(got, text) + strlen("sha256:"));
}

/* The chunks file says of every piece of @path what the digest of those bytes is, and of no other. */
static void check_chunks(const char *path, const char *chunks)
{
    struct fc_buf data = {0}, text = {0}, want = {0};
    char digest[FC_DIGEST_TEXT];
    struct fc_digest d;

    assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 30, &data), 0);
    assert_int_equal(fc_read_file(AT_FDCWD, chunks, 1 << 30, &text), 0);
    fc_buf_addf(&want, "fccompose-chunks 1\nsize %zu\nchunk-size 65536\nalgorithm sha256\n", data.len);
    for (size_t at = 0; at < data.len; at += 65536) {
        fc_digest_of(data.data + at, data.len - at < 65536 ? data.len - at : 65536, &d);
        fc_buf_addf(&want, "%s\n", fc_digest_format(&d, digest) + strlen("sha256:"));
    }
    assert_string_equal(text.data, want.data);
    fc_buf_release(&data);
    fc_buf_release(&text);
    fc_buf_release(&want);
}

/* What veritysetup makes of the first @blocks blocks of @path, with the same salt and UUID, is what we made at @offset. */
static void check_tree(const char *path, uint64_t blocks, const char *tree, const struct fc_image_verity_result *v)
{
    char command[1024], line[512], text[FC_DIGEST_TEXT];

    snprintf(command, sizeof(command),
             "PATH=$PATH:/usr/sbin:/sbin; rm -f ref; veritysetup format %s ref --data-blocks %llu --salt "
             "5353535353535353535353535353535353535353535353535353535353535353 --uuid "
             "55555555-5555-5555-5555-555555555555 | sed -n 's/Root hash:[[:space:]]*//p'",
             path, (unsigned long long)blocks);
    assert_string_equal(said(command, line), fc_digest_format(&v->root, text) + strlen("sha256:"));
    snprintf(command, sizeof(command), "cmp -i %llu:0 %s %s/ref && echo same", (unsigned long long)v->offset, tree,
             dir);
    assert_string_equal(said(command, line), "same");
}

static void need_veritysetup(void)
{
    if (system("PATH=$PATH:/usr/sbin:/sbin; command -v veritysetup >/dev/null") != 0)
        skip();
}

static void check_size(uint64_t blocks)
{
    struct fc_image_write_options o = {.no_sync = true, .sha256 = true, .chunks = "chunks"};
    struct fc_image_write_result result;
    struct fc_error err = {0};
    int fd = memfd_create("source", 0);
    struct fc_image *image = make_image(fd, blocks);

    memset(o.verity.salt, 0x53, sizeof(o.verity.salt));
    memset(o.verity.uuid, 0x55, sizeof(o.verity.uuid));
    o.verity.append = true;
    assert_int_equal(fc_image_write(image, "appended", &o, &result, &err), 0);
    assert_int_equal(result.verity.data_blocks, blocks);
    assert_int_equal(result.verity.offset, blocks * 4096);
    check_whole("appended", &result.sha256);
    check_chunks("appended", o.chunks);
    check_tree("appended", blocks, "appended", &result.verity);
    o.verity.append = false;
    o.verity.path = "tree";
    assert_int_equal(fc_image_write(image, "plain", &o, &result, &err), 0);
    check_whole("plain", &result.sha256);
    check_chunks("plain", o.chunks);
    check_tree("plain", blocks, o.verity.path, &result.verity);
    fc_image_free(image);
    close(fd);
}

/* Around the edges of levels (128 digests a block) and of pieces (16 blocks). */
static void test_sizes(void **state)
{
    static const uint64_t sizes[] = {1, 2, 3, 15, 16, 17, 127, 128, 129, 500, 16384, 16385};

    (void)state;
    need_veritysetup();
    for (size_t i = 0; i < FC_LENGTH(sizes); i++)
        check_size(sizes[i]);
}

static void test_stream(void **state)
{
    struct fc_image_write_options o = {.sha256 = true, .chunks = "chunks", .verity.append = true};
    struct fc_image_write_result result, streamed;
    struct fc_error err = {0};
    int fd = memfd_create("source", 0), out = open("out", O_CREAT | O_TRUNC | O_WRONLY, 0600);
    struct fc_image *image = make_image(fd, 777);

    (void)state;
    assert_int_equal(fc_image_stream(image, out, &o, &streamed, &err), 0);
    close(out);
    check_whole("out", &streamed.sha256);
    check_chunks("out", o.chunks);
    assert_int_equal(fc_image_write(image, "file", &o, &result, &err), 0);
    assert_memory_equal(&result.sha256, &streamed.sha256, sizeof(result.sha256));
    assert_memory_equal(&result.verity.root, &streamed.verity.root, sizeof(result.verity.root));
    fc_image_free(image);
    close(fd);
}

/* A source cut short while it is digested, a full disk: words, no image, no file beside it. */
static void test_failures(void **state)
{
    struct fc_image_write_options o = {.sha256 = true, .chunks = "none", .verity.append = true};
    struct fc_error err = {0};
    int fd = memfd_create("source", 0);
    struct fc_image *image = make_image(fd, 9000), *odd = NULL;

    (void)state;
    unlink("out");
    assert_int_equal(fc_image_write(image, "/dev/full", &o, NULL, &err), -ENOSPC);
    assert_int_equal(ftruncate(fd, 1000 * 4096), 0);
    assert_int_equal(fc_image_write(image, "out", &o, NULL, &err), -EIO);
    assert_non_null(strstr(err.msg, "a source of the image"));
    assert_int_equal(access("out", F_OK), -1);
    assert_int_equal(access(o.chunks, F_OK), -1);
    fc_image_free(image);
    close(fd);
    assert_int_equal(fc_image_new(5000, &odd), 0);
    assert_int_equal(fc_image_finish(odd, &err), 0);
    assert_int_equal(fc_image_write(odd, "out", &o, NULL, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "5000 bytes"));
    fc_image_free(odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_failures),
    };
    int r;

    if (!mkdtemp(dir) || chdir(dir) < 0)
        return 1;
    cmocka_set_test_filter(getenv("FC_TEST_ONLY"));
    r = cmocka_run_group_tests(tests, NULL, NULL);
    fc_remove_all(AT_FDCWD, dir);
    return r;
}

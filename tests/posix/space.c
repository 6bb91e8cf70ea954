/* SPDX-License-Identifier: Apache-2.0 */
/* Holes: where they are, that they cost nothing, how they are made and filled. */
#include "px.h"

#include <linux/falloc.h>

enum { BLOCK = 4096 };

/* Data in blocks 4 and 10, and a size of 20 blocks. */
static void prepare_holes(void)
{
    char block[BLOCK];
    int fd = (int)OK(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644));

    memset(block, 'x', sizeof(block));
    IS(pwrite(fd, block, BLOCK, 4 * BLOCK), BLOCK);
    IS(pwrite(fd, block, BLOCK, 10 * BLOCK), BLOCK);
    OK(ftruncate(fd, 20 * BLOCK));
    OK(close(fd));
    px_file("empty", "");
}

static void seeks(void)
{
    int fd = (int)OK(open("f", O_RDWR)), empty = (int)OK(open("empty", O_RDONLY));

    IS(lseek(fd, 0, SEEK_DATA), 4 * BLOCK);
    IS(lseek(fd, 0, SEEK_HOLE), 0);
    IS(lseek(fd, 4 * BLOCK, SEEK_DATA), 4 * BLOCK);
    IS(lseek(fd, 4 * BLOCK + 5, SEEK_DATA), 4 * BLOCK + 5);
    IS(lseek(fd, 4 * BLOCK + 5, SEEK_HOLE), 5 * BLOCK);
    IS(lseek(fd, 5 * BLOCK, SEEK_DATA), 10 * BLOCK);
    IS(lseek(fd, 10 * BLOCK, SEEK_HOLE), 11 * BLOCK);
    FAILS(ENXIO, lseek(fd, 11 * BLOCK, SEEK_DATA));
    IS(lseek(fd, 11 * BLOCK, SEEK_HOLE), 11 * BLOCK);
    FAILS(ENXIO, lseek(fd, 20 * BLOCK, SEEK_DATA));
    FAILS(ENXIO, lseek(fd, 20 * BLOCK, SEEK_HOLE));
    FAILS(ENXIO, lseek(fd, -1, SEEK_DATA));
    FAILS(EINVAL, lseek(fd, 0, 17));
    FAILS(ENXIO, lseek(empty, 0, SEEK_DATA));
    FAILS(ENXIO, lseek(empty, 0, SEEK_HOLE));
    IS(pwrite(fd, "y", 1, 15 * BLOCK + 7), 1);
    IS(lseek(fd, 11 * BLOCK, SEEK_DATA), 15 * BLOCK);
    IS(lseek(fd, 15 * BLOCK, SEEK_HOLE), 16 * BLOCK);
    IS(px_stat("f").st_size, 20 * BLOCK);
    TRUE(px_stat("f").st_blocks <= 4 * 8);
    OK(ftruncate(fd, 15 * BLOCK + 9));
    IS(lseek(fd, 15 * BLOCK, SEEK_HOLE), 15 * BLOCK + 9);
    close(fd);
    close(empty);
}

static char byte_at(int fd, off_t at)
{
    char c = 1;

    IS(pread(fd, &c, 1, at), 1);
    return c;
}

static void allocates(void)
{
    int fd = (int)OK(open("f", O_RDWR)), ro = (int)OK(open("f", O_RDONLY)), dir = (int)OK(open(".", O_RDONLY));

    OK(fallocate(fd, 0, 0, 3 * BLOCK));
    TRUE(px_stat("f").st_blocks >= 5 * 8);
    IS(byte_at(fd, 0), 0);
    OK(fallocate(fd, 0, 20 * BLOCK, 100));
    IS(px_stat("f").st_size, 20 * BLOCK + 100);
    OK(fallocate(fd, FALLOC_FL_KEEP_SIZE, 30 * BLOCK, 2 * BLOCK));
    IS(px_stat("f").st_size, 20 * BLOCK + 100);
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * BLOCK + 10, BLOCK));
    IS(byte_at(fd, 4 * BLOCK + 9), 'x');
    IS(byte_at(fd, 4 * BLOCK + 10), 0);
    IS(byte_at(fd, 10 * BLOCK), 'x');
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4 * BLOCK, BLOCK));
    IS(lseek(fd, 3 * BLOCK, SEEK_DATA), 10 * BLOCK);
    OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 10 * BLOCK + 5, 10));
    IS(byte_at(fd, 10 * BLOCK + 4), 'x');
    IS(byte_at(fd, 10 * BLOCK + 5), 0);
    IS(byte_at(fd, 10 * BLOCK + 15), 'x');
    OK(fallocate(fd, FALLOC_FL_ZERO_RANGE, 40 * BLOCK, 1));
    IS(px_stat("f").st_size, 40 * BLOCK + 1);
    OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 1LL << 40));
    IS(px_stat("f").st_size, 40 * BLOCK + 1);
    IS(px_stat("f").st_blocks, 0);
    IS(byte_at(fd, 10 * BLOCK), 0);
    FAILS(EBADF, fallocate(ro, 0, 0, 1));
    FAILS(EBADF, fallocate(dir, 0, 0, 1));
    FAILS(EINVAL, fallocate(fd, 0, 0, 0));
    FAILS(EINVAL, fallocate(fd, 0, -1, 1));
    FAILS(EINVAL, fallocate(fd, 0, 0, -1));
    FAILS(EOPNOTSUPP, fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 1));
    FAILS(EFBIG, fallocate(fd, 0, INT64_MAX - 1, 2));
    close(fd);
    close(ro);
    close(dir);
    IS(posix_fallocate(fd, 0, 1), EBADF);
}

/* Ranges that move what is behind them. */
static void shifts(void)
{
    int fd = (int)OK(open("f", O_RDWR));

    OK(fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4 * BLOCK));
    OK(fallocate(fd, FALLOC_FL_INSERT_RANGE, 0, 2 * BLOCK));
    close(fd);
}

const struct px_case px_space[] = {
    {"space-seeks", prepare_holes, seeks, false},
    {"space-allocates", prepare_holes, allocates, false},
    {"space-shifts", prepare_holes, shifts, false},
    {0},
};

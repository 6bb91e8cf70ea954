/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, writing, mapping and copying the content of files. */
#include "px.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

enum { BLOCK = 4096, BLOCKS = 16 };

/* Sixteen blocks, block i filled with 'a' + i; then a hole of as many, then "end". */
static void prepare_blocks(void)
{
    char block[BLOCK];
    int fd = (int)OK(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644));

    for (int i = 0; i < BLOCKS; i++) {
        memset(block, 'a' + i, BLOCK);
        IS(write(fd, block, BLOCK), BLOCK);
    }
    IS(pwrite(fd, "end", 3, 2 * BLOCKS * BLOCK), 3);
    OK(close(fd));
    px_file("small", "0123456789");
}

static char byte_at(int fd, off_t at)
{
    char c = 1;

    IS(pread(fd, &c, 1, at), 1);
    return c;
}

static void writes(void)
{
    int fd = (int)OK(open("f", O_RDWR)), other = (int)OK(open("f", O_RDONLY));
    char b[3 * BLOCK];
    struct iovec v[2] = {{b, 10}, {b + 10, 20}};

    IS(pwrite(fd, "X", 1, 5000), 1);
    IS(byte_at(other, 4999), 'b');
    IS(byte_at(other, 5000), 'X');
    IS(byte_at(other, 5001), 'b');
    memset(b, 'Y', sizeof(b));
    IS(pwrite(fd, b, 2 * BLOCK, 3 * BLOCK + 100), 2 * BLOCK);
    IS(byte_at(other, 3 * BLOCK + 99), 'd');
    IS(byte_at(other, 3 * BLOCK + 100), 'Y');
    IS(byte_at(other, 5 * BLOCK + 99), 'Y');
    IS(byte_at(other, 5 * BLOCK + 100), 'f');
    IS(pwrite(fd, "hole", 4, 20 * BLOCK + 17), 4);
    IS(byte_at(other, 20 * BLOCK + 16), 0);
    IS(byte_at(other, 20 * BLOCK + 20), 'e');
    IS(byte_at(other, 20 * BLOCK + 21), 0);
    IS(px_stat("f").st_size, 2 * BLOCKS * BLOCK + 3);
    IS(pread(other, b, 10, 2 * BLOCKS * BLOCK), 3);
    IS(pread(other, b, 10, 2 * BLOCKS * BLOCK + 3), 0);
    IS(pread(other, b, 10, 1LL << 40), 0);
    FAILS(EINVAL, pread(other, b, 1, -1));
    FAILS(EINVAL, pwrite(fd, b, 1, -1));
    FAILS(EINVAL, lseek(fd, -1, SEEK_SET));
    IS(lseek(fd, 0, SEEK_END), 2 * BLOCKS * BLOCK + 3);
    IS(write(fd, "!", 1), 1);
    IS(px_stat("f").st_size, 2 * BLOCKS * BLOCK + 4);
    IS(pwritev(fd, v, 2, 100), 30);
    IS(preadv(other, v, 2, 100), 30);
    IS(b[29], 'Y');
    FAILS(EFAULT, write(fd, (void *)-4096, 10));
    FAILS(EFAULT, pread(fd, (void *)-4096, 10, 0));
    OK(fsync(fd));
    OK(fdatasync(other));
    OK(syncfs(fd));
    OK(sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE));
    OK(readahead(other, 0, BLOCK));
    OK(posix_fadvise(other, 0, 0, POSIX_FADV_DONTNEED));
    IS(byte_at(other, 5000), 'X');
    close(fd);
    close(other);
}

static void cuts(void)
{
    int fd = (int)OK(open("f", O_RDWR)), small = (int)OK(open("small", O_RDWR));

    OK(ftruncate(fd, 2 * BLOCK + 10));
    IS(px_stat("f").st_size, 2 * BLOCK + 10);
    OK(ftruncate(fd, 4 * BLOCK));
    IS(byte_at(fd, 2 * BLOCK + 9), 'c');
    IS(byte_at(fd, 2 * BLOCK + 10), 0);
    IS(byte_at(fd, 3 * BLOCK), 0);
    OK(truncate("f", 0));
    IS(px_stat("f").st_blocks, 0);
    OK(truncate("f", 1));
    IS(byte_at(fd, 0), 0);
    OK(ftruncate(small, 10));
    px_is_text(px_text("small"), "0123456789", "cut to its own size");
    OK(ftruncate(small, 5));
    OK(ftruncate(small, 8));
    IS(byte_at(small, 4), '4');
    IS(byte_at(small, 5), 0);
    IS(pwrite(small, "x", 1, 12), 1);
    IS(byte_at(small, 10), 0);
    OK(ftruncate(small, 1LL << 40));
    IS(px_stat("small").st_size, 1LL << 40);
    TRUE(px_stat("small").st_blocks < 64);
    IS(byte_at(small, (1LL << 40) - 1), 0);
    IS(pwrite(small, "far", 3, (1LL << 41)), 3);
    IS(byte_at(small, (1LL << 41) + 2), 'r');
    FAILS(EINVAL, truncate("small", -1));
    FAILS(EFBIG, truncate("small", INT64_MAX));
    FAILS(EFBIG, pwrite(small, "x", 1, INT64_MAX - 1));
    FAILS(EISDIR, truncate(".", 0));
    close(fd);
    close(small);
}

static void size_limit(void)
{
    struct rlimit old, few = {.rlim_cur = 100};
    int fd = (int)OK(open("small", O_RDWR));

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &few);
    FAILS(EFBIG, pwrite(fd, "x", 1, 100));
    FAILS(EFBIG, ftruncate(fd, 101));
    OK(ftruncate(fd, 100));
    IS(pwrite(fd, "xyz", 3, 98), 2);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, SIG_DFL);
    close(fd);
}

static sigjmp_buf back;
static void on_bus(int sig) { siglongjmp(back, sig); }

static void maps(void)
{
    int fd = (int)OK(open("f", O_RDWR)), ro = (int)OK(open("f", O_RDONLY));
    size_t size = 4 * BLOCK;
    char *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0),
         *reader = mmap(NULL, size, PROT_READ, MAP_SHARED, ro, 0),
         *private = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0);
    volatile char *past = shared + 2 * BLOCK;
    char b[4];

    TRUE(shared != MAP_FAILED);
    TRUE(reader != MAP_FAILED);
    TRUE(private != MAP_FAILED);
    IS(reader[BLOCK], 'b');
    IS(private[BLOCK], 'b');
    IS(pwrite(fd, "W", 1, BLOCK), 1);
    IS(reader[BLOCK], 'W');
    IS(shared[BLOCK], 'W');
    shared[10] = 'S';
    IS(reader[10], 'S');
    IS(byte_at(ro, 10), 'S');
    private[20] = 'P';
    IS(reader[20], 'a');
    IS(byte_at(ro, 20), 'a');
    OK(msync(shared, size, MS_SYNC));
    OK(msync(shared, size, MS_ASYNC));
    IS(pread(fd, b, 1, 10), 1);
    IS(b[0], 'S');
    /* Behind the end within the last block there are zeros, in the block behind it is nothing. */
    OK(ftruncate(fd, BLOCK + 100));
    IS(shared[BLOCK + 100], 0);
    signal(SIGBUS, on_bus);
    if (sigsetjmp(back, 1) == 0)
        IS(*past, 256);
    else
        px_row("SIGBUS seen");
    signal(SIGBUS, SIG_DFL);
    shared[BLOCK + 200] = 'Z';
    OK(munmap(shared, size));
    OK(ftruncate(fd, 2 * BLOCK));
    IS(byte_at(fd, BLOCK + 200), 0);
    FAILS(EACCES, mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0) == MAP_FAILED ? -1 : 0);
    OK(munmap(reader, size));
    OK(munmap(private, size));
    close(fd);
    shared = mmap(NULL, BLOCK, PROT_READ, MAP_PRIVATE, ro, 0);
    close(ro);
    OK(unlink("f"));
    IS(shared[5], 'a');
    OK(munmap(shared, BLOCK));
}

/* What was opened to read before the first write sees what is written after. */
static void readers(void)
{
    int ro = (int)OK(open("small", O_RDONLY)), fd;
    char *map = mmap(NULL, BLOCK, PROT_READ, MAP_SHARED, ro, 0), b[16] = "";

    IS(map[0], '0');
    IS(read(ro, b, 3), 3);
    fd = (int)OK(open("small", O_WRONLY));
    IS(pwrite(fd, "ABCDEF", 6, 0), 6);
    IS(map[0], 'A');
    IS(read(ro, b, 3), 3);
    IS(memcmp(b, "DEF", 3), 0);
    OK(ftruncate(fd, 4));
    IS(read(ro, b, 3), 0);
    IS(pwrite(fd, "Z", 1, 9), 1);
    IS(pread(ro, b, 16, 0), 10);
    IS(b[9], 'Z');
    IS(b[5], 0);
    OK(rename("small", "elsewhere"));
    IS(pwrite(fd, "Q", 1, 0), 1);
    IS(byte_at(ro, 0), 'Q');
    IS(map[0], 'Q');
    OK(munmap(map, BLOCK));
    close(ro);
    close(fd);
}

static void copies(void)
{
    int from = (int)OK(open("f", O_RDWR)), to = (int)OK(open("to", O_RDWR | O_CREAT, 0644)), ends[2];
    loff_t in = 5000, out = 7;
    off_t at = 0;

    IS(copy_file_range(from, &in, to, &out, 10000, 0), 10000);
    IS(in, 15000);
    IS(out, 10007);
    IS(px_stat("to").st_size, 10007);
    IS(byte_at(to, 6), 0);
    IS(byte_at(to, 7), 'b');
    IS(byte_at(to, 10006), 'd');
    in = 2 * BLOCKS * BLOCK + 1;
    IS(copy_file_range(from, &in, to, &out, 100, 0), 2);
    IS(copy_file_range(from, &in, to, &out, 100, 0), 0);
    in = 0, out = 8 * BLOCK;
    IS(copy_file_range(from, &in, from, &out, BLOCK, 0), BLOCK);
    IS(byte_at(from, 8 * BLOCK), 'a');
    in = 0, out = 100;
    FAILS(EINVAL, copy_file_range(from, &in, from, &out, BLOCK, 0));
    FAILS(EINVAL, copy_file_range(from, &in, to, &out, 1, 1));
    in = 17 * BLOCK, out = 0;
    IS(copy_file_range(from, &in, to, &out, BLOCK, 0), BLOCK); /* of a hole */
    IS(byte_at(to, 7), 0);
    IS(sendfile(to, from, &at, 3 * BLOCK), 3 * BLOCK);
    OK(pipe(ends));
    in = 0;
    IS(splice(from, &in, ends[1], NULL, BLOCK, 0), BLOCK);
    out = 0;
    IS(splice(ends[0], NULL, to, &out, BLOCK, 0), BLOCK);
    IS(byte_at(to, 9), 'a');
    close(ends[0]);
    close(ends[1]);
    close(from);
    from = (int)OK(open("f", O_WRONLY));
    FAILS(EBADF, copy_file_range(from, NULL, to, NULL, 1, 0));
    close(to);
    to = (int)OK(open("to", O_WRONLY | O_APPEND));
    close(from);
    from = (int)OK(open("f", O_RDONLY));
    FAILS(EBADF, copy_file_range(from, NULL, to, NULL, 1, 0));
    FAILS(EBADF, copy_file_range(to, NULL, from, NULL, 1, 0));
    close(from);
    from = (int)OK(open(".", O_RDONLY));
    FAILS(EISDIR, copy_file_range(from, NULL, to, NULL, 1, 0));
    close(from);
    close(to);
}

static void direct(void)
{
    static _Alignas(4096) char page[2 * BLOCK];
    int fd = (int)OK(open("f", O_RDWR | O_DIRECT)), cached = (int)OK(open("f", O_RDWR));

    IS(pread(fd, page, BLOCK, BLOCK), BLOCK);
    IS(page[0], 'b');
    memset(page, 'D', sizeof(page));
    IS(byte_at(cached, 2 * BLOCK), 'c');
    IS(pwrite(fd, page, 2 * BLOCK, 2 * BLOCK), 2 * BLOCK);
    IS(byte_at(cached, 2 * BLOCK), 'D');
    IS(pwrite(cached, "C", 1, 3 * BLOCK), 1);
    IS(pread(fd, page, BLOCK, 3 * BLOCK), BLOCK);
    IS(page[0], 'C');
    IS(pread(fd, page, BLOCK, 2 * BLOCKS * BLOCK), 3);
    IS(pread(fd, page, BLOCK, 20 * BLOCK), BLOCK);
    IS(page[BLOCK - 1], 0);
    close(fd);
    close(cached);
    fd = (int)OK(open("sync", O_RDWR | O_CREAT | O_SYNC, 0644));
    IS(write(fd, "s", 1), 1);
    close(fd);
}

const struct px_case px_content[] = {
    {"content-writes", prepare_blocks, writes, false},    {"content-cuts", prepare_blocks, cuts, false},
    {"content-limit", prepare_blocks, size_limit, false}, {"content-maps", prepare_blocks, maps, false},
    {"content-readers", prepare_blocks, readers, false},  {"content-copies", prepare_blocks, copies, false},
    {"content-direct", prepare_blocks, direct, false},    {0},
};

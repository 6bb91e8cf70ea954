/* SPDX-License-Identifier: Apache-2.0 */
/* Tell what a file is that was taken for an ext image: a disk with partitions, a compressed image, another format. */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "ext4/read.h"

#define SECTOR 512u
#define GPT_ENTRIES_MOST 128u

/* Other things that people have, and what to do with them; %s is the image. */
static const struct format {
    size_t offset;
    const char *magic;
    size_t size;
    const char *what, *next;
} formats[] = {
    {0, "\x1f\x8b", 2, "compressed with gzip", "gunzip it first"},
    {0, "\x28\xb5\x2f\xfd", 4, "compressed with zstd", "unzstd it first"},
    {0,
     "\xfd"
     "7zXZ",
     5, "compressed with xz", "unxz it first"},
    {0, "BZh", 3, "compressed with bzip2", "bunzip2 it first"},
    {0, "QFI\xfb", 4, "a qcow2 disk", "qemu-img convert -O raw makes an image of it"},
    {0, "hsqs", 4, "a squashfs image, which is not read here", "unsquashfs it, and import the folder as dir:PATH"},
    {0, "XFSB", 4, "an XFS image, which is not read here", "mount it, and import the folder as dir:PATH"},
    {257, "ustar", 5, "a tar", "give it as a layer: -l"},
    {65600, "_BHRfS_M", 8, "a btrfs image, which is not read here", "mount it, and import the folder as dir:PATH"},
    {1024, "\xe2\xe1\xf5\xe0", 4, "an EROFS image, which is not read here",
     "mount it, and import the folder as dir:PATH"},
};

static bool has(const struct fc_ext4_reader *r, uint64_t offset, const char *magic, size_t size)
{
    char found[8];

    return offset < r->image_size && fc_pread_full(r->fd, found, size, offset) == (ssize_t)size &&
           memcmp(found, magic, size) == 0;
}

static bool is_ext(const struct fc_ext4_reader *r, uint64_t offset)
{
    return has(r, offset + SUPERBLOCK_OFFSET + offsetof(struct ext2_super_block, s_magic), "\x53\xef", 2);
}

static uint32_t le32(const unsigned char *at) { return at[0] | at[1] << 8 | at[2] << 16 | (uint32_t)at[3] << 24; }
static uint64_t le64(const unsigned char *at) { return le32(at) | (uint64_t)le32(at + 4) << 32; }

/* The partition of a GPT that holds an ext file system: first sector and their number. */
static bool find_gpt(const struct fc_ext4_reader *r, uint64_t *ret_start, uint64_t *ret_n)
{
    unsigned char header[96], entry[48];
    uint64_t table, size;

    if (fc_pread_full(r->fd, header, sizeof(header), SECTOR) != sizeof(header) || memcmp(header, "EFI PART", 8) != 0)
        return false;
    table = le64(header + 72);
    size = le32(header + 84);
    for (uint32_t i = 0; i < GPT_ENTRIES_MOST && i < le32(header + 80); i++) {
        if (table > r->image_size / SECTOR || size < sizeof(entry) || size > 4096 ||
            fc_pread_full(r->fd, entry, sizeof(entry), table * SECTOR + i * size) != sizeof(entry))
            return false;
        *ret_start = le64(entry + 32);
        *ret_n = le64(entry + 40) - *ret_start + 1;
        if (*ret_start && *ret_start < r->image_size / SECTOR && is_ext(r, *ret_start * SECTOR))
            return true;
    }
    return false;
}

static bool find_mbr(const struct fc_ext4_reader *r, const unsigned char *sector, uint64_t *ret_start, uint64_t *ret_n)
{
    for (unsigned i = 0; i < 4; i++) {
        *ret_start = le32(sector + 446 + 16 * i + 8);
        *ret_n = le32(sector + 446 + 16 * i + 12);
        if (*ret_start && is_ext(r, *ret_start * SECTOR))
            return true;
    }
    return false;
}

static int fail_disk(struct fc_ext4_reader *r, const unsigned char *sector)
{
    uint64_t start, n;

    if (find_gpt(r, &start, &n) || find_mbr(r, sector, &start, &n))
        return fc_fail(r->err, EOPNOTSUPP,
                       "%s is a disk with a partition table, not a file system; take the partition out of it: "
                       "dd if=%s of=part.ext4 bs=512 skip=%llu count=%llu",
                       r->label, r->label, (unsigned long long)start, (unsigned long long)n);
    return fc_fail(
        r->err, EOPNOTSUPP,
        "%s is a disk with a partition table, none of its partitions an ext file system (partx --show %s lists "
        "them)",
        r->label, r->label);
}

int fc_ext4_read_fail_other(struct fc_ext4_reader *r)
{
    unsigned char sector[SECTOR];

    for (size_t i = 0; i < FC_LENGTH(formats); i++)
        if (has(r, formats[i].offset, formats[i].magic, formats[i].size))
            return fc_fail(r->err, EOPNOTSUPP, "%s is %s: %s", r->label, formats[i].what, formats[i].next);
    if (fc_pread_full(r->fd, sector, sizeof(sector), 0) == sizeof(sector) && sector[510] == 0x55 && sector[511] == 0xaa)
        return fail_disk(r, sector);
    return fc_fail(r->err, EOPNOTSUPP, "%s holds no ext2, ext3 or ext4 file system", r->label);
}

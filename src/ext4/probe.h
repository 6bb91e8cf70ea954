/* SPDX-License-Identifier: Apache-2.0 */
/* What an ext2, ext3 or ext4 image's superblock says of itself, without opening the file system. */
#ifndef FC_EXT4_PROBE_H
#define FC_EXT4_PROBE_H

#include <stdint.h>

#include <fccompose/error.h>

/** Words of a superblock, as the disk has them. */
struct fc_ext4_probe {
    uint64_t size; /**< of the file or device, bytes */
    uint32_t compat, incompat, ro_compat;
    uint8_t uuid[16];
    char label[17];
};

/**
 * Read the superblock of @path. Returns 0 and fills *ret; -EBADMSG when there is none; or a failure to read, with words. Nothing in
 * it is checked but the magic number. Any thread.
 */
int fc_ext4_probe(const char *path, struct fc_ext4_probe *ret, struct fc_error *err);

#endif

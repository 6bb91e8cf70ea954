/* SPDX-License-Identifier: Apache-2.0 */
/* Read the few words of a superblock that say who can mount the file system. */
#include "ext4/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

enum { SUPER_AT = 1024, SUPER_SIZE = 1024, MAGIC_AT = 56, FEATURES_AT = 92, UUID_AT = 104, LABEL_AT = 120 };

static uint32_t le32(const unsigned char *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

int fc_ext4_probe(const char *path, struct fc_ext4_probe *ret, struct fc_error *err)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned char s[SUPER_SIZE];
    ssize_t n = fd < 0 ? -errno : fc_pread_full(fd, s, sizeof(s), SUPER_AT);
    off_t end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);

    if (n < 0 || end < 0)
        return fc_fail_errno(err, n < 0 ? (int)-n : errno, "%s", path);
    if (n < SUPER_SIZE || s[MAGIC_AT] != 0x53 || s[MAGIC_AT + 1] != 0xef)
        return fc_fail(err, EBADMSG, "%s holds no ext2, ext3 or ext4 file system", path);
    *ret = (struct fc_ext4_probe){.size = (uint64_t)end,
                                  .compat = le32(s + FEATURES_AT),
                                  .incompat = le32(s + FEATURES_AT + 4),
                                  .ro_compat = le32(s + FEATURES_AT + 8)};
    memcpy(ret->uuid, s + UUID_AT, sizeof(ret->uuid));
    memcpy(ret->label, s + LABEL_AT, sizeof(ret->label) - 1);
    return 0;
}

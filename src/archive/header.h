/* SPDX-License-Identifier: Apache-2.0 */
/* One 512-byte tar header as numbers and strings. Private to archive/. */
#ifndef FC_ARCHIVE_HEADER_H
#define FC_ARCHIVE_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "archive/stream.h"

/** Which dialect a header is in. */
enum fc_tar_dialect { FC_TAR_V7, FC_TAR_USTAR, FC_TAR_GNU, FC_TAR_STAR };

/** Layout of a header, for reading and for writing. */
struct fc_tar_raw {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], chksum[8], typeflag, linkname[100];
    char magic[8], uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
_Static_assert(sizeof(struct fc_tar_raw) == FC_TAR_BLOCK, "a tar header is one block");

/** What a block is. */
enum fc_tar_block_kind { FC_TAR_IS_HEADER, FC_TAR_IS_ZERO, FC_TAR_IS_OTHER };

/** Tell headers (right checksum, summed signed or unsigned) from zeros and from other data. */
enum fc_tar_block_kind fc_tar_block_kind(const uint8_t block[FC_TAR_BLOCK]);

/** The dialect of a header. */
enum fc_tar_dialect fc_tar_dialect(const struct fc_tar_raw *raw);

/**
 * Read a number field: octal with blanks around it, or base-256. Returns 0, -EBADMSG for other text, -ERANGE beyond
 * 64 bits. An empty field is 0.
 */
int fc_tar_number(const char *field, size_t size, int64_t *ret);

/** Write @value as octal with a NUL after it if it fits; returns whether it does (else the field is zero). */
bool fc_tar_put_octal(char *field, size_t size, uint64_t value);

/** Compute and write the checksum. */
void fc_tar_put_checksum(struct fc_tar_raw *raw);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Maps of sparse files in tars. Private to archive/. */
#ifndef FC_ARCHIVE_SPARSE_H
#define FC_ARCHIVE_SPARSE_H

#include <stddef.h>
#include <stdint.h>

#include "archive/header.h"

/** Where the data of a sparse file is. All zero is empty. */
struct fc_sparse_map {
    struct fc_tar_extent *runs;
    size_t n, cap;
};

/** Append a run; runs without length are dropped. Returns 0, -EBADMSG if it is not after the last one, or -ENOMEM. */
int fc_sparse_add(struct fc_sparse_map *map, uint64_t offset, uint64_t length, struct fc_error *err);

/** Check the whole: inside @file_size, and @stored bytes in sum. Returns 0 or -EBADMSG. */
int fc_sparse_check(const struct fc_sparse_map *map, uint64_t file_size, uint64_t stored, struct fc_error *err);

/** Read the map of an old GNU header, and its continuation blocks from @s. Sets *ret_size to the file's size. */
int fc_sparse_read_gnu(struct fc_sparse_map *map, const struct fc_tar_raw *raw, struct fc_stream *s, uint64_t *ret_size,
                       struct fc_error *err);

/** Read the map in front of the data of a 1.0 file, at most @limit bytes. Sets *ret_used to its length. */
int fc_sparse_read_1_0(struct fc_sparse_map *map, struct fc_stream *s, uint64_t limit, uint64_t *ret_used,
                       struct fc_error *err);

#endif

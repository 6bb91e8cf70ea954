/* SPDX-License-Identifier: Apache-2.0 */
/* What reading a tar keeps between entries: shared by the iterator (tar_read.c) and the making of an entry (tar_entry.c). */
#ifndef FC_ARCHIVE_TAR_READ_H
#define FC_ARCHIVE_TAR_READ_H

#include "archive/attrs.h"
#include "archive/header.h"
#include "archive/pax.h"
#include "archive/stream.h"
#include "entry/entry.h"

/** The iterator. Extension headers are taken in before the entry that they describe. */
struct fc_tar_reader {
    struct fc_entry_iter base;
    struct fc_stream *stream;
    char *label;
    struct fc_pax local, global;
    struct fc_buf long_name, long_link, extended;
    bool have_name, have_link;
    struct fc_buf raw_path, path, target;
    struct fc_attrs attrs;
    struct fc_entry entry;
    uint64_t offset; /* of the entry's first header */
    bool named;      /* @path is that of the entry under way */
    bool any, end;
    struct fc_sparse_map map; /* where the entry's data goes; one run if it is not sparse */
    size_t run;               /* the current run, */
    uint64_t run_done;        /* how much of it is read, */
    uint64_t left;            /* and how many bytes of data are left in the archive, */
    uint64_t padding;         /* followed by this */
    uint32_t n_notes;
};

/** A header and what it says about itself. */
struct fc_tar_head {
    struct fc_tar_raw raw;
    enum fc_tar_dialect dialect;
    uint64_t size; /* of the data that follows */
};

/** The zero bytes behind @size bytes of data. */
static inline uint64_t fc_tar_padding(uint64_t size) { return -size % FC_TAR_BLOCK; }

/**
 * Make t->entry of @h and of the extension headers before it, and find out where its content is.
 *
 * The stream stands behind @h, and afterwards where the content begins. Returns 0, or -EBADMSG or -EOPNOTSUPP with words
 * that do not name the entry yet (t->named says whether t->path does). The entry borrows from @t until the next one.
 */
int fc_tar_take_entry(struct fc_tar_reader *t, const struct fc_tar_head *h, struct fc_error *err);

#endif

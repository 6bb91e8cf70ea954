/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the check of a store share. */
#ifndef FC_EDIT_CHECK_PRIVATE_H
#define FC_EDIT_CHECK_PRIVATE_H

#include "base/buf.h"
#include "edit/check.h"
#include "edit/store.h"

struct fc_check {
    struct fc_edit *e; /* its database may be closed */
    struct fc_check_options options;
    struct fc_findings *found;
    struct fc_rows rows;
    bool rebuild;  /* the database itself is damaged: a new one must be written */
    bool swapping; /* a new database is taking the old one's place */
    bool no_data;  /* the data file is missing */
};

/** A value of a row. */
enum check_type { CHECK_NULL, CHECK_INT, CHECK_REAL, CHECK_TEXT, CHECK_BLOB };
struct check_cell {
    enum check_type type;
    int64_t i;
    const char *data; /* of text and blob */
    size_t size;
};

/** The most columns that a table has. */
enum { CHECK_COLUMNS = 18 };

/** A table as a check reads it. */
struct check_table {
    const char *name, *select;
    int n_columns;
    /** Take a row, saying what is wrong with it. Returns 0 or -ENOMEM. */
    int (*take)(struct fc_check *c, const struct check_cell *cells);
};

/* check_database.c */

/** Look at the database as a whole; sets c->rebuild. -EOPNOTSUPP for a newer version, -EBADMSG if nothing is ours. */
int check_database(struct fc_check *c, struct fc_error *err);
/** Read all rows by SQLite. */
int check_read(struct fc_check *c, struct fc_error *err);

/* check_rows.c, check_stack.c: takers */
int check_take_inode(struct fc_check *c, const struct check_cell *cells);
int check_take_xattr(struct fc_check *c, const struct check_cell *cells);
int check_take_extent(struct fc_check *c, const struct check_cell *cells);
int check_take_dentry(struct fc_check *c, const struct check_cell *cells);
int check_take_layer(struct fc_check *c, const struct check_cell *cells);
int check_take_meta(struct fc_check *c, const struct check_cell *cells);
int check_take_conflict(struct fc_check *c, const struct check_cell *cells);
/** When all rows are there: the order of extents inside each file. */
void check_extent_order(struct fc_check *c);
/** Numbers of inodes that no counting reaches become others. */
int check_absurd(struct fc_check *c, struct fc_error *err);
/** And the layers among themselves. */
void check_stack(struct fc_check *c);

/* check_salvage.c */

/** Read what rows there are in the pages of a database that SQLite refuses. *ret_n is how many were found. */
int check_salvage(struct fc_check *c, uint64_t *ret_n, struct fc_error *err);

/* check_put.c */

/** Replace the changed tables, all or nothing, in the database that is open. */
int check_put_rows(struct fc_check *c, struct fc_error *err);

/* check_image.c */

/** The database as pages, with what its log holds. */
struct check_image {
    struct fc_buf bytes;
    uint32_t page_size;
};
int check_image_load(const char *path, struct check_image *ret, struct fc_error *err);
/** Page @n (from 1), or NULL. */
const unsigned char *check_image_page(const struct check_image *image, uint32_t n);

/* check_record.c */

/** Where rows that were found in pages go. */
typedef int (*check_row_fn)(void *arg, bool rowid, const struct check_cell *cells, int n);
/** Call @fn for each row in page @n, if it is one that holds rows. Returns 0 or what @fn returned. */
int check_page_rows(const struct check_image *image, uint32_t n, check_row_fn fn, void *arg);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What was written to an output: its identity, and where each of its bytes came from. */
#ifndef FC_IMAGE_RECORD_H
#define FC_IMAGE_RECORD_H

#include <sys/stat.h>

#include "base/digest.h"
#include "image/image.h"

/** A run of bytes of a written output. What no segment covers was left zero. */
struct fc_record_segment {
    uint64_t offset, length;
    uint64_t source_offset;
    uint32_t source; /**< index of a key, or FC_RECORD_OTHER: bytes that only the output itself tells */
    uint32_t pad;
};
#define FC_RECORD_OTHER UINT32_MAX
/** Names of files in the folder of records that are none begin so: plans that the planner keeps there. */
#define FC_RECORD_PLAN_PREFIX "base-"

/** Which file it was, and in what state. */
struct fc_record_identity {
    uint64_t dev, ino, size;
    int64_t mtime, ctime;
    uint32_t mtime_ns, ctime_ns;
    uint8_t boot[16]; /**< of the boot in which it was written without a sync; zero: it was synced */
};

/** A record in memory. All zero is none. */
struct fc_record {
    struct fc_record_identity identity;
    struct fc_digest *keys;
    struct fc_record_segment *segments; /**< sorted */
    void *note;                         /**< what the planner wanted to be kept */
    uint64_t n_keys, n_segments, n_note;
};

/** The path of the record in folder @dir of what is written to @output. Returns 0 and *ret_path (caller frees) or -errno. */
int fc_record_path(const char *dir, const char *output, char **ret_path);

/** Read it. Returns 0, -ENOENT, -EBADMSG when it is damaged, or another errno; *ret is set only on success. */
int fc_record_load(const char *path, struct fc_record *ret);

/** Whether the file with @st is what was recorded, unchanged since. */
bool fc_record_fits(const struct fc_record *r, const struct stat *st);

/**
 * Wait until a later change of the file would show in its times: the clock that they are taken from has passed the last
 * one. Call after the last write, before anyone else can reach the file. Sets *ret to its state.
 */
int fc_record_settle(int fd, struct stat *ret);

/**
 * Record that @fd, in the place where it stays and @settled before it came there, holds @image and after it whatever its
 * length says; and the note of @options. Makes the folder of @path if it is missing. Returns 0, -ESTALE when the file was
 * changed meanwhile, or another errno; then what was at @path is no record of this file either.
 */
int fc_record_save(const char *path, const struct fc_image *image, int fd, const struct stat *settled,
                   const struct fc_image_write_options *options);

/** Free the memory; none afterwards. */
void fc_record_release(struct fc_record *r);

#endif

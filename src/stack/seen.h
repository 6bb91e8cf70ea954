/* SPDX-License-Identifier: Apache-2.0 */
/* Files that were read before, told apart without reading them where that is safe. For stack/ and compose/. */
#ifndef FC_STACK_SEEN_H
#define FC_STACK_SEEN_H

#include <stdbool.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "layer/layer.h"

/** Whether any change from now on will change the ctime in @st, by its age and by the file system that @fd (or what is beside it) is on. */
bool fc_seen_is_settled(int fd, const struct stat *st);

/** A regular file, from where its descriptor stands to its end, as it was when we began. */
struct fc_seen;

/**
 * Look at @fd, which is borrowed, as is @cache; @label names it in messages (borrowed). No content counts that is read
 * before this.
 *
 * Returns 0 and sets *ret, to NULL when @fd is no regular file or has no position; or a negative errno with words.
 */
int fc_seen_new(struct fc_cache *cache, int fd, const char *label, struct fc_seen **ret, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_seen_free(struct fc_seen *s);
/** Bytes from where the descriptor stood to the end. */
uint64_t fc_seen_size(const struct fc_seen *s);

/** Whether this is the file of an earlier fc_seen_remember(), with no change since; sets *ret_blob to what was given then. */
bool fc_seen_same(const struct fc_seen *s, struct fc_digest *ret_blob);
/** Whether bytes of this length and beginning were remembered. If not, neither were these. */
bool fc_seen_alike(const struct fc_seen *s);
/** Digest the bytes, without moving the descriptor's position. Returns 0 or -errno with words. */
int fc_seen_digest(const struct fc_seen *s, struct fc_progress *progress, struct fc_digest *ret_blob,
                   struct fc_error *err);
/**
 * Remember that these bytes, read since fc_seen_new(), have the digest @blob. Not if the file changed meanwhile, or so
 * shortly before that a change would not show in its times, or if its file system's times are not to be relied on.
 * Forgetting costs time and nothing else: no errors.
 */
void fc_seen_remember(const struct fc_seen *s, const struct fc_digest *blob);

/** The beginning of a file or of what came through a pipe. All zero is none yet. */
struct fc_sample {
    uint8_t head[4096];
    size_t used;
};

/** Take the next @size bytes in, as far as they belong to the beginning. */
void fc_sample_add(struct fc_sample *s, const void *data, size_t size);
/** Remember for fc_seen_alike() that @length bytes with the beginning @sample have the digest @blob. No errors. */
void fc_seen_remember_sample(struct fc_cache *cache, const struct fc_sample *sample, uint64_t length,
                             const struct fc_digest *blob);

FC_DEFINE_AUTO(struct fc_seen *, fc_seen_free)

#endif

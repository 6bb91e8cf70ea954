/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of an overlay share. */
#ifndef FC_IMAGE_OVERLAY_FILE_H
#define FC_IMAGE_OVERLAY_FILE_H

#include <pthread.h>

#include "image/overlay.h"

enum { OVERLAY_BLOCK = 4096 };

struct fc_overlay {
    const struct fc_image *base;
    char *path;
    int fd;
    uint64_t size, data_offset;

    pthread_rwlock_t lock; /* the map, and writes as a whole */
    unsigned char *map;
    size_t map_bytes;     /* a multiple of a block */
    unsigned char *dirty; /* a byte for each block of the map: it differs from the file's */
    uint64_t n_written;
    bool unsynced; /* something was written since the last sync */

    pthread_mutex_t syncing; /* one sync at a time; taken before @lock */
    int failed;              /* errno of a sync that failed: what was written then may be lost */
};

#endif

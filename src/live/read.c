/* SPDX-License-Identifier: Apache-2.0 */
/* Read content, and find its data and holes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "live/internal.h"

/* So many pieces are looked up at a time. */
enum { PIECES = 64 };

/* The pieces of [offset, offset + size) that fit, or 0 at the end of the file. */
static int collect(struct fc_live *live, uint64_t ino, uint64_t offset, size_t size, struct live_piece *pieces)
{
    struct live_node node;
    struct live_content c;
    int n = 0, r = live_node(live, ino, &node);

    if (r < 0)
        return r;
    if (S_ISDIR(live_mode(live, &node)))
        return -EISDIR;
    if (!S_ISREG(live_mode(live, &node)))
        return -EINVAL;
    c = live_content(live, &node);
    while (n < PIECES && size > 0 && offset < c.size) {
        live_content_piece(&c, offset, &pieces[n]);
        if (pieces[n].length > size)
            pieces[n].length = size;
        offset += pieces[n].length;
        size -= (size_t)pieces[n].length;
        n++;
    }
    return n;
}

static int read_piece(const struct live_piece *p, char *buffer)
{
    ssize_t n = 0;

    if (p->fd >= 0)
        n = fc_pread_full(p->fd, buffer, (size_t)p->length, p->source_offset);
    if (n < 0)
        return (int)n;
    /* Holes, and what was allocated behind the end of the data file but never written. */
    memset(buffer + n, 0, (size_t)p->length - (size_t)n);
    return 0;
}

/* One round: returns the bytes read, 0 at the end. */
static ssize_t read_some(struct fc_live *live, uint64_t ino, char *buffer, size_t size, uint64_t offset)
{
    struct live_piece pieces[PIECES];
    size_t done = 0;
    unsigned generation;
    int n, r = 0;

    live_lock(live);
    n = collect(live, ino, offset, size, pieces);
    generation = live->generation;
    live->readers[generation] += n > 0;
    live_unlock(live, NULL);
    if (n <= 0)
        return n;
    for (int i = 0; i < n && r == 0; i++) {
        r = read_piece(&pieces[i], buffer + done);
        done += (size_t)pieces[i].length;
    }
    live_lock(live);
    live->readers[generation]--;
    live_unlock(live, NULL);
    return r < 0 ? r : (ssize_t)done;
}

ssize_t fc_live_read(struct fc_live *live, uint64_t ino, void *buffer, size_t size, uint64_t offset)
{
    size_t done = 0;

    do {
        ssize_t n = read_some(live, ino, (char *)buffer + done, size - done, offset + done);

        if (n < 0)
            return n;
        if (n == 0)
            break;
        done += (size_t)n;
    } while (done < size);
    return (ssize_t)done;
}

static int64_t seek(const struct live_content *c, uint64_t offset, bool data)
{
    if (offset >= c->size)
        return -ENXIO;
    while (offset < c->size) {
        struct live_piece p;

        live_content_piece(c, offset, &p);
        if ((p.fd >= 0) == data)
            return (int64_t)offset;
        offset += p.length;
    }
    /* There is a hole at the end of every file. */
    return data ? -ENXIO : (int64_t)c->size;
}

int64_t fc_live_lseek(struct fc_live *live, uint64_t ino, uint64_t offset, int whence)
{
    struct live_node node;
    int64_t r;

    if (whence != SEEK_DATA && whence != SEEK_HOLE)
        return -EINVAL;
    live_lock(live);
    r = live_node(live, ino, &node);
    if (r == 0 && !S_ISREG(live_mode(live, &node)))
        r = -EINVAL;
    if (r == 0) {
        struct live_content c = live_content(live, &node);

        r = seek(&c, offset, whence == SEEK_DATA);
    }
    live_unlock(live, NULL);
    return r;
}

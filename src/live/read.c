/* SPDX-License-Identifier: Apache-2.0 */
/* Read content, and find its data and holes. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/io.h"
#include "base/log.h"
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

/* Once for each descriptor and second: a program may try to read the same again and again. */
static void tell_unreadable(struct fc_live *live, const struct live_piece *p, int code)
{
    uint64_t now = (uint64_t)time(NULL) << 24 | (uint64_t)(p->fd & 0xffffff);
    char path[512];

    if (atomic_exchange(&live->told, now) == now)
        return;
    fc_fd_path(p->fd, path, sizeof(path));
    if (p->source == FC_EDIT_DATA)
        fc_log(FC_LOG_WARN, "cannot read %s at byte %llu: %s", path, (unsigned long long)p->source_offset,
               strerror(code));
    else
        fc_log(FC_LOG_WARN,
               "cannot read %s at byte %llu: %s; next: fccompose umount, fccompose cache verify, which says what to do",
               path, (unsigned long long)p->source_offset,
               code == ENODATA   ? "it was cut short"
               : code == EBADMSG ? "damaged, its bytes are not those that were written"
                                 : strerror(code));
}

int live_read_piece(struct fc_live *live, const struct live_piece *p, void *buffer, size_t size)
{
    ssize_t n = 0;

    if (p->packed)
        n = fc_layer_read_pack(p->packed, buffer, size, p->source_offset);
    else if (p->fd >= 0)
        n = fc_pread_full(p->fd, buffer, size, p->source_offset);

    /* The pack of a layer has every byte that the index names; the data file may end where it was never written. */
    if (n >= 0 && (size_t)n < size && p->fd >= 0 && p->source != FC_EDIT_DATA)
        n = -ENODATA;
    if (n < 0) {
        tell_unreadable(live, p, (int)-n);
        return n == -ENODATA || n == -EBADMSG ? -EIO : (int)n;
    }
    memset((char *)buffer + n, 0, size - (size_t)n);
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
        r = live_read_piece(live, &pieces[i], buffer + done, (size_t)pieces[i].length);
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

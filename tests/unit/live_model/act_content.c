/* SPDX-License-Identifier: Apache-2.0 */
/* Contents: read, write, cut, reserve, punch, copy, find holes. */
#include "model.h"

#include <errno.h>
#include <linux/falloc.h>
#include <unistd.h>

/* What content operations say of other things than files. */
static int file_error(const struct run *r, const struct aim *a)
{
    if (a->node < 0)
        return -ESTALE;
    return S_ISREG(r->m->nodes[a->node].mode) ? 0 : m_is_dir(r->m, a->node) ? -EISDIR : -EINVAL;
}

static uint64_t draw_offset(struct dice *d, const struct m_node *n)
{
    uint64_t size = n ? n->size : 0;

    switch (roll(d, 12)) {
    case 0:
        return one_in(d, 4) ? M_FILE_MAX - roll(d, 20000) : UINT64_C(1) << (20 + roll(d, 24));
    case 1:
    case 2:
    case 3:
        return size;
    case 4:
        return size + roll(d, 30000);
    case 5:
    case 6:
        return roll(d, 64) * M_BLOCK;
    case 7:
        return size > 5000 ? size - roll(d, 5000) : 0;
    default:
        return roll(d, 300000);
    }
}

static size_t draw_size(struct dice *d)
{
    static const unsigned sizes[] = {1, 2, 511, 512, 4095, 4096, 4097, 8192, 12288, 65536};

    if (one_in(d, 60))
        return 1 + roll(d, M_BUFFER);
    return one_in(d, 3) ? sizes[roll(d, 10)] : 1 + roll(d, one_in(d, 2) ? 300 : 40000);
}

/* The model holds every block in memory. */
static bool too_much(const struct run *r, size_t size)
{
    size_t blocks = size / M_BLOCK;

    for (int i = 0; i < M_NODES; i++)
        blocks += r->m->nodes[i].n_blocks;
    return blocks > 3000;
}

static void do_write(struct run *r, struct dice *d)
{
    struct aim a = aim_file(r, d);
    struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    uint64_t offset = draw_offset(d, n);
    size_t size = draw_size(d);
    unsigned flags = one_in(d, 4) ? FC_WRITE_KILL_PRIV : one_in(d, 6) ? FC_WRITE_MAPPED : 0;
    unsigned char *buffer = r->buffers[0];
    unsigned first = roll(d, 256);
    long want = (long)size;

    if (too_much(r, size))
        size = 1 + size % 4096;
    want = (long)size;
    for (size_t i = 0; i < size; i++)
        buffer[i] = (unsigned char)(first + i * 3 + i / 256);
    if (offset + size > M_FILE_MAX)
        want = -EFBIG;
    else if (file_error(r, &a) < 0)
        want = file_error(r, &a);
    say(r, "write %llu: %zu bytes at %llu", (unsigned long long)a.ino, size, (unsigned long long)offset);
    expect(r, fc_live_write(r->live, a.ino, buffer, size, offset, flags), want);
    if (want < 0)
        return;
    m_write(n, offset, buffer, size);
    if (flags != FC_WRITE_MAPPED)
        kill_priv(n, flags & FC_WRITE_KILL_PRIV);
    touch(r, a.node, T_MTIME | T_CTIME);
}

static void do_read(struct run *r, struct dice *d)
{
    struct aim a = aim_file(r, d);
    const struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    uint64_t offset = draw_offset(d, n);
    size_t size = draw_size(d);
    unsigned char *got = r->buffers[0], *expected = r->buffers[1];
    long want = file_error(r, &a);

    if (want == 0 && offset < n->size)
        want = (long)(n->size - offset < size ? n->size - offset : size);
    say(r, "read %llu: %zu bytes at %llu", (unsigned long long)a.ino, size, (unsigned long long)offset);
    expect(r, fc_live_read(r->live, a.ino, got, size, offset), want);
    if (want <= 0)
        return;
    m_read(n, offset, expected, (size_t)want);
    if (memcmp(got, expected, (size_t)want) != 0)
        disagree(r, "other bytes");
}

static void do_truncate(struct run *r, struct dice *d)
{
    struct aim a = aim_file(r, d);
    struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    struct fc_attr attr = {.size = one_in(d, 4) ? 0 : draw_offset(d, n)}, got;
    bool kill = one_in(d, 4), more = one_in(d, 30);
    int want = file_error(r, &a), rc;

    if (more)
        attr.size = M_FILE_MAX + 1;
    if (want == 0 && attr.size > M_FILE_MAX)
        want = -EFBIG;
    say(r, "truncate %llu to %llu", (unsigned long long)a.ino, (unsigned long long)attr.size);
    rc = fc_live_setattr(r->live, a.ino, &attr, FC_SET_SIZE | (kill ? FC_SET_KILL_PRIV : 0), &got);
    expect(r, rc, want);
    if (rc < 0)
        return;
    m_truncate(n, attr.size);
    kill_priv(n, kill);
    touch(r, a.node, T_MTIME | T_CTIME);
    if (got.size != attr.size)
        disagree(r, "returned size %llu", (unsigned long long)got.size);
}

static int allocate_error(const struct run *r, const struct aim *a, int mode, uint64_t offset, uint64_t length)
{
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE) || mode == FALLOC_FL_PUNCH_HOLE)
        return -EOPNOTSUPP;
    if (length == 0)
        return -EINVAL;
    if (offset > M_FILE_MAX || length > M_FILE_MAX - offset)
        return -EFBIG;
    return file_error(r, a);
}

static void do_allocate(struct run *r, struct dice *d)
{
    static const int modes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE,
                                FALLOC_FL_COLLAPSE_RANGE};
    struct aim a = aim_file(r, d);
    struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    int mode = modes[one_in(d, 20) ? roll(d, 8) : roll(d, 6)], want, rc;
    uint64_t offset = draw_offset(d, n), length = one_in(d, 40) ? 0 : draw_size(d);

    if (too_much(r, length) && !(mode & FALLOC_FL_PUNCH_HOLE))
        length %= 8192;
    if (mode == (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE) && one_in(d, 10) && offset < M_FILE_MAX / 2)
        length = UINT64_C(1) << 42;
    want = allocate_error(r, &a, mode, offset, length);
    say(r, "fallocate %llu mode %d: %llu bytes at %llu", (unsigned long long)a.ino, mode, (unsigned long long)length,
        (unsigned long long)offset);
    rc = fc_live_fallocate(r->live, a.ino, mode, offset, length);
    expect(r, rc, want);
    if (rc < 0)
        return;
    if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        m_punch(n, offset, offset + length);
    if (!(mode & FALLOC_FL_PUNCH_HOLE))
        m_preallocate(n, offset, offset + length);
    if (!(mode & FALLOC_FL_KEEP_SIZE) && offset + length > n->size)
        n->size = offset + length;
    kill_priv(n, false);
    touch(r, a.node, T_MTIME | T_CTIME);
}

/* Run by run of the source: holes become holes. Returns how much was copied. */
static uint64_t copy_runs(unsigned char *buffer, struct m_node *from, uint64_t offset, struct m_node *to,
                          uint64_t out_offset, uint64_t size)
{
    uint64_t done = 0, end;

    while (done < size && offset + done < from->size) {
        bool data = m_run(from, offset + done, &end);
        uint64_t n = end - offset - done < size - done ? end - offset - done : size - done;

        if (data) {
            n = n < M_BUFFER ? n : M_BUFFER;
            m_read(from, offset + done, buffer, (size_t)n);
            m_write(to, out_offset + done, buffer, (size_t)n);
            kill_priv(to, false);
        } else {
            m_punch(to, out_offset + done, out_offset + done + n);
            if (out_offset + done + n > to->size)
                to->size = out_offset + done + n;
        }
        done += n;
    }
    return done;
}

static void do_copy(struct run *r, struct dice *d)
{
    struct aim a = aim_file(r, d), b = one_in(d, 4) ? a : aim_file(r, d);
    struct m_node *from = a.node < 0 ? NULL : &r->m->nodes[a.node], *to = b.node < 0 ? NULL : &r->m->nodes[b.node];
    uint64_t offset = draw_offset(d, from), out = draw_offset(d, to), size = draw_size(d);
    long want = 0;

    if (too_much(r, size))
        size = 1 + size % 4096;
    if (out > M_FILE_MAX || size > M_FILE_MAX - out || offset > M_FILE_MAX)
        want = -EFBIG;
    else if (a.ino == b.ino && offset < out + size && out < offset + size)
        want = -EINVAL;
    else if (file_error(r, &a) < 0)
        want = file_error(r, &a);
    else if (offset < from->size)
        want = file_error(r, &b) < 0 ? file_error(r, &b) : 1;
    say(r, "copy %llu at %llu to %llu at %llu: %llu bytes", (unsigned long long)a.ino, (unsigned long long)offset,
        (unsigned long long)b.ino, (unsigned long long)out, (unsigned long long)size);
    if (want > 0) {
        want = (long)copy_runs(r->buffers[0], from, offset, to, out, size);
        touch(r, b.node, T_MTIME | T_CTIME);
    }
    expect(r, fc_live_copy(r->live, a.ino, offset, b.ino, out, (size_t)size), want);
}

static void do_seek(struct run *r, struct dice *d)
{
    struct aim a = aim_file(r, d);
    const struct m_node *n = a.node < 0 ? NULL : &r->m->nodes[a.node];
    uint64_t offset = draw_offset(d, n), end = offset;
    bool data = one_in(d, 2);
    int64_t want = !n ? -ESTALE : !S_ISREG(n->mode) ? -EINVAL : 0;

    if (want == 0 && offset >= n->size)
        want = -ENXIO;
    while (want == 0 && end < n->size) {
        uint64_t at = end;

        if (m_run(n, at, &end) == data) {
            end = at;
            break;
        }
    }
    if (want == 0)
        want = end >= n->size && data ? -ENXIO : (int64_t)end;
    say(r, "lseek %llu: %s from %llu", (unsigned long long)a.ino, data ? "data" : "hole", (unsigned long long)offset);
    expect(r, fc_live_lseek(r->live, a.ino, offset, data ? SEEK_DATA : SEEK_HOLE), want);
}

void op_content(struct run *r, struct dice *d)
{
    static void (*const ops[])(struct run *, struct dice *) = {
        do_write, do_write, do_write, do_write, do_read, do_truncate, do_allocate, do_copy, do_seek, do_allocate};

    ops[roll(d, 10)](r, d);
}

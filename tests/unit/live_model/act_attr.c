/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, owners and times, in all combinations that setattr has. */
#include "model.h"

#include <errno.h>

static void draw_attr(struct dice *d, struct fc_attr *a, unsigned *which)
{
    static const unsigned kinds[] = {FC_SET_MODE,
                                     FC_SET_MODE,
                                     FC_SET_UID,
                                     FC_SET_GID,
                                     FC_SET_UID | FC_SET_GID,
                                     FC_SET_ATIME | FC_SET_MTIME,
                                     FC_SET_MTIME,
                                     FC_SET_ATIME_NOW,
                                     FC_SET_MTIME_NOW | FC_SET_ATIME_NOW,
                                     FC_SET_KILL_PRIV};
    static const int64_t seconds[] = {-1, 0, 1, 1 - (INT64_C(1) << 31), INT64_C(1) << 32, 0x37fffffff};

    *which = kinds[roll(d, 10)];
    if (one_in(d, 5))
        *which |= kinds[roll(d, 10)];
    if (one_in(d, 30))
        *which |= FC_SET_CTIME;
    a->mode = roll(d, 010000);
    a->uid = one_in(d, 3) ? UINT32_MAX - 1 : roll(d, 2000);
    a->gid = one_in(d, 3) ? 50 : roll(d, 2000);
    a->atime = (struct timespec){seconds[roll(d, 6)], roll(d, 1000000000)};
    a->mtime = (struct timespec){seconds[roll(d, 6)], roll(d, 1000000000)};
    a->ctime = (struct timespec){seconds[roll(d, 6)], roll(d, 1000000000)};
}

static void owner(struct m_node *n, const struct fc_attr *a, unsigned which)
{
    if (which & FC_SET_UID)
        n->uid = a->uid;
    if (which & FC_SET_GID)
        n->gid = a->gid;
    kill_priv(n, true);
}

static void times(struct run *r, int node, const struct fc_attr *a, unsigned which)
{
    struct m_node *n = &r->m->nodes[node];

    if (which & FC_SET_ATIME)
        n->atime = a->atime;
    if (which & FC_SET_MTIME)
        n->mtime = a->mtime;
    if (which & FC_SET_CTIME)
        n->ctime = a->ctime;
    touch(r, node,
          (which & FC_SET_ATIME_NOW ? T_ATIME : 0) | (which & FC_SET_MTIME_NOW ? T_MTIME : 0) |
              (which & FC_SET_CTIME ? 0 : T_CTIME));
}

void op_attr(struct run *r, struct dice *d)
{
    struct aim aim = aim_any(r, d);
    struct m_node *n = aim.node < 0 ? NULL : &r->m->nodes[aim.node];
    struct fc_attr a = {0}, got;
    unsigned which;
    int want = n ? 0 : -ESTALE, rc;

    draw_attr(d, &a, &which);
    if (n && (which & FC_SET_MODE) && S_ISLNK(n->mode))
        want = -EOPNOTSUPP;
    say(r, "setattr %llu which 0%o mode 0%o owner %u:%u", (unsigned long long)aim.ino, which, a.mode, a.uid, a.gid);
    rc = fc_live_setattr(r->live, aim.ino, &a, which, &got);
    expect(r, rc, want);
    if (rc < 0)
        return;
    if (which & (FC_SET_UID | FC_SET_GID))
        owner(n, &a, which);
    if (which & FC_SET_MODE) {
        n->mode = (n->mode & S_IFMT) | a.mode;
        m_acl_follow_mode(n);
    }
    if (which & FC_SET_KILL_PRIV)
        kill_priv(n, true);
    times(r, aim.node, &a, which);
    if (got.mode != n->mode || got.uid != n->uid || got.gid != n->gid)
        disagree(r, "returned mode 0%o (not 0%o), owner %u:%u", got.mode, n->mode, got.uid, got.gid);
}

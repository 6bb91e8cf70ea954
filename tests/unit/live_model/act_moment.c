/* SPDX-License-Identifier: Apache-2.0 */
/* Moments: snapshots that must not change, commits, readers of the store, reopening, forgetting all edits. */
#include "model.h"

#include <errno.h>

static void let_go(struct run *r, struct held *h)
{
    if (!h->snapshot)
        return;
    say(r, "end of a snapshot");
    check_snapshot(r, h->snapshot, h->model);
    fc_snapshot_free(h->snapshot);
    m_free(h->model);
    *h = (struct held){0};
}

static void snapshot(struct run *r, struct dice *d)
{
    struct held *h = &r->held[roll(d, N_HELD)];
    struct fc_error err = {0};

    if (h->snapshot) {
        if (one_in(d, 2))
            let_go(r, h);
        else
            check_snapshot(r, h->snapshot, h->model);
        return;
    }
    say(r, "snapshot");
    expect(r, fc_live_snapshot(r->live, &h->snapshot, &err), 0);
    h->model = m_clone(r->m, false);
    check_snapshot(r, h->snapshot, h->model);
    if (r->alone) {
        say(r, "diff");
        check_diff(r, h->snapshot, h->model);
    }
}

static void sync_all(struct run *r, struct dice *d)
{
    struct aim a = aim_any(r, d);
    struct fc_error err = {0};
    bool durable = one_in(d, 2);

    if (one_in(d, 3)) {
        say(r, "fsync %llu", (unsigned long long)a.ino);
        expect(r, fc_live_fsync(r->live, a.ino), a.node < 0 ? -ESTALE : 0);
        return;
    }
    say(r, "sync%s", durable ? ", durably" : "");
    expect(r, fc_live_sync(r->live, durable, &err), 0);
}

/* Another reader of the store sees this moment, also while work goes on. */
static void reader(struct run *r, struct dice *d)
{
    struct fc_live_options options = {.tree = r->s->tree, .layer_ids = r->s->ids, .read_only = true};
    struct model *m = m_clone(r->m, false);
    struct fc_edit *edit = NULL;
    struct fc_live *live = NULL;
    struct fc_error err = {0};
    uint64_t number = r->number;

    say(r, "pin");
    expect(r, fc_live_pin(r->live, &err), 0);
    expect(r, fc_edit_open(r->s->store, FC_EDIT_READ, &edit, &err), 0);
    fc_live_resume(r->live);
    for (unsigned i = roll(d, 40); i > 0; i--) {
        struct dice more = {roll64(d)};

        clock_gettime(CLOCK_REALTIME, &r->before);
        (one_in(d, 2) ? op_content : one_in(d, 2) ? op_remove : op_rename)(r, &more);
        r->n_touched = 0;
        /* Their times are not looked at: take them as they are. */
        for (int k = 0; k < M_NODES; k++) {
            struct fc_attr a;

            if (!r->m->nodes[k].used || fc_live_getattr(r->live, r->m->nodes[k].ino, &a) < 0)
                continue;
            r->m->nodes[k].mtime = a.mtime;
            r->m->nodes[k].ctime = a.ctime;
        }
        r->number = number;
    }
    say(r, "reader of the store: %s", err.msg);
    options.edit = edit;
    expect(r, fc_live_open(&options, &live, &err), 0);
    check_tree(r, live, m, false);
    fc_live_free(live);
    fc_edit_free(edit);
    fc_live_unpin(r->live);
    m_free(m);
}

void run_forget(struct run *r)
{
    for (int i = 0; i < N_HELD; i++)
        let_go(r, &r->held[i]);
    listings_close(r);
}

/* What has no name is gone, and nobody holds anything. */
void run_reopened(struct run *r)
{
    for (int i = 0; i < M_NODES; i++) {
        r->m->nodes[i].refs = 0;
        if (r->m->nodes[i].used)
            m_reap(r->m, i);
    }
    r->live = r->s->live;
    say(r, "reopening");
    check_tree(r, r->live, r->m, true);
}

void run_reopen(struct run *r)
{
    run_forget(r);
    say(r, "closing");
    check_space(r);
    stage_close_store(r->s);
    stage_open_store(r->s);
    run_reopened(r);
    check_space(r);
}

/* Everything is as below again; what is the workspace's own and referenced lives on without a name. */
static void reset(struct run *r)
{
    struct model *m = r->m, *new;
    struct fc_error err = {0};
    int n_kept = 0;

    for (int i = 0; i < M_NODES; i++)
        n_kept += (m->nodes[i].used && m->nodes[i].refs > 0) + r->pristine->nodes[i].used;
    if (n_kept > M_NODES)
        return;
    new = m_clone(r->pristine, true);
    say(r, "reset of all");
    expect(r, fc_live_reset(r->live, NULL, 0, &err), 0);
    for (int i = 0; i < M_NODES; i++) {
        struct m_node *n = &m->nodes[i];
        int to;

        if (!n->used || n->refs == 0)
            continue;
        for (to = 0; to < M_NODES; to++)
            if (new->nodes[to].used &&new->nodes[to].ino == n->ino)
                break;
        if (to < M_NODES) {
            new->nodes[to].refs = n->refs;
            continue;
        }
        to = m_node_new(new);
        if (to < 0)
            disagree(r, "the model is too small");
        new->nodes[to] = *n;
        memset(n, 0, sizeof(*n));
        n = &new->nodes[to];
        if (n->nlink > 0) {
            struct fc_attr a = {0};

            n->nlink = 0;
            (void)fc_live_getattr(r->live, n->ino, &a);
            n->ctime = a.ctime;
        }
        n->parent = 0;
    }
    listings_close(r);
    m_free(r->m);
    r->m = new;
    check_tree(r, r->live, r->m, true);
}

void op_moment(struct run *r, struct dice *d)
{
    switch (roll(d, 16)) {
    case 0:
        if (r->alone)
            run_reopen(r);
        break;
    case 1:
        reader(r, d);
        break;
    case 2:
        if (r->alone && one_in(d, 6))
            reset(r);
        break;
    case 3:
        if (r->alone && r->s->no_writer)
            check_space(r);
        break;
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        sync_all(r, d);
        break;
    default:
        snapshot(r, d);
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Open and close a live tree; its lock and listeners. */
#include "live/live.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "live/internal.h"

void live_lock(struct fc_live *live) { pthread_mutex_lock(&live->lock); }

struct timespec live_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return ts;
}

/* The listeners */

static void tell(const struct fc_live_listener *l, const struct live_note *n)
{
    if (n->name) {
        if (l->entry)
            l->entry(l->arg, n->parent, n->name, n->len, n->ino);
    } else if (l->inode) {
        l->inode(l->arg, n->ino, n->content);
    }
}

static void tell_all(struct fc_live *live, const struct live_notes *notes)
{
    pthread_rwlock_rdlock(&live->listening);
    for (size_t k = 0; k < live->n_listeners; k++) {
        const struct fc_live_listener *l = live->listeners[k];

        for (size_t i = 0; i < notes->n_fixed; i++)
            tell(l, &notes->fixed[i]);
        for (size_t i = 0; i < notes->n_more; i++)
            tell(l, &notes->more[i]);
    }
    for (size_t k = 0; k < live->n_listeners; k++) /* all first hear of it, then any may wait */
        if (live->listeners[k]->told)
            live->listeners[k]->told(live->listeners[k]->arg);
    pthread_rwlock_unlock(&live->listening);
}

void live_unlock(struct fc_live *live, struct live_notes *notes)
{
    pthread_mutex_unlock(&live->lock);
    if (!notes)
        return;
    if (notes->n_fixed || notes->n_more)
        tell_all(live, notes);
    for (size_t i = 0; i < notes->n_more; i++)
        free(notes->more[i].owned);
    free(notes->more);
}

static void add_note(struct live_notes *notes, const struct live_note *note)
{
    if (notes->n_fixed < FC_LENGTH(notes->fixed))
        notes->fixed[notes->n_fixed++] = *note;
}

void live_note_entry(struct live_notes *notes, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    add_note(notes, &(struct live_note){.parent = parent, .name = name, .len = len, .ino = ino});
}

void live_note_inode(struct live_notes *notes, uint64_t ino, bool content)
{
    add_note(notes, &(struct live_note){.ino = ino, .content = content});
}

static struct live_note *more_notes(struct live_notes *notes)
{
    if (fc_grow(&notes->more, &notes->cap_more, notes->n_more + 1, sizeof(*notes->more)) < 0)
        return NULL;
    return &notes->more[notes->n_more];
}

void live_note_entry_copy(struct live_notes *notes, uint64_t parent, const char *name, size_t len, uint64_t ino)
{
    struct live_note *n = more_notes(notes);
    char *copy = n ? malloc(len + 1) : NULL;

    if (!copy)
        return;
    memcpy(copy, name, len);
    copy[len] = '\0';
    *n = (struct live_note){.parent = parent, .name = copy, .len = len, .ino = ino, .owned = copy};
    notes->n_more++;
}

void live_note_inode_more(struct live_notes *notes, uint64_t ino, bool content)
{
    struct live_note *n = more_notes(notes);

    if (!n)
        return;
    *n = (struct live_note){.ino = ino, .content = content};
    notes->n_more++;
}

int fc_live_listen(struct fc_live *live, const struct fc_live_listener *listener)
{
    int r;

    pthread_rwlock_wrlock(&live->listening);
    r = fc_grow(&live->listeners, &live->cap_listeners, live->n_listeners + 1, sizeof(*live->listeners));
    if (r == 0)
        live->listeners[live->n_listeners++] = listener;
    pthread_rwlock_unlock(&live->listening);
    return r;
}

void fc_live_unlisten(struct fc_live *live, const struct fc_live_listener *listener)
{
    pthread_rwlock_wrlock(&live->listening);
    for (size_t i = 0; i < live->n_listeners; i++)
        if (live->listeners[i] == listener) {
            live->listeners[i] = live->listeners[--live->n_listeners];
            break;
        }
    pthread_rwlock_unlock(&live->listening);
}

/* Opening */

/* Those who are many must not keep one out for ever who comes or goes. */
static int init_listening(struct fc_live *live)
{
    pthread_rwlockattr_t attr;
    int r = pthread_rwlockattr_init(&attr);

    if (r != 0)
        return r;
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    r = pthread_rwlock_init(&live->listening, &attr);
    pthread_rwlockattr_destroy(&attr);
    return r;
}

static int init_locks(struct fc_live *live, struct fc_error *err)
{
    pthread_condattr_t attr;
    int r = pthread_condattr_init(&attr);

    if (r == 0)
        r = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    if (r == 0)
        r = pthread_cond_init(&live->changed, &attr);
    if (r == 0)
        r = pthread_cond_init(&live->quiet, NULL);
    pthread_condattr_destroy(&attr);
    if (r == 0)
        r = pthread_mutex_init(&live->commit, NULL);
    if (r == 0)
        r = pthread_mutex_init(&live->lock, NULL);
    if (r == 0)
        r = pthread_mutex_init(&live->store, NULL);
    if (r == 0)
        r = pthread_mutex_init(&live->syncing, NULL);
    if (r == 0)
        r = init_listening(live);
    return r ? fc_fail_errno(err, r, "cannot make the locks of the live tree") : 0;
}

static int init_sources(struct fc_live *live, const uint32_t *ids, struct fc_error *err)
{
    uint32_t n = fc_tree_n_layers(live->tree);

    live->sources = calloc(n ? n : 1, sizeof(*live->sources));
    if (!live->sources)
        return fc_fail(err, ENOMEM, "out of memory");
    for (uint32_t i = 0; i < n; i++) {
        struct fc_layer *layer = fc_tree_layer(live->tree, i);
        struct live_source *s = &live->sources[i];

        *s = (struct live_source){.position = i, .fd = fc_layer_view(layer)->pack_fd, .layer = fc_layer_ref(layer)};
        live->n_sources = live->n_layers = i + 1;
        /* Without a store nothing is ever kept by id, so any distinct numbers do. */
        s->id = ids ? ids[i] : i + 1;
        if (fc_map_set(&live->source_by_id, s->id, i) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

int fc_live_open(const struct fc_live_options *options, struct fc_live **ret, struct fc_error *err)
{
    fc_auto(fc_live_free) struct fc_live *live = NULL;
    struct fc_live *fresh = calloc(1, sizeof(*fresh));
    int r;

    if (!fresh)
        return fc_fail(err, ENOMEM, "out of memory");
    fresh->tree = options->tree;
    fresh->lower = fc_tree_inodes(options->tree, &fresh->n_lower);
    fresh->lower_dentries = fc_tree_dentries(options->tree, NULL);
    fresh->edit = options->edit;
    fresh->data_fd = options->edit ? fc_edit_data_fd(options->edit) : -1;
    /* Loading repairs tables but must not write. */
    fresh->read_only = options->read_only || !options->edit;
    r = init_locks(fresh, err);
    if (r < 0) {
        free(fresh);
        return r;
    }
    live = fresh;
    if (options->count_refs) {
        r = live_refs_count(live);
        if (r < 0)
            return fc_fail(err, -r, "out of memory");
    }
    r = init_sources(live, options->layer_ids, err);
    if (r < 0)
        return r;
    if (live->edit) {
        live->full = !live->read_only && fc_edit_is_full(live->edit);
        r = live_load(live, options, err);
        if (r < 0)
            return r;
    }
    if (!live->read_only && !options->no_writer) {
        r = live_writer_start(live, err);
        if (r < 0)
            return r;
    }
    *ret = fc_steal(&live);
    return 0;
}

static void free_inodes(struct fc_live *live)
{
    for (size_t i = 0; i < live->inodes.cap; i++)
        if (live->inodes.keys[i] != 0 && live->inodes.keys[i] != UINT64_MAX)
            live_inode_free((struct live_inode *)(uintptr_t)live->inodes.values[i]);
    fc_map_release(&live->inodes);
}

static void last_commit(struct fc_live *live, bool durable)
{
    struct fc_error err = {0};

    if (fc_live_sync(live, durable, &err) < 0)
        fc_log(FC_LOG_WARN, "the last changes are lost: %s", err.msg);
}

void fc_live_free(struct fc_live *live)
{
    bool mounted;

    if (!live)
        return;
    mounted = live->have_writer;
    live_writer_stop(live);
    /* Nobody is left to sync what a mount has written, and as after any other umount(8) it is to be on the disk. */
    if (!live->read_only && (mounted || live->seq != live->committed_seq))
        last_commit(live, mounted);
    free_inodes(live);
    live_refs_release(live);
    fc_map_release(&live->gone);
    fc_map_release(&live->source_by_id);
    for (uint32_t i = 0; i < live->n_sources; i++)
        fc_layer_unref(live->sources[i].layer);
    free(live->sources);
    free(live->freed[0].items);
    free(live->freed[1].items);
    free(live->dirty_names.items);
    fc_buf_release(&live->dirty_names.text);
    free(live->dead_rows.items);
    pthread_cond_destroy(&live->changed);
    pthread_cond_destroy(&live->quiet);
    pthread_mutex_destroy(&live->commit);
    pthread_mutex_destroy(&live->lock);
    pthread_mutex_destroy(&live->store);
    pthread_mutex_destroy(&live->syncing);
    pthread_rwlock_destroy(&live->listening);
    free(live->listeners);
    free(live);
}

void fc_live_stat(struct fc_live *live, struct fc_live_stat *ret)
{
    live_lock(live);
    ret->n_inodes = live->n_lower + live->n_new - live->gone.len;
    ret->data_bytes = live->data_bytes;
    live_unlock(live, NULL);
}

uint64_t fc_live_lost(const struct fc_live *live) { return live->n_lost; }

/* SPDX-License-Identifier: Apache-2.0 */
/* Start a plan from the image that was written last, and leave a note for the next. */
#include "ext4/again.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ext4/sparse.h"

#define EDITED_LEAST 1024u /* so many edits are always few; beyond, a quarter of the stack */

static bool read_note(const struct fc_image_previous *previous, struct fc_ext4_note *ret)
{
    const struct fc_ext4_note_header *h = previous->note;
    size_t left = previous->n_note - sizeof(*h), entry = sizeof(*ret->inos) + sizeof(*ret->numbers);

    if (previous->n_note < sizeof(*h) || memcmp(h->magic, FC_EXT4_NOTE_MAGIC, sizeof(h->magic)) != 0 || left % entry ||
        left / entry != h->n)
        return false;
    ret->header = h;
    ret->inos = (const void *)(h + 1);
    ret->numbers = (const void *)(ret->inos + h->n);
    return true;
}

const uint64_t *fc_ext4_edited_before(const struct fc_image_previous *previous, size_t *ret_n)
{
    struct fc_ext4_note note;

    *ret_n = 0;
    if (!read_note(previous, &note))
        return NULL;
    *ret_n = note.header->n;
    return note.inos;
}

/* The number of the inode that snapshot inode @ino has become, 0: none. */
static uint32_t number_of(const struct fc_ext4_planner *p, uint64_t ino, const struct fc_ext4_node **ret_node)
{
    uint32_t low = 0, high = p->n_inodes;

    *ret_node = NULL;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (p->inodes[middle].ino <= ino)
            low = middle;
        else
            high = middle;
    }
    if (low == high || p->inodes[low].ino != ino || p->node_of[low] == FC_TREE_NONE)
        return 0;
    *ret_node = &p->nodes[p->node_of[low]];
    return (*ret_node)->ino;
}

static int write_note(const struct fc_ext4_planner *p, const struct fc_live_changes *c, const struct fc_digest *key,
                      struct fc_buf *ret)
{
    struct fc_ext4_note_header h = {
        .magic = FC_EXT4_NOTE_MAGIC, .key = *key, .n_blocks = p->layout.n_blocks, .last_ino = p->last_ino};
    fc_auto(fc_free) uint32_t *numbers = calloc(c->n_inos + 1, sizeof(*numbers));
    const struct fc_ext4_node *node;
    int r;

    for (size_t i = 0; i < c->n_inos; i++)
        h.n += !c->asked[i];
    r = numbers ? fc_buf_add(ret, &h, sizeof(h)) : -ENOMEM;
    h.n = 0;
    for (size_t i = 0; i < c->n_inos && r == 0; i++) {
        if (c->asked[i])
            continue;
        r = fc_buf_add(ret, &c->inos[i], sizeof(c->inos[i]));
        numbers[h.n++] = number_of(p, c->inos[i], &node);
    }
    return r < 0 ? r : fc_buf_add(ret, numbers, h.n * sizeof(*numbers));
}

static bool are_few(size_t n, size_t of) { return n <= EDITED_LEAST || n <= of / 4; }

/* Blocks of attributes are shared: who takes part in that changes others, too. */
static bool has_block(const struct fc_ext4_planner *p, uint64_t ino)
{
    const struct fc_ext4_node *node;

    return p && number_of(p, ino, &node) && node->xattr_block;
}

int fc_ext4_made_note(const struct fc_ext4_made *made, const struct fc_live_changes *changes, struct fc_buf *ret_note)
{
    const struct fc_ext4_planner *p = &made->planner;
    struct fc_digest key;

    fc_buf_clear(ret_note);
    if (!fc_ext4_can_save(&p->options) || !fc_ext4_is_plain(p) || !are_few(changes->n_inos, p->n_nodes) ||
        fc_ext4_saved_key(&made->stack, &p->options, &key) < 0)
        return 0;
    for (size_t i = 0; i < changes->n_inos; i++)
        if (has_block(p, changes->inos[i]) || has_block(p->base, changes->inos[i]))
            return 0;
    return write_note(p, changes, &key, ret_note);
}

int fc_ext4_made_save(const struct fc_ext4_made *made, const char *dir)
{
    struct fc_ext4_saved saved;
    struct fc_digest key;
    int r;

    if (!fc_ext4_can_save(&made->planner.options))
        return -EOPNOTSUPP;
    r = fc_ext4_saved_key(&made->stack, &made->planner.options, &key);
    if (r == 0 && fc_ext4_saved_open(dir, &key, &saved) == 0) {
        fc_ext4_saved_release(&saved);
        return 0;
    }
    return r < 0 ? r : fc_ext4_saved_write(&made->planner, dir, &key);
}

static int plan_sparse(struct fc_ext4_sparse *s, const struct fc_ext4_options *options, const struct fc_digest *key,
                       struct fc_image **ret_image, struct fc_ext4_summary *ret_summary, struct fc_buf *ret_note)
{
    struct fc_ext4_tables t = fc_ext4_tables_of(s->changes->snapshot);
    struct fc_error ignored = {0}; /* the full plan says it again, of the whole tree */
    struct fc_ext4_planner p = fc_ext4_planner_of(&t, options, &ignored);
    int r = fc_image_new(0, &p.image);

    if (r == 0)
        r = fc_ext4_make_sparse(&p, s);
    if (r == 0)
        r = write_note(&p, s->changes, key, ret_note);
    if (r == 0) {
        *ret_summary = p.summary;
        *ret_image = fc_steal(&p.image);
    }
    fc_ext4_planner_release(&p);
    return r;
}

int fc_ext4_plan_again(const struct fc_live_changes *changes, const struct fc_image_previous *previous, const char *dir,
                       const struct fc_ext4_options *options, struct fc_image **ret_image,
                       struct fc_ext4_summary *ret_summary, struct fc_buf *ret_note)
{
    struct fc_ext4_sparse s = {.changes = changes, .previous = previous};
    struct fc_digest key;
    int r = -ENOENT;

    fc_buf_clear(ret_note);
    if (fc_ext4_can_save(options) && read_note(previous, &s.note) &&
        fc_ext4_saved_key(fc_snapshot_stack(changes->snapshot), options, &key) == 0 &&
        memcmp(&key, &s.note.header->key, sizeof(key)) == 0)
        r = fc_ext4_saved_open(dir, &key, &s.saved);
    if (r == 0 && are_few(changes->n_inos, s.saved.header->n_nodes))
        r = plan_sparse(&s, options, &key, ret_image, ret_summary, ret_note);
    else
        r = -ENOENT;
    fc_ext4_saved_release(&s.saved);
    free(s.kept);
    free(s.dirs);
    free(s.cut);
    free(s.slots);
    return r == 0;
}

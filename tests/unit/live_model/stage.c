/* SPDX-License-Identifier: Apache-2.0 */
/* Build drawn layers, fold them, open a live tree with a store over them, and learn the inode numbers. */
#include "lower.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/io.h"
#include "layer/layer.h"

static _Noreturn void broken(const char *what, const struct fc_error *err)
{
    printf("cannot %s: %s\n", what, err->msg);
    fflush(stdout);
    _exit(3);
}

void l_take(struct l_entry *e, const struct m_node *n)
{
    e->mode = n->mode;
    e->uid = n->uid;
    e->gid = n->gid;
    e->major = n->major;
    e->minor = n->minor;
    e->size = S_ISREG(n->mode) ? n->size : 0;
    e->mtime = n->mtime;
    for (; e->n_xattrs < n->n_xattrs && e->n_xattrs < 8; e->n_xattrs++) {
        const struct m_xattr *x = &n->xattrs[e->n_xattrs];
        unsigned char *copy = malloc(x->size + 1);

        memcpy(copy, x->value, x->size);
        e->xattrs[e->n_xattrs] = (struct fc_xattr){strdup(x->name), copy, x->size};
    }
}

static void free_list(struct l_list *l)
{
    for (size_t i = 0; i < l->n; i++) {
        for (size_t k = 0; k < l->items[i]->n_xattrs; k++) {
            free((void *)(uintptr_t)l->items[i]->xattrs[k].name);
            free((void *)(uintptr_t)l->items[i]->xattrs[k].value);
        }
        free(l->items[i]->path);
        free(l->items[i]->target);
        free(l->items[i]);
    }
    free(l->items);
}

struct iter {
    struct fc_entry_iter it;
    const struct l_list *list;
    size_t i;
    uint64_t at;
    struct fc_entry entry;
    char block[M_BLOCK];
};

static int iter_next(struct fc_entry_iter *it, const struct fc_entry **ret, struct fc_error *err)
{
    struct iter *t = (struct iter *)(void *)it;
    const struct l_entry *e;

    (void)err;
    if (t->i == t->list->n)
        return 0;
    e = t->list->items[t->i++];
    t->at = 0;
    t->entry = (struct fc_entry){.op = e->op,
                                 .path = e->path,
                                 .mode = e->mode,
                                 .uid = e->uid,
                                 .gid = e->gid,
                                 .rdev_major = e->major,
                                 .rdev_minor = e->minor,
                                 .size = e->size,
                                 .mtime = e->mtime,
                                 .target = e->target,
                                 .xattrs = e->xattrs,
                                 .n_xattrs = e->n_xattrs};
    *ret = &t->entry;
    return 1;
}

static int iter_read(struct fc_entry_iter *it, struct fc_block *ret, struct fc_error *err)
{
    struct iter *t = (struct iter *)(void *)it;
    const struct l_entry *e = t->list->items[t->i - 1];
    size_t n;

    (void)err;
    if (t->at / M_BLOCK >= e->hole_from && t->at / M_BLOCK < e->hole_to)
        t->at = e->hole_to * M_BLOCK;
    if (t->at >= e->size)
        return 0;
    n = e->size - t->at < M_BLOCK ? (size_t)(e->size - t->at) : M_BLOCK;
    for (size_t i = 0; i < n; i++)
        t->block[i] = (char)l_byte(e, t->at + i);
    *ret = (struct fc_block){.data = t->block, .size = n, .offset = t->at};
    t->at += n;
    return 1;
}

static void iter_free(struct fc_entry_iter *it) { (void)it; }

static struct fc_layer *build(struct stage *s, const struct l_list *list, unsigned number)
{
    struct iter t = {.it = {.next = iter_next, .read = iter_read, .free = iter_free}, .list = list};
    struct fc_layer_builder *b = NULL;
    struct fc_layer *layer = NULL;
    struct fc_digest id = {{(uint8_t)(number + 1)}};
    struct fc_error err = {0};

    if (fc_layer_builder_new(s->cache, "random", &b, &err) < 0 || fc_layer_builder_add_all(b, &t.it, &err) < 0 ||
        fc_layer_builder_finish(b, &id, 0, &layer, &err) < 0)
        broken("build a layer", &err);
    fc_layer_builder_free(b);
    return layer;
}

static void fold(struct stage *s, struct fc_layer **built)
{
    struct fc_tree_layer layers[MAX_LAYERS];
    const struct fc_edit_layer *rows;
    struct fc_error err = {0};
    size_t n;

    if (fc_edit_create(s->store, &err) < 0 || fc_edit_open(s->store, FC_EDIT_WRITE, &s->edit, &err) < 0 ||
        fc_edit_begin(s->edit, &err) < 0)
        broken("make a store", &err);
    for (uint32_t i = 0; i < s->n_layers; i++)
        if (fc_edit_layer_add(s->edit, fc_layer_diffid(built[i]), "x", "x", fc_layer_view(built[i])->header->n_inodes,
                              &s->ids[i], &err) < 0)
            broken("add a layer", &err);
    if (fc_edit_stack_set(s->edit, s->ids, s->n_layers, &err) < 0 || fc_edit_commit(s->edit, false, &err) < 0)
        broken("set the stack", &err);
    rows = fc_edit_layers(s->edit, &n);
    for (uint32_t i = 0; i < s->n_layers; i++)
        layers[i] = (struct fc_tree_layer){.layer = built[i], .first_ino = rows[i].first_ino};
    fc_edit_free(s->edit);
    s->edit = NULL;
    if (fc_tree_fold(layers, s->n_layers, NULL, &s->tree, &err) < 0)
        broken("fold the layers", &err);
}

void stage_open_store(struct stage *s)
{
    struct fc_live_options options = {
        .tree = s->tree, .layer_ids = s->ids, .count_refs = true, .no_writer = s->no_writer};
    struct fc_error err = {0};

    if (fc_edit_open(s->store, FC_EDIT_WRITE, &s->edit, &err) < 0)
        broken("open the store", &err);
    options.edit = s->edit;
    if (fc_live_open(&options, &s->live, &err) < 0)
        broken("open the live tree", &err);
}

void stage_close_store(struct stage *s)
{
    fc_live_free(s->live);
    fc_edit_free(s->edit);
    s->live = NULL;
    s->edit = NULL;
}

/* The number of a name: looked up once, the same for all names of an inode. */
static void adopt(struct stage *s, struct model *m, int name)
{
    const struct m_name *e = &m->names[name];
    struct m_node *n = &m->nodes[e->node];
    struct fc_attr a;
    int r = fc_live_lookup(s->live, m->nodes[e->dir].ino, e->text, e->len, &a);

    if (r < 0 || (n->ino && n->ino != a.ino)) {
        printf("the lower tree: %s%.*s: result %d, inode %llu\n", m_path(m, e->dir), e->len, e->text, r,
               (unsigned long long)a.ino);
        fflush(stdout);
        _exit(3);
    }
    fc_live_forget(s->live, a.ino, 1);
    n->ino = a.ino;
}

static void adopt_all(struct stage *s, const struct part *p)
{
    struct model *m = p->model;
    struct fc_attr a = {.ino = 1};
    bool more = true;

    if (*p->prefix && fc_live_lookup(s->live, 1, p->prefix, strlen(p->prefix) - 1, &a) == 0)
        fc_live_forget(s->live, a.ino, 1);
    m->nodes[0].ino = a.ino;
    m->parent_ino = 1;
    while (more) {
        more = false;
        for (int i = 0; i < M_NAMES; i++) {
            if (m->names[i].node < 0 || m->nodes[m->names[i].node].ino || !m->nodes[m->names[i].dir].ino)
                continue;
            adopt(s, m, i);
            more = true;
        }
    }
    for (int i = 0; i < M_NAMES; i++)
        if (m->names[i].node >= 0)
            adopt(s, m, i);
}

void stage_open(struct stage *s, uint64_t seed, struct part *parts, unsigned n_parts)
{
    const char *tmp = getenv("TMPDIR");
    struct dice d = dice_for(seed, UINT64_MAX - 1);
    struct fc_layer *built[MAX_LAYERS];
    struct fc_error err = {0};

    snprintf(s->dir, sizeof(s->dir), "%s/fc-model.XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(s->dir))
        broken("make a folder", &err);
    snprintf(s->store, sizeof(s->store), "%s/store", s->dir);
    if (fc_cache_open(s->dir, &s->cache, &err) < 0)
        broken("open a cache", &err);
    s->n_layers = 1 + roll(&d, MAX_LAYERS);
    for (unsigned p = 0; p < n_parts; p++)
        parts[p].model = m_new();
    for (unsigned i = 0; i < s->n_layers; i++) {
        struct l_list list = {0};

        if (i == 0 && *parts[0].prefix)
            l_add(&list, FC_ENTRY_ADD, "")->mode = S_IFDIR | 0755;
        for (unsigned p = 0; p < n_parts; p++)
            l_draw(&list, &parts[p], &d, i);
        built[i] = build(s, &list, i);
        free_list(&list);
    }
    fold(s, built);
    for (unsigned i = 0; i < s->n_layers; i++)
        fc_layer_unref(built[i]);
    stage_open_store(s);
    for (unsigned p = 0; p < n_parts; p++)
        adopt_all(s, &parts[p]);
}

void stage_free(struct stage *s)
{
    stage_close_store(s);
    fc_tree_free(s->tree);
    fc_cache_free(s->cache);
    fc_remove_all(AT_FDCWD, s->dir);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Check rows of inodes against the lower objects of the same numbers. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "workspace/check_private.h"

/** So many rows may be damaged by themselves. */
#define MISFITS 16

const char *ws_type_name(uint32_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFREG:
        return "regular file";
    case S_IFDIR:
        return "directory";
    case S_IFLNK:
        return "symlink";
    case S_IFCHR:
    case S_IFBLK:
        return "device";
    case S_IFIFO:
        return "FIFO";
    case S_IFSOCK:
        return "socket";
    default:
        return "thing without a type";
    }
}

int ws_check_index(struct ws_pass *p, struct fc_error *err)
{
    fc_map_release(&p->by_ino);
    for (size_t i = 0; i < p->rows->n_inodes; i++)
        if (!p->rows->inodes[i].drop && fc_map_set(&p->by_ino, p->rows->inodes[i].i.ino, i) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    return 0;
}

struct fc_row_inode *ws_check_row(const struct ws_pass *p, uint64_t ino)
{
    uint64_t i;

    return fc_map_get(&p->by_ino, ino, &i) ? &p->rows->inodes[i] : NULL;
}

const struct fc_tree_inode *ws_check_lower(const struct ws_pass *p, uint64_t ino)
{
    uint32_t i = ino ? fc_tree_by_ino(p->tree, ino) : FC_TREE_NONE;

    return i == FC_TREE_NONE ? NULL : &p->lower[i];
}

static bool has_extents(const struct ws_pass *p, uint64_t ino)
{
    const struct fc_rows *r = p->rows;

    for (size_t i = fc_rows_first_extent(r, ino); i < r->n_extents && r->extents[i].ino == ino; i++)
        if (!r->extents[i].drop)
            return true;
    return false;
}

static bool has_names(const struct ws_pass *p, uint64_t ino)
{
    const struct fc_rows *r = p->rows;

    for (size_t i = fc_rows_first_dentry(r, ino); i < r->n_dentries && r->dentries[i].parent == ino; i++)
        if (!r->dentries[i].drop && r->dentries[i].ino)
            return true;
    return false;
}

static bool has_own_content(const struct ws_pass *p, const struct fc_edit_inode *i)
{
    if (i->lower_content)
        return false;
    if (S_ISREG(i->mode))
        return has_extents(p, i->ino);
    return S_ISDIR(i->mode) ? has_names(p, i->ino) : true;
}

/* Rows at the indexes in @moved become objects of their own, with everything that belongs to them. */
static int renumber(struct ws_pass *p, const struct fc_buf *moved)
{
    struct fc_rows *r = p->rows;
    struct fc_map now = {0};
    size_t index;
    int rc = 0;

    for (size_t k = 0; k < moved->len && rc == 0; k += sizeof(index)) {
        memcpy(&index, moved->data + k, sizeof(index));
        rc = fc_map_set(&now, r->inodes[index].i.ino, fc_check_new_ino(p->check));
        if (rc == 0)
            fc_map_get(&now, r->inodes[index].i.ino, &r->inodes[index].i.ino);
    }
    for (size_t i = 0; i < r->n_extents && now.len; i++)
        fc_map_get(&now, r->extents[i].ino, &r->extents[i].ino);
    for (size_t i = 0; i < r->n_xattrs && now.len; i++)
        fc_map_get(&now, r->xattrs[i].ino, &r->xattrs[i].ino);
    for (size_t i = 0; i < r->n_dentries && now.len; i++) {
        fc_map_get(&now, r->dentries[i].parent, &r->dentries[i].parent);
        fc_map_get(&now, r->dentries[i].ino, &r->dentries[i].ino);
    }
    if (now.len)
        r->changed |= FC_ROWS_INODES | FC_ROWS_EXTENTS | FC_ROWS_XATTRS | FC_ROWS_DENTRIES;
    fc_map_release(&now);
    return rc;
}

/* Returns whether the row must have another number. */
static bool check_type(struct ws_pass *p, struct fc_row_inode *row, const struct fc_tree_inode *t)
{
    struct fc_edit_inode *i = &row->i;
    const struct fc_finding head = {.error = true, .code = "type", .table = "inode", .ino = i->ino};

    if (!(i->mode & S_IFMT))
        i->mode |= t->mode & S_IFMT; /* said when it was read */
    if ((i->mode & S_IFMT) == (t->mode & S_IFMT))
        return false;
    if (has_own_content(p, i)) {
        fc_findings_add(p->found, &head, "keeps both, by giving the edits' a number of its own",
                        "it is a %s in the edits, and a %s in the layer", ws_type_name(i->mode), ws_type_name(t->mode));
        return true;
    }
    fc_findings_add(p->found, &head, "makes it what the layer has", "it is a %s in the edits, and a %s in the layer",
                    ws_type_name(i->mode), ws_type_name(t->mode));
    i->mode = (t->mode & S_IFMT) | (i->mode & 07777);
    i->lower_content = S_ISREG(t->mode) || S_ISLNK(t->mode);
    i->target = NULL;
    i->size = t->size;
    p->rows->changed |= FC_ROWS_INODES;
    return false;
}

/* What a layer that does not show this object has for it, or NULL. */
static const struct fc_layer_inode *hidden(const struct ws_pass *p, uint64_t ino, const struct fc_layer_view **ret_view,
                                           const struct fc_edit_layer **ret_layer)
{
    for (size_t k = 0; k < p->rows->n_layers; k++) {
        const struct fc_edit_layer *l = &p->rows->layers[k].l;

        if (ino < l->first_ino || ino - l->first_ino >= l->n_inodes || !p->layers[k])
            continue;
        *ret_view = fc_layer_view(p->layers[k]);
        *ret_layer = l;
        return ino - l->first_ino < (*ret_view)->header->n_inodes ? &(*ret_view)->inodes[ino - l->first_ino] : NULL;
    }
    return NULL;
}

static void take_hidden(struct ws_pass *p, struct fc_edit_inode *i, const struct fc_layer_inode *from,
                        const struct fc_layer_view *view, const struct fc_edit_layer *l)
{
    struct fc_rows *r = p->rows;

    fc_findings_add(
        p->found, &(struct fc_finding){.error = true, .code = "hidden", .table = "inode", .ino = i->ino},
        "lets the edits refer to that content by themselves",
        "its content is that of an object of layer \"%s\" which the stack does not show: the workspace cannot "
        "be opened",
        l->name);
    i->lower_content = false;
    i->size = from->size;
    r->changed |= FC_ROWS_INODES | FC_ROWS_EXTENTS;
    if (S_ISLNK(i->mode)) {
        i->target = fc_arena_copy(&r->arena, view->strings + from->target, from->size);
        p->no_memory |= !i->target;
        return;
    }
    for (uint32_t k = 0; k < from->n_extents; k++) {
        const struct fc_layer_extent *x = &view->extents[from->first_extent + k];

        p->no_memory |=
            !fc_rows_add_extent(r, i->ino, &(struct fc_edit_extent){x->offset, x->length, x->pack_offset, l->id});
    }
}

/* The row says that its content is a lower object's, and there is none of that number. */
static void check_content_of_none(struct ws_pass *p, struct fc_edit_inode *i)
{
    const struct fc_finding head = {.error = true, .code = "data-lost", .table = "inode", .ino = i->ino};
    const struct fc_layer_view *view;
    const struct fc_edit_layer *layer;
    const struct fc_layer_inode *from = hidden(p, i->ino, &view, &layer);

    p->rows->changed |= FC_ROWS_INODES;
    if (!S_ISREG(i->mode) && !S_ISLNK(i->mode)) {
        fc_findings_add(p->found, &(struct fc_finding){.error = true, .code = "inode", .table = "inode", .ino = i->ino},
                        "removes that mark", "it is a %s and marked as having a layer's content",
                        ws_type_name(i->mode));
        i->lower_content = false;
        return;
    }
    if (from && (from->mode & S_IFMT) == (i->mode & S_IFMT)) {
        take_hidden(p, i, from, view, layer);
        return;
    }
    i->lower_content = false;
    if (S_ISLNK(i->mode))
        return; /* fc_check_shapes() says that its text is lost */
    fc_findings_add(p->found, &head, "makes it a hole (zeros)",
                    "its content (%llu bytes) is lost: it is said to be in a layer, and in none that is known",
                    i->size == UINT64_MAX ? 0ull : (unsigned long long)i->size);
}

/* The content is a lower object's: then the size is too, and there is no other content. */
static void check_lower_content(struct ws_pass *p, struct fc_edit_inode *i, const struct fc_tree_inode *t)
{
    const struct fc_finding head = {.error = true, .code = "inode", .table = "inode", .ino = i->ino};

    if (S_ISREG(i->mode) && has_extents(p, i->ino)) {
        fc_findings_add(p->found, &head, "shows the edits' content",
                        "it has content of its own, and is marked as having a layer's");
        i->lower_content = false;
    } else if (i->size == UINT64_MAX) {
        i->size = t->size;
    } else if (i->size != t->size && (S_ISREG(i->mode) || S_ISLNK(i->mode))) {
        fc_findings_add(p->found, &head, "sets the size",
                        "its size is %llu, and its content, a layer's, has %llu bytes", (unsigned long long)i->size,
                        (unsigned long long)t->size);
        i->size = t->size;
    } else {
        return;
    }
    p->rows->changed |= FC_ROWS_INODES;
}

/* A row against the lower object of its number. */
static void check_row(struct ws_pass *p, struct fc_row_inode *row, struct fc_buf *moved)
{
    struct fc_edit_inode *i = &row->i;
    const struct fc_tree_inode *t = ws_check_lower(p, i->ino);

    if (row->drop || !t)
        return;
    if (check_type(p, row, t)) {
        size_t index = (size_t)(row - p->rows->inodes);

        p->no_memory |= fc_buf_add(moved, &index, sizeof(index)) < 0;
        return;
    }
    /* A symlink whose text is lost has that of the layer, if it has one. */
    if (S_ISLNK(i->mode) && !i->lower_content && !i->target) {
        fc_findings_add(p->found,
                        &(struct fc_finding){.error = true, .code = "symlink", .table = "inode", .ino = i->ino},
                        "takes the layer's", "its symlink text is lost");
        i->lower_content = true;
        i->size = t->size;
        p->rows->changed |= FC_ROWS_INODES;
    }
    if (i->lower_content)
        check_lower_content(p, i, t);
}

/* Whether so many rows are unlike the lower objects of their numbers that these cannot be the ones they were made for. */
static bool fits_not_at_all(struct ws_pass *p)
{
    size_t n = 0, unlike = 0;

    for (size_t k = 0; k < p->rows->n_inodes; k++) {
        const struct fc_edit_inode *i = &p->rows->inodes[k].i;
        const struct fc_tree_inode *t = ws_check_lower(p, i->ino);

        n += t != NULL;
        unlike += t && (((i->mode & S_IFMT) && (i->mode & S_IFMT) != (t->mode & S_IFMT)) ||
                        (i->lower_content && i->size != UINT64_MAX && i->size != t->size));
    }
    return unlike > MISFITS && unlike > n / 10;
}

int ws_check_inodes(struct ws_pass *p, struct fc_error *err)
{
    fc_auto(fc_buf_release) struct fc_buf moved = {0};
    struct fc_rows *r = p->rows;

    if (fits_not_at_all(p)) {
        fc_findings_add(
            p->found, &(struct fc_finding){.error = true, .code = "stack", .table = "layer"}, FC_NO_REPAIR,
            "the edits do not fit the layers: the rows of layers are damaged, and what the edits belong to is "
            "not known");
        r->stack_unknown = true;
        return 0;
    }
    for (size_t k = 0; k < r->n_inodes; k++)
        check_row(p, &r->inodes[k], &moved);
    /* From here on the tables are not in order, and nothing is looked up in them. */
    for (size_t k = 0; k < r->n_inodes; k++)
        if (!r->inodes[k].drop && r->inodes[k].i.lower_content && !ws_check_lower(p, r->inodes[k].i.ino))
            check_content_of_none(p, &r->inodes[k].i);
    if (renumber(p, &moved) < 0)
        p->no_memory = true;
    if (p->no_memory)
        return fc_fail(err, ENOMEM, "out of memory");
    fc_rows_sort(r);
    fc_check_shapes(p->check);
    return ws_check_index(p, err);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Layer rows of the store: which layers form the stack, and which are only referred to. */
#include "edit/store.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"

static char *column_text(sqlite3_stmt *s, int i)
{
    const unsigned char *text = sqlite3_column_text(s, i);

    return strdup(text ? (const char *)text : "");
}

/* One row into @l; the strings are allocated. */
static int layer_from_row(struct fc_edit *e, sqlite3_stmt *s, struct fc_edit_layer *l, struct fc_error *err)
{
    int64_t id = sqlite3_column_int64(s, 0), position = sqlite3_column_int64(s, 1);
    int64_t first = sqlite3_column_int64(s, 5), n = sqlite3_column_int64(s, 6);

    if (id <= 0 || id >= UINT32_MAX || position < -1 || position > INT32_MAX || first < 0 || n < 0 || n > UINT32_MAX ||
        sqlite3_column_bytes(s, 2) != (int)sizeof(l->diffid.bytes))
        return fc_fail(err, EBADMSG, "%s/workspace.db is damaged: layer row %lld" FC_EDIT_NEXT_STEP, e->dir,
                       (long long)id);
    *l = (struct fc_edit_layer){
        .id = (uint32_t)id, .position = (int)position, .first_ino = (uint64_t)first, .n_inodes = (uint32_t)n};
    memcpy(l->diffid.bytes, sqlite3_column_blob(s, 2), sizeof(l->diffid.bytes));
    l->locator = column_text(s, 3);
    l->name = column_text(s, 4);
    return 0;
}

static void layers_free(struct fc_edit_layer *layers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)layers[i].locator);
        free((void *)(uintptr_t)layers[i].name);
    }
    free(layers);
}

int fc_store_layers_load(struct fc_edit *e, struct fc_error *err)
{
    struct fc_edit_layer *layers = NULL;
    size_t n = 0, cap = 0;
    int r = 0, rc;
    sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_LAYERS, &r, err);

    if (!s)
        return r;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && r == 0) {
        if (fc_grow(&layers, &cap, n + 1, sizeof(*layers)) < 0) {
            r = fc_fail(err, ENOMEM, "out of memory");
            break;
        }
        r = layer_from_row(e, s, &layers[n], err);
        if (r < 0)
            break;
        n++;
        if (!layers[n - 1].locator || !layers[n - 1].name)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0 && rc != SQLITE_DONE)
        r = fc_store_fail(e, err, "cannot read the stack");
    sqlite3_reset(s);
    /* Positions count up from 0 without a gap, or somebody else wrote them. */
    for (size_t i = 0; r == 0 && i < n && layers[i].position >= 0; i++)
        if (layers[i].position != (int)i)
            r = fc_fail(err, EBADMSG, "%s/workspace.db is damaged: stack position %d" FC_EDIT_NEXT_STEP, e->dir,
                        layers[i].position);
    if (r < 0) {
        layers_free(layers, n);
        return r;
    }
    fc_store_layers_release(e);
    e->layers = layers;
    e->n_layers = n;
    return 0;
}

void fc_store_layers_release(struct fc_edit *e)
{
    layers_free(e->layers, e->n_layers);
    e->layers = NULL;
    e->n_layers = 0;
}

const struct fc_edit_layer *fc_edit_layers(const struct fc_edit *e, size_t *ret_n)
{
    *ret_n = e->n_layers;
    return e->layers;
}

int fc_edit_layer_add(struct fc_edit *e, const struct fc_digest *diffid, const char *locator, const char *name,
                      uint32_t n_inodes, uint32_t *ret_id, struct fc_error *err)
{
    uint64_t first;
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "add a layer", err);

    if (r < 0)
        return r;
    first = fc_store_ino_take(e, n_inodes ? n_inodes : 1, err);
    if (!first)
        return err ? -err->code : -EIO;
    s = fc_store_stmt(e, FC_STMT_LAYER_ADD, &r, err);
    if (!s)
        return r;
    fc_store_bind_bytes(s, 1, diffid->bytes, sizeof(diffid->bytes));
    sqlite3_bind_text(s, 2, locator, -1, SQLITE_STATIC);
    sqlite3_bind_text(s, 3, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(s, 4, (int64_t)first);
    sqlite3_bind_int64(s, 5, n_inodes);
    e->layers_changed = true;
    r = fc_store_run(e, s, "cannot add a layer", err);
    if (r < 0)
        return r;
    *ret_id = (uint32_t)sqlite3_last_insert_rowid(e->db);
    return fc_store_layers_load(e, err);
}

int fc_edit_stack_set(struct fc_edit *e, const uint32_t *ids, size_t n, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "change the stack", err);

    if (r < 0)
        return r;
    e->layers_changed = true;
    r = fc_store_run_id(e, FC_STMT_STACK_CLEAR, "cannot change the stack", err);
    for (size_t i = 0; i < n && r == 0; i++) {
        sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_STACK_SET, &r, err);

        if (!s)
            return r;
        sqlite3_bind_int64(s, 1, ids[i]);
        sqlite3_bind_int64(s, 2, (int64_t)i);
        r = fc_store_run(e, s, "cannot change the stack", err);
        if (r == 0 && sqlite3_changes(e->db) != 1)
            r = fc_fail(err, EINVAL, "%s: no layer has the id %u", e->dir, ids[i]);
    }
    return r == 0 ? fc_store_layers_load(e, err) : r;
}

int fc_edit_layer_gc(struct fc_edit *e, struct fc_error *err)
{
    int r = fc_store_need_tx(e, "drop layers", err);

    if (r < 0)
        return r;
    e->layers_changed = true;
    r = fc_store_run_id(e, FC_STMT_LAYER_GC, "cannot drop layers", err);
    return r == 0 ? fc_store_layers_load(e, err) : r;
}

int fc_edit_meta_get(struct fc_edit *e, const char *key, char **ret, struct fc_error *err)
{
    char *value = NULL;
    int r = 0, rc;
    sqlite3_stmt *s = fc_store_stmt(e, FC_STMT_META_GET, &r, err);

    if (!s)
        return r;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        value = column_text(s, 0);
        if (!value)
            r = fc_fail(err, ENOMEM, "out of memory");
    } else if (rc != SQLITE_DONE) {
        r = fc_store_fail(e, err, "cannot read a setting");
    }
    sqlite3_reset(s);
    if (r == 0)
        *ret = value;
    return r;
}

int fc_edit_meta_set(struct fc_edit *e, const char *key, const char *value, struct fc_error *err)
{
    sqlite3_stmt *s;
    int r = fc_store_need_tx(e, "change a setting", err);

    if (r < 0)
        return r;
    s = fc_store_stmt(e, value ? FC_STMT_META_SET : FC_STMT_META_DEL, &r, err);
    if (!s)
        return r;
    sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    if (value)
        sqlite3_bind_text(s, 2, value, -1, SQLITE_STATIC);
    return fc_store_run(e, s, "cannot change a setting", err);
}

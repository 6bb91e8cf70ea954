/* SPDX-License-Identifier: Apache-2.0 */
/* Check a workspace in passes: one that finds and, if asked, repairs, and after a repair one that tells what is left. */
#include "workspace/check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "fuse/fuse.h"
#include "workspace/check_private.h"

#define WAIT_MS 5000
#define NAP_MS 20

static void begin_step(const struct ws_pass *p, const char *what)
{
    if (p->options->progress && p->options->progress->begin)
        p->options->progress->begin(p->options->progress, what, 0, FC_PROGRESS_ITEMS);
}

/* The step dealt with @n things. */
static int end_step(const struct ws_pass *p, size_t n, int r)
{
    if (p->options->progress && p->options->progress->update)
        p->options->progress->update(p->options->progress, n);
    if (p->options->progress && p->options->progress->end)
        p->options->progress->end(p->options->progress, r >= 0);
    return r;
}

static size_t n_rows(const struct ws_pass *p)
{
    const struct fc_rows *r = p->check ? fc_check_rows(p->check) : NULL;

    return r ? r->n_inodes + r->n_dentries + r->n_extents + r->n_xattrs + r->n_layers : 0;
}

static void pass_release(struct ws_pass *p)
{
    for (size_t i = 0; p->layers && i < p->rows->n_layers; i++)
        fc_layer_unref(p->layers[i]);
    free(p->layers);
    fc_tree_free(p->tree);
    fc_map_release(&p->by_ino);
    free(p->places);
    free(p->queue);
    free(p->adds);
    fc_check_free(p->check);
}
static inline void pass_release_auto(struct ws_pass *p) { pass_release(p); }

/* Through the mount process, which commits and holds still until our read transaction has begun. */
static int open_mounted(struct ws_pass *p, int fd, struct fc_error *err)
{
    const struct fc_check_options options = {.have_lock = true};
    int r = fc_control_pin(fd, err);

    if (r == 0)
        r = fc_check_open(p->store, &options, p->found, &p->check, err);
    return r == 0 ? fc_control_begun(fd, err) : r;
}

static int open_unmounted(struct ws_pass *p, const char *socket, struct fc_error *err)
{
    const struct fc_check_options options = {.repair = p->options->repair};
    struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};
    int r;

    /* Other commands hold the lock for moments. */
    for (int waited = 0;; waited += NAP_MS) {
        fc_auto(fc_close) int fd = -1;

        r = fc_check_open(p->store, &options, p->found, &p->check, err);
        if (r != -EBUSY)
            return r;
        fd = fc_control_connect(socket, NULL);
        if (fd >= 0)
            return ws_say_mounted(p->dir, fd, err);
        if (waited >= WAIT_MS)
            return r;
        nanosleep(&nap, NULL);
    }
}

/* The pin of a mounted workspace lives as long as *ret_fd. */
static int open_store(struct ws_pass *p, int *ret_fd, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(p->dir);
    int r;

    if (!socket)
        return fc_fail(err, ENOMEM, "out of memory");
    if (!p->options->repair)
        *ret_fd = fc_control_connect(socket, NULL);
    p->mounted = *ret_fd >= 0;
    r = ws_check_modes(p, err);
    if (r < 0)
        return r;
    begin_step(p, "reading the database");
    r = p->mounted ? open_mounted(p, *ret_fd, err) : open_unmounted(p, socket, err);
    return end_step(p, n_rows(p), r);
}

/* Loading counts names anew, so a wrong count in a row harms nothing. */
static void check_links(struct ws_pass *p)
{
    struct fc_rows *r = p->rows;

    for (size_t i = 0; i < r->n_inodes; i++) {
        struct fc_edit_inode *row = &r->inodes[i].i;
        uint32_t node = r->inodes[i].drop || S_ISDIR(row->mode) ? FC_TREE_NONE : ws_check_node(p, row->ino);

        if (node == FC_TREE_NONE || p->places[node].names == row->nlink)
            continue;
        fc_findings_add(p->found, &(struct fc_finding){.code = "links", .table = "inode", .ino = row->ino},
                        "sets the count", "%u names lead to it, and its link count is %u", p->places[node].names,
                        row->nlink);
        row->nlink = p->places[node].names;
        r->changed |= FC_ROWS_INODES;
    }
}

static int check_tree(struct ws_pass *p, struct fc_error *err)
{
    int r;

    begin_step(p, "checking the edits against the layers");
    r = ws_check_index(p, err);
    if (r == 0)
        r = ws_check_inodes(p, err);
    if (r < 0 || p->rows->stack_unknown)
        return end_step(p, n_rows(p), r);
    r = ws_check_owners(p, err);
    fc_check_numbers(p->check);
    if (r == 0)
        r = ws_check_names(p, err);
    if (r == 0) {
        check_links(p);
        ws_check_sweep(p);
        fc_rows_sort(p->rows);
        r = ws_check_index(p, err);
    }
    return end_step(p, n_rows(p), r);
}

static int look(struct ws_pass *p, struct fc_error *err)
{
    int r;

    p->rows = fc_check_rows(p->check);
    fc_check_numbers(p->check);
    /* Reading a layer's contents is a step by itself. */
    r = ws_check_layers(p, err);
    if (r == 0 && p->tree)
        r = check_tree(p, err);
    if (r == 0)
        r = fc_check_data(p->check, err);
    if (r == 0)
        r = ws_check_leftovers(p, err);
    if (r == 0 && p->tree)
        ws_check_paths(p);
    return r == 0 && p->found->out_of_memory ? fc_fail(err, ENOMEM, "out of memory") : r;
}

/* Without the layers it is not known what edits belong to: then nothing of them is touched. */
static int mend(struct ws_pass *p, struct fc_workspace_check *ret, struct fc_error *err)
{
    int r = 0;

    if (!p->tree || p->rows->stack_unknown)
        return 0;
    if (!fc_check_needs_write(p->check))
        return p->has_log ? fc_check_fold_log(p->check, err) : 0;
    begin_step(p, "repairing");
    r = fc_check_write(p->check, &ret->backup, err);
    return end_step(p, p->found->n_repairs, r);
}

static int pass(const char *dir, struct fc_cache *cache, const struct fc_workspace_check_options *options,
                struct fc_findings *found, struct fc_workspace_check *ret, struct fc_error *err)
{
    __attribute__((cleanup(pass_release_auto))) struct ws_pass p = {
        .dir = dir, .cache = cache, .options = options, .found = found, .lost_found = FC_TREE_NONE};
    fc_auto(fc_free) char *store = NULL;
    fc_auto(fc_close) int fd = -1;
    int r;

    if (asprintf(&store, "%s/" FC_WORKSPACE_FOLDER, dir) < 0) {
        store = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    p.store = store;
    r = open_store(&p, &fd, err);
    if (r == 0)
        r = look(&p, err);
    if (r == 0 && options->repair)
        r = mend(&p, ret, err);
    ret->mounted = p.mounted;
    ret->partly = !p.tree || p.rows->stack_unknown;
    return r;
}

int fc_workspace_check(const char *dir, struct fc_cache *cache, const struct fc_workspace_check_options *options,
                       struct fc_workspace_check *ret, struct fc_error *err)
{
    struct fc_workspace_check_options again = *options;
    struct fc_workspace_check c = {0};
    int r = fc_workspace_find(dir, &c.dir, err);

    if (r == 0)
        r = pass(c.dir, cache, options, &c.found, &c, err);
    if (r == 0 && options->repair && c.found.n_repairs) {
        c.repaired = true;
        again.repair = false;
        r = pass(c.dir, cache, &again, &c.left, &c, err);
    }
    if (r < 0) {
        fc_workspace_check_release(&c);
        return r;
    }
    *ret = c;
    return 0;
}

size_t fc_workspace_check_errors(const struct fc_workspace_check *c)
{
    return c->repaired ? c->left.n_errors : c->found.n_errors;
}

void fc_workspace_check_release(struct fc_workspace_check *c)
{
    fc_findings_release(&c->found);
    fc_findings_release(&c->left);
    free(c->dir);
    free(c->backup);
    *c = (struct fc_workspace_check){0};
}

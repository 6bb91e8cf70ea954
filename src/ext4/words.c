/* SPDX-License-Identifier: Apache-2.0 */
/* Name the file that a failure is about. */
#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "ext4/plan.h"

#define DEPTH_MOST 4096u

/* A directory and name that refer to @inode; a search through all names, for failures only. */
static const struct fc_snap_dentry *find_name(const struct fc_ext4_planner *p, uint32_t inode, uint32_t *ret_parent)
{
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        const struct fc_snap_inode *dir = &p->inodes[i];

        for (uint32_t k = 0; k < dir->n_dentries; k++) {
            if (p->dentries[dir->first_dentry + k].inode == inode) {
                *ret_parent = i;
                return &p->dentries[dir->first_dentry + k];
            }
        }
    }
    return NULL;
}

int fc_ext4_fail_at(const struct fc_ext4_planner *p, uint32_t inode, int code, const char *what)
{
    struct fc_buf path = {0}, shown = {0};
    const struct fc_snap_dentry *d;
    uint32_t at = inode;
    int r;

    for (unsigned depth = 0; at != 0 && depth < DEPTH_MOST && path.len < 8192; depth++) {
        struct fc_buf longer = {0};

        d = find_name(p, at, &at);
        if (!d)
            break;
        if (fc_buf_adds(&longer, "/") < 0 || fc_buf_add(&longer, d->name, d->name_len) < 0 ||
            fc_buf_add(&longer, path.data ? path.data : "", path.len) < 0) {
            fc_buf_release(&longer);
            break;
        }
        fc_buf_release(&path);
        path = longer;
    }
    if (path.len == 0 || fc_name_quote(&shown, path.data, path.len) < 0)
        r = fc_fail(p->err, code, "%s: %s", inode == 0 ? "/" : "(a file without a name)", what);
    else
        r = fc_fail(p->err, code, "%.300s%s: %s", shown.data, shown.len > 300 ? "..." : "", what);
    fc_buf_release(&path);
    fc_buf_release(&shown);
    return r;
}

int fc_ext4_no_memory(const struct fc_ext4_planner *p) { return fc_fail(p->err, ENOMEM, "out of memory"); }

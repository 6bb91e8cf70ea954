/* SPDX-License-Identifier: Apache-2.0 */
/* The groups of who asks, on which set-group-id bits depend: the kernel tells only the first. */
/* (The others are in /proc, but not under the number that the kernel gives for who is in a pid namespace of a command.) */
#include "fuse/session.h"

void fuse_groups_of(fuse_req_t req, struct fuse_groups *ret)
{
    int n = fuse_mount_of(req)->attached ? 0 : fuse_req_getgroups(req, FUSE_GROUPS_MAX, ret->ids);

    ret->n = n < 0 ? 0 : n < FUSE_GROUPS_MAX ? (uint32_t)n : FUSE_GROUPS_MAX;
}

/* That root has CAP_FSETID is as good as true. */
bool fuse_in_group_or_root(fuse_req_t req, uint32_t gid)
{
    const struct fuse_ctx *ctx = fuse_req_ctx(req);
    struct fuse_groups groups;

    if (ctx->uid == 0 || ctx->gid == gid)
        return true;
    fuse_groups_of(req, &groups);
    return fc_cred_in_group(&(struct fc_cred){.gid = ctx->gid, .groups = groups.ids, .n_groups = groups.n}, gid);
}

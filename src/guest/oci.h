/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs an image's program, and on what machine. Private to guest/. */
#ifndef FC_GUEST_OCI_H
#define FC_GUEST_OCI_H

#include "guest/init/config.h"
#include "guest/internal.h"

/** A user of the tree. */
struct guest_user {
    uint32_t uid, gid, groups[CONFIG_GROUPS];
    size_t n_groups;
    const char *home; /**< in the plan's arena, or a constant */
};

/**
 * Find who "USER[:GROUP]" (names or numbers; NULL, "": root) is by the tree's /etc/passwd and /etc/group, as container tools
 * do: a group that is given leaves no supplementary ones. Returns 0; -ENOENT when a name is not there; -EBADMSG.
 */
int guest_user_find(struct fc_guest_plan *p, const char *text, struct guest_user *ret, struct fc_error *err);

/**
 * The machine that the tree's programs are for: by their ELF headers, else @said (in the words of an image, "amd64"), else this
 * one. "x86_64", "aarch64", or what it says otherwise.
 */
const char *guest_arch(struct fc_guest_plan *p, const char *said);

#endif

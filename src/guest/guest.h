/* SPDX-License-Identifier: Apache-2.0 */
/* What must change in a tree so that it boots as a microVM. A plan of edits by path; nothing is done here. */
#ifndef FC_GUEST_GUEST_H
#define FC_GUEST_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <fccompose/snapshot.h>

#include "live/verb.h"

/** Who is process 1. */
enum fc_guest_init {
    FC_GUEST_AUTO, /**< by what the tree has */
    FC_GUEST_OPENRC,
    FC_GUEST_SYSTEMD,
    FC_GUEST_BUSYBOX,
    FC_GUEST_OCI,  /**< our own small init, which runs the image's entrypoint */
    FC_GUEST_NONE, /**< leave init alone; the other options still count */
};

/** How the guest gets its address. */
enum fc_guest_net {
    FC_GUEST_NET_DEFAULT, /**< leave it alone */
    FC_GUEST_NET_NONE,
    FC_GUEST_NET_KERNEL, /**< ip= on the kernel's command line */
    FC_GUEST_NET_DHCP,
    FC_GUEST_NET_MAC, /**< from the MAC address, as Firecracker's own test images do */
};

/** What to do. All zero is the default. Strings are owned by who made the struct. */
struct fc_guest_options {
    enum fc_guest_init init;
    enum fc_guest_net net;
    char *console;   /**< NULL: ttyS0; "none": no getty */
    bool autologin;  /**< root on the console without a password */
    char *hostname;  /**< NULL: leave it alone */
    char **ssh_keys; /**< lines of authorized_keys (contents, not file names); NULL-terminated, may be NULL */
    char *
        password; /**< of root: plain text, or a crypt(5) hash that begins with "$"; "" locks nobody out: empty password; NULL: leave it alone */
    bool hygiene; /**< empty machine-id, no host keys, no random seed, no logs, no package caches */
    const char *config; /**< image configuration (JSON) for FC_GUEST_OCI; borrowed; NULL: none */
    const char *arch;   /**< x86_64, aarch64: for FC_GUEST_OCI; NULL: what the tree's programs are */
};

/** One thing to do: words for the list, and the edit. Borrowed from the plan. */
struct fc_guest_action {
    const char *what; /**< "enable agetty on ttyS0 in runlevel default" */
    struct fc_verb verb;
};

/** What is to be done, in order. Empty when the tree is already so. */
struct fc_guest_plan;

/**
 * Compare the tree @s with @options. Returns 0 and sets *ret_plan, -EINVAL for options, -ENOTSUP with words when the tree has no
 * such init. Both are borrowed for the call.
 */
int fc_guest_plan(const struct fc_snapshot *s, const struct fc_guest_options *options, struct fc_guest_plan **ret_plan,
                  struct fc_error *err);
/** Which init was chosen. */
enum fc_guest_init fc_guest_plan_init(const struct fc_guest_plan *p);
/** The @i-th action, or NULL behind the last. Its verb is to be applied by fc_verb_apply() or over the control socket. */
const struct fc_guest_action *fc_guest_plan_action(const struct fc_guest_plan *p, size_t i);
/**
 * The @i-th remark, or NULL behind the last: what is not done and why, or what else is needed before somebody can log in. They
 * say what is so, not what changes: a second plan has them, too.
 */
const char *fc_guest_plan_note(const struct fc_guest_plan *p, size_t i);
/** The name of an init as the command line has it: "openrc". */
const char *fc_guest_init_name(enum fc_guest_init init);
/** Free. NULL is allowed. */
void fc_guest_plan_free(struct fc_guest_plan *p);
FC_DEFINE_AUTO(struct fc_guest_plan *, fc_guest_plan_free)

/** Free what a struct fc_guest_options owns, and zero it. */
void fc_guest_options_release(struct fc_guest_options *o);

#endif

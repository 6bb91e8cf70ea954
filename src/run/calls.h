/* SPDX-License-Identifier: Apache-2.0 */
/* The system calls that are supervised, as each architecture numbers them, and the seccomp filter that stops a process in them. */
#ifndef FC_RUN_CALLS_H
#define FC_RUN_CALLS_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** What a call is for. */
enum fc_call_kind { FC_CALL_NODE, FC_CALL_XATTR, FC_CALL_REMOVE_XATTR, FC_CALL_OWNER };

/** A call, and which of its arguments is what; -1: it has none. */
struct fc_call {
    uint16_t number;
    uint8_t kind;      /**< enum fc_call_kind */
    int8_t dir, path;  /**< the descriptor at which a path starts, or, without a path, the object itself */
    int8_t first;      /**< mode and device; name, value, size and flags; or uid and gid */
    int8_t at_flags;   /**< AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH */
    bool no_follow;    /**< a symlink in the last place is meant itself */
    bool packed;       /**< value, size and flags are in a structure: setxattrat(2) */
    bool ids_of_16bit; /**< 65535 is -1 */
};

/** The call that @number means on audit architecture @arch, or NULL. */
const struct fc_call *fc_call_find(uint32_t arch, int number);

/** What to filter. */
struct fc_call_filter {
    bool notify; /**< stop in the calls above; else only what @n_ids asks for */
    /** Ids from here on have no number in the namespace. With 1, setuid(2) and its like to others succeed without effect. */
    uint32_t n_ids;
};

enum { FC_CALL_FILTER_MAX = 1024 };
/** Write the program, at most FC_CALL_FILTER_MAX instructions. Returns how many; calls of architectures that it does not know are let through. */
size_t fc_call_filter(const struct fc_call_filter *filter, struct sock_filter *ret);

#endif

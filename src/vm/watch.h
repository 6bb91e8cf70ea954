/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a guest's console for the words that say how it goes. */
#ifndef FC_VM_WATCH_H
#define FC_VM_WATCH_H

#include <regex.h>

#include "base/buf.h"
#include "vm/boot.h"

/** A watch. All zero is none. */
struct fc_vm_watch {
    regex_t expect;
    bool has_expect, expected, panicked;
    int guest_status;
    char words[256];
    struct fc_buf text; /**< the console's line that has not ended yet, without escape sequences, CR and NUL */
    int escape;         /**< within an escape sequence: what part of it */
};

/** Begin. @expect may be NULL. Returns 0 or -EINVAL with words. */
int fc_vm_watch_init(struct fc_vm_watch *w, const char *expect, struct fc_error *err);
/** Take @size bytes from the console. Returns 0 or -ENOMEM. */
int fc_vm_watch_feed(struct fc_vm_watch *w, const char *data, size_t size);
/** Free. */
void fc_vm_watch_release(struct fc_vm_watch *w);

#endif

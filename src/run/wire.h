/* SPDX-License-Identifier: Apache-2.0 */
/* What the watcher, the command and the parent say to each other: messages of a SOCK_SEQPACKET pair. Private to run/. */
#ifndef FC_RUN_WIRE_H
#define FC_RUN_WIRE_H

#include "run/run.h"

/** The longest name and value of an edit: NAME_MAX (XATTR_NAME_MAX) and XATTR_SIZE_MAX. */
enum { FC_WIRE_NAME = 255, FC_WIRE_VALUE = 65536 };

/** A message of the watcher: an edit, and behind it its name, a NUL, and its value. */
struct fc_wire {
    struct fc_run_edit edit; /**< its pointers mean nothing */
    int32_t without;         /**< not an edit: why there is no supervision, an errno */
    uint32_t name_len;
    char text[FC_WIRE_NAME + 1 + FC_WIRE_VALUE];
};

/** Send @edit, or with NULL @without. Returns 0 or -errno. */
int fc_wire_send(int fd, const struct fc_run_edit *edit, int without);
/** Receive one; the edit's pointers point into *ret. Returns 1, 0 at the end, or -errno (-EBADMSG: not such a message). */
int fc_wire_receive(int fd, struct fc_wire *ret);
/** Send a number with @pass_fd (or -1). Returns 0 or -errno. */
int fc_wire_send_code(int fd, int code, int pass_fd);
/** Receive one. *ret_fd (may be NULL: then none is taken) is the descriptor that came, or -1. Returns 1, 0 at the end, or -errno. */
int fc_wire_receive_code(int fd, int *ret_code, int *ret_fd);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals: a pseudo-terminal for a child, and ours in raw mode while we pass keys on. */
#ifndef FC_BASE_TERMINAL_H
#define FC_BASE_TERMINAL_H

#include <stdbool.h>
#include <termios.h>

#include <fccompose/error.h>

/**
 * Make a pseudo-terminal that passes every byte on (no echo, no signals, no translation), of the size of the terminal @like (-1, or no
 * terminal: 80 by 24). Close-on-exec. Returns 0 and sets both descriptors, or -errno with words.
 */
int fc_terminal_new(int like, int *ret_master, int *ret_slave, struct fc_error *err);
/** Give @master the size that the terminal @like has now. */
void fc_terminal_resize(int master, int like);

/** A terminal whose mode was changed. All zero is none. */
struct fc_terminal_raw {
    bool is_raw;
    int fd;
    struct termios before;
};
/** Put @fd into raw mode if it is a terminal; @ret remembers how it was. */
void fc_terminal_raw(int fd, struct fc_terminal_raw *ret);
/** Put it back. */
void fc_terminal_restore(struct fc_terminal_raw *t);

#endif

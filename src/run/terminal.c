/* SPDX-License-Identifier: Apache-2.0 */
/* The relay between the caller's terminal and the command's pseudo-terminal. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

struct run_terminal_saved {
    struct termios termios;
};

/* Not from the background: setting its modes would stop us. */
bool run_terminal_wanted(void) { return isatty(0) && isatty(1) && isatty(2) && tcgetpgrp(0) == getpgrp(); }

void run_terminal_resize(const struct run_terminal *t)
{
    struct winsize size;

    if (t->on && ioctl(0, TIOCGWINSZ, &size) == 0)
        ioctl(t->master, TIOCSWINSZ, &size);
}

int run_terminal_begin(struct run_terminal *t, int master, struct fc_error *err)
{
    struct termios raw;

    t->saved = malloc(sizeof(*t->saved));
    if (!t->saved || tcgetattr(0, &t->saved->termios) < 0) {
        int code = t->saved ? errno : ENOMEM;

        free(t->saved);
        t->saved = NULL;
        close(master);
        return fc_fail_errno(err, code, "cannot use the terminal");
    }
    t->master = master;
    t->on = true;
    run_terminal_resize(t);
    raw = t->saved->termios;
    cfmakeraw(&raw);
    tcsetattr(0, TCSADRAIN, &raw);
    return 0;
}

/* Returns false at the end. */
static bool move(int from, int to)
{
    char chunk[8192];
    ssize_t n = read(from, chunk, sizeof(chunk));

    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return n > 0 && fc_write_full(to, chunk, (size_t)n) == 0;
}

void run_terminal_move(struct run_terminal *t, bool in, bool out)
{
    if (in && !move(0, t->master))
        t->input_ended = true;
    if (out)
        move(t->master, 1);
}

void run_terminal_end(struct run_terminal *t)
{
    struct pollfd p = {.fd = t->master, .events = POLLIN};

    if (!t->on)
        return;
    while (poll(&p, 1, 0) > 0 && (p.revents & POLLIN) && move(t->master, 1))
        continue;
    tcsetattr(0, TCSADRAIN, &t->saved->termios);
    free(t->saved);
    close(t->master);
    *t = (struct run_terminal){0};
}

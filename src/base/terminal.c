/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-terminals and raw mode. */
#include "base/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"

void fc_terminal_resize(int master, int like)
{
    struct winsize size;

    if (like < 0 || ioctl(like, TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        size = (struct winsize){.ws_row = 24, .ws_col = 80};
    ioctl(master, TIOCSWINSZ, &size);
}

int fc_terminal_new(int like, int *ret_master, int *ret_slave, struct fc_error *err)
{
    fc_auto(fc_close) int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    struct termios mode;
    int slave;

    if (master < 0 || unlockpt(master) < 0)
        return fc_fail_errno(err, errno, "cannot make a pseudo-terminal");
    slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return fc_fail_errno(err, errno, "cannot make a pseudo-terminal");
    if (tcgetattr(slave, &mode) == 0) {
        cfmakeraw(&mode);
        tcsetattr(slave, TCSANOW, &mode);
    }
    fc_terminal_resize(master, like);
    *ret_master = fc_steal_fd(&master);
    *ret_slave = slave;
    return 0;
}

void fc_terminal_raw(int fd, struct fc_terminal_raw *ret)
{
    struct termios mode;

    *ret = (struct fc_terminal_raw){.fd = fd};
    if (tcgetattr(fd, &ret->before) < 0)
        return;
    mode = ret->before;
    cfmakeraw(&mode);
    ret->is_raw = tcsetattr(fd, TCSAFLUSH, &mode) == 0;
}

void fc_terminal_restore(struct fc_terminal_raw *t)
{
    if (t->is_raw)
        tcsetattr(t->fd, TCSAFLUSH, &t->before);
    t->is_raw = false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Make, link, rename and remove names. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

static void make(struct worker *w)
{
    static const mode_t types[] = {S_IFREG, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    mode_t mode = roll(&w->dice, w->capable ? 02000 : 010000), type = types[roll(&w->dice, 5)];
    const char *const texts[] = {"n1", "n2/n3", "n1/n2/n3", "nothing", "./n4"};
    const char *text = texts[roll(&w->dice, 5)];
    struct where at;

    aim(w, &at);
    switch (roll(&w->dice, 4)) {
    case 0:
        say(w, "mknod %s mode 0%o", at.path, mode | type);
        BOTH(w, mknodat(at.dir.fd[S], at.path, mode | type, makedev(259, 70000)));
        break;
    case 1:
        say(w, "symlink %s to %s", at.path, text);
        BOTH(w, symlinkat(text, at.dir.fd[S], at.path));
        break;
    default:
        say(w, "mkdir %s mode 0%o", at.path, mode);
        BOTH(w, mkdirat(at.dir.fd[S], at.path, mode));
    }
}

static void link_names(struct worker *w)
{
    struct where at, to;
    const struct both *b = some_file(w);

    aim(w, &at);
    aim(w, &to);
    if (b && one_in(&w->dice, 6)) {
        say(w, "link an open file to %s", to.path);
        BOTH(w, linkat(b->fd[S], "", to.dir.fd[S], to.path, AT_EMPTY_PATH));
        return;
    }
    say(w, "link %s to %s", at.path, to.path);
    BOTH(w, linkat(at.dir.fd[S], at.path, to.dir.fd[S], to.path, 0));
}

static void rename_names(struct worker *w)
{
    static const unsigned kinds[] = {0, 0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_EXCHANGE, 8};
    unsigned flags = kinds[roll(&w->dice, one_in(&w->dice, 30) ? 7 : 6)];
    struct where at, to;

    aim(w, &at);
    aim(w, &to);
    say(w, "rename %s to %s flags %u", at.path, to.path, flags);
    BOTH(w, renameat2(at.dir.fd[S], at.path, to.dir.fd[S], to.path, flags));
}

static void remove_name(struct worker *w)
{
    struct where at;
    struct stat st;
    bool is_dir;

    aim(w, &at);
    is_dir = fstatat(at.dir.fd[1], at.path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    if (one_in(&w->dice, 12))
        is_dir = !is_dir;
    say(w, "%s %s", is_dir ? "rmdir" : "unlink", at.path);
    BOTH(w, unlinkat(at.dir.fd[S], at.path, is_dir ? AT_REMOVEDIR : 0));
}

void op_names(struct worker *w)
{
    switch (roll(&w->dice, 10)) {
    case 0:
    case 1:
    case 2:
        make(w);
        break;
    case 3:
        link_names(w);
        break;
    case 4:
    case 5:
    case 6:
        rename_names(w);
        break;
    default:
        remove_name(w);
    }
}

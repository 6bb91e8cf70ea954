/* SPDX-License-Identifier: Apache-2.0 */
/* Modes, owners, times, sizes by path; extended attributes and ACLs. */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

void op_attr(struct worker *w)
{
    const struct timespec then[2] = {{(time_t)roll(&w->dice, 1000000000), 5}, {(time_t)roll(&w->dice, 1000000000), 7}};
    mode_t mode = roll(&w->dice, w->capable ? 02000 : 010000);
    uid_t uid = one_in(&w->dice, 3) ? (uid_t)-1 : roll(&w->dice, 3) * 1000;
    gid_t gid = one_in(&w->dice, 3) ? (gid_t)-1 : roll(&w->dice, 3) * 1000;
    const struct both *b = some_file(w);
    struct where at;

    aim(w, &at);
    switch (roll(&w->dice, 5)) {
    case 0:
        say(w, "chown %s %d:%d", at.path, (int)uid, (int)gid);
        BOTH(w, fchownat(at.dir.fd[S], at.path, uid, gid, AT_SYMLINK_NOFOLLOW));
        break;
    case 1:
        say(w, "utimensat %s", at.path);
        BOTH(w, utimensat(at.dir.fd[S], at.path, then, AT_SYMLINK_NOFOLLOW));
        break;
    case 2:
        say(w, "fchmod 0%o", mode);
        if (b)
            BOTH(w, fchmod(b->fd[S], mode));
        break;
    case 3:
        say(w, "futimens");
        if (b)
            BOTH(w, futimens(b->fd[S], then));
        break;
    default: {
        char text[8];

        /* chmod follows symlinks: not out of here. */
        say(w, "chmod %s 0%o", at.path, mode);
        if (readlinkat(at.dir.fd[1], at.path, text, sizeof(text)) < 0)
            BOTH(w, fchmodat(at.dir.fd[S], at.path, mode, 0));
    }
    }
}

/* A file's own path in /proc: xattr calls by descriptor refuse O_PATH, and there are none by directory. */
static void proc_path(char *ret, size_t size, int dir, const char *path)
{
    snprintf(ret, size, "/proc/self/fd/%d/%s", dir, path);
}

static size_t draw_value(struct worker *w, const char *name, unsigned char *value)
{
    static const unsigned char acl[] = {2, 0,   0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  5,
                                        0, 232, 3,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
                                        5, 0,   255, 255, 255, 255, 32, 0, 4,   0,   255, 255, 255, 255};
    static const unsigned char capability[20] = {1, 0, 0, 2, 0, 4};
    size_t size = roll(&w->dice, 300);

    if (strncmp(name, "system.", 7) == 0) {
        memcpy(value, acl, sizeof(acl));
        value[6] = (unsigned char)roll(&w->dice, one_in(&w->dice, 10) ? 9 : 8);
        value[30] = (unsigned char)roll(&w->dice, 8);
        value[38] = (unsigned char)roll(&w->dice, 8);
        return one_in(&w->dice, 10) ? 4 : sizeof(acl);
    }
    if (strcmp(name, "security.capability") == 0) {
        memcpy(value, capability, sizeof(capability));
        return one_in(&w->dice, 10) ? 3 : sizeof(capability);
    }
    for (size_t i = 0; i < size; i++)
        value[i] = (unsigned char)roll64(&w->dice);
    return size;
}

/* What is listed, whatever its order: the sum of a number for each name. */
static long list(const char *path)
{
    char names[4000];
    ssize_t n = llistxattr(path, names, sizeof(names));
    long sum = 0;

    if (n < 0)
        return -1;
    for (char *p = names; p < names + n; p += strlen(p) + 1) {
        uint64_t h = 1469598103934665603u;

        for (char *c = p; *c; c++)
            h = (h ^ (unsigned char)*c) * UINT64_C(1099511628211);
        sum += (long)(h >> 8);
    }
    return sum < 0 ? 0 : sum;
}

void op_xattr(struct worker *w)
{
    static const char *const names[] = {
        "user.a", "user.b", "trusted.c", "security.capability", "system.posix_acl_access", "system.posix_acl_default",
        "user.",  "nothing"};
    static const int flags[] = {0, 0, 0, XATTR_CREATE, XATTR_REPLACE};
    const char *name = names[one_in(&w->dice, 20) ? roll(&w->dice, 8) : roll(&w->dice, 6)];
    int flag = flags[roll(&w->dice, 5)];
    unsigned char value[300];
    size_t size;
    char paths[2][800];
    struct where at;
    long got[2];
    int err[2];

    if (!w->capable && strcmp(name, "security.capability") == 0)
        name = "security.other";
    size = draw_value(w, name, value);
    aim(w, &at);
    for (int s = 0; s < 2; s++)
        proc_path(paths[s], sizeof(paths[s]), at.dir.fd[s], at.path);
    switch (roll(&w->dice, 6)) {
    case 0:
        say(w, "removexattr %s %s", at.path, name);
        BOTH(w, lremovexattr(paths[S], name));
        break;
    case 1:
        say(w, "listxattr %s", at.path);
        BOTH(w, list(paths[S]));
        break;
    case 2:
        say(w, "getxattr %s %s", at.path, name);
        for (int s = 0; s < 2; s++) {
            errno = 0;
            got[s] = lgetxattr(paths[s], name, w->buffers[s], BUFFER);
            err[s] = errno;
        }
        if (same(w, got, err) && memcmp(w->buffers[0], w->buffers[1], (size_t)got[0]) != 0)
            differ(w, "another value");
        break;
    default:
        say(w, "setxattr %s %s %zu bytes flag %d", at.path, name, size, flag);
        BOTH(w, lsetxattr(paths[S], name, value, size, flag));
    }
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Which users and groups a command's namespace has: all that we have, the user's ranges, or one. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "run/internal.h"

enum { RANGES_MAX = 300 }; /* the kernel takes 340 */

void run_ids_release(struct run_ids *ids)
{
    fc_buf_release(&ids->uid);
    fc_buf_release(&ids->gid);
}

void run_ids_single(struct run_ids *ids, const char *why)
{
    ids->single = true;
    ids->as_root = false;
    snprintf(ids->how, sizeof(ids->how), "only 0: %s", why);
}

/* A word of newuidmap's arguments. */
static int add_word(struct fc_buf *b, uint64_t number)
{
    char text[24];

    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    return fc_buf_add(b, text, strlen(text) + 1);
}

static int add_range(struct fc_buf *b, uint64_t inside, uint64_t outside, uint64_t count)
{
    int r = add_word(b, inside);

    if (r == 0)
        r = add_word(b, outside);
    return r < 0 ? r : add_word(b, count);
}

/* The user's ranges in @path (subuid(5)), behind 0 -> @own. Returns how many ids there are in all, or -errno. */
static int64_t read_ranges(const char *path, const char *user, uid_t uid, uint64_t own, struct fc_buf *ret)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char number[24], *line, *rest = NULL;
    uint64_t next = 1;
    int r = fc_read_file(AT_FDCWD, path, 16 << 20, &text), n = 0;

    if (r < 0)
        return r;
    snprintf(number, sizeof(number), "%u", uid);
    r = add_range(ret, 0, own, 1);
    for (line = text.data ? strtok_r(text.data, "\n", &rest) : NULL; line && r == 0 && n < RANGES_MAX;
         line = strtok_r(NULL, "\n", &rest)) {
        char *first = strchr(line, ':');
        unsigned long long start, count;

        if (!first)
            continue;
        *first++ = '\0';
        if ((strcmp(line, number) != 0 && (!user || strcmp(line, user) != 0)) ||
            sscanf(first, "%llu:%llu", &start, &count) != 2 || count == 0 || start + count > UINT32_MAX)
            continue;
        r = add_range(ret, next, start, count);
        next += count;
        n++;
    }
    return r < 0 ? r : (int64_t)next;
}

static bool is_installed(const char *program)
{
    fc_auto(fc_free) char *file = fc_child_find(program, NULL);

    return file != NULL;
}

/* The ranges of an ordinary user. */
static int plan_ranges(struct run_ids *ids, struct fc_error *err)
{
    const struct passwd *pw = getpwuid(getuid());
    const char *user = pw ? pw->pw_name : NULL;
    int64_t users = read_ranges("/etc/subuid", user, getuid(), geteuid(), &ids->uid);
    int64_t groups = read_ranges("/etc/subgid", user, getuid(), getegid(), &ids->gid);

    if (users == -ENOMEM || groups == -ENOMEM)
        return fc_fail(err, ENOMEM, "out of memory");
    if (users <= 1)
        run_ids_single(ids, "this user has no range in /etc/subuid (root can give one: usermod --add-subuids "
                            "100000-165535 --add-subgids 100000-165535 USER)");
    else if (groups <= 1)
        run_ids_single(ids, "this user has no range in /etc/subgid (root can give one: usermod --add-subgids "
                            "100000-165535 USER)");
    else if (!is_installed("newuidmap") || !is_installed("newgidmap"))
        run_ids_single(ids, "newuidmap is not installed (Debian, Ubuntu: the package uidmap; others: shadow-utils)");
    else
        snprintf(ids->how, sizeof(ids->how), "0-%lld, by newuidmap", (long long)(users < groups ? users : groups) - 1);
    return 0;
}

int run_ids_identity(int dir_fd, const char *path, struct fc_buf *ret)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = fc_read_file(dir_fd, path, 1 << 16, &text);
    char *line, *rest = NULL;

    for (line = r == 0 && text.data ? strtok_r(text.data, "\n", &rest) : NULL; line && r == 0;
         line = strtok_r(NULL, "\n", &rest)) {
        unsigned long long inside, outside, count;

        if (sscanf(line, "%llu %llu %llu", &inside, &outside, &count) == 3)
            r = fc_buf_addf(ret, "%llu %llu %llu\n", inside, inside, count);
    }
    return r;
}

/* As in `unshare -Ur`: whoever made our own namespace had no right to more than one group. */
static bool is_denied_groups(void)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};

    return fc_read_file(AT_FDCWD, "/proc/self/setgroups", 64, &text) == 0 && text.data &&
           strncmp(text.data, "deny", 4) == 0;
}

int run_ids_plan(struct run_ids *ret, struct fc_error *err)
{
    int r;

    if (geteuid() != 0)
        return plan_ranges(ret, err);
    if (is_denied_groups()) {
        run_ids_single(ret, "the user namespace in which this runs has but one");
        return 0;
    }
    ret->as_root = true;
    r = run_ids_identity(AT_FDCWD, "/proc/self/uid_map", &ret->uid);
    if (r == 0)
        r = run_ids_identity(AT_FDCWD, "/proc/self/gid_map", &ret->gid);
    snprintf(ret->how, sizeof(ret->how), "all, as root");
    return r < 0 ? fc_fail_errno(err, -r, "/proc/self/uid_map") : 0;
}

static int write_map(pid_t pid, const char *name, const char *text, size_t size)
{
    char path[64];
    fc_auto(fc_close) int fd = -1;

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    return write(fd, text, size) == (ssize_t)size ? 0 : -errno;
}

static int write_maps(const struct run_ids *ids, pid_t pid, struct fc_error *err)
{
    char one[64];
    int r;

    if (ids->as_root) {
        r = write_map(pid, "uid_map", ids->uid.data, ids->uid.len);
        if (r == 0)
            r = write_map(pid, "gid_map", ids->gid.data, ids->gid.len);
        return r < 0 ? run_explain_namespaces(-r, err) : 0;
    }
    r = write_map(pid, "setgroups", "deny", 4);
    if (r == -ENOENT) /* Linux before 3.19 */
        r = 0;
    snprintf(one, sizeof(one), "0 %u 1\n", geteuid());
    if (r == 0)
        r = write_map(pid, "uid_map", one, strlen(one));
    snprintf(one, sizeof(one), "0 %u 1\n", getegid());
    if (r == 0)
        r = write_map(pid, "gid_map", one, strlen(one));
    return r < 0 ? run_explain_namespaces(-r, err) : 0;
}

static int ask_helper(const char *program, pid_t pid, const struct fc_buf *words, struct fc_error *err)
{
    struct fc_buf said __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *argv[3 + 3 * (RANGES_MAX + 1)] = {program};
    char number[24];
    size_t n = 2;
    int r;

    snprintf(number, sizeof(number), "%d", pid);
    argv[1] = number;
    for (size_t at = 0; at < words->len && n + 1 < FC_LENGTH(argv); at += strlen(words->data + at) + 1)
        argv[n++] = words->data + at;
    argv[n] = NULL;
    r = fc_child_run(argv, &said, err);
    if (r <= 0)
        return r;
    return fc_fail(err, EPERM, "%s failed: %.*s", program, said.data ? (int)strcspn(said.data, "\n") : 0,
                   said.data ? said.data : "");
}

int run_ids_apply(const struct run_ids *ids, pid_t pid, struct fc_error *err)
{
    int r;

    if (ids->single || ids->as_root)
        return write_maps(ids, pid, err);
    r = ask_helper("newuidmap", pid, &ids->uid, err);
    return r < 0 ? r : ask_helper("newgidmap", pid, &ids->gid, err);
}

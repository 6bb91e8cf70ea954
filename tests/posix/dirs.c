/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories: entries, types, numbers, positions, and changes on the way; file handles; inotify. */
#include "px.h"

#include <dirent.h>
#include <sys/inotify.h>

enum { MANY = 300 };

static void prepare_many(void)
{
    char name[280];

    OK(mkdir("many", 0755));
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "many/%d-%s", i, px_long((size_t)i % 200));
        OK(mknod(name, S_IFREG | 0644, 0));
    }
    OK(mkdir("types", 0755));
    OK(chdir("types"));
    if (geteuid() == 0)
        px_make_all();
    else
        OK(mkdir("dir", 0755));
    OK(link(geteuid() == 0 ? "reg" : "../many/0-", "hard"));
    OK(chdir(".."));
}

/* d_ino and d_type are those of lstat. */
static void entries(void)
{
    DIR *d = opendir("types");
    const struct dirent *e;
    struct stat st;
    int n = 0;

    if (geteuid() == 0) {
        OK(chdir("types"));
        px_make_rest();
        OK(chdir(".."));
    }
    TRUE(d != NULL);
    while ((e = readdir(d))) {
        px_row("%s", e->d_name);
        OK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
        IS(e->d_ino, st.st_ino);
        IS(e->d_type, IFTODT(st.st_mode));
        n++;
    }
    IS(n, geteuid() == 0 ? 2 + PX_TYPES + 1 : 4);
    closedir(d);
}

static int count(const char *path, int *ret_dots)
{
    DIR *d = opendir(path);
    const struct dirent *e;
    int n = 0;

    while (d && (e = readdir(d))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            ++*ret_dots;
        else
            n++;
    }
    if (d)
        closedir(d);
    return n;
}

static void positions(void)
{
    DIR *d = opendir("many");
    static char names[MANY + 2][280];
    long at[MANY + 3];
    const struct dirent *e;
    int n = 0;

    TRUE(d != NULL);
    for (at[0] = telldir(d); n < MANY + 2 && (e = readdir(d)); at[++n] = telldir(d))
        snprintf(names[n], sizeof(names[n]), "%s", e->d_name);
    IS(n, MANY + 2);
    TRUE(!readdir(d));
    for (int i = MANY + 1; i >= 0; i -= 7) {
        seekdir(d, at[i]);
        e = readdir(d);
        px_is_text(e ? e->d_name : "end", names[i], "entry at a position");
    }
    rewinddir(d);
    e = readdir(d);
    px_is_text(e ? e->d_name : "end", names[0], "entry after rewinddir");
    closedir(d);
}

/* What is there all the time is seen once, whatever happens meanwhile. */
static void changes(void)
{
    DIR *d = opendir("many");
    const struct dirent *e;
    char path[600];
    int seen = 0, dots = 0, made = 0;

    while ((e = readdir(d))) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, "new", 3) == 0)
            continue;
        seen++;
        snprintf(path, sizeof(path), "many/%s", e->d_name);
        OK(unlink(path));
        if (made++ < 20) {
            snprintf(path, sizeof(path), "many/new-%d", made);
            OK(mknod(path, S_IFREG | 0644, 0));
        }
    }
    closedir(d);
    IS(seen, MANY);
    IS(count("many", &dots), 20);
    IS(dots, 2);
    FAILS(ENOTEMPTY, rmdir("many"));
}

/* An open directory reads on after it has been renamed, and is empty after its end. */
static void moved(void)
{
    DIR *d = opendir("many");
    int n = 0, dots = 0;

    TRUE(readdir(d) != NULL);
    OK(rename("many", "moved"));
    OK(mkdir("many", 0755));
    for (n = 1; readdir(d); n++)
        ;
    IS(n, MANY + 2);
    closedir(d);
    IS(count("many", &dots), 0);
    IS(count("moved", &dots), MANY);
    d = opendir("many");
    OK(rmdir("many"));
    rewinddir(d);
    TRUE(!readdir(d));
    closedir(d);
}

/* A directory that went and came again is a new one, and empty. */
static void again(void)
{
    int dots = 0;

    for (enum px_type t = 0; t < PX_TYPES; t++)
        unlinkat(AT_FDCWD, "types", 0);
    px_remove("types");
    FAILS(ENOENT, lstat("types", &(struct stat){0}));
    OK(mkdir("types", 0700));
    IS(count("types", &dots), 0);
    FAILS(ENOENT, lstat("types/hard", &(struct stat){0}));
    px_file("types/reg", "new");
    IS(count("types", &dots), 1);
    px_is_text(px_text("types/reg"), "new", "a name that was there before");
    OK(rename("many", "types/many"));
    OK(mkdir("many", 0755));
    OK(rename("types/many", "many"));
    IS(count("many", &dots), MANY);
}

/* Deeper than any path may be long. */
static void deep(void)
{
    const char *name = px_long(250);
    int top = (int)OK(open(".", O_RDONLY | O_DIRECTORY)), i;

    for (i = 0; i < 30; i++) {
        OK(mkdir(name, 0755));
        OK(chdir(name));
    }
    px_file("bottom", "deep");
    px_is_text(px_text("./bottom"), "deep", "a file below 7,500 bytes of path");
    OK(unlink("bottom"));
    for (; i > 0; i--) {
        OK(chdir(".."));
        OK(rmdir(name));
    }
    OK(fchdir(top));
    close(top);
}

/* File handles, as NFS servers keep them. */
static void handles(void)
{
    struct {
        struct file_handle h;
        unsigned char more[MAX_HANDLE_SZ];
    } f = {.h.handle_bytes = MAX_HANDLE_SZ}, d = {.h.handle_bytes = MAX_HANDLE_SZ};
    int mount_id, fd, top = (int)OK(open(".", O_RDONLY | O_DIRECTORY));
    struct stat st = {0};

    OK(name_to_handle_at(AT_FDCWD, "types/hard", &f.h, &mount_id, 0));
    OK(name_to_handle_at(AT_FDCWD, "types", &d.h, &mount_id, 0));
    px_forget();
    fd = (int)OK(open_by_handle_at(top, &f.h, O_RDWR));
    OK(fstat(fd, &st));
    IS(st.st_ino, px_stat("types/hard").st_ino);
    IS(write(fd, "by handle", 9), 9);
    px_is_text(px_text("types/hard"), "by handle", "text by handle");
    OK(close(fd));
    OK(rename("types/hard", "elsewhere"));
    px_forget();
    fd = (int)OK(open_by_handle_at(top, &f.h, O_RDONLY));
    OK(close(fd));
    fd = (int)OK(open_by_handle_at(top, &d.h, O_RDONLY));
    OK(fstatat(fd, "..", &st, 0));
    IS(st.st_ino, px_stat(".").st_ino);
    OK(close(fd));
    OK(unlink("types/reg"));
    OK(unlink("elsewhere"));
    FAILS(ESTALE, open_by_handle_at(top, &f.h, O_RDONLY));
    f.h.handle_bytes = 0;
    FAILS(EOVERFLOW, name_to_handle_at(AT_FDCWD, "types", &f.h, &mount_id, 0));
    close(top);
}

static void events(void)
{
    static const struct {
        uint32_t mask;
        const char *name;
    } want[] = {{IN_CREATE, "a"},
                {IN_MODIFY, "a"},
                {IN_ATTRIB, "a"},
                {IN_MOVED_FROM, "a"},
                {IN_MOVED_TO, "b"},
                {IN_DELETE, "b"},
                {IN_CREATE | IN_ISDIR, "c"},
                {IN_DELETE | IN_ISDIR, "c"}};
    _Alignas(struct inotify_event) char buffer[4096];
    int fd = inotify_init1(IN_NONBLOCK);
    const struct inotify_event *e;
    size_t i = 0;
    ssize_t n;

    OK(inotify_add_watch(fd, "types", IN_CREATE | IN_MODIFY | IN_ATTRIB | IN_MOVE | IN_DELETE));
    OK(mknod("types/a", S_IFREG | 0644, 0));
    px_file("types/a", "x");
    OK(chmod("types/a", 0600));
    OK(rename("types/a", "types/b"));
    OK(unlink("types/b"));
    OK(mkdir("types/c", 0755));
    OK(rmdir("types/c"));
    n = OK(read(fd, buffer, sizeof(buffer)));
    for (const char *p = buffer; p < buffer + n; p += sizeof(*e) + e->len) {
        e = (const struct inotify_event *)p;
        if (i < LENGTH(want)) {
            px_row("event %zu", i);
            IS(e->mask, want[i].mask);
            px_is_text(e->name, want[i].name, "name");
        }
        i++;
    }
    IS(i, LENGTH(want));
    close(fd);
}

const struct px_case px_dirs[] = {
    {"dir-entries", prepare_many, entries, false},
    {"dir-positions", prepare_many, positions, false},
    {"dir-changes", prepare_many, changes, false},
    {"dir-moved", prepare_many, moved, false},
    {"dir-again", prepare_many, again, false},
    {"dir-deep", NULL, deep, false},
    {"dir-handles", prepare_many, handles, true},
    {"dir-events", prepare_many, events, false},
    {0},
};

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a disk may hold after the power failed at any moment of a recorded run.
 *
 * A page cache writes back when it likes. So each sector of a file is, independently, as it was at the last sync that
 * succeeded, as it was last written, or as it was at one moment in between; likewise the length. A sync that failed loses
 * what it should have written, until that is written again. Names come in order, up to any moment, and a sync of any file
 * or folder brings all before it, as on ext4 and XFS.
 */
#ifndef TESTS_UNIT_POWER_H
#define TESTS_UNIT_POWER_H

#include "host.h"

enum { PAGE = 4096, SECTOR = 512, POWER_FILES = 64, POWER_NAMES = 64 };

/** One page: what is on the disk for sure, what was written last, and something in between. */
struct power_page {
    unsigned char durable[PAGE], now[PAGE], between[PAGE];
    bool dirty, lost; /* lost: a failed sync took it for written */
};
struct power_file {
    struct power_page **pages;
    size_t n_pages;
    uint64_t size, durable_size;
};
/** A name came (file >= 0) or went (-1). */
struct power_name {
    char name[32];
    int file;
};
struct power_disk {
    struct power_file files[POWER_FILES];
    int n_files;
    struct power_name names[POWER_NAMES]; /* in order; the first @n_durable for sure */
    int n_names, n_durable;
};

/** A recorded event with a copy of its data. */
struct power_event {
    int kind;
    char name[32]; /* below the root */
    uint64_t offset, length;
    unsigned char *data;
    bool failed;
    int mark;
};
static struct power_event *power_log;
static size_t power_n, power_cap;

static inline struct power_event *power_add(int kind)
{
    if (power_n == power_cap) {
        power_cap = power_cap ? 2 * power_cap : 1024;
        power_log = realloc(power_log, power_cap * sizeof(*power_log));
        if (!power_log)
            abort();
    }
    power_log[power_n] = (struct power_event){.kind = kind};
    return &power_log[power_n++];
}

static inline void power_record(const struct host_event *e)
{
    const char *name = e->path + strlen(host.root) + 1;
    struct power_event *p;

    /* Shared memory is made anew by whoever opens the database first; the others say nothing that is kept. */
    if (strlen(name) >= sizeof(p->name) || strstr(name, "-shm") || strstr(name, "lock") || strstr(name, "reserve"))
        return;
    p = power_add(e->kind);
    strcpy(p->name, name);
    p->offset = e->offset;
    p->length = e->length;
    p->failed = e->failed;
    if (e->data) {
        p->data = malloc(e->length);
        memcpy(p->data, e->data, e->length);
    }
}

static inline void power_mark(int mark) { power_add(HOST_MARK)->mark = mark; }

static inline int power_find(const struct power_disk *d, const char *name, int n_names)
{
    for (int i = n_names; i-- > 0;)
        if (strcmp(d->names[i].name, name) == 0)
            return d->names[i].file;
    return -1;
}

static inline void power_name(struct power_disk *d, const char *name, int file)
{
    /* Names that are old are put together, so that the list stays short. */
    if (d->n_names == POWER_NAMES) {
        struct power_name kept[POWER_NAMES];
        int n = 0;

        for (int i = 0; i < d->n_names; i++) {
            bool again = false;

            for (int k = i + 1; k < d->n_durable; k++)
                again |= strcmp(d->names[k].name, d->names[i].name) == 0;
            if (i >= d->n_durable || !again)
                kept[n++] = d->names[i];
            else
                d->n_durable--, i--,
                    memmove(&d->names[i + 1], &d->names[i + 2], (size_t)(d->n_names - i - 2) * sizeof(*kept)),
                    d->n_names--;
        }
        memcpy(d->names, kept, (size_t)n * sizeof(*kept));
        d->n_names = n;
        if (n == POWER_NAMES)
            abort();
    }
    snprintf(d->names[d->n_names].name, sizeof(d->names->name), "%s", name);
    d->names[d->n_names++].file = file;
}

static inline struct power_page *power_page(struct power_file *f, size_t i, bool make)
{
    if (i >= f->n_pages) {
        size_t n = i + 64;

        if (!make)
            return NULL;
        f->pages = realloc(f->pages, n * sizeof(struct power_page *));
        memset(f->pages + f->n_pages, 0, (n - f->n_pages) * sizeof(struct power_page *));
        f->n_pages = n;
    }
    if (!f->pages[i] && make)
        f->pages[i] = calloc(1, sizeof(**f->pages));
    return f->pages[i];
}

/* Write, or (@data NULL) clear. */
static inline void power_write(struct power_file *f, uint64_t offset, const unsigned char *data, uint64_t length,
                               unsigned *seed)
{
    for (uint64_t done = 0; done < length;) {
        uint64_t at = offset + done, within = at % PAGE,
                 n = PAGE - within < length - done ? PAGE - within : length - done;
        struct power_page *p = power_page(f, at / PAGE, data != NULL);

        if (p) {
            if (!p->dirty || rand_r(seed) % 3 == 0)
                memcpy(p->between, p->now, PAGE);
            if (data)
                memcpy(p->now + within, data + done, n);
            else
                memset(p->now + within, 0, n);
            p->dirty = true;
            p->lost = false;
        }
        done += n;
    }
}

static inline void power_sync(struct power_disk *d, struct power_file *f, bool failed)
{
    for (size_t i = 0; f && i < f->n_pages; i++) {
        struct power_page *p = f->pages[i];

        if (!p || !p->dirty)
            continue;
        if (failed)
            p->lost = true;
        if (p->lost)
            continue;
        memcpy(p->durable, p->now, PAGE);
        p->dirty = false;
    }
    if (failed)
        return;
    if (f)
        f->durable_size = f->size;
    d->n_durable = d->n_names;
}

static inline void power_apply(struct power_disk *d, const struct power_event *e, unsigned *seed)
{
    int i = e->kind == HOST_MARK ? -1 : power_find(d, e->name, d->n_names);
    struct power_file *f = i < 0 ? NULL : &d->files[i];

    if (e->kind == HOST_CREATED) {
        if (d->n_files == POWER_FILES)
            abort();
        power_name(d, e->name, d->n_files++);
    } else if (e->kind == HOST_UNLINKED) {
        power_name(d, e->name, -1);
    } else if (e->kind == HOST_SYNC) {
        power_sync(d, f, e->failed);
    } else if (f && e->kind == HOST_WRITE) {
        power_write(f, e->offset, e->data, e->length, seed);
        if (e->offset + e->length > f->size)
            f->size = e->offset + e->length;
    } else if (f && e->kind == HOST_PUNCHED) {
        power_write(f, e->offset, NULL, e->length, seed);
    } else if (f && e->kind == HOST_TRUNCATE) {
        if (e->offset < f->size)
            power_write(f, e->offset, NULL, (uint64_t)f->n_pages * PAGE > e->offset ? f->n_pages * PAGE - e->offset : 0,
                        seed);
        f->size = e->offset;
    }
}

/* How the unsynced rest is chosen. */
enum { POWER_NONE, POWER_ALL, POWER_MIXED, POWER_MODES };

static inline void power_put(const struct power_file *f, const char *path, int mode, unsigned *seed)
{
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_TRUNC, 0644);
    uint64_t size = mode == POWER_NONE || (mode == POWER_MIXED && rand_r(seed) % 2) ? f->durable_size : f->size;

    for (size_t i = 0; i < f->n_pages && i * PAGE < size; i++) {
        const struct power_page *p = f->pages[i];
        unsigned char page[PAGE];
        int unit = rand_r(seed) % 2 ? SECTOR : PAGE;

        if (!p)
            continue;
        memcpy(page, mode == POWER_ALL && !p->lost ? p->now : p->durable, PAGE);
        for (int at = 0; mode == POWER_MIXED && p->dirty && !p->lost && at < PAGE; at += unit) {
            int choice = rand_r(seed) % 4;

            if (choice > 0)
                memcpy(page + at, (choice == 1 ? p->between : p->now) + at, (size_t)unit);
        }
        if (syscall(SYS_pwrite64, fd, page, (size_t)(size - i * PAGE < PAGE ? size - i * PAGE : PAGE), i * PAGE) < 0)
            abort();
    }
    if (syscall(SYS_ftruncate, fd, size) < 0)
        abort();
    close(fd);
}

/** Make the folder @dir (empty, but for its folder "data") what the disk may hold now. */
static inline void power_fail(const struct power_disk *d, const char *dir, int mode, unsigned *seed)
{
    int n = mode == POWER_NONE  ? d->n_durable
            : mode == POWER_ALL ? d->n_names
                                : d->n_durable + (int)(rand_r(seed) % (unsigned)(d->n_names - d->n_durable + 1));

    for (int i = 0; i < n; i++) {
        char path[300];
        int file = power_find(d, d->names[i].name, n);

        snprintf(path, sizeof(path), "%s/%s", dir, d->names[i].name);
        if (file < 0)
            syscall(SYS_unlink, path);
        else
            power_put(&d->files[file], path, mode, seed);
    }
}

/** Begin with what is in @root: all of it durable. @names are files there, ended by NULL. */
static inline void power_begin(struct power_disk *d, const char *root, const char *const *names)
{
    unsigned seed = 1;

    for (; *names; names++) {
        char path[300];
        unsigned char page[PAGE];
        int fd;
        ssize_t n;
        uint64_t at = 0;

        snprintf(path, sizeof(path), "%s/%s", root, *names);
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY);
        if (fd < 0)
            continue;
        power_name(d, *names, d->n_files);
        while ((n = syscall(SYS_pread64, fd, page, PAGE, at)) > 0) {
            power_write(&d->files[d->n_files], at, page, (uint64_t)n, &seed);
            at += (uint64_t)n;
        }
        d->files[d->n_files].size = at;
        power_sync(d, &d->files[d->n_files++], false);
        close(fd);
    }
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Write an image to a file that appears complete or not at all, or to a device in place. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "image/delta.h"
#include "image/output.h"
#include "image/previous.h"
#include "image/sink.h"
#include "image/sums.h"

/** A write on its way. */
struct job {
    const struct fc_image *image;
    const char *path; /* NULL: */
    int fd;
    const struct fc_image_write_options *options;
    char *record; /* path of the output's record, or NULL */
    struct fc_image_write_result result;
    struct fc_sums *sums; /* NULL: none wanted */
    struct fc_error *err;
};

static int begin_sums(struct job *j)
{
    return fc_sums_wanted(j->options) ? fc_sums_start(j->image, j->options, &j->sums, j->err) : 0;
}

/* Append the hash tree if that is wanted: at the image's end, or where the stream stands. */
static int write_area(struct job *j, int fd, bool stream)
{
    const void *area = NULL;
    uint64_t size = 0;
    int r = j->sums ? fc_sums_area(j->sums, &area, &size, j->err) : 0;

    if (r < 0 || !j->options->verity.append)
        return r;
    r = stream ? fc_write_full(fd, area, (size_t)size)
               : fc_pwrite_full(fd, area, (size_t)size, fc_image_size(j->image));
    return r < 0 ? fc_fail_errno(j->err, -r, "cannot write the dm-verity tree") : 0;
}

static int finish_sums(struct job *j) { return j->sums ? fc_sums_finish(j->sums, &j->result, j->err) : 0; }

static int emit_fresh(struct job *j, int fd)
{
    if (ftruncate(fd, (off_t)fc_image_size(j->image)) < 0)
        return fc_fail_errno(j->err, errno, "cannot make the image %llu bytes long",
                             (unsigned long long)fc_image_size(j->image));
    return fc_image_emit(j->image, fd, true, j->options, &j->result, j->err);
}

/* Make @fd, an empty file, the image by way of the blocks of @old. Returns 1, or 0 when @fd is still or again empty. */
static int emit_from(struct job *j, int fd, int old, const struct fc_record *record)
{
    struct stat st;

    if (j->options->no_clone || ioctl(fd, FICLONE, old) < 0)
        return 0;
    if (ftruncate(fd, (off_t)fc_image_size(j->image)) == 0 &&
        fc_image_emit_delta(j->image, fd, old, record, j->options, &j->result, NULL) == 0 && fstat(old, &st) == 0 &&
        fc_record_fits(record, &st)) /* still: nobody has written to it meanwhile */
        return 1;
    j->result = (struct fc_image_write_result){0};
    return ftruncate(fd, 0) < 0 ? fc_fail_errno(j->err, errno, "cannot empty the new image") : 0;
}

/* The image may have been planned over a file: then @st must be its state, too. */
static bool is_planned(const struct job *j, const struct stat *st)
{
    const struct fc_image_previous *p = j->options->previous;

    return !p || (p->state.st_dev == st->st_dev && p->state.st_ino == st->st_ino);
}

/* Start from the file that is replaced, if it is what we wrote. Returns 1 when @fd is the image; 0 also when in doubt. */
static int emit_over(struct job *j, int fd)
{
    fc_auto(fc_close) int old = -1;
    struct fc_record record = {0};
    struct stat st;
    int done = 0;

    if (!j->record || j->options->fresh || fc_record_load(j->record, &record) < 0)
        return 0;
    old = open(j->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (old >= 0 && fstat(old, &st) == 0 && S_ISREG(st.st_mode) && fc_record_fits(&record, &st) && is_planned(j, &st)) {
        done = emit_from(j, fd, old, &record);
        if (done == 0 && fc_image_emit_delta(j->image, -1, old, &record, j->options, &j->result, NULL) < 0)
            j->result = (struct fc_image_write_result){0};
    }
    fc_record_release(&record);
    return done;
}

static int fill_regular(struct job *j, int fd)
{
    int r = emit_over(j, fd);

    if (r == 0)
        r = emit_fresh(j, fd);
    r = r > 0 ? 0 : r;
    if (r == 0 && j->options->previous && !fc_image_previous_holds(j->options->previous))
        r = fc_fail(j->err, ESTALE, "the image that was there was changed meanwhile");
    if (r == 0)
        r = write_area(j, fd, false);
    if (r == 0 && !j->options->no_sync && fsync(fd) < 0)
        r = fc_fail_errno(j->err, errno, "cannot sync it");
    return r == 0 ? finish_sums(j) : r;
}

static int write_regular(struct job *j, const struct stat *old)
{
    __attribute__((cleanup(fc_image_output_release_auto))) struct fc_image_output o = {.fd = -1};
    int r = fc_image_output_open(&o, j->path, old, j->err), fd;
    struct stat settled;
    bool known;

    if (r < 0)
        return r;
    r = fill_regular(j, o.fd);
    if (r < 0) {
        fc_wrap(j->err, "%s", j->path);
        return r;
    }
    known = j->record && fc_record_settle(o.fd, &settled) == 0;
    r = fc_image_output_place(&o, j->err);
    if (r < 0)
        return r;
    if (known) /* without a record the next image is written fresh, which is no failure */
        (void)fc_record_save(j->record, j->image, o.fd, &settled, j->options);
    fd = fc_steal_fd(&o.fd);
    if (close(fd) < 0)
        return fc_fail_errno(j->err, errno, "cannot close %s", j->path);
    r = j->options->no_sync ? 0 : fc_sync_dir(o.dir);
    return r < 0 ? fc_fail_errno(j->err, -r, "cannot sync the folder of %s", j->path) : 0;
}

static int fill_device(struct job *j, int fd)
{
    uint64_t size, needed = fc_image_size(j->image) + fc_sums_appended(j->sums);
    int r;

    if (ioctl(fd, BLKGETSIZE64, &size) < 0)
        return fc_fail_errno(j->err, errno, "cannot tell its size");
    if (size < needed)
        return fc_fail(j->err, ENOSPC, "it has %llu bytes, the image %llu", (unsigned long long)size,
                       (unsigned long long)needed);
    r = fc_image_emit(j->image, fd, false, j->options, &j->result, j->err);
    if (r == 0)
        r = write_area(j, fd, false);
    if (r == 0 && !j->options->no_sync && fsync(fd) < 0)
        r = fc_fail_errno(j->err, errno, "cannot sync it");
    return r == 0 ? finish_sums(j) : r;
}

static int fill_stream(struct job *j, int fd)
{
    int r = fc_image_emit_stream(j->image, fd, j->options, j->err);

    if (r == 0)
        r = write_area(j, fd, true);
    if (r < 0)
        return r;
    j->result.copied = fc_image_size(j->image);
    return finish_sums(j);
}

/* Write into what is there already: a device or a pipe, opened with @flags. */
static int write_in_place(struct job *j, int flags, int (*fill)(struct job *j, int fd))
{
    fc_auto(fc_close) int fd = open(j->path, flags | O_CLOEXEC);
    int r, copy;

    if (fd < 0)
        return fc_fail_errno(j->err, errno, "cannot write %s", j->path);
    r = fill(j, fd);
    if (r < 0) {
        fc_wrap(j->err, "%s", j->path);
        return r;
    }
    copy = fc_steal_fd(&fd);
    return close(copy) < 0 ? fc_fail_errno(j->err, errno, "cannot close %s", j->path) : 0;
}

static int write_to(struct job *j)
{
    struct stat st;

    if (stat(j->path, &st) < 0)
        return write_regular(j, NULL);
    switch (st.st_mode & S_IFMT) {
    case S_IFDIR:
        return fc_fail(j->err, EISDIR, "%s is a directory", j->path);
    case S_IFBLK:
        return write_in_place(j, O_RDWR | O_EXCL, fill_device); /* O_EXCL: refused while it is mounted */
    case S_IFCHR:
    case S_IFIFO:
        return write_in_place(j, O_WRONLY, fill_stream);
    case S_IFREG:
        return write_regular(j, &st);
    default:
        return fc_fail(j->err, EINVAL, "%s is a socket", j->path);
    }
}

/* Run @write between the start of the digests and the writing of the files beside the image. */
static int run_job(struct job *j, int (*write)(struct job *j), struct fc_image_write_result *ret_result)
{
    int r = begin_sums(j);

    if (r == 0)
        r = write(j);
    if (r == 0 && j->sums)
        r = fc_sums_write_files(j->sums, !j->options->no_sync, j->err);
    fc_sums_free(j->sums);
    if (r == 0 && ret_result)
        *ret_result = j->result;
    return r;
}

static const struct fc_image_write_options defaults;

int fc_image_write(const struct fc_image *image, const char *path, const struct fc_image_write_options *options,
                   struct fc_image_write_result *ret_result, struct fc_error *err)
{
    struct job j = {.image = image, .path = path, .options = options ? options : &defaults, .err = err};
    fc_auto(fc_free) char *target = NULL;
    struct stat st;
    int r;

    /* A symlink stays what it is (think of /dev/stdout); what it leads to is replaced. */
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && (stat(path, &st) < 0 || S_ISREG(st.st_mode))) {
        target = realpath(path, NULL);
        if (!target)
            return fc_fail_errno(err, errno, "cannot follow the symlink %s", path);
        j.path = target;
    }
    if (j.options->records && fc_record_path(j.options->records, j.path, &j.record) == -ENOMEM)
        return fc_fail(err, ENOMEM, "out of memory");
    r = run_job(&j, write_to, ret_result);
    free(j.record);
    return r;
}

static int write_fd(struct job *j) { return fill_stream(j, j->fd); }

int fc_image_stream(const struct fc_image *image, int fd, const struct fc_image_write_options *options,
                    struct fc_image_write_result *ret_result, struct fc_error *err)
{
    struct job j = {.image = image, .fd = fd, .options = options ? options : &defaults, .err = err};

    return run_job(&j, write_fd, ret_result);
}

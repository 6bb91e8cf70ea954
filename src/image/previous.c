/* SPDX-License-Identifier: Apache-2.0 */
/* Open the image that was written to an output last, if it is still as its record says. */
#include "image/previous.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "image/record.h"

/* Nobody but us can have written it. */
static bool is_ours(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

/* Take the note out of @record when @fd is what that describes. */
static int take(int *fd, struct fc_record *record, struct fc_image_previous *ret)
{
    struct stat st;

    if (*fd < 0 || !record->n_note || fstat(*fd, &st) < 0 || !S_ISREG(st.st_mode) || !fc_record_fits(record, &st))
        return 0;
    *ret = (struct fc_image_previous){
        .fd = fc_steal_fd(fd), .state = st, .note = record->note, .n_note = (size_t)record->n_note};
    record->note = NULL;
    return 1;
}

int fc_image_previous_open(const char *records, const char *path, struct fc_image_previous *ret)
{
    fc_auto(fc_free) char *target = realpath(path, NULL), *name = NULL;
    fc_auto(fc_close) int fd = -1;
    struct fc_record record = {0};
    int r;

    if (!target)
        return errno == ENOMEM ? -ENOMEM : 0;
    if (fc_record_path(records, target, &name) < 0 || !is_ours(name))
        return 0;
    if (fc_record_load(name, &record) < 0)
        return 0;
    fd = open(target, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    r = take(&fd, &record, ret);
    fc_record_release(&record);
    return r;
}

bool fc_image_previous_holds(const struct fc_image_previous *previous)
{
    const struct stat *was = &previous->state;
    struct stat st;

    return fstat(previous->fd, &st) == 0 && st.st_size == was->st_size &&
           memcmp(&st.st_mtim, &was->st_mtim, sizeof(st.st_mtim)) == 0 &&
           memcmp(&st.st_ctim, &was->st_ctim, sizeof(st.st_ctim)) == 0;
}

void fc_image_previous_release(struct fc_image_previous *previous)
{
    if (previous->fd >= 0)
        close(previous->fd);
    free(previous->note);
    *previous = (struct fc_image_previous){.fd = -1};
}

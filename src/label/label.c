/* SPDX-License-Identifier: Apache-2.0 */
/* Look up SELinux labels in a policy's file_contexts, through libselinux. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <selinux/label.h>
#include <selinux/selinux.h>

#include <fccompose/label.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/map.h"

struct fc_labels {
    struct selabel_handle *handle;
    char *path;
    struct fc_arena texts;
    struct fc_map known; /* hash of a label to where it is in the arena */
};

/* What libselinux says while it reads rules: its callback has no argument that could lead to a place of ours. */
static _Thread_local char complaint[256];

__attribute__((format(printf, 2, 3))) static int keep_complaint(int type, const char *fmt, ...)
{
    va_list args;

    if (complaint[0] || type == SELINUX_INFO)
        return 0;
    va_start(args, fmt);
    vsnprintf(complaint, sizeof(complaint), fmt, args);
    va_end(args);
    complaint[strcspn(complaint, "\n")] = '\0';
    return 0;
}

static int be_silent(int type, const char *fmt, ...) { return (void)type, (void)fmt, 0; }

static int open_rules(struct fc_labels *labels, struct fc_error *err)
{
    struct selinux_opt options[] = {{SELABEL_OPT_PATH, labels->path}};

    /* Asked for first, so that a file that is not there is told as that. */
    if (access(labels->path, R_OK) < 0)
        return fc_fail_errno(err, errno, "cannot read the SELinux rules in %s", labels->path);
    complaint[0] = '\0';
    selinux_set_callback(SELINUX_CB_LOG, (union selinux_callback){.func_log = keep_complaint});
    errno = 0;
    labels->handle = selabel_open(SELABEL_CTX_FILE, options, 1);
    selinux_set_callback(SELINUX_CB_LOG, (union selinux_callback){.func_log = be_silent});
    if (complaint[0])
        return fc_fail(err, EBADMSG, "malformed SELinux rules: %s", complaint);
    if (!labels->handle)
        return fc_fail_errno(err, errno ? errno : EIO, "cannot read the SELinux rules in %s", labels->path);
    return 0;
}

int fc_labels_open(const char *path, struct fc_labels **ret_labels, struct fc_error *err)
{
    struct fc_labels *labels = calloc(1, sizeof(*labels));
    int r;

    if (!labels || !(labels->path = strdup(path))) {
        free(labels);
        return fc_fail(err, ENOMEM, "out of memory");
    }
    r = open_rules(labels, err);
    if (r < 0) {
        fc_labels_free(labels);
        return r;
    }
    *ret_labels = labels;
    return 0;
}

void fc_labels_free(struct fc_labels *labels)
{
    if (!labels)
        return;
    if (labels->handle)
        selabel_close(labels->handle);
    fc_arena_release(&labels->texts);
    fc_map_release(&labels->known);
    free(labels->path);
    free(labels);
}

/* USER:ROLE:TYPE, and perhaps :LEVEL. Whether the policy knows them only the guest can tell. */
static bool is_context(const char *text)
{
    for (int i = 0; i < 3; i++) {
        size_t len = strcspn(text, ":");

        if (!len || (i < 2 && !text[len]))
            return false;
        text += len + (i < 2);
    }
    return true;
}

/* A copy of @text that stays; most files have one of few labels. */
static int keep(struct fc_labels *labels, const char *text, const char **ret)
{
    uint64_t key = fc_hash(0, text, strlen(text)) >> 1, at;
    char *copy;

    if (fc_map_get(&labels->known, key, &at) && strcmp((const char *)(uintptr_t)at, text) == 0) {
        *ret = (const char *)(uintptr_t)at;
        return 1;
    }
    copy = fc_arena_copy(&labels->texts, text, strlen(text));
    if (!copy || fc_map_set(&labels->known, key, (uint64_t)(uintptr_t)copy) < 0)
        return -ENOMEM;
    *ret = copy;
    return 1;
}

int fc_labels_find(void *context, const char *path, uint32_t mode, const char **ret_label, struct fc_error *err)
{
    struct fc_labels *labels = context;
    char *found = NULL;
    int r;

    errno = 0;
    if (selabel_lookup_raw(labels->handle, &found, path, (int)(mode & S_IFMT)) < 0)
        return errno == ENOENT ? 0
                               : fc_fail_errno(err, errno ? errno : EIO, "%s: cannot look up %s", labels->path, path);
    if (is_context(found))
        r = keep(labels, found, ret_label);
    else
        r = fc_fail(err, EBADMSG, "%s: \"%.100s\", for %.200s, is no SELinux label (USER:ROLE:TYPE)", labels->path,
                    found, path);
    freecon(found);
    return r == -ENOMEM ? fc_fail(err, ENOMEM, "out of memory") : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Import a layer that the program makes itself. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"
#include "stack/busybox_files.h"
#include "stack/stack.h"

/* The digest of everything that goes into builtin:busybox: the program (which also gives the applets) and our files. */
static int busybox_key(const char *path, struct fc_digest *ret, struct fc_error *err)
{
    fc_auto(fc_hasher_free) struct fc_hasher *hasher = fc_hasher_new();
    fc_auto(fc_buf_release) struct fc_buf bytes = {0};
    int r;

    if (!hasher)
        return fc_fail(err, ENOMEM, "out of memory");
    for (size_t i = 0; i < fc_n_busybox_files; i++) {
        const struct fc_fixed_file *f = &fc_busybox_files[i];

        r = fc_buf_addf(&bytes, "%s %o %u:%u %s%c", f->path, f->mode, f->major, f->minor, f->text ? f->text : "", 0);
        if (r < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    r = fc_read_file(AT_FDCWD, path, 64 << 20, &bytes);
    if (r == 0)
        r = fc_hasher_add(hasher, "builtin:busybox 1", 17);
    if (r == 0)
        r = fc_hasher_add(hasher, bytes.data, bytes.len);
    if (r == 0)
        r = fc_hasher_finish(hasher, ret);
    return r < 0 ? fc_fail_errno(err, -r, "cannot read %s", path) : 0;
}

int fc_import_builtin(const struct fc_import *im, const char *name, struct fc_layer **ret_layer, struct fc_error *err)
{
    struct fc_entry_iter *it = NULL;
    struct fc_digest blob, key;
    const char *path;
    int r;

    if (strcmp(name, "busybox") != 0)
        return fc_fail(err, EINVAL, "builtin:%s: there is no such layer; there is builtin:busybox", name);
    r = fc_busybox_find(&path, err);
    if (r == 0)
        r = busybox_key(path, &blob, err);
    if (r < 0)
        return r;
    r = fc_import_key(im->options, &blob, &key);
    if (r < 0)
        return fc_fail(err, -r, "cannot digest builtin:%s", name);
    if (fc_import_recall(im, &key, ret_layer))
        return 0;
    r = fc_busybox_iter(path, &it, err);
    if (r == 0 && im->options->force_owner)
        r = fc_filter_owner(it, im->options->uid, im->options->gid, &it, err);
    if (r == 0)
        r = fc_import_entries(im, it, ret_layer, err);
    if (r == 0)
        (void)fc_cache_remember(im->cache, &key, fc_layer_diffid(*ret_layer));
    return r;
}

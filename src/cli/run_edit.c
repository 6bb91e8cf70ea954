/* SPDX-License-Identifier: Apache-2.0 */
/* Make in the tree what a running command may not make itself: its edits as verbs. */
#include <errno.h>
#include <sys/xattr.h>

#include "base/log.h"
#include "cli/editor.h"

bool cli_run_edit_verb(const struct fc_run_edit *e, struct fc_verb *ret)
{
    *ret = (struct fc_verb){.at = e->ino, .path = "", .fd = -1, .uid = e->uid, .gid = e->gid};
    switch (e->kind) {
    case FC_RUN_EDIT_NODE:
        ret->kind = FC_VERB_MKNOD;
        ret->path = e->name;
        ret->mode = e->mode;
        ret->umask = e->umask;
        ret->rdev_major = e->rdev_major;
        ret->rdev_minor = e->rdev_minor;
        return true;
    case FC_RUN_EDIT_XATTR:
    case FC_RUN_EDIT_REMOVE_XATTR:
        ret->kind = FC_VERB_XATTR;
        ret->name = e->name;
        ret->data = e->value;
        ret->size = e->size;
        ret->flags = e->kind == FC_RUN_EDIT_REMOVE_XATTR ? FC_VERB_REMOVE : 0;
        ret->flags |= e->flags & XATTR_CREATE ? FC_VERB_NO_CLOBBER : 0;
        ret->flags |= e->flags & XATTR_REPLACE ? FC_VERB_ONLY_REPLACE : 0;
        return true;
    case FC_RUN_EDIT_OWNER:
        ret->kind = FC_VERB_CHOWN;
        ret->flags = (e->uid != UINT32_MAX ? FC_VERB_SET_UID : 0) | (e->gid != UINT32_MAX ? FC_VERB_SET_GID : 0);
        return true;
    }
    return false;
}

int cli_editor_run_edit(void *editor, const struct fc_run_edit *edit)
{
    struct fc_error err = {0};
    struct fc_verb verb;
    int r;

    if (!cli_run_edit_verb(edit, &verb))
        return -EOPNOTSUPP;
    r = cli_editor_apply(editor, &verb, &err);
    if (r < 0)
        fc_log(FC_LOG_DEBUG, "an edit of the running command: %s", err.msg);
    return r;
}

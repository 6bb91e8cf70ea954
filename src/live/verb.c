/* SPDX-License-Identifier: Apache-2.0 */
/* Edits by path: which function does which verb, and the words when it fails. */
#include "live/verb.h"

#include <errno.h>
#include <string.h>

#include "base/path.h"
#include "live/verb_internal.h"

int fc_verb_fail(struct fc_error *err, int code, const char *what, const char *path)
{
    char show[256];

    return fc_fail_errno(err, code, "cannot %s \"%s\"", what, fc_name_show(show, sizeof(show), path, strlen(path)));
}

/* Arguments that a verb cannot do without. */
static bool complete(const struct fc_verb *v)
{
    if (!v->path)
        return false;
    switch (v->kind) {
    case FC_VERB_CP:
    case FC_VERB_WRITE:
        return v->fd >= 0;
    case FC_VERB_MV:
    case FC_VERB_LN:
        return v->target != NULL;
    case FC_VERB_CHMOD:
        return v->mode_text || (v->flags & FC_VERB_SET_MODE);
    case FC_VERB_XATTR:
        return v->name && (v->data || v->size == 0);
    default:
        return true;
    }
}

int fc_verb_apply(struct fc_live *live, const struct fc_verb *verb, struct fc_error *err)
{
    if (!complete(verb))
        return fc_fail(err, EINVAL, "the edit lacks an argument");
    switch (verb->kind) {
    case FC_VERB_CP:
        return fc_verb_copy(live, verb, err);
    case FC_VERB_WRITE:
        return fc_verb_write(live, verb, err);
    case FC_VERB_MV:
    case FC_VERB_RM:
    case FC_VERB_MKDIR:
    case FC_VERB_LN:
    case FC_VERB_MKNOD:
        return fc_verb_names(live, verb, err);
    case FC_VERB_CHMOD:
    case FC_VERB_CHOWN:
    case FC_VERB_XATTR:
        return fc_verb_attributes(live, verb, err);
    }
    return fc_fail(err, EINVAL, "unknown edit %d", (int)verb->kind);
}

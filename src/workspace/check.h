/* SPDX-License-Identifier: Apache-2.0 */
/* Check a workspace with everything that it refers to, and repair what can be repaired. */
#ifndef FC_WORKSPACE_CHECK_H
#define FC_WORKSPACE_CHECK_H

#include "edit/check.h"
#include "workspace/workspace.h"

/** How. All zero checks only. */
struct fc_workspace_check_options {
    bool repair;                  /**< mend what can be mended */
    bool data;                    /**< read the layers' contents too, and compare their digests */
    struct fc_progress *progress; /**< may be NULL */
};

/** What came out. */
struct fc_workspace_check {
    char *dir;                /**< the workspace */
    struct fc_findings found; /**< by the check */
    struct fc_findings left;  /**< by the check after a repair */
    bool repaired;            /**< something was changed; @left then tells what is still wrong */
    bool mounted;             /**< checked as the mount process shows it at this moment */
    bool partly;              /**< layers are missing or damaged: names and contents were not checked against them */
    char *backup;             /**< of the database, made before it was changed; NULL: it was not */
};

/**
 * Check the workspace in @dir (NULL: found by walking up). A mounted one is checked as of one moment, but never repaired.
 *
 * Returns 0 and fills *ret (free it with fc_workspace_check_release()), whatever was found; -EBUSY with words when it is
 * in use; or another negative errno with words when it cannot be checked, or a repair failed: nothing is changed then, but
 * what does not belong to edits (leftovers, permissions).
 */
int fc_workspace_check(const char *dir, struct fc_cache *cache, const struct fc_workspace_check_options *options,
                       struct fc_workspace_check *ret, struct fc_error *err);
/** Errors that are left, when all is done. */
size_t fc_workspace_check_errors(const struct fc_workspace_check *c);
/** Free what it holds. */
void fc_workspace_check_release(struct fc_workspace_check *c);

#endif

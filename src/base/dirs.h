/* SPDX-License-Identifier: Apache-2.0 */
/* Where a user's files are, by the XDG base directory specification. */
#ifndef FC_BASE_DIRS_H
#define FC_BASE_DIRS_H

#include <fccompose/error.h>

/**
 * The folder of the cache: $FCCOMPOSE_CACHE, else $XDG_CACHE_HOME/fccompose, else ~/.cache/fccompose. Makes nothing. Caller
 * frees *ret. Returns 0, -ENOENT when there is no home, or -ENOMEM, with words.
 */
int fc_dir_cache(char **ret, struct fc_error *err);
/** The folder of the configuration: $XDG_CONFIG_HOME/fccompose, else ~/.config/fccompose. The same contract. */
int fc_dir_config(char **ret, struct fc_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Exclude patterns: of directories that are read as layers, and of what is copied. */
#ifndef FC_ENTRY_GLOB_H
#define FC_ENTRY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Whether the normalised @path is excluded by one of @n patterns: "*", "?" and "[...]" stop at slashes, "**" does not,
 * "**" as a whole component also stands for none. A pattern without "/" (a trailing one not counted) is matched with
 * the last component, others with the whole path.
 */
bool fc_glob_excluded(const char *const *patterns, size_t n, const char *path);

#endif

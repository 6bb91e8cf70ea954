/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of sources. Private to the source files of kernel/. */
#ifndef FC_KERNEL_SOURCE_PRIVATE_H
#define FC_KERNEL_SOURCE_PRIVATE_H

#include "kernel/source.h"

/** Fill origin, digest and, unpacked, dir from the tar @path. @label: what it is called. */
int fc_source_unpack(const struct fc_source_request *q, const char *path, const char *origin, const char *digest,
                     struct fc_source *s, struct fc_error *err);
/** From the tar at @url; @sum may be NULL. *ret_path, which may be NULL, gets where its bytes are (caller frees). */
int fc_source_url(struct fc_fetcher *f, const struct fc_source_request *q, const char *url, const struct fc_sum *sum,
                  struct fc_source *s, char **ret_path, struct fc_error *err);
/** From kernel.org: @version is "6.1.167", "v6.1", "latest" or "lts". */
int fc_source_kernel_org(struct fc_fetcher *f, const struct fc_source_request *q, const char *version,
                         struct fc_source *s, struct fc_error *err);
/** From the git repository @url: what @ref names (NULL: HEAD), or the newest tag that matches @pattern. */
int fc_source_git(const struct fc_source_request *q, const char *url, const char *ref, const char *pattern,
                  struct fc_source *s, struct fc_error *err);

/** Where the sources of that digest are unpacked: without a colon, which make takes for its own. NULL when out of memory. */
char *fc_source_dir(const struct fc_source_request *q, const char *digest);
/** Run @argv, whose output is put behind @what in words when it fails. Returns 0 or -errno. */
int fc_source_run(const char *const argv[], const char *what, struct fc_error *err);
/** A "FORMAT" string, allocated. NULL when out of memory. */
char *fc_source_text(const char *fmt, ...) FC_PRINTF(1, 2);

#endif

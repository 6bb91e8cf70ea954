/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of fccompose doctor. Private to its files. */
#ifndef FC_CLI_DOCTOR_H
#define FC_CLI_DOCTOR_H

#include "base/buf.h"
#include "cli/cli.h"
#include "cli/json.h"

/** How a thing is. */
enum doctor_verdict { DOCTOR_OK, DOCTOR_WARN, DOCTOR_FAIL };

/** What was found so far. */
struct doctor {
    struct cli *cli;
    json_t *list; /**< NULL: lines */
    unsigned n[3];
};

/** One line: @what is the thing, @words the finding, @remedy (may be NULL) what to do. */
void doctor_say(struct doctor *d, enum doctor_verdict v, const char *what, const char *words, const char *remedy);

/** What a thing is called by package managers; NULL: as in the column before. */
struct doctor_package {
    const char *debian, *fedora, *alpine, *arch;
};
/** The command that installs @n of them on this distribution. Returns @ret's text; "" when out of memory. */
const char *doctor_install(struct fc_buf *ret, const struct doctor_package *packages, size_t n);
/** Where @program is in PATH (and the folders for root's programs), or NULL. Caller frees. */
char *doctor_find(const char *program);

/** What `fccompose run` needs: namespaces, ids, seccomp, handlers of foreign programs. */
void doctor_check_run(struct doctor *d);
/** What `kernel` and `boot` need: compilers, machines, KVM. */
void doctor_check_machines(struct doctor *d);

#endif

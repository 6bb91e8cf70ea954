/* SPDX-License-Identifier: Apache-2.0 */
/* The recipes that come with the program. */
#ifndef FC_CLI_EXAMPLE_H
#define FC_CLI_EXAMPLE_H

#include "cli/cli.h"

/**
 * Copy the files of the example @name into the current directory; none may be there already. The name "list" prints the names of
 * all on standard output instead, one a line. Returns 0, or a failure with words, which for an unknown name say which there are.
 */
int cli_example_copy(struct cli *cli, const char *name, struct fc_error *err);

#endif

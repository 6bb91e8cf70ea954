/* SPDX-License-Identifier: Apache-2.0 */
/* Locators as the command line gives them, as they are imported, and as they are recorded. */
#include <errno.h>
#include <string.h>

#include "cli/fetch.h"
#include "cli/view.h"
#include "stack/stack.h"

int cli_locators_take(const struct cli *cli, const char *const *locators, size_t n, struct cli_locators *ret,
                      struct fc_error *err)
{
    *ret = (struct cli_locators){.use = calloc(n + 1, sizeof(char *)),
                                 .record = calloc(n + 1, sizeof(char *)),
                                 .strings = calloc(n + 1, sizeof(char *))};
    if (!ret->use || !ret->record || !ret->strings)
        return fc_fail_errno(err, ENOMEM, "layers");
    for (; ret->n < n; ret->n++) {
        char *record = fc_stack_locator_for_record(locators[ret->n], cli_fetch_arch(cli));

        if (!record)
            return fc_fail_errno(err, ENOMEM, "layers");
        ret->strings[ret->n] = record;
        ret->record[ret->n] = record;
        ret->use[ret->n] = strstr(locators[ret->n], "://") ? locators[ret->n] : record;
    }
    return 0;
}

void cli_locators_release(struct cli_locators *l)
{
    for (size_t i = 0; l->strings && i <= l->n && l->strings[i]; i++)
        free(l->strings[i]);
    free(l->strings);
    free(l->use);
    free(l->record);
    *l = (struct cli_locators){0};
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose schema: what a recipe may hold, for editors and programs. */
#include <errno.h>

#include "cli/commands.h"
#include "compose/recipe.h"

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    fc_auto(fc_free) char *text = fc_recipe_schema();

    (void)cli;
    (void)args;
    if (!text)
        return fc_fail_errno(err, ENOMEM, "schema");
    puts(text);
    return cli_flush(err);
}

static const struct cli_example examples[] = {
    {"For an editor", "fccompose schema > fccompose.schema.json"},
    {"Check a recipe without this program",
     "fccompose schema > s.json && check-jsonschema --schemafile s.json fccompose.yaml"},
    {0},
};

const struct cli_command cmd_schema = {
    .name = "schema",
    .group = CLI_GROUP_MACHINE,
    .summary = "Print the JSON Schema of recipes",
    .usage = "",
    .about = "Prints a JSON Schema (draft 2020-12) of fccompose.yaml: every key, what it takes, and what it is for. An "
             "editor that "
             "speaks to yaml-language-server completes and checks a recipe that begins with the line\n\n"
             "  # yaml-language-server: $schema=fccompose.schema.json\n\n"
             "The program reads recipes by the same tables that this is printed from.",
    .examples = examples,
    .max_operands = 0,
    .run = run,
};

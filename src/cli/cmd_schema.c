/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose schema: what a recipe may hold, for editors and programs; and whether one keeps to it. */
#include <errno.h>

#include "cli/commands.h"
#include "cli/json.h"
#include "compose/recipe.h"

enum { OPT_SCHEMA_CHECK = CLI_LONG_ONLY, OPT_SCHEMA_SET };

static const struct cli_option options[] = {
    {OPT_SCHEMA_CHECK, 0, "check", "FILE", "print nothing; read this recipe and say all that is wrong with it",
     CLI_WORD_FILE},
    {OPT_SCHEMA_SET, 0, "set", "NAME=VALUE", "with --check: the value of one of the recipe's args; may be repeated", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* The problems that were heard. */
struct problems {
    struct cli *cli;
    json_t *list; /* NULL: they are said at once */
    unsigned n;
};

static void hear(void *arg, const char *words)
{
    struct problems *p = arg;

    p->n++;
    if (p->list)
        json_array_append_new(p->list, json_string(words));
    else
        cli_say(p->cli, "%s", words);
}

/* Every problem is said, not the first alone: who mends a file wants to mend it once. */
static int check(struct cli *cli, const struct cli_args *args, const char *file, struct fc_error *err)
{
    fc_auto(fc_free) const char **set = cli_values(args, OPT_SCHEMA_SET, NULL);
    fc_auto(fc_recipe_free) struct fc_recipe *recipe = NULL;
    struct problems problems = {.cli = cli, .list = cli->json ? json_array() : NULL};
    const struct fc_recipe_options o = {.set = set, .problem = hear, .arg = &problems};
    int r = set ? fc_recipe_read(file, &o, &recipe, err) : fc_fail_errno(err, ENOMEM, "schema"), printed;

    if (cli->json && (r == 0 || r == -EBADMSG)) {
        printed = cli_json_print(fc_steal(&problems.list), r < 0 ? NULL : err);
        r = r < 0 ? r : printed;
    }
    json_decref(problems.list);
    if (r == -EBADMSG && problems.n && !cli->quiet)
        return fc_fail(err, EBADMSG, "%s: %u problem%s", file, problems.n, problems.n == 1 ? "" : "s");
    return r;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const char *file = cli_value(args, OPT_SCHEMA_CHECK);
    fc_auto(fc_free) char *text = NULL;

    if (file)
        return check(cli, args, file, err);
    if (cli_has(args, OPT_SCHEMA_SET))
        return cli_usage(err, "schema: --set goes with --check only");
    text = fc_recipe_schema();
    if (!text)
        return fc_fail_errno(err, ENOMEM, "schema");
    puts(text);
    return cli_flush(err);
}

static const struct cli_example examples[] = {
    {"For an editor", "fccompose schema > fccompose.schema.json"},
    {"What is wrong with a recipe", "fccompose schema --check fccompose.yaml"},
    {0},
};

const struct cli_command cmd_schema = {
    .name = "schema",
    .group = CLI_GROUP_RECIPE,
    .summary = "Print the JSON Schema of recipes, or check one",
    .usage = "[--check FILE [--set NAME=VALUE]...]",
    .options = options,
    .about = "Prints a JSON Schema (draft 2020-12) of fccompose.yaml: every key, what it takes, and what it is for. An "
             "editor that "
             "speaks to yaml-language-server completes and checks a recipe that begins with the line\n\n"
             "  # yaml-language-server: $schema=fccompose.schema.json\n\n"
             "The program reads recipes by the same tables that this is printed from. It sees more than a schema can "
             "say: numbers of "
             "lines and columns, keys that stand twice, variables without a value, octal modes that would be read as "
             "decimal. --check "
             "reads a recipe (- is standard input) and what it includes, says each problem on a line of its own, "
             "FILE:LINE:COLUMN: WHAT, and fails if there is "
             "one; with --json they are a list on standard output.",
    .examples = examples,
    .max_operands = 0,
    .run = run,
};

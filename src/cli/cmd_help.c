/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose help, version and completion: what the tables say. */
#include <string.h>

#include "cli/commands.h"

static const struct cli_option options[] = {
    {'m', 'm', "man", NULL, "print the manual page as roff", 0},
    {'l', 'l', "list", NULL, "print the names of all commands, one a line", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* Every name that `help` takes, one a line: for packagers. */
static void list_commands(const struct cli_command *const *table)
{
    for (size_t i = 0; table && table[i]; i++) {
        puts(table[i]->name);
        list_commands(table[i]->subs);
    }
}

static int run_help(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    const struct cli_command *command = NULL;
    const char *names[64], *close;
    size_t used = 0, n = 0;

    if (args->n_operands) {
        command = cli_find(args->operands, args->n_operands, &used);
        if (!command || used < args->n_operands) {
            for (; n < FC_LENGTH(names) && cli_commands[n]; n++)
                names[n] = cli_commands[n]->name;
            close = command ? NULL : cli_closest(args->operands[0], names, n);
            return close ? cli_usage(err, "help: %s: unknown command: did you mean %s?", args->operands[0], close)
                         : cli_usage(err, "help: %s: unknown command", args->operands[used]);
        }
    }
    if (cli_has(args, 'l'))
        list_commands(command ? command->subs : cli_commands);
    else if (cli_has(args, 'm'))
        cli_man(command, stdout);
    else
        cli_help(cli, command, stdout);
    return cli_flush(err);
}

static int run_version(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    (void)cli;
    (void)args;
    printf("fccompose %s\n", fc_version());
    return cli_flush(err);
}

static int run_completion(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    (void)cli;
    if (cli_completion(args->operands[0], stdout) < 0)
        return cli_usage(err, "completion: %s: expected bash, zsh or fish", args->operands[0]);
    return cli_flush(err);
}

static const struct cli_example help_examples[] = {
    {"Read a manual page without installing it", "fccompose help --man freeze | man -l -"},
    {0},
};

const struct cli_command cmd_help = {
    .name = "help",
    .group = CLI_GROUP_MACHINE,
    .summary = "Explain the program or a command",
    .usage = "[--man | --list] [COMMAND]",
    .options = options,
    .examples = help_examples,
    .max_operands = 2,
    .completes = CLI_WORD_COMMAND,
    .run = run_help,
};

const struct cli_command cmd_version = {
    .name = "version",
    .group = CLI_GROUP_MACHINE,
    .summary = "Print the version",
    .usage = "",
    .max_operands = 0,
    .run = run_version,
};

static const struct cli_example completion_examples[] = {
    {"For the bash that runs", "source <(fccompose completion bash)"},
    {"For every zsh", "fccompose completion zsh > ~/.zfunc/_fccompose"},
    {"For every fish", "fccompose completion fish > ~/.config/fish/completions/fccompose.fish"},
    {0},
};

const struct cli_command cmd_completion = {
    .name = "completion",
    .group = CLI_GROUP_MACHINE,
    .summary = "Print completion code for a shell",
    .usage = "bash|zsh|fish",
    .examples = completion_examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_completion,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Help texts and the search for a command by its words. */
#include <string.h>
#include <sys/ioctl.h>

#include "cli/cli.h"

const char *const cli_group_titles[CLI_N_GROUPS] = {
    "The stack of layers",        "The live tree",  "Edits without a mount",
    "Recipes and bootable trees", "What comes out", "The machine and this program",
};

const struct cli_command *cli_find(const char *const *words, size_t n, size_t *ret_used)
{
    const struct cli_command *const *table = cli_commands, *found = NULL;
    size_t used = 0;

    while (table && used < n) {
        const struct cli_command *next = NULL;

        for (size_t i = 0; table[i] && !next; i++) {
            const char *last = strrchr(table[i]->name, ' ');

            if (strcmp(last ? last + 1 : table[i]->name, words[used]) == 0)
                next = table[i];
        }
        if (!next)
            break;
        found = next;
        table = next->subs;
        used++;
    }
    *ret_used = used;
    return found;
}

static size_t width_of(FILE *to)
{
    struct winsize w;

    if (ioctl(fileno(to), TIOCGWINSZ, &w) < 0 || w.ws_col < 40)
        return 80;
    return w.ws_col > 100 ? 100 : w.ws_col;
}

/* One paragraph, broken at spaces; lines after the first are indented by @indent, the first begins at @at. */
static void wrap(FILE *to, const char *text, size_t len, size_t at, size_t indent, size_t width)
{
    size_t column = at;
    const char *p = text, *end = text + len;

    while (p < end) {
        size_t word = 0;

        while (p + word < end && p[word] != ' ' && p[word] != '\n')
            word++;
        if (column > indent && column + 1 + word > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            fputc(' ', to);
            column++;
        }
        fwrite(p, 1, word, to);
        column += word;
        p += word;
        while (p < end && (*p == ' ' || *p == '\n'))
            p++;
    }
    fputc('\n', to);
}

/* The long text: paragraphs are wrapped, lines that begin with a space stay as they are. */
static void put_about(FILE *to, const char *about, size_t width)
{
    for (const char *p = about; *p;) {
        const char *end = *p == ' ' ? strchr(p, '\n') : strstr(p, "\n\n");
        size_t len = end ? (size_t)(end - p) : strlen(p);

        if (*p == ' ')
            fprintf(to, "%.*s\n", (int)len, p);
        else if (len)
            wrap(to, p, len, 0, 0, width);
        p += len;
        if (*p == '\n')
            p++;
        if (*p == '\n') {
            fputc('\n', to);
            p++;
        }
    }
}

static void put_options(FILE *to, const char *title, const struct cli_option *options, size_t width)
{
    enum { COLUMN = 28 };

    fprintf(to, "\n%s:\n", title);
    for (const struct cli_option *o = options; o->id; o++) {
        char left[80];
        size_t n;

        if (!o->name)
            snprintf(left, sizeof(left), "  -%c%s%s", o->letter, o->metavar ? " " : "", o->metavar ? o->metavar : "");
        else if (o->letter)
            snprintf(left, sizeof(left), "  -%c, --%s%s%s", o->letter, o->name, o->metavar ? " " : "",
                     o->metavar ? o->metavar : "");
        else
            snprintf(left, sizeof(left), "      --%s%s%s", o->name, o->metavar ? " " : "",
                     o->metavar ? o->metavar : "");
        n = strlen(left);
        fputs(left, to);
        if (n + 2 > COLUMN)
            fprintf(to, "\n%*s", COLUMN, "");
        else
            fprintf(to, "%*s", (int)(COLUMN - n), "");
        wrap(to, o->help, strlen(o->help), COLUMN, COLUMN, width);
    }
}

static void put_usage(FILE *to, const struct cli_command *command)
{
    const char *lead = "Usage:";

    for (const char *p = command->usage; *p;) {
        size_t len = strcspn(p, "\n");

        fprintf(to, "%s fccompose %s%s%.*s\n", lead, command->name, len ? " " : "", (int)len, p);
        lead = "      ";
        p += len + (p[len] == '\n');
    }
    if (!*command->usage)
        fprintf(to, "%s fccompose %s\n", lead, command->name);
}

static void put_subs(FILE *to, const struct cli_command *command)
{
    if (!command->subs)
        return;
    fprintf(to, "\nCommands:\n");
    for (size_t i = 0; command->subs[i]; i++)
        fprintf(to, "  %-14s %s\n", command->subs[i]->name, command->subs[i]->summary);
}

static void command_help(const struct cli *cli, const struct cli_command *command, FILE *to)
{
    const char *bold = cli->color && to == stdout ? "\033[1m" : "", *plain = *bold ? "\033[0m" : "";
    size_t width = width_of(to);

    put_usage(to, command);
    fprintf(to, "\n%s%s.%s\n", bold, command->summary, plain);
    if (command->about) {
        fputc('\n', to);
        put_about(to, command->about, width);
    }
    put_subs(to, command);
    if (command->options)
        put_options(to, "Options", command->options, width);
    if (command->examples) {
        fprintf(to, "\nExamples:\n");
        for (const struct cli_example *e = command->examples; e->line; e++)
            fprintf(to, "%s  %s:\n    $ %s\n", e == command->examples ? "" : "\n", e->what, e->line);
    }
    fprintf(to, "\nOptions of every command (-C, -q, -v, --progress, --json): fccompose help\n");
}

static void program_help(const struct cli *cli, FILE *to)
{
    const char *bold = cli->color && to == stdout ? "\033[1m" : "", *plain = *bold ? "\033[0m" : "";

    fprintf(
        to,
        "Usage: fccompose [OPTIONS] COMMAND [ARGUMENTS]\n\n"
        "Stack root file system layers, edit them as a live tree, and write the result as a disk image for a microVM:\n"
        "no root, no loop device, no container daemon.\n");
    for (int g = 0; g < CLI_N_GROUPS; g++) {
        fprintf(to, "\n%s%s%s\n", bold, cli_group_titles[g], plain);
        for (size_t i = 0; cli_commands[i]; i++)
            if (cli_commands[i]->group == (enum cli_group)g)
                fprintf(to, "  %-12s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    }
    put_options(to, "Options of every command", cli_global_options, width_of(to));
    fprintf(to, "\nBegin with:\n"
                "  $ fccompose init builtin:busybox\n"
                "  $ fccompose mount\n"
                "  $ echo web > rootfs/etc/hostname\n"
                "  $ fccompose freeze out.ext4\n\n"
                "More about a command: fccompose help COMMAND\n");
}

void cli_help(const struct cli *cli, const struct cli_command *command, FILE *to)
{
    if (command)
        command_help(cli, command, to);
    else
        program_help(cli, to);
}

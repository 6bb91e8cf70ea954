/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages as roff, from the tables. */
#include <ctype.h>
#include <string.h>

#include "cli/cli.h"

/* Text for roff: backslashes and hyphens are taken literally, and no line begins with a control character. */
static void put_roff(FILE *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((i == 0 || text[i - 1] == '\n') && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", to);
        if (text[i] == '\\')
            fputs("\\e", to);
        else if (text[i] == '-')
            fputs("\\-", to);
        else
            fputc(text[i], to);
    }
}

static void puts_roff(FILE *to, const char *text) { put_roff(to, text, strlen(text)); }

static void put_about(FILE *to, const char *about)
{
    for (const char *p = about; *p;) {
        size_t len = strcspn(p, "\n");
        bool literal = *p == ' ';

        if (!len) {
            fputs(".PP\n", to);
        } else {
            if (literal)
                fputs(".nf\n", to);
            put_roff(to, p, len);
            fputc('\n', to);
            if (literal)
                fputs(".fi\n", to);
        }
        p += len + (p[len] == '\n');
    }
}

static void put_options(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o->id; o++) {
        fputs(".TP\n", to);
        if (o->letter)
            fprintf(to, "\\fB\\-%c\\fR%s", o->letter, o->name ? ", " : "");
        if (o->name) {
            fputs("\\fB\\-\\-", to);
            puts_roff(to, o->name);
            fputs("\\fR", to);
        }
        if (o->metavar) {
            fputs(" \\fI", to);
            puts_roff(to, o->metavar);
            fputs("\\fR", to);
        }
        fputc('\n', to);
        puts_roff(to, o->help);
        fputc('\n', to);
    }
}

static void put_title(FILE *to, const char *name)
{
    fputs(".TH \"FCCOMPOSE", to);
    if (*name)
        fputs("\\-", to);
    for (const char *p = name; *p; p++)
        fputs(*p == ' ' ? "\\-" : (char[]){(char)toupper((unsigned char)*p), '\0'}, to);
    fprintf(to, "\" 1 \"\" \"fccompose %s\" \"fccompose manual\"\n", fc_version());
}

static void put_page_name(FILE *to, const char *name)
{
    fputs("fccompose", to);
    if (*name)
        fputs("\\-", to);
    for (const char *p = name; *p; p++)
        fputs(*p == ' ' ? "\\-" : (char[]){*p, '\0'}, to);
}

static void put_end(FILE *to)
{
    fputs(
        ".SH EXIT STATUS\n0 done, 1 failed, 2 wrong usage.\n"
        ".SH ENVIRONMENT\n"
        ".TP\n\\fBFCCOMPOSE_CACHE\\fR\nwhere layers are kept; else $XDG_CACHE_HOME/fccompose, else ~/.cache/fccompose\n"
        ".TP\n\\fBSOURCE_DATE_EPOCH\\fR\nseconds since 1970 for times that are not given by a layer or an edit\n"
        ".TP\n\\fBFCCOMPOSE_INFLATE\\fR\n\\fBzlib\\fR: unpack gzip with zlib also where isa-l, which is faster, was "
        "built in\n"
        ".TP\n\\fBNO_COLOR\\fR, \\fBCI\\fR\nno colours; no moving progress bar\n",
        to);
}

static void put_command(FILE *to, const struct cli_command *c)
{
    fprintf(to, ".TP\n\\fB%s\\fR\n", c->name);
    puts_roff(to, c->summary);
    fputc('\n', to);
}

static void put_reference(FILE *to, const char *name, const char *behind)
{
    fputs("\\fB", to);
    put_page_name(to, name);
    fprintf(to, "\\fR(1)%s\n", behind);
}

/* The program, the command above, the commands below. */
static void put_see_also(FILE *to, const struct cli_command *c)
{
    const char *space = strrchr(c->name, ' ');
    char parent[64];

    fputs(".SH SEE ALSO\n", to);
    if (space) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(space - c->name), c->name);
        put_reference(to, parent, ",");
    }
    for (size_t i = 0; c->subs && c->subs[i]; i++)
        put_reference(to, c->subs[i]->name, ",");
    put_reference(to, "", "");
}

static void command_page(const struct cli_command *c, FILE *to)
{
    put_title(to, c->name);
    fputs(".SH NAME\n", to);
    put_page_name(to, c->name);
    fputs(" \\- ", to);
    puts_roff(to, c->summary);
    fputs("\n.SH SYNOPSIS\n.nf\n", to);
    for (const char *p = c->usage; *p || p == c->usage;) {
        size_t len = strcspn(p, "\n");

        fprintf(to, "\\fBfccompose %s\\fR ", c->name);
        put_roff(to, p, len);
        fputc('\n', to);
        p += len;
        if (!*p)
            break;
        p++;
    }
    fputs(".fi\n.SH DESCRIPTION\n", to);
    puts_roff(to, c->summary);
    fputs(".\n.PP\n", to);
    put_about(to, c->about ? c->about : "");
    if (c->subs) {
        fputs(".SH COMMANDS\n", to);
        for (size_t i = 0; c->subs[i]; i++)
            put_command(to, c->subs[i]);
    }
    if (c->options) {
        fputs(".SH OPTIONS\n", to);
        put_options(to, c->options);
    }
    if (c->examples) {
        fputs(".SH EXAMPLES\n", to);
        for (const struct cli_example *e = c->examples; e->line; e++) {
            fputs(".PP\n", to);
            puts_roff(to, e->what);
            fputs(":\n.RS 4\n.nf\n", to);
            puts_roff(to, e->line);
            fputs("\n.fi\n.RE\n", to);
        }
    }
    put_end(to);
    put_see_also(to, c);
}

void cli_man(const struct cli_command *command, FILE *to)
{
    if (command) {
        command_page(command, to);
        return;
    }
    put_title(to, "");
    fputs(".SH NAME\nfccompose \\- root file systems for microVMs: layers, a live tree, a disk image\n"
          ".SH SYNOPSIS\n\\fBfccompose\\fR [\\fIOPTIONS\\fR] \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]\n"
          ".SH DESCRIPTION\nStacks root file system layers, edits them as a live tree, and writes the result as a disk "
          "image.\n",
          to);
    for (int g = 0; g < CLI_N_GROUPS; g++) {
        fprintf(to, ".SS %s\n", cli_group_titles[g]);
        for (size_t i = 0; cli_commands[i]; i++) {
            if (cli_commands[i]->group == (enum cli_group)g)
                put_command(to, cli_commands[i]);
        }
    }
    fputs(".SH OPTIONS\n", to);
    put_options(to, cli_global_options);
    put_end(to);
    fputs(".SH SEE ALSO\nA page for each command: ", to);
    put_reference(to, "init", " and so on.");
}

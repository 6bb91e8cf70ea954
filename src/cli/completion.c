/* SPDX-License-Identifier: Apache-2.0 */
/* Completion code for shells, from the tables. */
#include <string.h>

#include "cli/cli.h"

/* Which examples there are is known where the program is installed. */
#define EXAMPLES "fccompose init --example list 2>/dev/null"

typedef void (*visit_fn)(FILE *to, const struct cli_command *c);

/* Every command and those below it. */
static void each(FILE *to, const struct cli_command *const *table, visit_fn fn)
{
    for (size_t i = 0; table[i]; i++) {
        fn(to, table[i]);
        if (table[i]->subs)
            each(to, table[i]->subs, fn);
    }
}

static const char *last_word(const struct cli_command *c)
{
    const char *space = strrchr(c->name, ' ');

    return space ? space + 1 : c->name;
}

/* Text inside single quotes of a shell. */
static void put_quoted(FILE *to, const char *text)
{
    fputc('\'', to);
    for (const char *p = text; *p; p++)
        if (*p == '\'')
            fputs("'\\''", to);
        else
            fputc(*p, to);
    fputc('\'', to);
}

/* Case patterns for the names of commands: each begins with a bar but the first. */
static void put_pattern(FILE *to, const struct cli_command *c)
{
    fprintf(to, "%s'%s'", c == cli_commands[0] ? "" : "|", c->name);
}

static void put_top_names(FILE *to)
{
    for (size_t i = 0; cli_commands[i]; i++)
        fprintf(to, " %s", cli_commands[i]->name);
}

static void put_option_words(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->id; o++) {
        if (o->letter)
            fprintf(to, " -%c", o->letter);
        if (o->name)
            fprintf(to, " --%s", o->name);
    }
}

static bool is_choice(const struct cli_option *o)
{
    return o->metavar && strchr(o->metavar, '|') &&
           strspn(o->metavar, "abcdefghijklmnopqrstuvwxyz|") == strlen(o->metavar);
}

/* The choices of "a|b|c", with spaces. */
static void put_choices(FILE *to, const struct cli_option *o)
{
    for (const char *p = o->metavar; *p; p++)
        fputc(*p == '|' ? ' ' : *p, to);
}

/* bash: "NAME" is the words of the command; one case branch each. */
static void bash_values(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->id; o++) {
        if (!o->metavar || !o->name || (!is_choice(o) && o->completes == CLI_WORD_NONE))
            continue;
        fprintf(to, "        --%s", o->name);
        if (o->letter)
            fprintf(to, "|-%c", o->letter);
        fputs(") ", to);
        if (is_choice(o)) {
            fputs("COMPREPLY=($(compgen -W '", to);
            put_choices(to, o);
            fputs("' -- \"$cur\")); return ;;\n", to);
        } else if (o->completes == CLI_WORD_EXAMPLE) {
            fputs("COMPREPLY=($(compgen -W \"$(" EXAMPLES ")\" -- \"$cur\")); return ;;\n", to);
        } else {
            fprintf(to, "compopt -o filenames; COMPREPLY=($(compgen -%c -- \"$cur\")); return ;;\n",
                    o->completes == CLI_WORD_DIR ? 'd' : 'f');
        }
    }
}

static void bash_case(FILE *to, const struct cli_command *c)
{
    fprintf(to, "    '%s')\n        case $prev in\n", c->name);
    bash_values(to, c->options);
    fputs("        esac\n        words='", to);
    if (c->subs)
        for (size_t i = 0; c->subs[i]; i++)
            fprintf(to, " %s", last_word(c->subs[i]));
    if (c->completes == CLI_WORD_COMMAND)
        put_top_names(to);
    fputs("' options='", to);
    put_option_words(to, c->options);
    fprintf(to, "' files=%s ;;\n",
            c->completes == CLI_WORD_DIR                                      ? "d"
            : c->completes == CLI_WORD_FILE || c->completes == CLI_WORD_LAYER ? "f"
                                                                              : "''");
}

static void bash(FILE *to)
{
    fputs("# bash completion for fccompose: source <(fccompose completion bash)\n"
          "_fccompose()\n{\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} name='' w i words='' options='' "
          "files=''\n"
          "    COMPREPLY=()\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        w=${COMP_WORDS[i]}\n"
          "        case $w in\n"
          "        -C|--directory|--progress) ((i++)); continue ;;\n"
          "        -*) continue ;;\n"
          "        esac\n"
          "        case \"${name:+$name }$w\" in\n        ",
          to);
    each(to, cli_commands, put_pattern);
    fputs(") name=${name:+$name }$w ;;\n"
          "        *) break ;;\n"
          "        esac\n"
          "    done\n"
          "    case $prev in\n",
          to);
    bash_values(to, cli_global_options);
    fputs("    esac\n    case $name in\n    '') words='", to);
    put_top_names(to);
    fputs("' ;;\n", to);
    each(to, cli_commands, bash_case);
    fputs("    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W \"$options", to);
    put_option_words(to, cli_global_options);
    fputs("\" -- \"$cur\"))\n        return\n    fi\n"
          "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
          "    [[ -z $files ]] || { compopt -o filenames; COMPREPLY+=($(compgen -\"$files\" -- \"$cur\")); }\n"
          "}\ncomplete -F _fccompose fccompose\n",
          to);
}

/* zsh: the bash function through zsh's own emulation would lose descriptions, so _describe and _arguments are used. */
static void zsh_text(FILE *to, const char *text)
{
    for (const char *p = text; *p; p++) {
        if (strchr("[]:\\", *p))
            fputc('\\', to);
        if (*p == '\'')
            fputs("'\\'", to);
        fputc(*p, to);
    }
}

static void zsh_options(FILE *to, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->id; o++) {
        for (int form = 0; form < 2; form++) {
            if (form ? !o->name : !o->letter)
                continue;
            fputs(" \\\n            '*", to);
            if (form)
                fprintf(to, "--%s%s", o->name, o->metavar ? "=" : "");
            else
                fprintf(to, "-%c%s", o->letter, o->metavar ? "+" : "");
            fputc('[', to);
            zsh_text(to, o->help);
            fputc(']', to);
            if (is_choice(o)) {
                fputs(":value:(", to);
                put_choices(to, o);
                fputc(')', to);
            } else if (o->metavar) {
                fputc(':', to);
                zsh_text(to, o->metavar);
                fputs(o->completes == CLI_WORD_DIR       ? ":_directories"
                      : o->completes == CLI_WORD_EXAMPLE ? ":($(" EXAMPLES "))"
                      : o->completes                     ? ":_files"
                                                         : ": ",
                      to);
            }
            fputc('\'', to);
        }
    }
}

static void zsh_list(FILE *to, const struct cli_command *const *table)
{
    fputs("(", to);
    for (size_t i = 0; table[i]; i++) {
        fprintf(to, " '%s:", last_word(table[i]));
        zsh_text(to, table[i]->summary);
        fputc('\'', to);
    }
    fputs(" )", to);
}

static void zsh_case(FILE *to, const struct cli_command *c)
{
    if (c->subs) {
        fprintf(to, "    '%s') subs=", c->name);
        zsh_list(to, c->subs);
        fputs("; _describe command subs ;;\n", to);
        return;
    }
    fprintf(to, "    '%s') _arguments -s", c->name);
    zsh_options(to, c->options);
    zsh_options(to, cli_global_options);
    fprintf(to, " \\\n            '*: :%s' ;;\n",
            c->completes == CLI_WORD_DIR       ? "_directories"
            : c->completes == CLI_WORD_COMMAND ? "($commands)"
            : c->completes                     ? "_files"
                                               : " ");
}

static void zsh(FILE *to)
{
    fputs("#compdef fccompose\n# zsh completion for fccompose: fccompose completion zsh > ~/.zfunc/_fccompose\n"
          "_fccompose() {\n    local name='' i=2 w\n    local -a top subs commands\n    top=",
          to);
    zsh_list(to, cli_commands);
    fputs("\n    commands=(${top%%:*})\n"
          "    while (( i < CURRENT )); do\n"
          "        w=${words[i]}\n"
          "        case $w in\n"
          "        -C|--directory|--progress) (( i += 2 )); continue ;;\n"
          "        -*) (( i++ )); continue ;;\n"
          "        esac\n"
          "        case \"${name:+$name }$w\" in\n        ",
          to);
    each(to, cli_commands, put_pattern);
    fputs(") name=\"${name:+$name }$w\"; (( i++ )) ;;\n"
          "        *) break ;;\n        esac\n    done\n"
          "    case $name in\n"
          "    '') if [[ ${words[CURRENT]} == -* ]]; then _arguments -s",
          to);
    zsh_options(to, cli_global_options);
    fputs("; else _describe command top; fi ;;\n", to);
    each(to, cli_commands, zsh_case);
    fputs("    esac\n}\ncompdef _fccompose fccompose 2>/dev/null || _fccompose \"$@\"\n", to);
}

/* fish: one line for each option of each command. */
static void fish_options(FILE *to, const char *condition, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->id; o++) {
        fputs("complete -c fccompose", to);
        if (condition)
            fprintf(to, " -n '%s'", condition);
        if (o->letter)
            fprintf(to, " -s %c", o->letter);
        if (o->name)
            fprintf(to, " -l %s", o->name);
        if (is_choice(o)) {
            fputs(" -x -a '", to);
            put_choices(to, o);
            fputc('\'', to);
        } else if (o->completes == CLI_WORD_EXAMPLE) {
            fputs(" -x -a '(" EXAMPLES ")'", to);
        } else if (o->metavar) {
            fputs(o->completes ? " -r -F" : " -x", to);
        }
        fputs(" -d ", to);
        put_quoted(to, o->help);
        fputc('\n', to);
    }
}

static void fish_command(FILE *to, const struct cli_command *c)
{
    char condition[128];
    const char *space = strchr(c->name, ' ');

    if (space)
        snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s",
                 (int)(space - c->name), c->name, space + 1);
    else
        snprintf(condition, sizeof(condition), "__fish_seen_subcommand_from %s", c->name);
    fish_options(to, condition, c->options);
    for (size_t i = 0; c->subs && c->subs[i]; i++) {
        fprintf(to, "complete -c fccompose -n '%s' -f -a %s -d ", condition, last_word(c->subs[i]));
        put_quoted(to, c->subs[i]->summary);
        fputc('\n', to);
    }
    if (c->completes == CLI_WORD_COMMAND)
        for (size_t i = 0; cli_commands[i]; i++)
            fprintf(to, "complete -c fccompose -n '%s' -f -a %s\n", condition, cli_commands[i]->name);
    else if (c->completes == CLI_WORD_NONE && !c->subs)
        fprintf(to, "complete -c fccompose -n '%s' -f\n", condition);
}

static void fish(FILE *to)
{
    fputs("# fish completion for fccompose: fccompose completion fish | source\n", to);
    for (size_t i = 0; cli_commands[i]; i++) {
        fprintf(to, "complete -c fccompose -n __fish_use_subcommand -f -a %s -d ", cli_commands[i]->name);
        put_quoted(to, cli_commands[i]->summary);
        fputc('\n', to);
    }
    fish_options(to, NULL, cli_global_options);
    each(to, cli_commands, fish_command);
}

int cli_completion(const char *shell, FILE *to)
{
    if (strcmp(shell, "bash") == 0)
        bash(to);
    else if (strcmp(shell, "zsh") == 0)
        zsh(to);
    else if (strcmp(shell, "fish") == 0)
        fish(to);
    else
        return -1;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Find the command, parse its words, run it, and turn what it returns into an exit status. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/lock.h"

/* Descriptors 0, 1 and 2 always stand for something, so that no file of ours is taken for a standard stream. */
static void keep_standard_streams(void)
{
    int fd = open("/dev/null", O_RDWR);

    while (fd >= 0 && fd <= 2)
        fd = open("/dev/null", O_RDWR);
    if (fd > 2)
        close(fd);
}

static bool want_color(void)
{
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

    return !(no && *no) && isatty(2) && isatty(1) && term && strcmp(term, "dumb") != 0;
}

static int unknown_command(const char *word, const struct cli_command *parent, struct fc_error *err)
{
    const struct cli_command *const *table = parent ? parent->subs : cli_commands;
    const char *names[64], *close;
    size_t n = 0;

    for (; n < FC_LENGTH(names) && table[n]; n++) {
        const char *space = strrchr(table[n]->name, ' ');

        names[n] = space ? space + 1 : table[n]->name;
    }
    close = cli_closest(word, names, n);
    if (close)
        return cli_usage(err, "%s%s%s: unknown command: did you mean %s%s%s?", parent ? parent->name : "",
                         parent ? " " : "", word, parent ? parent->name : "", parent ? " " : "", close);
    return cli_usage(err, "%s%s%s: unknown command", parent ? parent->name : "", parent ? " " : "", word);
}

static int check_operands(const struct cli_command *c, const struct cli_args *args, struct fc_error *err)
{
    if (args->n_operands < (size_t)c->min_operands)
        return cli_usage(err, args->n_operands ? "%s: an argument is missing after %s" : "%s: an argument is missing",
                         c->name, args->n_operands ? args->operands[args->n_operands - 1] : "");
    if (c->max_operands >= 0 && args->n_operands > (size_t)c->max_operands)
        return cli_usage(err, "%s: unexpected argument %s", c->name, args->operands[c->max_operands]);
    return 0;
}

static int help_or_version(const struct cli *cli, const struct cli_command *command, int what, struct fc_error *err)
{
    if (what == CLI_OPT_VERSION)
        printf("fccompose %s\n", fc_version());
    else
        cli_help(cli, command, stdout);
    return cli_flush(err);
}

/* -C, as git and make take it: before anything looks at a path. init makes the directory. */
static int change_directory(const struct cli *cli, const struct cli_command *command, struct fc_error *err)
{
    int r = cli->dir && command == &cmd_init ? fc_mkdir_all(cli->dir, err) : 0;

    if (r == 0 && cli->dir && chdir(cli->dir) < 0)
        r = fc_fail_errno(err, errno, "-C %s", cli->dir);
    return r;
}

static int run_sub(struct cli *cli, const struct cli_command *parent, int argc, char **argv, struct fc_error *err);

/* Parse and run @command; argv[0] is the last word of its name. */
static int run_command(struct cli *cli, const struct cli_command *command, int argc, char **argv, struct fc_error *err)
{
    struct cli_args args = {0};
    int what = 0, next, r;

    cli->command = command;
    r = cli_parse(cli, command, argc, argv, command->subs != NULL, &args, &next, &what, err);
    if (r > 0)
        return help_or_version(cli, command, what, err);
    if (r < 0)
        return r;
    if (command->subs)
        r = run_sub(cli, command, argc - next, argv + next, err);
    else
        r = check_operands(command, &args, err);
    if (r == 0 && !command->subs)
        r = change_directory(cli, command, err);
    if (r == 0 && !command->subs) {
        cli_log_to_stderr(cli->verbose);
        cli->progress = cli->quiet ? NULL : cli_progress_new(cli->progress_mode);
        r = command->run(cli, &args, err);
        cli_progress_free(cli->progress);
        cli->progress = NULL;
    }
    cli_args_release(&args);
    return r;
}

static int run_sub(struct cli *cli, const struct cli_command *parent, int argc, char **argv, struct fc_error *err)
{
    if (argc < 1)
        return cli_usage(err, "%s: a command is missing", parent->name);
    for (size_t i = 0; parent->subs[i]; i++)
        if (strcmp(strrchr(parent->subs[i]->name, ' ') + 1, argv[0]) == 0)
            return run_command(cli, parent->subs[i], argc, argv, err);
    return unknown_command(argv[0], parent, err);
}

static int run(struct cli *cli, int argc, char **argv, struct fc_error *err)
{
    struct cli_args args = {0};
    const char *word;
    size_t used;
    int next, what = 0, r = cli_parse(cli, NULL, argc, argv, true, &args, &next, &what, err);
    const struct cli_command *command;

    if (r > 0)
        return help_or_version(cli, NULL, what, err);
    if (r < 0)
        return r;
    cli_args_release(&args);
    if (next >= argc) {
        cli_help(cli, NULL, stderr);
        return CLI_WRONG_USAGE;
    }
    word = argv[next];
    command = cli_find(&word, 1, &used);
    return command ? run_command(cli, command, argc - next, argv + next, err) : unknown_command(word, NULL, err);
}

/* Below wrong usage: the lines that are right, and where to read more. */
static void hint_usage(struct cli *cli)
{
    const struct cli_command *c = cli->command;
    struct fc_buf b __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *lead = "usage:";

    for (const char *p = c ? c->usage : ""; *p; lead = "      ") {
        size_t len = strcspn(p, "\n");

        fc_buf_addf(&b, "%s fccompose %s %.*s\n", lead, c->name, (int)len, p);
        p += len + (p[len] == '\n');
    }
    cli_hint(cli, "%smore:  fccompose help%s%s", b.data ? b.data : "", c ? " " : "", c ? c->name : "");
}

int main(int argc, char **argv)
{
    struct cli cli = {0};
    struct fc_error err = {0};
    int r;

    keep_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error with words */
    cli.color = want_color();
    r = run(&cli, argc, argv, &err);
    cli_fetch_release(&cli);
    cli_lock_release(&cli);
    if (r >= 0) {
        struct fc_error late = {0};

        if (cli_flush(&late) < 0 && late.code != EPIPE) {
            cli_print_error(&cli, &late);
            return CLI_FAILED;
        }
        return r;
    }
    if (err.code == EPIPE && !err.msg[0])
        return CLI_FAILED;
    if (r == -CLI_EUSAGE && !cli.hint[0])
        hint_usage(&cli);
    cli_print_error(&cli, &err);
    cli_fetch_die_if_canceled();
    if (cli.command && cli.command->wraps)
        return CLI_NOT_RUN;
    return r == -CLI_EUSAGE ? CLI_WRONG_USAGE : CLI_FAILED;
}

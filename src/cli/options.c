/* SPDX-License-Identifier: Apache-2.0 */
/* Parse a command line by the tables of a command and of the program. */
#include <errno.h>
#include <getopt.h>
#include <string.h>

#include "cli/fetch.h"

enum { MAX_OPTIONS = 64 };

const struct cli_option cli_global_options[] = {
    {CLI_OPT_DIR, 'C', "directory", "DIR", "work in DIR instead of the current directory", CLI_WORD_DIR},
    {CLI_OPT_QUIET, 'q', "quiet", NULL, "print errors and data only", 0},
    {CLI_OPT_VERBOSE, 'v', "verbose", NULL, "print notes that are usually left out", 0},
    {CLI_OPT_PROGRESS, 0, "progress", "auto|tty|plain|json|quiet", "how to show progress on standard error", 0},
    {CLI_OPT_JSON, 0, "json", NULL, "print data as JSON", 0},
    {CLI_OPT_HELP, 'h', "help", NULL, "print help", 0},
    {CLI_OPT_VERSION, 0, "version", NULL, "print the version", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

/* The two tables as getopt_long wants them. */
struct tables {
    struct option longs[MAX_OPTIONS];
    size_t n_longs;
    char shorts[2 * MAX_OPTIONS + 4];
    size_t n_shorts;
    int ids[256]; /* letter to id */
};

static void add_option(struct tables *t, const struct cli_option *o)
{
    unsigned char letter = (unsigned char)o->letter;

    if (letter && !t->ids[letter]) { /* a command's own letter wins over a global one */
        t->ids[letter] = o->id;
        t->shorts[t->n_shorts++] = o->letter;
        if (o->metavar)
            t->shorts[t->n_shorts++] = ':';
    }
    if (o->name && t->n_longs + 1 < MAX_OPTIONS)
        t->longs[t->n_longs++] = (struct option){o->name, o->metavar ? required_argument : no_argument, NULL, o->id};
}

static void fill(struct tables *t, const struct cli_command *command, bool stop_at_operand)
{
    memset(t, 0, sizeof(*t));
    t->shorts[t->n_shorts++] = stop_at_operand ? '+' : '-'; /* '-': operands come in order too */
    t->shorts[t->n_shorts++] = ':';
    for (const struct cli_option *o = command ? command->options : NULL; o && o->id; o++)
        add_option(t, o);
    for (const struct cli_option *o = cli_global_options; o->id; o++)
        add_option(t, o);
}

static int unknown_option(const struct tables *t, const char *word, struct fc_error *err)
{
    const char *names[MAX_OPTIONS], *close;
    char name[128];
    size_t len = strcspn(word + 2, "=");

    for (size_t i = 0; i < t->n_longs; i++)
        names[i] = t->longs[i].name;
    snprintf(name, sizeof(name), "%.*s", (int)(len < 120 ? len : 120), word + 2);
    close = cli_closest(name, names, t->n_longs);
    return close ? cli_usage(err, "unknown option --%s: did you mean --%s?", name, close)
                 : cli_usage(err, "unknown option --%s", name);
}

/* getopt_long() said '?' or ':'; @word is what it was looking at. */
static int complain(const struct tables *t, int said, const char *word, struct fc_error *err)
{
    bool is_long = strncmp(word, "--", 2) == 0;

    if (said == ':')
        return is_long ? cli_usage(err, "option %s needs a value", word)
                       : cli_usage(err, "option -%c needs a value", optopt);
    if (!is_long)
        return cli_usage(err, "unknown option -%c", optopt);
    if (optopt)
        return cli_usage(err, "option %.*s takes no value", (int)strcspn(word, "="), word);
    for (size_t i = 0, n = 0, len = strcspn(word + 2, "="); len && i < t->n_longs; i++)
        if (strncmp(t->longs[i].name, word + 2, len) == 0 && ++n > 1)
            return cli_usage(err, "option %s is ambiguous", word);
    return unknown_option(t, word, err);
}

static int add_arg(struct cli_args *a, int id, const char *value)
{
    a->args[a->n++] = (struct cli_arg){id, value};
    if (!id)
        a->operands[a->n_operands++] = value;
    return 0;
}

/* Options of the program take effect at once. Returns 1 for the two that end parsing. */
static int take_global(struct cli *cli, int id, const char *value, struct fc_error *err)
{
    switch (id) {
    case CLI_OPT_DIR:
        cli->dir = value;
        return 0;
    case CLI_OPT_QUIET:
        cli->quiet = true;
        return 0;
    case CLI_OPT_VERBOSE:
        cli->verbose = true;
        return 0;
    case CLI_OPT_JSON:
        cli->json = true;
        return 0;
    case CLI_OPT_PROGRESS:
        if (cli_progress_parse(value, &cli->progress_mode) < 0)
            return cli_usage(err, "--progress=%s: expected auto, tty, plain, json or quiet", value);
        return 0;
    case CLI_OPT_OFFLINE:
    case CLI_OPT_LOCKED:
    case CLI_OPT_INSECURE:
    case CLI_OPT_ARCH:
    case CLI_OPT_REQUIRE_SIGNATURE:
    case CLI_OPT_MIRROR:
    case CLI_OPT_REWRITE:
        return cli_fetch_take(cli, id, value, err);
    default:
        return 1;
    }
}

static int parse(struct cli *cli, const struct tables *t, int argc, char **argv, struct cli_args *a, int *ret_what,
                 struct fc_error *err)
{
    int c, r;

    opterr = 0;
    optind = 0; /* glibc: begin anew, also with another mode of ordering */
    for (;;) {
        int at = optind ? optind : 1, index = -1;

        c = getopt_long(argc, argv, t->shorts, t->longs, &index);
        if (c == -1)
            return 0;
        if (c == '?' || c == ':')
            return complain(t, c, argv[at], err);
        if (c == 1 && index < 0) {
            add_arg(a, 0, optarg);
            continue;
        }
        if (index < 0 && c < 256)
            c = t->ids[c];
        if (c < CLI_OPT_HELP) {
            add_arg(a, c, optarg);
            continue;
        }
        r = take_global(cli, c, optarg, err);
        if (r) {
            *ret_what = c;
            return r;
        }
    }
}

int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv, bool stop_at_operand,
              struct cli_args *ret_args, int *ret_next, int *ret_what, struct fc_error *err)
{
    struct tables t;
    struct cli_args a = {0};
    int r;

    fill(&t, command, stop_at_operand || (command && command->wraps));
    a.args = calloc((size_t)argc + 1, sizeof(*a.args));
    a.operands = calloc((size_t)argc + 1, sizeof(*a.operands));
    r = a.args && a.operands ? parse(cli, &t, argc, argv, &a, ret_what, err) : fc_fail_errno(err, ENOMEM, "arguments");
    if (r) {
        cli_args_release(&a);
        return r;
    }
    for (int i = optind; !stop_at_operand && i < argc; i++) /* what follows "--", or a wrapped command */
        add_arg(&a, 0, argv[i]);
    *ret_next = optind;
    *ret_args = a;
    return 0;
}

void cli_args_release(struct cli_args *args)
{
    free(args->args);
    free(args->operands);
    memset(args, 0, sizeof(*args));
}

bool cli_has(const struct cli_args *args, int id)
{
    for (size_t i = 0; i < args->n; i++)
        if (args->args[i].id == id)
            return true;
    return false;
}

const char *cli_value(const struct cli_args *args, int id)
{
    const char *value = NULL;

    for (size_t i = 0; i < args->n; i++)
        if (args->args[i].id == id)
            value = args->args[i].value;
    return value;
}

const char **cli_values(const struct cli_args *args, int id, size_t *ret_n)
{
    const char **values = calloc(args->n + 1, sizeof(*values));
    size_t n = 0;

    for (size_t i = 0; values && i < args->n; i++)
        if (args->args[i].id == id)
            values[n++] = args->args[i].value;
    if (ret_n)
        *ret_n = n;
    return values;
}

const char **cli_layers_of(const struct cli_args *args, int id, bool but_last, size_t *ret_n)
{
    const char **layers = calloc(args->n + 1, sizeof(*layers));
    size_t n = 0, operand = 0;

    for (size_t i = 0; layers && i < args->n; i++) {
        if (args->args[i].id == 0 && ++operand == args->n_operands && but_last)
            continue;
        if (args->args[i].id == 0 || args->args[i].id == id)
            layers[n++] = args->args[i].value;
    }
    *ret_n = n;
    return layers;
}

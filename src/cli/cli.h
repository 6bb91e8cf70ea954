/* SPDX-License-Identifier: Apache-2.0 */
/* The program's own vocabulary: how a command describes itself, and what every command is handed. */
#ifndef FC_CLI_CLI_H
#define FC_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <fccompose/fccompose.h>

#include "base/buf.h"
#include "base/cleanup.h"

struct fc_workspace;
struct cli_fetch;
struct fc_fetch_watch;

/** Exit statuses. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_WRONG_USAGE = 2, CLI_NOT_RUN = 125 };
/** What a run function returns (through cli_usage()) for wrong usage: no errno has this number. */
enum { CLI_EUSAGE = 100000 };

/** Ids of options that have no letter start here; an id below is the option's letter. */
enum { CLI_LONG_ONLY = 256 };
/** Ids of the options that every command takes. */
enum {
    CLI_OPT_HELP = 1000,
    CLI_OPT_DIR,
    CLI_OPT_QUIET,
    CLI_OPT_VERBOSE,
    CLI_OPT_PROGRESS,
    CLI_OPT_JSON,
    CLI_OPT_VERSION,
    CLI_OPT_OFFLINE,
    CLI_OPT_LOCKED,
    CLI_OPT_INSECURE, /* the ones from here are for commands that may fetch: cli/fetch.h */
    CLI_OPT_ARCH,
    CLI_OPT_REQUIRE_SIGNATURE,
    CLI_OPT_MIRROR,
    CLI_OPT_REWRITE,
};

/** What completes a word. */
enum cli_complete { CLI_WORD_NONE, CLI_WORD_FILE, CLI_WORD_DIR, CLI_WORD_COMMAND, CLI_WORD_LAYER, CLI_WORD_EXAMPLE };

/** An option. A table ends with an all-zero one. */
struct cli_option {
    int id;              /**< its letter, or CLI_LONG_ONLY and up */
    char letter;         /**< 0: none; normally == id */
    const char *name;    /**< long name, NULL: only a letter */
    const char *metavar; /**< NULL: takes no value; "a|b|c" in lower case are the choices */
    const char *help;
    enum cli_complete completes;
};

/** An example: what it does, and the line to type. */
struct cli_example {
    const char *what, *line;
};

/** The groups of `fccompose help`. */
enum cli_group {
    CLI_GROUP_STACK,
    CLI_GROUP_LIVE,
    CLI_GROUP_EDIT,
    CLI_GROUP_RECIPE,
    CLI_GROUP_OUT,
    CLI_GROUP_MACHINE,
    CLI_N_GROUPS
};

struct cli;
struct cli_args;

/** A command. Parsing, help, man page and completion come from this. */
struct cli_command {
    const char *name; /**< as typed, "layer add" for one below another */
    enum cli_group group;
    const char *summary;              /**< one line, no full stop */
    const char *usage;                /**< what follows the name; lines are alternatives */
    const struct cli_option *options; /**< may be NULL */
    const char *about; /**< paragraphs, separated by empty lines; a line that begins with a space is kept */
    const struct cli_example *examples;    /**< may be NULL; ends with an all-zero one */
    const struct cli_command *const *subs; /**< commands below this one, NULL-terminated; then there is no run */
    int min_operands, max_operands;        /**< max -1: any number */
    enum cli_complete completes;
    bool wraps; /**< its operands are a command with options of its own; and it fails as container tools do, with 125 */
    /** Returns an exit status, or a negative errno with words in @err, or what cli_usage() returned. */
    int (*run)(struct cli *cli, const struct cli_args *args, struct fc_error *err);
};

/** All commands, NULL-terminated, in the order of the help. */
extern const struct cli_command *const cli_commands[];
/** The options that every command takes. */
extern const struct cli_option cli_global_options[];
/** Titles of the groups. */
extern const char *const cli_group_titles[CLI_N_GROUPS];

/** How to show progress. */
enum cli_progress_mode {
    CLI_PROGRESS_AUTO,
    CLI_PROGRESS_TTY,
    CLI_PROGRESS_PLAIN,
    CLI_PROGRESS_JSON,
    CLI_PROGRESS_QUIET
};

/** What every command is handed. */
struct cli {
    const char *dir; /**< -C, or NULL */
    bool quiet, verbose, json;
    enum cli_progress_mode progress_mode;
    bool color;                        /**< on stderr and stdout, by NO_COLOR and terminals */
    struct fc_progress *progress;      /**< NULL when quiet */
    const struct cli_command *command; /**< the one that runs */
    struct cli_fetch *fetch;           /**< what options say about downloads; NULL: nothing */
    struct cli_lock *lock;             /**< owned by lock.c */
    char hint[512];                    /**< the next step, printed below an error */
};

/* options.c */

/** One word of the command line, in order. */
struct cli_arg {
    int id;            /**< option id; 0: an operand */
    const char *value; /**< NULL for an option without one */
};

/** The parsed command line of one command. */
struct cli_args {
    struct cli_arg *args;
    size_t n;
    const char **operands; /**< the operands alone */
    size_t n_operands;
};

/**
 * Parse @argv (after the command's name; @argv[0] is skipped) by @command's table and the global one; global ones go
 * into @cli at once. With @stop_at_operand parsing ends before the first operand, whose index is in *ret_next.
 * Returns 0; 1 when --help or --version was met (*ret_what is its id); or wrong usage as cli_usage() returns it.
 */
int cli_parse(struct cli *cli, const struct cli_command *command, int argc, char **argv, bool stop_at_operand,
              struct cli_args *ret_args, int *ret_next, int *ret_what, struct fc_error *err);
/** Free the lists. */
void cli_args_release(struct cli_args *args);
/** Whether option @id was given. */
bool cli_has(const struct cli_args *args, int id);
/** The last value of option @id, or NULL. */
const char *cli_value(const struct cli_args *args, int id);
/** Values of option @id in order, NULL-terminated; caller frees the array. *ret_n may be NULL. NULL when out of memory. */
const char **cli_values(const struct cli_args *args, int id, size_t *ret_n);

/**
 * Layers as `freeze -l A -l B C OUT` gives them: values of @id and operands in the order that they were typed, the last
 * operand left out if @but_last. NULL-terminated; caller frees the array. NULL when out of memory.
 */
const char **cli_layers_of(const struct cli_args *args, int id, bool but_last, size_t *ret_n);

/* print.c */

/** Wrong usage: words for @err. */
int cli_usage(struct fc_error *err, const char *fmt, ...) FC_PRINTF(2, 3);
/** Remember the next step, to be printed below the error. */
void cli_hint(struct cli *cli, const char *fmt, ...) FC_PRINTF(2, 3);
/** Print @err (and the hint) to stderr as "fccompose: WHAT". */
void cli_print_error(const struct cli *cli, const struct fc_error *err);
/** A message on stderr, unless quiet. */
void cli_say(const struct cli *cli, const char *fmt, ...) FC_PRINTF(2, 3);
/** A warning on stderr, also when quiet. */
void cli_warn(const char *fmt, ...) FC_PRINTF(1, 2);
/** Install the sink for the library's notes. */
void cli_log_to_stderr(bool verbose);
/** Print @len bytes of a name to stdout: control bytes, invalid UTF-8 and backslashes escaped unless @raw. */
void cli_put_name(const char *name, size_t len, bool raw);
/** @bytes in words ("12.3 MiB") into @out (32 bytes), which is returned. */
char *cli_size(char out[32], uint64_t bytes);
/** Write buffered stdout out. Returns 0 or a negative errno with words (a full disk, a closed pipe). */
int cli_flush(struct fc_error *err);
/** The closest of @n words to @word, or NULL when none is close. */
const char *cli_closest(const char *word, const char *const *words, size_t n);

/* values.c: texts to numbers. All return 0 or wrong usage with words; @what names the option. */

/** A size: digits and K, M, G, T (powers of 1024; "KiB" and "KB" mean the same). */
int cli_parse_size(const char *what, const char *text, uint64_t *ret, struct fc_error *err);
/** A number from 0 to @max. */
int cli_parse_number(const char *what, const char *text, uint64_t max, uint64_t *ret, struct fc_error *err);
/** Octal permission bits, 0..07777. */
int cli_parse_octal(const char *what, const char *text, uint32_t *ret, struct fc_error *err);
/** "UID:GID", "UID", ":GID"; an absent half leaves its *ret and clears its bool. Numbers alone: names are the guest's. */
int cli_parse_owner(const char *what, const char *text, bool *ret_have_uid, uint32_t *ret_uid, bool *ret_have_gid,
                    uint32_t *ret_gid, struct fc_error *err);
/** UID:GID, both. */
int cli_parse_full_owner(const char *what, const char *text, uint32_t *ret_uid, uint32_t *ret_gid,
                         struct fc_error *err);
/** A UUID. */
int cli_parse_uuid(const char *what, const char *text, uint8_t ret[16], struct fc_error *err);
/** $SOURCE_DATE_EPOCH, or @fallback when it is not set. */
int cli_source_date_epoch(int64_t fallback, int64_t *ret, struct fc_error *err);

/* help.c, man.c, completion.c: everything that comes out of the tables. */

/** Print the help of @command; NULL: of the program. */
void cli_help(const struct cli *cli, const struct cli_command *command, FILE *to);
/** Print the man page of @command (NULL: of the program) as roff. */
void cli_man(const struct cli_command *command, FILE *to);
/** Print completion code for "bash", "zsh" or "fish". Returns 0 or -1 for another shell. */
int cli_completion(const char *shell, FILE *to);
/** Find a command by @n words ("layer", "add"); *ret_used is how many were its name. NULL if the first is no command. */
const struct cli_command *cli_find(const char *const *words, size_t n, size_t *ret_used);

/* progress.c */

/** A listener for the mode (AUTO is decided here), or NULL for quiet. Frees nothing of the caller's. */
struct fc_progress *cli_progress_new(enum cli_progress_mode mode);
/** Clear an open bar from the screen and free. NULL is allowed. */
void cli_progress_free(struct fc_progress *p);
/** Take the bar off the screen before something else is printed to stderr. */
void cli_progress_hide(void);
/** The listener to downloads that shows them in the same mode. */
struct fc_fetch_watch *cli_progress_downloads(void);
/** Parse the name of a mode. Returns 0 or -1. */
int cli_progress_parse(const char *text, enum cli_progress_mode *ret);

#endif

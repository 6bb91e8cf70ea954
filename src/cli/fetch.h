/* SPDX-License-Identifier: Apache-2.0 */
/* Downloads on the command line: options, environment and configuration file as a fetcher; Ctrl-C; bars. */
#ifndef FC_CLI_FETCH_H
#define FC_CLI_FETCH_H

#include "cli/cli.h"
#include "fetch/fetch.h"

/** The options of commands that may have to fetch, for their tables. cli_parse() takes them as it takes the global ones. */
#define CLI_FETCH_OPTIONS                                                                                              \
    {CLI_OPT_OFFLINE, 0, "offline", NULL, "use what the cache has, and ask no server", 0},                             \
        {CLI_OPT_ARCH, 0, "arch", "ARCH", "architecture of distributions by name (default: this machine's)", 0},       \
        {CLI_OPT_REQUIRE_SIGNATURE,                                                                                    \
         0,                                                                                                            \
         "require-signature",                                                                                          \
         NULL,                                                                                                         \
         "refuse distributions that no signature vouches for",                                                         \
         0},                                                                                                           \
        {CLI_OPT_MIRROR,                                                                                               \
         0,                                                                                                            \
         "mirror",                                                                                                     \
         "PREFIX=URL",                                                                                                 \
         "ask URL for what begins with PREFIX, before the original; may be repeated",                                  \
         0},                                                                                                           \
        {CLI_OPT_INSECURE,                                                                                             \
         0,                                                                                                            \
         "insecure",                                                                                                   \
         "HOST[:PORT]",                                                                                                \
         "check no certificate of it, and speak plain http if need be; may be repeated",                               \
         0},                                                                                                           \
        {CLI_OPT_LOCKED, 0, "locked", NULL, "fail unless fccompose.lock.json has the layer", 0},                       \
    {                                                                                                                  \
        CLI_OPT_REWRITE, 0, "rewrite", "PREFIX=URL", "the same, and never ask the original; may be repeated", 0        \
    }

/** Take one of these options (cli_parse() calls it). Returns 0 or wrong usage. */
int cli_fetch_take(struct cli *cli, int id, const char *value, struct fc_error *err);
/** Free what was taken. */
void cli_fetch_release(struct cli *cli);

/**
 * A fetcher for the cache in @cache_dir as options, environment and configuration file say. Until cli_fetcher_free() SIGINT,
 * SIGTERM and SIGHUP cancel it. One at a time.
 */
int cli_fetcher_new(struct cli *cli, const char *cache_dir, struct fc_fetcher **ret, struct fc_error *err);
/** Free it; signals do what they did before. NULL is allowed. */
void cli_fetcher_free(struct fc_fetcher *f);
/** Whether a signal has canceled a fetcher: 0, or -ECANCELED with words. */
int cli_fetch_check(struct fc_error *err);
/** When a signal has canceled a fetcher: end by that signal, so that who started us sees it. */
void cli_fetch_die_if_canceled(void);

/** Whether --locked was given. */
bool cli_fetch_is_locked(const struct cli *cli);
/** The architecture of --arch, or NULL. */
const char *cli_fetch_arch(const struct cli *cli);
/** Whether --require-signature, or the configuration, asks for signatures. Known after cli_fetcher_new(). */
bool cli_fetch_requires_signature(const struct cli *cli);

/** Settings of the configuration file and the environment, and those of the command line before them. */
struct cli_fetch {
    struct fc_fetch_options options;
    struct fc_fetch_rule *rules; /**< strings belong to @strings, as do those of @insecure */
    size_t n_rules, rules_cap;
    const char **insecure;
    size_t n_insecure, insecure_cap;
    char **strings;
    size_t n_strings, strings_cap;
    const char *arch;
    bool require_signature, configured, locked;
};
/** A copy of @text that lives as long as @s. NULL when out of memory. */
char *cli_fetch_keep(struct cli_fetch *s, const char *text, size_t len);
/** Add "PREFIX=URL". @what names the source in messages. Returns 0 or wrong usage. */
int cli_fetch_add_rule(struct cli_fetch *s, const char *what, const char *text, bool only, struct fc_error *err);
/** Add a host that need not prove who it is. Returns 0 or -ENOMEM. */
int cli_fetch_add_insecure(struct cli_fetch *s, const char *host);
/** Add the rule @prefix to @to. Returns 0 or -ENOMEM. */
int cli_fetch_add_rule_pair(struct cli_fetch *s, const char *prefix, const char *to, bool only);
/** Add what the configuration file says. Returns 0, also when there is none; or -errno with words that name the line. */
int cli_fetch_configure(struct cli_fetch *s, struct fc_error *err);

#endif

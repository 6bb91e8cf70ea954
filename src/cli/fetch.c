/* SPDX-License-Identifier: Apache-2.0 */
/* Make the fetcher that a command line asks for, and let Ctrl-C end it in good order. */
#include "cli/fetch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "cli/progress.h"

/* What a signal cancels; set while one lives. */
static struct fc_fetcher *volatile current;
static volatile sig_atomic_t caught;

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

/* The second one kills at once. */
static void on_signal(int number)
{
    struct fc_fetcher *f = current;

    caught = number;
    if (f)
        fc_fetcher_cancel(f);
}

static void catch_signals(bool on)
{
    struct sigaction now, action = {.sa_handler = on ? on_signal : SIG_DFL, .sa_flags = (int)(on ? SA_RESETHAND : 0)};

    for (size_t i = 0; i < FC_LENGTH(signals); i++) {
        /* What is ignored (nohup) or handled otherwise stays so. */
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler == (on ? SIG_DFL : on_signal))
            sigaction(signals[i], &action, NULL);
    }
}

int cli_fetch_check(struct fc_error *err) { return caught ? fc_fail(err, ECANCELED, "canceled") : 0; }

void cli_fetch_die_if_canceled(void)
{
    if (!caught)
        return;
    signal(caught, SIG_DFL);
    raise(caught);
}

char *cli_fetch_keep(struct cli_fetch *s, const char *text, size_t len)
{
    char *copy;

    if (fc_grow(&s->strings, &s->strings_cap, s->n_strings + 1, sizeof(*s->strings)) < 0)
        return NULL;
    copy = strndup(text, len);
    if (copy)
        s->strings[s->n_strings++] = copy;
    return copy;
}

int cli_fetch_add_rule_pair(struct cli_fetch *s, const char *prefix, const char *to, bool only)
{
    char *from = cli_fetch_keep(s, prefix, strlen(prefix)), *where = cli_fetch_keep(s, to, strlen(to));

    if (!from || !where || fc_grow(&s->rules, &s->rules_cap, s->n_rules + 1, sizeof(*s->rules)) < 0)
        return -ENOMEM;
    s->rules[s->n_rules++] = (struct fc_fetch_rule){from, where, only};
    return 0;
}

/* Where the URL behind the "=" begins: a prefix may have one of its own. */
static const char *second_url(const char *text)
{
    static const char *const schemes[] = {"=http://", "=https://", "=file://"};

    for (const char *p = text; *p; p++)
        for (size_t i = 0; i < FC_LENGTH(schemes); i++)
            if (strncmp(p, schemes[i], strlen(schemes[i])) == 0)
                return p;
    return NULL;
}

int cli_fetch_add_rule(struct cli_fetch *s, const char *what, const char *text, bool only, struct fc_error *err)
{
    const char *equals = second_url(text);
    char *prefix = equals ? cli_fetch_keep(s, text, (size_t)(equals - text)) : NULL;

    if (!equals || !strstr(prefix ? prefix : "", "://"))
        return cli_usage(
            err, "%s: expected PREFIX=URL, such as https://dl-cdn.alpinelinux.org/=https://mirror.example/", what);
    return cli_fetch_add_rule_pair(s, prefix, equals + 1, only) < 0 ? fc_fail_errno(err, ENOMEM, "%s", what) : 0;
}

int cli_fetch_add_insecure(struct cli_fetch *s, const char *host)
{
    if (fc_grow(&s->insecure, &s->insecure_cap, s->n_insecure + 1, sizeof(*s->insecure)) < 0)
        return -ENOMEM;
    s->insecure[s->n_insecure] = cli_fetch_keep(s, host, strlen(host));
    return s->insecure[s->n_insecure] ? (s->n_insecure++, 0) : -ENOMEM;
}

static struct cli_fetch *settings(struct cli *cli)
{
    if (!cli->fetch)
        cli->fetch = calloc(1, sizeof(*cli->fetch));
    return cli->fetch;
}

int cli_fetch_take(struct cli *cli, int id, const char *value, struct fc_error *err)
{
    struct cli_fetch *s = settings(cli);

    if (!s)
        return fc_fail_errno(err, ENOMEM, "options");
    switch (id) {
    case CLI_OPT_OFFLINE:
        s->options.offline = true;
        return 0;
    case CLI_OPT_ARCH:
        s->arch = value;
        return *value ? 0 : cli_usage(err, "--arch: expected a name such as x86_64 or arm64");
    case CLI_OPT_LOCKED:
        s->locked = true;
        return 0;
    case CLI_OPT_INSECURE:
        return cli_fetch_add_insecure(s, value) < 0 ? fc_fail_errno(err, ENOMEM, "options") : 0;
    case CLI_OPT_REQUIRE_SIGNATURE:
        s->require_signature = true;
        return 0;
    case CLI_OPT_MIRROR:
        return cli_fetch_add_rule(s, "--mirror", value, false, err);
    default:
        return cli_fetch_add_rule(s, "--rewrite", value, true, err);
    }
}

void cli_fetch_release(struct cli *cli)
{
    struct cli_fetch *s = cli->fetch;

    for (size_t i = 0; s && i < s->n_strings; i++)
        free(s->strings[i]);
    if (s) {
        free(s->strings);
        free(s->rules);
        free(s->insecure);
    }
    free(s);
    cli->fetch = NULL;
}

/* A list of words in the environment. */
static int take_variable(struct cli_fetch *s, const char *name, bool only, struct fc_error *err)
{
    const char *p = getenv(name);
    int r = 0;

    while (p && r == 0 && *(p += strspn(p, " \t\n"))) {
        size_t n = strcspn(p, " \t\n");
        char *word = cli_fetch_keep(s, p, n);

        r = word ? cli_fetch_add_rule(s, name, word, only, err) : fc_fail_errno(err, ENOMEM, "%s", name);
        p += n;
    }
    return r;
}

/* The command line was taken first, and what is first is tried first. */
static int configure(struct cli_fetch *s, struct fc_error *err)
{
    const char *offline = getenv("FCCOMPOSE_OFFLINE");
    int r;

    if (s->configured)
        return 0;
    s->configured = true;
    if (offline && *offline && strcmp(offline, "0") != 0)
        s->options.offline = true;
    r = take_variable(s, "FCCOMPOSE_MIRROR", false, err);
    if (r == 0)
        r = take_variable(s, "FCCOMPOSE_REWRITE", true, err);
    return r == 0 ? cli_fetch_configure(s, err) : r;
}

int cli_fetcher_new(struct cli *cli, const char *cache_dir, struct fc_fetcher **ret, struct fc_error *err)
{
    struct cli_fetch *s = settings(cli);
    struct fc_fetch_options options;
    int r = s ? configure(s, err) : fc_fail_errno(err, ENOMEM, "options");

    if (r < 0)
        return r;
    options = s->options;
    options.cache = cache_dir;
    options.rules = s->rules;
    options.n_rules = s->n_rules;
    options.insecure = s->insecure;
    options.n_insecure = s->n_insecure;
    options.watch = cli->progress ? cli_progress_downloads() : NULL;
    r = fc_fetcher_new(&options, ret, err);
    if (r < 0)
        return r;
    current = *ret;
    catch_signals(true);
    return 0;
}

void cli_fetcher_free(struct fc_fetcher *f)
{
    if (!f)
        return;
    catch_signals(false);
    current = NULL;
    fc_fetcher_free(f);
}

bool cli_fetch_is_locked(const struct cli *cli) { return cli->fetch && cli->fetch->locked; }

const char *cli_fetch_arch(const struct cli *cli) { return cli->fetch ? cli->fetch->arch : NULL; }

bool cli_fetch_requires_signature(const struct cli *cli) { return cli->fetch && cli->fetch->require_signature; }

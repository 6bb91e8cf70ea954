/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose login, logout: credentials for registries. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "layer/layer.h"
#include "oci/auth.h"
#include "oci/push.h"

enum { OPT_STDIN = CLI_LONG_ONLY, SECRET_MAX = 64 << 10 };

static const struct cli_option login_options[] = {
    {'u', 'u', "username", "NAME", "who (default: asked for)", 0},
    {'p', 'p', "password", "SECRET", "the password; others can see it in the process table, so better:", 0},
    {OPT_STDIN, 0, "password-stdin", NULL, "read the password from standard input", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static void wipe(struct fc_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    fc_buf_release(b);
}

/* One line from @fd, without its end. */
static int read_line(int fd, struct fc_buf *ret)
{
    char c;
    ssize_t n;

    while ((n = read(fd, &c, 1)) == 1 && c != '\n' && ret->len < SECRET_MAX)
        if (fc_buf_add(ret, &c, 1) < 0)
            return -ENOMEM;
    if (n < 0)
        return -errno;
    while (ret->len && ret->data[ret->len - 1] == '\r')
        ret->data[--ret->len] = '\0';
    return 0;
}

static void interrupted(int signal) { (void)signal; }

/* Read a line that is not shown. Whoever ends it with Ctrl-C gets a terminal back that shows what is typed. */
static int read_hidden(struct fc_buf *ret)
{
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction before[FC_LENGTH(stops)];
    const struct sigaction handle = {.sa_handler = interrupted}; /* no SA_RESTART: the read ends */
    struct termios saved, quiet;
    int r;

    if (tcgetattr(STDIN_FILENO, &saved) < 0)
        return -errno;
    for (size_t i = 0; i < FC_LENGTH(stops); i++)
        sigaction(stops[i], &handle, &before[i]);
    quiet = saved;
    quiet.c_lflag &= ~(tcflag_t)ECHO;
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &quiet);
    r = read_line(STDIN_FILENO, ret);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &saved);
    for (size_t i = 0; i < FC_LENGTH(stops); i++)
        sigaction(stops[i], &before[i], NULL);
    fputc('\n', stderr);
    return r == -EINTR ? -ECANCELED : r;
}

/* Ask at the terminal; a secret is not shown. */
static int ask(const char *what, bool secret, struct fc_buf *ret, struct fc_error *err)
{
    int r;

    if (!isatty(STDIN_FILENO))
        return cli_usage(err, "login: no terminal to ask for the %s at: give -u and --password-stdin", what);
    fprintf(stderr, "%s: ", what);
    r = secret ? read_hidden(ret) : read_line(STDIN_FILENO, ret);
    return r < 0 ? fc_fail_errno(err, -r, "cannot read the %s", what) : 0;
}

static int get_password(const struct cli_args *args, struct fc_buf *ret, struct fc_error *err)
{
    const char *given = cli_value(args, 'p');
    int r;

    if (given && cli_has(args, OPT_STDIN))
        return cli_usage(err, "login: --password and --password-stdin: one of them");
    if (given)
        return fc_buf_adds(ret, given) < 0 ? fc_fail_errno(err, ENOMEM, "login") : 0;
    if (!cli_has(args, OPT_STDIN))
        return ask("password", true, ret, err);
    r = read_line(STDIN_FILENO, ret);
    return r < 0 ? fc_fail_errno(err, -r, "cannot read the password") : 0;
}

/* "docker://HOST", "https://HOST/" and HOST/REPOSITORY are HOST. */
static int host_of(const char *text, struct fc_buf *ret, struct fc_error *err)
{
    static const char *const prefixes[] = {"docker://", "https://", "http://"};
    fc_auto(fc_oci_ref_release) struct fc_oci_ref ref = {0};
    fc_auto(fc_free) char *probe = NULL;

    for (size_t i = 0; i < FC_LENGTH(prefixes); i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    if (fc_buf_add(ret, text, strcspn(text, "/")) < 0 || asprintf(&probe, "%s/x", ret->data ? ret->data : "") < 0)
        return probe = NULL, fc_fail_errno(err, ENOMEM, "%s", text);
    if (fc_oci_ref_parse(probe, &ref, NULL) < 0 || strcmp(ref.repository, "x") != 0)
        return cli_usage(err, "\"%s\" is not the host of a registry (as ghcr.io, localhost:5000, docker.io)",
                         ret->data);
    fc_buf_clear(ret);
    return fc_buf_adds(ret, ref.host) < 0 ? fc_fail_errno(err, ENOMEM, "%s", text) : 0;
}

static int run_login(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_buf user __attribute__((cleanup(fc_buf_release_auto))) = {0},
                       host __attribute__((cleanup(fc_buf_release_auto))) = {0};
    struct fc_buf password __attribute__((cleanup(wipe))) = {0};
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    struct fc_fetcher *f = NULL;
    fc_auto(fc_free) char *where = NULL;
    int r = host_of(args->operands[0], &host, err);

    if (r == 0)
        r = cli_value(args, 'u') ? fc_buf_adds(&user, cli_value(args, 'u')) : ask("username", false, &user, err);
    if (r == 0)
        r = get_password(args, &password, err);
    if (r == 0 && (user.len == 0 || password.len == 0))
        r = cli_usage(err, "login: an empty %s", user.len ? "password" : "user name");
    if (r == 0)
        r = fc_cache_open(NULL, &cache, err);
    if (r == 0)
        r = cli_fetcher_new(cli, fc_cache_dir(cache), &f, err);
    if (r == 0)
        r = fc_oci_login(f, host.data, user.data, password.data, err);
    cli_fetcher_free(f);
    if (r == 0)
        r = fc_oci_credentials_store(host.data, user.data, password.data, &where, err);
    if (r == 0)
        cli_say(cli, "logged in to %s; kept in %s", host.data, where ? where : "its place");
    return r;
}

static int run_logout(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_buf host __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *where = NULL;
    int r = host_of(args->operands[0], &host, err);

    if (r == 0)
        r = fc_oci_credentials_erase(host.data, &where, err);
    if (r == 0)
        cli_say(cli, "credentials for %s removed from %s", host.data, where ? where : "their place");
    return r;
}

static const struct cli_example login_examples[] = {
    {"In a script", "printf %s \"$TOKEN\" | fccompose login -u me --password-stdin ghcr.io"},
    {0},
};

const struct cli_command cmd_login = {
    .name = "login",
    .group = CLI_GROUP_STACK,
    .summary = "Keep credentials for a registry",
    .usage = "[OPTIONS] HOST",
    .options = login_options,
    .about =
        "The credentials are tried first. They are kept as podman and skopeo keep them: in $REGISTRY_AUTH_FILE, else "
        "in "
        "$XDG_RUNTIME_DIR/containers/auth.json, else in ~/.config/containers/auth.json, or in the credential helper "
        "that the file names. Those of docker login and podman login are found as well.",
    .examples = login_examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_login,
};

const struct cli_command cmd_logout = {
    .name = "logout",
    .group = CLI_GROUP_STACK,
    .summary = "Forget the credentials for a registry",
    .usage = "HOST",
    .about = "Forgets what login keeps. What docker login keeps elsewhere is left alone.",
    .min_operands = 1,
    .max_operands = 1,
    .run = run_logout,
};

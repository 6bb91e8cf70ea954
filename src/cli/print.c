/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that is printed for a person goes through here: errors, messages, names. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/log.h"
#include "base/path.h"
#include "base/words.h"
#include "cli/cli.h"

int cli_usage(struct fc_error *err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
    va_end(ap);
    err->code = EINVAL;
    return -CLI_EUSAGE;
}

void cli_hint(struct cli *cli, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(cli->hint, sizeof(cli->hint), fmt, ap);
    va_end(ap);
}

/* What is no plain ASCII becomes '?'. */
static void put_without_memory(const char *prefix, const char *line)
{
    fputs(prefix, stderr);
    for (; *line; line++)
        fputc(*line >= ' ' && *line <= '~' ? *line : '?', stderr);
    fputc('\n', stderr);
}

/* A message may hold raw name bytes: a terminal must survive them. Backslashes stay single, for messages quote themselves. */
static void put_line(const char *prefix, const char *line)
{
    struct fc_buf safe __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *p = line;
    int r = 0;

    while (*p && r == 0) {
        size_t n = strcspn(p, "\\\n");

        r = fc_name_quote(&safe, p, n);
        p += n;
        if (*p && r == 0)
            r = *p == '\\' ? fc_buf_adds(&safe, "\\") : fc_buf_adds(&safe, "\n           ");
        p += *p != 0;
    }
    cli_progress_hide();
    if (r == 0)
        fprintf(stderr, "%s%s\n", prefix, safe.data ? safe.data : "");
    else
        put_without_memory(prefix, line);
}

void cli_print_error(const struct cli *cli, const struct fc_error *err)
{
    const char *msg = err->msg[0] ? err->msg : strerror(err->code ? err->code : EIO);

    put_line(cli->color ? "\033[1;31mfccompose:\033[0m " : "fccompose: ", msg);
    if (cli->hint[0])
        put_line("           ", cli->hint);
}

void cli_say(const struct cli *cli, const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    if (cli->quiet)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    put_line("", line);
}

void cli_warn(const char *fmt, ...)
{
    char line[2048];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    put_line("fccompose: warning: ", line);
}

static void sink(enum fc_log_level level, const char *line)
{
    put_line(level == FC_LOG_WARN ? "fccompose: warning: " : "fccompose: ", line);
}

static void quiet_sink(enum fc_log_level level, const char *line)
{
    if (level == FC_LOG_WARN)
        sink(level, line);
}

void cli_log_to_stderr(bool verbose) { fc_log_sink(verbose ? sink : quiet_sink); }

void cli_put_name(const char *name, size_t len, bool raw)
{
    struct fc_buf quoted __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (raw)
        fwrite(name, 1, len, stdout);
    else if (len && fc_name_quote(&quoted, name, len) == 0)
        fwrite(quoted.data, 1, quoted.len, stdout);
}

char *cli_size(char out[32], uint64_t bytes)
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;

    while (value >= 1024 && unit + 1 < FC_LENGTH(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

int cli_flush(struct fc_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    if (errno == EPIPE) /* the reader has seen enough: nothing to say */
        return fc_fail(err, EPIPE, "%s", "");
    return fc_fail_errno(err, errno ? errno : EIO, "standard output");
}

const char *cli_closest(const char *word, const char *const *words, size_t n) { return fc_closest(word, words, n); }

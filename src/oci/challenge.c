/* SPDX-License-Identifier: Apache-2.0 */
/* Read WWW-Authenticate headers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "oci/auth.h"

/* The characters of a token (RFC 9110, 5.6.2). */
static size_t token_length(const char *s)
{
    return strspn(s, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

static const char *skip_blanks(const char *s) { return s + strspn(s, " \t"); }

/* Read a token or a quoted string at @s into @ret (cleared). Returns what follows, or NULL when it is neither. */
static const char *read_value(const char *s, struct fc_buf *ret)
{
    fc_buf_clear(ret);
    if (*s != '"') { /* careless servers leave URLs unquoted: up to the next comma or blank */
        size_t len = strcspn(s, " \t,\n");

        return len && fc_buf_add(ret, s, len) == 0 ? s + len : NULL;
    }
    for (s++; *s && *s != '"' && *s != '\n'; s++) {
        if (*s == '\\' && s[1])
            s++;
        if (fc_buf_add(ret, s, 1) < 0)
            return NULL;
    }
    return *s == '"' ? s + 1 : NULL;
}

static int keep(char **to, const struct fc_buf *value)
{
    if (*to)
        return 0; /* the first one counts */
    *to = strdup(value->data ? value->data : "");
    return *to ? 0 : -ENOMEM;
}

static int take_parameter(struct fc_oci_challenge *c, const char *name, size_t len, const struct fc_buf *value)
{
    const struct {
        const char *name;
        char **to;
    } known[] = {{"realm", &c->realm}, {"service", &c->service}, {"scope", &c->scope}};

    for (size_t i = 0; i < FC_LENGTH(known); i++)
        if (strlen(known[i].name) == len && strncasecmp(name, known[i].name, len) == 0)
            return keep(known[i].to, value);
    return 0;
}

/* One header line: schemes, each with its parameters, all separated by commas. */
static int read_line(const char *s, struct fc_oci_challenge *c)
{
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    bool bearer = false;
    int r = 0;

    while (r == 0 && *s && *s != '\n') {
        size_t len = token_length(s = s + strspn(s, " \t,"));
        const char *after = skip_blanks(s + len);

        if (len == 0)
            return 0;
        if (*after != '=') { /* a scheme */
            bearer = len == 6 && strncasecmp(s, "bearer", 6) == 0;
            c->bearer |= bearer;
            c->basic |= len == 5 && strncasecmp(s, "basic", 5) == 0;
            s = after;
            continue;
        }
        after = read_value(skip_blanks(after + 1), &value);
        if (!after)
            return 0;
        if (bearer)
            r = take_parameter(c, s, len, &value);
        s = after;
    }
    return r;
}

int fc_oci_challenge_parse(const char *headers, struct fc_oci_challenge *ret)
{
    fc_auto(fc_oci_challenge_release) struct fc_oci_challenge c = {0};

    for (const char *s = headers; *s; s += strcspn(s, "\n"), s += *s == '\n') {
        int r = read_line(s, &c);

        if (r < 0)
            return r;
    }
    *ret = c;
    c = (struct fc_oci_challenge){0};
    return 0;
}

void fc_oci_challenge_release(struct fc_oci_challenge *c)
{
    free(c->realm);
    free(c->service);
    free(c->scope);
    *c = (struct fc_oci_challenge){0};
}

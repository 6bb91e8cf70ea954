/* SPDX-License-Identifier: Apache-2.0 */
/* Match exclude patterns with paths, without recursion. */
#include "entry/glob.h"

#include <fnmatch.h>
#include <string.h>

/* Length of the bracket expression at @p (which is "["), or 0 if it is not closed and so an ordinary byte. */
static size_t bracket_length(const char *p, const char *end)
{
    const char *q = p + 1;

    if (q < end && (*q == '!' || *q == '^'))
        q++;
    if (q < end && *q == ']')
        q++;
    while (q < end && *q != ']') {
        if (*q == '[' && q + 1 < end && q[1] == ':') {
            const char *close = strstr(q + 2, ":]");

            if (close && close < end)
                q = close + 1;
        }
        q++;
    }
    return q < end ? (size_t)(q - p) + 1 : 0;
}

/* Match one byte with the pattern element at @p. Returns the element's length, or 0 if it does not match. */
static size_t match_one(const char *p, const char *end, char c)
{
    char expression[64], text[2] = {c, '\0'};
    size_t n;

    if (*p == '?')
        return c != '/';
    if (*p == '\\' && p + 1 < end)
        return p[1] == c ? 2 : 0;
    if (*p == '[' && (n = bracket_length(p, end)) > 0 && n < sizeof(expression)) {
        memcpy(expression, p, n);
        expression[n] = '\0';
        return c != '/' && fnmatch(expression, text, 0) == 0 ? n : 0;
    }
    return *p == c;
}

/* Where to go back to when a literal fails: after the last star, one byte (or component) further. */
struct retry {
    const char *p, *s;
    bool components; /* step to the next component, for a double star between slashes */
};

/* Take the double star at @p and return what follows it. */
static const char *take_globstar(const char *start, const char *p, const char *end, const char *s, struct retry *ret)
{
    bool at_start = p == start || p[-1] == '/';

    while (p < end && *p == '*')
        p++;
    ret->components = at_start && p < end && *p == '/';
    if (ret->components)
        p++;
    ret->p = p;
    ret->s = s;
    return p;
}

static bool step_back(struct retry *star, struct retry *globstar, const char **p, const char **s)
{
    if (star->p && *star->s && *star->s != '/') {
        *p = star->p;
        *s = ++star->s;
        return true;
    }
    star->p = NULL;
    if (!globstar->p || !*globstar->s)
        return false;
    if (globstar->components) {
        const char *slash = strchr(globstar->s, '/');

        if (!slash)
            return false;
        globstar->s = slash;
    }
    *p = globstar->p;
    *s = ++globstar->s;
    return true;
}

static bool match(const char *pattern, size_t len, const char *s)
{
    const char *p = pattern, *end = pattern + len;
    struct retry star = {0}, globstar = {0};

    for (;;) {
        size_t n;

        if (p + 1 < end && p[0] == '*' && p[1] == '*') {
            p = take_globstar(pattern, p, end, s, &globstar);
            star.p = NULL; /* the double star can do all that an earlier star could */
            continue;
        }
        if (p < end && *p == '*') {
            p++;
            star = (struct retry){.p = p, .s = s};
            continue;
        }
        if (p == end && !*s)
            return true;
        n = p < end && *s ? match_one(p, end, *s) : 0;
        if (n) {
            p += n;
            s++;
        } else if (!step_back(&star, &globstar, &p, &s)) {
            return false;
        }
    }
}

bool fc_glob_excluded(const char *const *patterns, size_t n, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

    for (size_t i = 0; i < n; i++) {
        const char *p = patterns[i];
        size_t len;
        bool anchored = *p == '/' || strncmp(p, "./", 2) == 0;

        while (*p == '/' || strncmp(p, "./", 2) == 0)
            p++;
        len = strlen(p);
        while (len && p[len - 1] == '/')
            len--;
        if (len && match(p, len, anchored || memchr(p, '/', len) ? path : name))
            return true;
    }
    return false;
}

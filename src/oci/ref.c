/* SPDX-License-Identifier: Apache-2.0 */
/* Take a reference to an image in a registry apart. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/path.h"
#include "oci/oci.h"

enum { NAME_LEN_MAX = 255, TAG_LEN_MAX = 128 };

static bool is_hex(const char *s, size_t len) { return strlen(s) == len && strspn(s, "0123456789abcdef") == len; }

bool fc_oci_digest_valid(const char *text)
{
    if (strncmp(text, "sha256:", 7) == 0)
        return is_hex(text + 7, 64);
    return strncmp(text, "sha512:", 7) == 0 && is_hex(text + 7, 128);
}

static bool is_lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

/* [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)* */
static bool is_name_part(const char *s, size_t len)
{
    size_t i = 0;

    while (i < len) {
        size_t start = i, sep;

        while (i < len && is_lower_alnum(s[i]))
            i++;
        if (i == start)
            return false;
        if (i == len)
            return true;
        sep = i;
        while (i < len && !is_lower_alnum(s[i]))
            i++;
        if (s[sep] == '-' ? strspn(s + sep, "-") < i - sep
                          : i - sep > 1 && !(i - sep == 2 && s[sep] == '_' && s[sep + 1] == '_'))
            return false;
        if (s[sep] != '-' && s[sep] != '.' && s[sep] != '_')
            return false;
    }
    return false;
}

static bool is_repository(const char *s)
{
    for (;;) {
        size_t len = strcspn(s, "/");

        if (!is_name_part(s, len))
            return false;
        if (!s[len])
            return true;
        s += len + 1;
    }
}

static bool is_port(const char *s)
{
    size_t len = strspn(s, "0123456789");

    return len > 0 && len <= 5 && !s[len] && strtoul(s, NULL, 10) <= 65535;
}

/* A name of letters, digits, dots and hyphens, or [an IPv6 address]; then perhaps a port. */
static bool is_host(const char *s)
{
    size_t len;

    if (*s == '[') {
        len = 1 + strspn(s + 1, "0123456789abcdefABCDEF:.");
        if (len == 1 || s[len] != ']')
            return false;
        len++;
    } else {
        len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-");
        if (len == 0 || !isalnum((unsigned char)s[0]) || !isalnum((unsigned char)s[len - 1]))
            return false;
    }
    return !s[len] || (s[len] == ':' && is_port(s + len + 1));
}

static bool is_tag(const char *s)
{
    size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-");

    return len > 0 && len <= TAG_LEN_MAX && !s[len] && s[0] != '.' && s[0] != '-';
}

/* Whether the first part of a name is a host (as every client decides it). */
static bool first_is_host(const char *first, size_t len)
{
    return memchr(first, '.', len) || memchr(first, ':', len) || (len == 9 && memcmp(first, "localhost", 9) == 0);
}

/* Cut "@DIGEST" and ":TAG" from the end of @name. */
static int cut_tail(char *name, const char *shown, struct fc_oci_ref *ref, struct fc_error *err)
{
    char *at = strchr(name, '@'), *slash, *colon;

    if (at) {
        *at = '\0';
        if (!fc_oci_digest_valid(at + 1))
            return fc_fail(err, EINVAL, "%s: after the @ comes sha256: and 64 lower-case hexadecimal digits", shown);
        ref->digest = strdup(at + 1);
        if (!ref->digest)
            return fc_fail_errno(err, ENOMEM, "%s", shown);
    }
    slash = strrchr(name, '/');
    colon = strchr(slash ? slash : name, ':');
    if (!colon && ref->digest)
        return 0;
    if (colon) {
        *colon = '\0';
        if (!is_tag(colon + 1))
            return fc_fail(err, EINVAL, "%s: \"%.150s\" is not a tag: letters, digits, _ . -, at most 128", shown,
                           colon + 1);
    }
    ref->tag = strdup(colon ? colon + 1 : "latest");
    return ref->tag ? 0 : fc_fail_errno(err, ENOMEM, "%s", shown);
}

/* Split @name (without tag and digest) into host and repository. */
static int split(const char *name, const char *shown, struct fc_oci_ref *ref, struct fc_error *err)
{
    size_t first = strcspn(name, "/");
    bool hosted = name[first] == '/' && first_is_host(name, first);
    const char *rest = hosted ? name + first + 1 : name;

    ref->host = hosted ? strndup(name, first) : strdup("docker.io");
    if (!ref->host)
        return fc_fail_errno(err, ENOMEM, "%s", shown);
    if (strcmp(ref->host, "index.docker.io") == 0)
        strcpy(ref->host, "docker.io");
    if (strlen(name) > NAME_LEN_MAX)
        return fc_fail(err, EINVAL, "%s: a name has at most %d characters", shown, NAME_LEN_MAX);
    if (!is_host(ref->host))
        return fc_fail(err, EINVAL, "%s: \"%s\" is not a host, or its port is not one", shown, ref->host);
    if (!is_repository(rest))
        return fc_fail(err, EINVAL,
                       "%s: \"%.200s\" is not the name of a repository: parts of lower-case letters and digits, with "
                       "single . _ or - between them, joined by /",
                       shown, rest);
    if (asprintf(&ref->repository, "%s%s", strcmp(ref->host, "docker.io") == 0 && !strchr(rest, '/') ? "library/" : "",
                 rest) < 0) {
        ref->repository = NULL;
        return fc_fail_errno(err, ENOMEM, "%s", shown);
    }
    return 0;
}

int fc_oci_ref_parse(const char *text, struct fc_oci_ref *ret, struct fc_error *err)
{
    fc_auto(fc_oci_ref_release) struct fc_oci_ref ref = {0};
    fc_auto(fc_free) char *name = strdup(text);
    char shown[160];
    int r;

    fc_name_show(shown, sizeof(shown), text, strlen(text));
    if (!name)
        return fc_fail_errno(err, ENOMEM, "%s", shown);
    r = cut_tail(name, shown, &ref, err);
    if (r == 0)
        r = split(name, shown, &ref, err);
    if (r < 0)
        return r;
    *ret = ref;
    ref = (struct fc_oci_ref){0};
    return 0;
}

char *fc_oci_ref_format(const struct fc_oci_ref *ref)
{
    char *text;

    if (asprintf(&text, "%s/%s%s%s%s%s", ref->host, ref->repository, ref->tag ? ":" : "", ref->tag ? ref->tag : "",
                 ref->digest ? "@" : "", ref->digest ? ref->digest : "") < 0)
        return NULL;
    return text;
}

void fc_oci_ref_release(struct fc_oci_ref *ref)
{
    free(ref->host);
    free(ref->repository);
    free(ref->tag);
    free(ref->digest);
    *ref = (struct fc_oci_ref){0};
}

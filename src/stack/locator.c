/* SPDX-License-Identifier: Apache-2.0 */
/* Tell what kind of source a locator names. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/path.h"
#include "catalogue/catalogue.h"
#include "stack/stack.h"

static const struct {
    const char *prefix;
    enum fc_locator_kind kind;
} prefixes[] = {
    {"file://", FC_LOCATOR_URL},
    {"file:", FC_LOCATOR_FILE},
    {"dir:", FC_LOCATOR_DIR},
    {"builtin:", FC_LOCATOR_BUILTIN},
    {"docker://", FC_LOCATOR_REGISTRY},
    {"oci:", FC_LOCATOR_OCI},
    {"oci-archive:", FC_LOCATOR_OCI_ARCHIVE},
    {"docker-archive:", FC_LOCATOR_DOCKER_ARCHIVE},
};

/* Schemes that DESIGN.md promises and this version does not have. */
static const char *const later[] = {
    "containers-storage:",
    "s3:",
};

/* The characters of an image reference such as alpine:3.20 or ghcr.io/a/b@sha256:..., lower case at its beginning. */
static bool is_image_name(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789._-/");

    if (text[0] == '.' || text[0] == '/' || text[0] == '-' || len == 0)
        return false;
    if (text[len] == ':') {
        len++;
        len += strspn(text + len, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/:@");
    } else if (text[len] == '@') {
        len += strspn(text + len, "@abcdefghijklmnopqrstuvwxyz0123456789:");
    } else {
        return false;
    }
    return text[len] == '\0';
}

static bool is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

bool fc_stack_only_in_cache(const char *locator)
{
    return strncmp(locator, "commit:", 7) == 0 || strncmp(locator, FC_STACK_STEP, strlen(FC_STACK_STEP)) == 0 ||
           strncmp(locator, "sha256:", 7) == 0 || strcmp(locator, "-") == 0;
}

bool fc_stack_is_remote(const char *locator)
{
    struct fc_locator l;

    if (fc_locator_parse(locator, &l, NULL) < 0)
        return false;
    return l.kind == FC_LOCATOR_URL || l.kind == FC_LOCATOR_NAME || l.kind == FC_LOCATOR_REGISTRY ||
           l.kind == FC_LOCATOR_OCI || l.kind == FC_LOCATOR_OCI_ARCHIVE || l.kind == FC_LOCATOR_DOCKER_ARCHIVE;
}

char *fc_stack_locator_for_record(const char *locator, const char *arch)
{
    struct fc_locator l;
    char *text = NULL;

    if (fc_locator_parse(locator, &l, NULL) < 0)
        return strdup(locator);
    if (l.kind == FC_LOCATOR_URL)
        return fc_url_bare(locator);
    if (arch && l.kind == FC_LOCATOR_NAME && !strchr(locator, '/'))
        return asprintf(&text, "%s/%s", locator, arch) < 0 ? NULL : text;
    return strdup(locator);
}

static int is_not_there_yet(const char *text, const char *shown, struct fc_error *err)
{
    for (size_t i = 0; i < FC_LENGTH(later); i++) {
        if (strncmp(text, later[i], strlen(later[i])) == 0)
            return fc_fail(err, EOPNOTSUPP,
                           "%s: locators that begin with %s are not available yet in this version; save the layer as a "
                           "tar and give its path",
                           shown, later[i]);
    }
    if (is_image_name(text))
        return fc_fail(
            err, EOPNOTSUPP,
            "%s: there is no such file, and no distribution of that name (fccompose ls-remote lists them); an "
            "image in a registry is docker://%s",
            shown, shown);
    return 0;
}

int fc_locator_parse(const char *text, struct fc_locator *ret, struct fc_error *err)
{
    struct fc_digest digest;
    struct stat st;
    char shown[160];
    int r;

    if (is_url(text))
        fc_url_show(shown, sizeof(shown), text);
    else
        fc_name_show(shown, sizeof(shown), text, strlen(text));
    if (!*text)
        return fc_fail(err, EINVAL,
                       "an empty locator: give a tar, a URL, alpine:3.20 and the like, dir:PATH, builtin:busybox or -");
    if (strcmp(text, "-") == 0) {
        *ret = (struct fc_locator){FC_LOCATOR_STDIN, text};
        return 0;
    }
    for (size_t i = 0; i < FC_LENGTH(prefixes); i++) {
        size_t len = strlen(prefixes[i].prefix);

        if (strncmp(text, prefixes[i].prefix, len) != 0)
            continue;
        if (!text[len])
            return fc_fail(err, EINVAL, "%s: nothing follows the colon", shown);
        *ret = (struct fc_locator){prefixes[i].kind, prefixes[i].kind == FC_LOCATOR_URL ? text : text + len};
        return 0;
    }
    if (strncmp(text, "sha256:", 7) == 0) {
        if (fc_digest_parse(text, &digest) < 0)
            return fc_fail(err, EINVAL, "%s: sha256: must be followed by 64 hexadecimal digits", shown);
        *ret = (struct fc_locator){FC_LOCATOR_DIGEST, text};
        return 0;
    }
    if (stat(text, &st) < 0) {
        int code = errno;

        if (is_url(text) || fc_catalogue_knows(text)) {
            *ret = (struct fc_locator){is_url(text) ? FC_LOCATOR_URL : FC_LOCATOR_NAME, text};
            return 0;
        }
        r = is_not_there_yet(text, shown, err);
        return r < 0 ? r : fc_fail_errno(err, code, "%s", shown);
    }
    *ret = (struct fc_locator){FC_LOCATOR_FILE, text};
    return 0;
}

bool fc_locator_has_path(const struct fc_locator *l)
{
    switch (l->kind) {
    case FC_LOCATOR_FILE:
    case FC_LOCATOR_DIR:
        return true;
    case FC_LOCATOR_OCI:
    case FC_LOCATOR_OCI_ARCHIVE:
    case FC_LOCATOR_DOCKER_ARCHIVE:
        return l->rest[0] != '-' || (l->rest[1] && l->rest[1] != ':');
    default:
        return false;
    }
}

size_t fc_locator_prefix(const char *text)
{
    for (size_t i = 0; i < FC_LENGTH(prefixes); i++) {
        const struct fc_locator l = {prefixes[i].kind, text + strlen(prefixes[i].prefix)};

        if (strncmp(text, prefixes[i].prefix, strlen(prefixes[i].prefix)) == 0)
            return fc_locator_has_path(&l) ? strlen(prefixes[i].prefix) : 0;
    }
    return 0;
}

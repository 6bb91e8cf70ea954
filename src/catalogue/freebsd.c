/* SPDX-License-Identifier: Apache-2.0 */
/* FreeBSD: base.txz of a release, by the MANIFEST beside it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/distro.h"

#define BASE "https://download.freebsd.org/releases"

static const struct fc_distro_arch archs[] = {
    {"amd64", "x86_64"},        {"arm64", "aarch64"},   {"i386", "i386"}, {"powerpc64", "ppc64"},
    {"powerpc64le", "ppc64le"}, {"riscv64", "riscv64"}, {NULL, NULL},
};

/* The folder of an architecture: machine and processor. */
static const char *folder_of(const char *arch)
{
    static const char *const folders[][2] = {
        {"amd64", "amd64/amd64"},
        {"arm64", "arm64/aarch64"},
        {"i386", "i386/i386"},
        {"powerpc64", "powerpc/powerpc64"},
        {"powerpc64le", "powerpc/powerpc64le"},
        {"riscv64", "riscv/riscv64"},
    };

    for (size_t i = 0; i < FC_LENGTH(folders); i++)
        if (strcmp(folders[i][0], arch) == 0)
            return folders[i][1];
    return arch;
}

/* Releases there are, as " 13.5 14.3". */
static int releases(struct fc_inquiry *q, struct fc_buf *ret, struct fc_error *err)
{
    struct fc_buf text = {0};
    char name[256];
    int r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/%s/", folder_of(q->arch));

    for (const char *at = text.data ? text.data : ""; r == 0 && fc_listing_next(&at, name);) {
        char *tail = strstr(name, "-RELEASE/");

        if (!tail || tail[9])
            continue;
        *tail = '\0';
        if (fc_is_version(name, 1))
            r = fc_buf_addf(ret, " %s", name);
    }
    fc_buf_release(&text);
    return r;
}

/* The highest release of @major ("14"), or of all. */
static int newest(struct fc_inquiry *q, const char *major, char ret[64], struct fc_error *err)
{
    struct fc_buf all = {0};
    char name[64];
    int used, r = releases(q, &all, err);

    ret[0] = '\0';
    for (const char *p = all.data; r == 0 && p && sscanf(p, " %63s%n", name, &used) == 1; p += used)
        if ((!*major || (strncmp(name, major, strlen(major)) == 0 && name[strlen(major)] == '.')) &&
            (!*ret || strverscmp(name, ret) > 0))
            strcpy(ret, name);
    if (r == 0 && !*ret)
        r = fc_inquiry_none(q, &all, err);
    fc_buf_release(&all);
    return r;
}

/* The line of base.txz: name, digest, number of files, set, description, and whether it is installed by default, with tabs. */
static int take(const struct fc_buf *text, struct fc_catalogue_answer *ret)
{
    char digest[130];

    for (const char *line = text->data; *line;) {
        size_t len = strcspn(line, "\n");

        if (sscanf(line, "base.txz\t%129[0-9a-f]\t", digest) == 1 && fc_sum_parse(digest, &ret->sum) == 0)
            return 0;
        line += len + (line[len] == '\n');
    }
    return -EBADMSG;
}

static int ask(struct fc_inquiry *q, const char *version, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    const char *folder = folder_of(q->arch);
    struct fc_buf text = {0};
    int r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/%s/%s-RELEASE/MANIFEST", folder, version);

    if (r == 0 && take(&text, ret) < 0)
        r = fc_fail(err, EBADMSG, "freebsd: the MANIFEST of %s does not say the digest of base.txz", version);
    fc_buf_release(&text);
    if (r < 0)
        return r;
    ret->version = strdup(version);
    if (!ret->version || asprintf(&ret->url, BASE "/%s/%s-RELEASE/base.txz", folder, version) < 0) {
        ret->url = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

static int resolve(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    struct fc_buf there = {0};
    char version[64];
    int r = 0;

    snprintf(version, sizeof(version), "%s", q->version);
    if (!*version || strcmp(version, "latest") == 0)
        r = newest(q, "", version, err);
    else if (fc_is_version(version, 0))
        r = newest(q, q->version, version, err);
    if (r == 0)
        r = ask(q, version, ret, err);
    if (r == -ENOENT && !fc_fetcher_offline(q->f) && releases(q, &there, NULL) == 0)
        r = fc_inquiry_none(q, &there, err);
    fc_buf_release(&there);
    return r;
}

static int list(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err)
{
    struct fc_buf all = {0};
    char name[64], url[200];
    int used, r = releases(q, &all, err);

    for (const char *p = all.data; r == 0 && p && sscanf(p, " %63s%n", name, &used) == 1; p += used) {
        snprintf(url, sizeof(url), BASE "/%s/%s-RELEASE/base.txz", folder_of(q->arch), name);
        if (fc_releases_add(ret, name, name, NULL, url) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    fc_buf_release(&all);
    return r < 0 ? r : fc_releases_ask(q, ret, err);
}

const struct fc_distro fc_distro_freebsd = {
    .name = "freebsd",
    .about = "FreeBSD, base.txz: 14.3, 14, latest",
    .arch = archs,
    .resolve = resolve,
    .list = list,
};

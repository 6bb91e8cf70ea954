/* SPDX-License-Identifier: Apache-2.0 */
/* Amazon Linux 2023: the container's root file system, by the SHA256SUMS beside it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/distro.h"

#define BASE "https://cdn.amazonlinux.com/al2023/os-images"

static const struct fc_distro_arch archs[] = {{"x86_64", "x86_64"}, {"arm64", "aarch64"}, {NULL, NULL}};

/* "2023.9.20251117.0" was made on the day that its third number is. */
static void take_date(struct fc_catalogue_answer *ret)
{
    unsigned major, minor, year, month, day;

    if (sscanf(ret->version, "%u.%u.%4u%2u%2u", &major, &minor, &year, &month, &day) == 5 &&
        asprintf(&ret->date, "%04u-%02u-%02u", year, month, day) < 0)
        ret->date = NULL;
}

static int take(struct fc_inquiry *q, const struct fc_buf *text, const char *folder, const char *stem,
                struct fc_catalogue_answer *ret, struct fc_error *err)
{
    char name[256], prefix[64], suffix[64];
    const char *at = text->data;

    snprintf(prefix, sizeof(prefix), "%s-2", stem);
    snprintf(suffix, sizeof(suffix), "-%s.tar.xz", q->arch);
    while (fc_sums_next(&at, &ret->sum, name)) {
        size_t n = strlen(name);

        if (strncmp(name, prefix, strlen(prefix)) != 0 || n <= strlen(suffix) + strlen(prefix) ||
            strcmp(name + n - strlen(suffix), suffix) != 0 || strchr(name, '/'))
            continue;
        ret->version = strndup(name + strlen(stem) + 1, n - strlen(suffix) - strlen(stem) - 1);
        if (!ret->version || asprintf(&ret->url, BASE "/%s/%s/%s", ret->version, folder, name) < 0) {
            ret->url = NULL;
            return fc_fail(err, ENOMEM, "out of memory");
        }
        take_date(ret);
        return 0;
    }
    return fc_inquiry_none(q, NULL, err);
}

/* @where is "latest" or a version; the folder and file are those of a container, of the minimal one on request. */
static int ask(struct fc_inquiry *q, const char *where, bool minimal, struct fc_catalogue_answer *ret,
               struct fc_error *err)
{
    const char *stem = minimal ? "al2023-container-minimal" : "al2023-container";
    struct fc_buf text = {0};
    char folder[64];
    int r;

    snprintf(folder, sizeof(folder), "%s%s", stem + strlen("al2023-"), strcmp(q->arch, "arm64") == 0 ? "-arm64" : "");
    r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/%s/%s/SHA256SUMS", where, folder);
    if (r == 0)
        r = take(q, &text, folder, stem, ret, err);
    fc_buf_release(&text);
    return r == -ENOENT && !fc_fetcher_offline(q->f) ? fc_inquiry_none(q, NULL, err) : r;
}

static int resolve(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    size_t len = strlen(q->version);
    bool minimal = len > 8 && strcmp(q->version + len - 8, "-minimal") == 0;
    char version[64];

    snprintf(version, sizeof(version), "%.*s", (int)(minimal ? len - 8 : len), q->version);
    if (!*version || strcmp(version, "2023") == 0)
        strcpy(version, "latest");
    return ask(q, version, minimal, ret, err);
}

/* The servers list no folders: there is the latest, and who knows an earlier one can name it. */
static int list(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err)
{
    int r = 0;

    for (unsigned minimal = 0; minimal < 2 && r == 0; minimal++) {
        __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};

        r = ask(q, "latest", minimal, &answer, err);
        if (r == -ENOENT)
            r = 0;
        else if (r == 0 &&
                 fc_releases_add(ret, minimal ? "2023-minimal" : "2023", answer.version, answer.date, answer.url) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    return r < 0 ? r : fc_releases_ask(q, ret, err);
}

const struct fc_distro fc_distro_amazonlinux = {
    .name = "amazonlinux",
    .about = "Amazon Linux 2023, as in its container image: 2023, 2023-minimal, 2023.9.20251117.0",
    .arch = archs,
    .resolve = resolve,
    .list = list,
};

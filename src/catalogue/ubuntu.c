/* SPDX-License-Identifier: Apache-2.0 */
/* Ubuntu: the base root file system, or with "-cloud" that of the cloud image, by signed SHA256SUMS. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/distro.h"

#define BASE "https://cdimage.ubuntu.com/ubuntu-base/releases"
#define CLOUD "https://cloud-images.ubuntu.com/releases"

static const struct fc_distro_arch archs[] = {
    {"amd64", "x86_64"},    {"arm64", "aarch64"}, {"armhf", "armv7"}, {"ppc64el", "ppc64le"},
    {"riscv64", "riscv64"}, {"s390x", "s390x"},   {"i386", "i386"},   {NULL, NULL},
};

/* The highest file of the form PREFIX VERSION SUFFIX in a checksum file, or that of @exact. Returns whether there is one. */
static bool choose(const char *sums, const char *prefix, const char *suffix, const char *exact,
                   struct fc_catalogue_answer *ret, char ret_name[256])
{
    char name[256], version[256], best[256] = "";
    struct fc_sum sum;

    while (fc_sums_next(&sums, &sum, name)) {
        size_t n = strlen(name), head = strlen(prefix), tail = strlen(suffix);

        if (n <= head + tail || strncmp(name, prefix, head) != 0 || strcmp(name + n - tail, suffix) != 0)
            continue;
        snprintf(version, sizeof(version), "%.*s", (int)(n - head - tail), name + head);
        if (strchr(name, '/') || (exact ? strcmp(version, exact) != 0 : *best && strverscmp(version, best) <= 0))
            continue;
        strcpy(best, version);
        strcpy(ret_name, name);
        ret->sum = sum;
    }
    if (!*best)
        return false;
    free(ret->version);
    ret->version = strdup(best);
    return true;
}

/* Take the series and the point release apart: 24.04.1 is of 24.04. */
static void series_of(const char *version, char ret[64], const char **ret_exact)
{
    const char *second = strchr(version, '.');

    snprintf(ret, 64, "%s", version);
    *ret_exact = NULL;
    if (fc_is_version(version, 2)) {
        snprintf(ret, 64, "%.*s", (int)(second + 1 - version) + (int)strcspn(second + 1, "."), version);
        *ret_exact = version;
    }
}

/* Ask one folder. Returns 0, or -errno with words: -ENOENT when it is not there, -ENODATA when it lacks the architecture. */
static int ask(struct fc_inquiry *q, const char *folder, const char *prefix, const char *suffix, const char *exact,
               struct fc_catalogue_answer *ret, struct fc_error *err)
{
    fc_auto(fc_free) char *signature = NULL;
    struct fc_digest digest;
    struct fc_buf text = {0};
    char name[256];
    int r = fc_inquiry_get(q, &text, NULL, &digest, err, "%s/SHA256SUMS", folder);

    if (r == 0 && asprintf(&signature, "%s/SHA256SUMS.gpg", folder) < 0) {
        signature = NULL;
        r = fc_fail(err, ENOMEM, "out of memory");
    }
    if (r == 0)
        r = fc_inquiry_check(q, &digest, signature, &ret->signer, err);
    if (r == 0 && !choose(text.data, prefix, suffix, exact, ret, name))
        r = fc_fail(err, ENODATA, "there is ubuntu %s, but none for %s", q->version, q->arch);
    fc_buf_release(&text);
    if (r == 0 && (!ret->version || asprintf(&ret->url, "%s/%s", folder, name) < 0)) {
        ret->url = NULL;
        r = fc_fail(err, ENOMEM, "out of memory");
    }
    return r;
}

static int ask_base(struct fc_inquiry *q, const char *version, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    char series[64], folder[200], suffix[64];
    const char *exact;

    series_of(version, series, &exact);
    snprintf(folder, sizeof(folder), BASE "/%s/release", series);
    snprintf(suffix, sizeof(suffix), "-base-%s.tar.gz", q->arch);
    return ask(q, folder, "ubuntu-base-", suffix, exact, ret, err);
}

static int ask_cloud(struct fc_inquiry *q, const char *version, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    char folder[200], suffix[80];

    snprintf(folder, sizeof(folder), CLOUD "/%.64s/release", version);
    snprintf(suffix, sizeof(suffix), "-server-cloudimg-%s-root.tar.xz", q->arch);
    return ask(q, folder, "ubuntu-", suffix, NULL, ret, err);
}

/* Releases there are, as " 22.04 24.04". */
static int releases(struct fc_inquiry *q, struct fc_buf *ret, struct fc_error *err)
{
    struct fc_buf text = {0};
    char name[256];
    int r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/");

    for (const char *at = text.data ? text.data : ""; r == 0 && fc_listing_next(&at, name);) {
        name[strcspn(name, "/")] = '\0';
        if (fc_is_version(name, 1) && strlen(name) == 5)
            r = fc_buf_addf(ret, " %s", name);
    }
    fc_buf_release(&text);
    return r;
}

/* "latest" is the last one with long support: April of an even year. */
static int latest(struct fc_inquiry *q, char ret[64], struct fc_error *err)
{
    struct fc_buf all = {0};
    char name[64];
    int used, r = releases(q, &all, err);

    ret[0] = '\0';
    for (const char *p = all.data; r == 0 && p && sscanf(p, " %63s%n", name, &used) == 1; p += used)
        if (strtoul(name, NULL, 10) % 2 == 0 && strcmp(name + 2, ".04") == 0 && (!*ret || strverscmp(name, ret) > 0))
            strcpy(ret, name);
    fc_buf_release(&all);
    return r == 0 && !*ret ? fc_inquiry_none(q, NULL, err) : r;
}

static int resolve(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    struct fc_buf there = {0};
    char version[64];
    char *cloud;
    int r = 0;

    snprintf(version, sizeof(version), "%s", q->version);
    cloud = strstr(version, "-cloud");
    if (cloud && !cloud[6])
        *cloud = '\0';
    else
        cloud = NULL;
    if (!*version || strcmp(version, "latest") == 0)
        r = latest(q, version, err);
    if (r == 0)
        r = cloud ? ask_cloud(q, version, ret, err) : ask_base(q, version, ret, err);
    if (r == -ENOENT && !cloud && !fc_fetcher_offline(q->f) && releases(q, &there, NULL) == 0)
        r = fc_inquiry_none(q, &there, err);
    fc_buf_release(&there);
    return r == -ENODATA ? -ENOENT : r;
}

static int list(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err)
{
    struct fc_buf all = {0};
    char name[64];
    int used, r = releases(q, &all, err);

    for (const char *p = all.data; r == 0 && p && sscanf(p, " %63s%n", name, &used) == 1; p += used) {
        __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};

        r = ask_base(q, name, &answer, err);
        if (r == -ENOENT || r == -ENODATA)
            r = 0;
        else if (r == 0 && fc_releases_add(ret, name, answer.version, NULL, answer.url) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
    }
    fc_buf_release(&all);
    return r < 0 ? r : fc_releases_ask(q, ret, err);
}

static const char *const keyrings[] = {"/usr/share/keyrings/ubuntu-archive-keyring.gpg",
                                       "/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg", NULL};

const struct fc_distro fc_distro_ubuntu = {
    .name = "ubuntu",
    .about = "Ubuntu Base: 24.04, 24.04.1, noble, latest; 24.04-cloud: the root file system of the cloud image",
    .signers = "843938DF228D22F7B3742BC0D94AA3F0EFE21092, of cloud images D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81",
    .keyrings = keyrings,
    .arch = archs,
    .resolve = resolve,
    .list = list,
};

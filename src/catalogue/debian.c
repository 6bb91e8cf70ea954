/* SPDX-License-Identifier: Apache-2.0 */
/* Debian: the root file systems of debuerreotype, by the OCI indexes of its repository of artifacts. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/distro.h"
#include "yaml/yaml.h"

#define RAW "https://raw.githubusercontent.com/debuerreotype/docker-debian-artifacts"
#define API "https://api.github.com/repos/debuerreotype/docker-debian-artifacts/contents/"

/* One branch for each, called dist- and this. */
static const struct fc_distro_arch archs[] = {
    {"amd64", "x86_64"},    {"arm64v8", "aarch64"}, {"arm32v7", "armv7"}, {"arm32v5", "armv5"},     {"i386", "i386"},
    {"ppc64le", "ppc64le"}, {"riscv64", "riscv64"}, {"s390x", "s390x"},   {"mips64le", "mips64le"}, {NULL, NULL},
};

static const char *const suites[][2] = {
    {"latest", "stable"}, {"8", "jessie"},    {"9", "stretch"}, {"10", "buster"},
    {"11", "bullseye"},   {"12", "bookworm"}, {"13", "trixie"}, {"14", "forky"},
};

/* The folder of @version: a suite, and below it "slim". */
static void folder_of(const char *version, char ret[80])
{
    size_t len = strlen(version);
    bool slim = len > 5 && strcmp(version + len - 5, "-slim") == 0;
    char suite[64];

    snprintf(suite, sizeof(suite), "%.*s", (int)(slim ? len - 5 : len), version);
    if (!*suite)
        strcpy(suite, "stable");
    for (size_t i = 0; i < FC_LENGTH(suites); i++)
        if (strcmp(suite, suites[i][0]) == 0)
            strcpy(suite, suites[i][1]);
    snprintf(ret, 80, "%s%s", suite, slim ? "/slim" : "");
}

/* Digest, size and date of a document's descriptor. */
static int descriptor(struct fc_yaml *y, int node, const char *what, struct fc_sum *ret_sum, uint64_t *ret_size,
                      struct fc_error *err)
{
    const char *digest = fc_yaml_get_text(y, node, "digest"), *size = fc_yaml_get_text(y, node, "size");

    if (!digest || !size || fc_sum_parse(digest, ret_sum) < 0)
        return fc_fail(err, EBADMSG, "debian: %s lacks a digest or a size", what);
    *ret_size = strtoull(size, NULL, 10);
    return 0;
}

/* JSON is YAML. */
static int first_of(const struct fc_buf *text, const char *list, const char *what, struct fc_sum *ret_sum,
                    uint64_t *ret_size, struct fc_error *err)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    int r = fc_yaml_parse(text->data, text->len, what, &y, err);

    return r < 0 ? r
                 : descriptor(y, fc_yaml_item(y, fc_yaml_get(y, fc_yaml_root(y), list), 0, NULL), what, ret_sum,
                              ret_size, err);
}

/* The day on which it was made, from the image's configuration. What is not there is not said. */
static void take_date(struct fc_inquiry *q, const char *folder, struct fc_catalogue_answer *ret)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    struct fc_buf text = {0};
    const char *created = NULL;

    if (fc_inquiry_get(q, &text, NULL, NULL, NULL, RAW "/dist-%s/%s/oci/blobs/image-config.json", q->arch, folder) ==
            0 &&
        fc_yaml_parse(text.data, text.len, "image-config.json", &y, NULL) == 0)
        created = fc_yaml_get_text(y, fc_yaml_root(y), "created");
    ret->date = created ? strndup(created, 10) : NULL;
    fc_buf_release(&text);
}

static int ask(struct fc_inquiry *q, const char *folder, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    struct fc_buf text = {0};
    struct fc_sum manifest;
    uint64_t size;
    int r = fc_inquiry_get(q, &text, NULL, NULL, err, RAW "/dist-%s/%s/oci/index.json", q->arch, folder);

    if (r == 0)
        r = first_of(&text, "manifests", "index.json", &manifest, &size, err);
    if (r == 0)
        r = fc_inquiry_get(q, &text, &manifest, NULL, err, RAW "/dist-%s/%s/oci/blobs/image-manifest.json", q->arch,
                           folder);
    if (r == 0)
        r = first_of(&text, "layers", "image-manifest.json", &ret->sum, &ret->size, err);
    fc_buf_release(&text);
    if (r < 0)
        return r;
    ret->have_size = true;
    take_date(q, folder, ret);
    if (asprintf(&ret->url, RAW "/dist-%s/%s/oci/blobs/rootfs.tar.gz", q->arch, folder) < 0) {
        ret->url = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

static int resolve(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    char folder[80];
    int r;

    folder_of(q->version, folder);
    r = ask(q, folder, ret, err);
    if (r == -ENOENT && !fc_fetcher_offline(q->f))
        return fc_inquiry_none(q, NULL, err);
    if (r < 0)
        return r;
    folder[strcspn(folder, "/")] = strchr(folder, '/') ? '-' : '\0';
    if (asprintf(&ret->version, "%s%s%s", folder, ret->date ? " of " : "", ret->date ? ret->date : "") < 0) {
        ret->version = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

/* A folder of the branch that may be a suite; those that are none have no index. */
static int add_suite(struct fc_inquiry *q, struct fc_releases *ret, const char *suite, struct fc_error *err)
{
    __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};
    const char *version = suite;
    int r = ask(q, suite, &answer, err);

    if (r < 0)
        return r == -ENOENT ? 0 : r;
    for (size_t i = 1; i < FC_LENGTH(suites); i++)
        if (strcmp(suite, suites[i][1]) == 0)
            version = suites[i][0];
    if (fc_releases_add(ret, version, suite, answer.date, NULL) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    ret->list[ret->n - 1].have_size = true;
    ret->list[ret->n - 1].size = answer.size;
    return 0;
}

static int list(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    struct fc_buf text = {0};
    int node, r = fc_inquiry_get(q, &text, NULL, NULL, err, API "?ref=dist-%s", q->arch);

    if (r == 0)
        r = fc_yaml_parse(text.data, text.len, "debian: list of suites", &y, err);
    fc_buf_release(&text);
    for (size_t i = 0; r == 0 && (node = fc_yaml_item(y, fc_yaml_root(y), i, NULL)) != 0; i++) {
        const char *type = fc_yaml_get_text(y, node, "type"), *name = fc_yaml_get_text(y, node, "name");

        if (type && name && strcmp(type, "dir") == 0 && strspn(name, "abcdefghijklmnopqrstuvwxyz-") == strlen(name))
            r = add_suite(q, ret, name, err);
    }
    return r;
}

const struct fc_distro fc_distro_debian = {
    .name = "debian",
    .about = "Debian, as in its container image: 12, bookworm, stable, sid; 12-slim",
    .arch = archs,
    .resolve = resolve,
    .list = list,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Alpine Linux: the mini root file system of a branch, by its latest-releases.yaml; the file itself is signed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "catalogue/distro.h"
#include "yaml/yaml.h"

#define BASE "https://dl-cdn.alpinelinux.org/alpine"

static const struct fc_distro_arch archs[] = {
    {"x86_64", "x86_64"}, {"aarch64", "aarch64"}, {"x86", "i386"},
    {"armhf", "armv6"},   {"armv7", "armv7"},     {"ppc64le", "ppc64le"},
    {"s390x", "s390x"},   {"riscv64", "riscv64"}, {"loongarch64", "loongarch64"},
    {NULL, NULL},
};

/* The folder that has @version: v3.20 for 3.20 and 3.20.3. */
static void branch_of(const char *version, char ret[80])
{
    const char *second;

    version += version[0] == 'v';
    if (!*version || strcmp(version, "latest") == 0)
        version = "latest-stable";
    if (!fc_is_version(version, 1) && !fc_is_version(version, 2)) {
        snprintf(ret, 80, "%.64s", version);
        return;
    }
    second = strchr(version, '.') + 1;
    snprintf(ret, 80, "v%.*s", (int)(second - version) + (int)strcspn(second, "."), version);
}

/* The entry of the mini root file system, by its flavor: descriptions of others may look like anything. */
static int find_entry(struct fc_yaml *y)
{
    int root = fc_yaml_root(y), node;

    for (size_t i = 0; (node = fc_yaml_item(y, root, i, NULL)) != 0; i++) {
        const char *flavor = fc_yaml_get_text(y, node, "flavor");

        if (flavor && strcmp(flavor, "alpine-minirootfs") == 0)
            return node;
    }
    return 0;
}

static int take_entry(struct fc_yaml *y, int node, const char *branch, const char *arch,
                      struct fc_catalogue_answer *ret, struct fc_error *err)
{
    const char *file = fc_yaml_get_text(y, node, "file"), *version = fc_yaml_get_text(y, node, "version");
    const char *sha256 = fc_yaml_get_text(y, node, "sha256"), *date = fc_yaml_get_text(y, node, "date");
    const char *size = fc_yaml_get_text(y, node, "size");

    if (!file || !version || !sha256 || strchr(file, '/') || fc_sum_parse(sha256, &ret->sum) < 0)
        return fc_fail(err, EBADMSG, "alpine: latest-releases.yaml of %s lacks what it should say (line %u)", branch,
                       fc_yaml_line(y, node));
    if (size) {
        ret->size = strtoull(size, NULL, 10);
        ret->have_size = true;
    }
    ret->version = strdup(version);
    ret->date = date ? strdup(date) : NULL;
    if (!ret->version || asprintf(&ret->url, BASE "/%s/releases/%s/%s", branch, arch, file) < 0) {
        ret->url = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

/* What the index of @branch says. Returns 0, -ENOENT when there is none or it lacks the file, or -errno with words. */
static int ask_branch(struct fc_inquiry *q, const char *branch, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    struct fc_buf text = {0};
    int node,
        r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/%s/releases/%s/latest-releases.yaml", branch, q->arch);

    if (r == 0)
        r = fc_yaml_parse(text.data, text.len, "alpine: latest-releases.yaml", &y, err);
    fc_buf_release(&text);
    if (r < 0)
        return r;
    node = find_entry(y);
    return node ? take_entry(y, node, branch, q->arch, ret, err) : fc_inquiry_none(q, NULL, err);
}

/* An earlier point release: the index knows it no more, its checksum file is still beside it. */
static int ask_earlier(struct fc_inquiry *q, const char *branch, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    const char *version = q->version + (q->version[0] == 'v');
    struct fc_buf text = {0};
    char file[160], name[256];
    const char *at;
    int r;

    snprintf(file, sizeof(file), "alpine-minirootfs-%.64s-%s.tar.gz", version, q->arch);
    r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/%s/releases/%s/%s.sha256", branch, q->arch, file);
    at = text.data ? text.data : "";
    if (r == 0 && (!fc_sums_next(&at, &ret->sum, name) || strcmp(name, file) != 0))
        r = fc_fail(err, EBADMSG, "alpine: %s.sha256 does not say the digest of it", file);
    fc_buf_release(&text);
    if (r < 0)
        return r == -ENOENT && !fc_fetcher_offline(q->f) ? fc_inquiry_none(q, NULL, err) : r;
    free(ret->url);
    free(ret->version);
    free(ret->date);
    ret->date = NULL;
    ret->have_size = false;
    ret->version = strdup(version);
    if (!ret->version || asprintf(&ret->url, BASE "/%s/releases/%s/%s", branch, q->arch, file) < 0) {
        ret->url = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    return 0;
}

/* Branches there are, as " 3.19 3.20 edge". */
static int branches(struct fc_inquiry *q, struct fc_buf *ret, struct fc_error *err)
{
    struct fc_buf text = {0};
    char name[256];
    const char *at;
    int r = fc_inquiry_get(q, &text, NULL, NULL, err, BASE "/");

    for (at = text.data ? text.data : ""; r == 0 && fc_listing_next(&at, name);) {
        size_t n = strlen(name);

        if (name[n - 1] != '/')
            continue;
        name[n - 1] = '\0';
        if ((name[0] == 'v' && fc_is_version(name + 1, 1)) || strcmp(name, "edge") == 0)
            r = fc_buf_addf(ret, " %s", name + (name[0] == 'v'));
    }
    fc_buf_release(&text);
    return r;
}

static int resolve(struct fc_inquiry *q, struct fc_catalogue_answer *ret, struct fc_error *err)
{
    struct fc_buf there = {0};
    char branch[80];
    int r;

    branch_of(q->version, branch);
    r = ask_branch(q, branch, ret, err);
    if (r == -ENOENT && !fc_fetcher_offline(q->f) && branches(q, &there, NULL) == 0)
        r = fc_inquiry_none(q, &there, err);
    fc_buf_release(&there);
    if (r == 0 && fc_is_version(q->version + (q->version[0] == 'v'), 2) &&
        strcmp(q->version + (q->version[0] == 'v'), ret->version) != 0)
        r = ask_earlier(q, branch, ret, err);
    if (r == 0 && asprintf(&ret->signature, "%s.asc", ret->url) < 0) {
        ret->signature = NULL;
        r = fc_fail(err, ENOMEM, "out of memory");
    }
    return r;
}

/* Begin to fetch the indexes of all branches, so that they come at once. */
static void begin_all(struct fc_inquiry *q, const char *names, struct fc_fetch **list, size_t max)
{
    char branch[80], url[256];
    int used;

    for (size_t n = 0; n < max && sscanf(names, " %63s%n", branch, &used) == 1; n++, names += used) {
        char folder[80];
        struct fc_fetch_want want = {.request = {.url = url, .max_bytes = 16u << 20}, .stale_ok = true};

        branch_of(branch, folder);
        snprintf(url, sizeof(url), BASE "/%s/releases/%s/latest-releases.yaml", folder, q->arch);
        (void)fc_fetch_start(q->f, &want, &list[n], NULL);
    }
}

static int list(struct fc_inquiry *q, struct fc_releases *ret, struct fc_error *err)
{
    struct fc_fetch *ahead[64] = {0};
    struct fc_buf names = {0};
    char name[64], branch[80];
    int used, r = branches(q, &names, err);

    begin_all(q, r == 0 && names.data ? names.data : "", ahead, FC_LENGTH(ahead));
    for (const char *p = names.data; r == 0 && p && sscanf(p, " %63s%n", name, &used) == 1; p += used) {
        __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};

        branch_of(name, branch);
        r = ask_branch(q, branch, &answer, err);
        if (r == -ENOENT) { /* a branch from before this architecture or this index */
            r = 0;
            continue;
        }
        if (r == 0 && fc_releases_add(ret, name, answer.version, answer.date, NULL) < 0)
            r = fc_fail(err, ENOMEM, "out of memory");
        if (r == 0) {
            ret->list[ret->n - 1].have_size = answer.have_size;
            ret->list[ret->n - 1].size = answer.size;
        }
    }
    for (size_t i = 0; i < FC_LENGTH(ahead); i++)
        fc_fetch_free(ahead[i]);
    fc_buf_release(&names);
    return r;
}

static const char *const keyrings[] = {"/usr/share/keyrings/alpine-archive-keyring.gpg", NULL};

const struct fc_distro fc_distro_alpine = {
    .name = "alpine",
    .about = "Alpine Linux, mini root file system: 3.20, 3.20.3, latest, edge",
    .signers = "0482D84022F52DF1C4E7CD43293ACD0907D9495A",
    .keyrings = keyrings,
    .arch = archs,
    .resolve = resolve,
    .list = list,
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Take a name apart, ask its distribution, check what is signed. */
#include "catalogue/catalogue.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/arch.h"
#include "base/log.h"
#include "base/path.h"
#include "catalogue/distro.h"
#include "fetch/signature.h"

/* A name taken apart. */
struct parts {
    const struct fc_distro *distro;
    char version[64], arch[32];
};

static bool is_word(const char *text)
{
    return strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == strlen(text) &&
           *text != '.' && !strstr(text, "..");
}

static bool take_apart(const char *text, struct parts *ret)
{
    const char *colon = strchr(text, ':'), *slash = strchr(text, '/');
    size_t len = strcspn(text, ":/");

    *ret = (struct parts){0};
    for (size_t i = 0; fc_distros[i]; i++)
        if (strlen(fc_distros[i]->name) == len && strncmp(fc_distros[i]->name, text, len) == 0)
            ret->distro = fc_distros[i];
    if (!ret->distro || (slash && colon > slash) || (!colon && slash))
        return false;
    if (slash && (!slash[1] || strlen(slash + 1) >= sizeof(ret->arch) || !is_word(slash + 1)))
        return false;
    if (slash)
        strcpy(ret->arch, slash + 1);
    if (!colon)
        return true;
    len = slash ? (size_t)(slash - colon - 1) : strlen(colon + 1);
    if (len == 0 || len >= sizeof(ret->version))
        return false;
    memcpy(ret->version, colon + 1, len);
    return is_word(ret->version);
}

bool fc_catalogue_knows(const char *text)
{
    struct parts parts;

    /* Without a colon it would rather be a file that is not there. */
    return strchr(text, ':') && take_apart(text, &parts);
}

const char *const *fc_catalogue_names(const char *const **ret_abouts)
{
    static const char *names[16], *abouts[16];

    for (size_t i = 0; fc_distros[i] && i + 1 < FC_LENGTH(names); i++) {
        names[i] = fc_distros[i]->name;
        abouts[i] = fc_distros[i]->about;
    }
    *ret_abouts = abouts;
    return names;
}

/* Its own name of the architecture @text: exactly so, or one that means the same. */
static int choose_arch(const struct fc_distro *d, const char *text, struct fc_inquiry *q, struct fc_error *err)
{
    const struct fc_arch *known = fc_arch_find(text);
    const char *machine = known ? known->machine : NULL;
    struct fc_buf all = {0};
    int r;

    for (unsigned round = 0; round < 2; round++) {
        for (const struct fc_distro_arch *a = d->arch; a->own; a++) {
            if (round ? !machine || strcmp(a->machine, machine) != 0 : strcmp(a->own, text) != 0)
                continue;
            q->arch = a->own;
            q->machine = a->machine;
            return 0;
        }
    }
    for (const struct fc_distro_arch *a = d->arch; a->own; a++)
        fc_buf_addf(&all, " %s", a->own);
    r = fc_fail(err, ENOENT, "%s is not made for the architecture %s: only for%s", d->name, text,
                all.data ? all.data : "");
    fc_buf_release(&all);
    return r;
}

static int begin(struct fc_fetcher *f, const struct parts *parts, const struct fc_catalogue_options *options,
                 struct fc_inquiry *q, struct fc_error *err)
{
    const char *arch = *parts->arch ? parts->arch : options->arch ? options->arch : fc_arch_host();

    *q = (struct fc_inquiry){.f = f, .options = options, .distro = parts->distro, .version = parts->version};
    return choose_arch(parts->distro, arch, q, err);
}

int fc_catalogue_resolve(struct fc_fetcher *f, const char *text, const struct fc_catalogue_options *options,
                         struct fc_catalogue_answer *ret, struct fc_error *err)
{
    static const struct fc_catalogue_options defaults;
    __attribute__((cleanup(fc_catalogue_answer_release_auto))) struct fc_catalogue_answer answer = {0};
    struct fc_inquiry q;
    struct parts parts;
    char shown[160];
    int r;

    if (!take_apart(text, &parts))
        return fc_fail(
            err, EINVAL,
            "%s: expected NAME:VERSION or NAME:VERSION/ARCH of a distribution (fccompose ls-remote lists them)",
            fc_name_show(shown, sizeof(shown), text, strlen(text)));
    options = options ? options : &defaults;
    r = begin(f, &parts, options, &q, err);
    if (r == 0 && !parts.distro->signers && options->require_signature)
        r = fc_fail(err, EKEYREJECTED, "%s signs nothing that could be checked, and --require-signature is given",
                    text);
    if (r == 0)
        r = parts.distro->resolve(&q, &answer, err);
    if (r < 0)
        return r;
    answer.distro = parts.distro;
    if (asprintf(&answer.name, "%s %s %s", parts.distro->name, answer.version, q.machine) < 0) {
        answer.name = NULL;
        return fc_fail(err, ENOMEM, "out of memory");
    }
    *ret = answer;
    answer = (struct fc_catalogue_answer){0};
    return 0;
}

void fc_catalogue_answer_release(struct fc_catalogue_answer *a)
{
    free(a->name);
    free(a->url);
    free(a->version);
    free(a->date);
    free(a->signature);
    free(a->signer);
    *a = (struct fc_catalogue_answer){0};
}

/* It cannot be checked: warn, or refuse. */
static int unchecked(const struct fc_catalogue_options *o, const struct fc_distro *d, const char *what, const char *why,
                     struct fc_error *err)
{
    if (o->require_signature)
        return fc_fail(err, EKEYREJECTED, "%s: its signature cannot be checked: %s (key %s)", what, why, d->signers);
    fc_log(FC_LOG_WARN, "%s: its signature was not checked: %s (key %s)", what, why, d->signers);
    return 0;
}

/* Check the blob @data against the signature at @url. */
static int check(struct fc_fetcher *f, const struct fc_distro *d, const struct fc_catalogue_options *o,
                 const struct fc_digest *data, const char *url, const char *what, char **ret_signer,
                 struct fc_error *err)
{
    struct fc_fetch_want want = {.request = {.url = url}, .stale_ok = true};
    __attribute__((cleanup(fc_keyrings_release_auto))) struct fc_keyrings keys = {0};
    fc_auto(fc_free) char *signature_path = NULL;
    fc_auto(fc_free) char *data_path = fc_fetch_blob_path(f, data);
    struct fc_fetch_info info;
    struct fc_buf text = {0};
    char why[200];
    int r = fc_keyrings_find(d->name, d->keyrings, &keys);

    if (r < 0 || !data_path)
        return fc_fail(err, ENOMEM, "out of memory");
    if (keys.n == 0) {
        snprintf(why, sizeof(why),
                 "there is no keyring: put it into fccompose/keys/%s.gpg or .asc of the configuration folder", d->name);
        return unchecked(o, d, what, why, err);
    }
    r = fc_fetch_document(f, &want, 1u << 20, &text, &info, err);
    fc_buf_release(&text);
    if (r == -ENOENT)
        return fc_fail(err, EKEYREJECTED, "%s: there is a keyring, but no signature to check: %.300s", what,
                       err ? err->msg : "");
    if (r < 0)
        return r;
    signature_path = fc_fetch_blob_path(f, &info.digest);
    if (!signature_path)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_signature_check(&keys, signature_path, data_path, what, ret_signer, err);
    return r == -ENOENT ? unchecked(o, d, what, "neither sqv nor gpgv is installed", err) : r;
}

int fc_inquiry_check(struct fc_inquiry *q, const struct fc_digest *digest, const char *url, char **ret_signer,
                     struct fc_error *err)
{
    char what[128];

    snprintf(what, sizeof(what), "%s%s%s", q->distro->name, *q->version ? ":" : "", q->version);
    *ret_signer = NULL;
    return check(q->f, q->distro, q->options, digest, url, what, ret_signer, err);
}

int fc_catalogue_check_file(struct fc_fetcher *f, const struct fc_catalogue_answer *answer,
                            const struct fc_catalogue_options *options, struct fc_fetch *t, struct fc_error *err)
{
    __attribute__((cleanup(fc_keyrings_release_auto))) struct fc_keyrings keys = {0};
    fc_auto(fc_free) char *signer = NULL;
    struct fc_fetch_info info = {0};
    int r = answer->signature ? fc_keyrings_find(answer->distro->name, answer->distro->keyrings, &keys) : 0;
    int fd;

    if (!answer->signature)
        return 0;
    /* Without a key there is nothing to wait for. */
    if (r == 0 && keys.n) {
        fd = fc_fetch_open(t, err);
        if (fd < 0)
            return fd;
        close(fd);
        fc_fetch_info(t, &info);
    }
    return check(f, answer->distro, options, &info.digest, answer->signature, answer->name, &signer, err);
}

int fc_catalogue_list(struct fc_fetcher *f, const char *name, const struct fc_catalogue_options *options,
                      int (*fn)(void *arg, const struct fc_catalogue_release *release), void *arg, struct fc_error *err)
{
    static const struct fc_catalogue_options defaults;
    struct fc_releases list = {0};
    struct fc_inquiry q;
    struct parts parts;
    char shown[160];
    int r;

    if (!take_apart(name, &parts) || *parts.version)
        return fc_fail(err, EINVAL, "%s is no distribution (fccompose ls-remote lists them)",
                       fc_name_show(shown, sizeof(shown), name, strlen(name)));
    r = begin(f, &parts, options ? options : &defaults, &q, err);
    if (r == 0)
        r = parts.distro->list(&q, &list, err);
    fc_releases_sort(&list);
    for (size_t i = 0; i < list.n && r == 0; i++) {
        const struct fc_release *l = &list.list[i];

        r = fn(arg, &(struct fc_catalogue_release){l->version, l->full, l->date, l->have_size, l->size});
    }
    fc_releases_release(&list);
    return r;
}

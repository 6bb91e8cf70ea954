/* SPDX-License-Identifier: Apache-2.0 */
/* Merge a base configuration, fragments and single options, in this order. */
#include "kernel/merge.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kernel/fragment.h"
#include "kernel/preset.h"

void fc_merged_release(struct fc_merged *m)
{
    fc_kconfig_free(m->config);
    free(m->base);
    *m = (struct fc_merged){0};
}

/* Which of Firecracker's configurations fits. */
static const struct fc_guest_config *choose(const struct fc_merge_request *q, struct fc_error *err)
{
    const struct fc_kernel_preset *p = q->version ? fc_kernel_preset_find(q->version) : NULL;
    const struct fc_guest_config *g;
    unsigned major = 0, minor = 0;

    if (!p && q->version && sscanf(q->version + (*q->version == 'v'), "%u.%u", &major, &minor) == 2)
        p = fc_kernel_preset_near(major, minor);
    if (!p) {
        fc_fail(err, EINVAL, "which of Firecracker's configurations? Give a version (6.1), or --config FILE");
        return NULL;
    }
    g = fc_guest_config_find(p->name, q->arch);
    if (!g)
        fc_fail(err, ENOENT,
                "Firecracker has no configuration %s for %s: give one with --config FILE, or --config minimal", p->name,
                q->arch);
    return g;
}

static int add_firecracker(struct fc_fetcher *f, const struct fc_merge_request *q, struct fc_merged *m,
                           struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const struct fc_guest_config *g = choose(q, err);
    struct fc_fetch_want want = {.label = g ? g->name : NULL};
    fc_auto(fc_free) char *url = NULL;
    int r;

    if (!g)
        return err ? -err->code : -EINVAL;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    r = asprintf(&url, fc_guest_config_url, fc_guest_config_commit, g->name);
#pragma GCC diagnostic pop
    m->base = strdup(g->name);
    if (r < 0 || !m->base)
        return url = r < 0 ? NULL : url, fc_fail(err, ENOMEM, "out of memory");
    want.request.url = url;
    fc_sum_parse(g->sha256, &want.sum);
    r = fc_fetch_document(f, &want, 4u << 20, &text, NULL, err);
    if (r < 0)
        return r;
    return fc_kconfig_add(m->config, text.data ? text.data : "", text.len, g->name,
                          &(struct fc_kconfig_add){.base = true}, err);
}

static int add_base(struct fc_fetcher *f, const struct fc_merge_request *q, struct fc_merged *m, struct fc_error *err)
{
    static const struct fc_kconfig_add as_base = {.base = true};

    if (!q->config || strcmp(q->config, "firecracker") == 0)
        return add_firecracker(f, q, m, err);
    m->base = strdup(q->config);
    if (!m->base)
        return fc_fail(err, ENOMEM, "out of memory");
    if (strcmp(q->config, FC_FRAGMENT_MINIMAL) != 0)
        return fc_kconfig_add_file(m->config, q->config, &as_base, err);
    m->minimal = true;
    return fc_fragment_add(m->config, FC_FRAGMENT_MINIMAL, &as_base, err);
}

int fc_merge(struct fc_fetcher *f, const struct fc_merge_request *q, struct fc_merged *ret, struct fc_error *err)
{
    __attribute__((cleanup(fc_merged_release_auto))) struct fc_merged m = {.config = fc_kconfig_new()};
    struct fc_kconfig_add how = {.conflict = q->how.conflict, .arg = q->how.arg};
    int r = m.config ? add_base(f, q, &m, err) : fc_fail(err, ENOMEM, "out of memory");

    for (size_t i = 0; r == 0 && q->fragments && q->fragments[i]; i++)
        r = fc_fragment_add(m.config, q->fragments[i], &how, err);

    for (size_t i = 0; r == 0 && q->sets && q->sets[i]; i++)
        r = fc_kconfig_set_word(m.config, q->sets[i], &how, err);
    if (r < 0)
        return r;
    *ret = m;
    m = (struct fc_merged){0};
    return 0;
}

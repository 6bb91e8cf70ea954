/* SPDX-License-Identifier: Apache-2.0 */
/* Run all rules, and gather what they find. */
#include "check/internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { FINDINGS_MAX = 1000 };

void preflight_fail(struct fc_preflight *c, int code, const char *what)
{
    if (!c->failed)
        c->failed = fc_fail_errno(c->err, code, "check: %s", what);
}

static const char *format(struct fc_preflight *c, const char *fmt, va_list ap) FC_PRINTF(2, 0);

static const char *format(struct fc_preflight *c, const char *fmt, va_list ap)
{
    fc_auto(fc_free) char *text = NULL;
    const char *kept = vasprintf(&text, fmt, ap) < 0 ? NULL : fc_arena_copy(&c->arena, text, strlen(text));

    if (!kept)
        preflight_fail(c, ENOMEM, "findings");
    return kept ? kept : "";
}

const char *preflight_textf(struct fc_preflight *c, const char *fmt, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = format(c, fmt, ap);
    va_end(ap);
    return text;
}

static void add(struct fc_preflight *c, const struct fc_preflight_finding *f)
{
    for (size_t i = 0; i < c->n; i++)
        if (c->findings[i].rule == f->rule && strcmp(c->findings[i].what, f->what) == 0 &&
            strcmp(c->findings[i].path ? c->findings[i].path : "", f->path ? f->path : "") == 0)
            return;
    if (c->n >= FINDINGS_MAX)
        return;
    if (fc_grow(&c->findings, &c->cap, c->n + 1, sizeof(*c->findings)) < 0)
        preflight_fail(c, ENOMEM, "findings");
    else
        c->findings[c->n++] = *f;
}

/* PATH in a fix is the path of the finding. */
static const char *fill(struct fc_preflight *c, const char *fix, const char *path)
{
    const char *at = path ? strstr(fix, "PATH") : NULL;

    /* A fix may be borrowed for the call, as those of fc_kernel_judge() are. */
    return at ? preflight_textf(c, "%.*s%s%s", (int)(at - fix), fix, path, at + 4) : preflight_textf(c, "%s", fix);
}

static void say(struct fc_preflight *c, struct fc_preflight_finding f, const char *fmt, va_list ap) FC_PRINTF(3, 0);

static void say(struct fc_preflight *c, struct fc_preflight_finding f, const char *fmt, va_list ap)
{
    f.what = format(c, fmt, ap);
    f.path = f.path ? preflight_textf(c, "%s", f.path) : NULL;
    f.fix = fill(c, f.fix ? f.fix : fc_preflight_rules[f.rule].fix, f.path);
    if (!c->failed)
        add(c, &f);
}

void preflight_say(struct fc_preflight *c, enum fc_preflight_id rule, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, (struct fc_preflight_finding){.rule = rule, .severity = fc_preflight_rules[rule].severity, .path = path},
        fmt, ap);
    va_end(ap);
}

void preflight_say_as(struct fc_preflight *c, enum fc_preflight_id rule, enum fc_preflight_severity severity,
                      const char *fix, const char *path, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(c, (struct fc_preflight_finding){.rule = rule, .severity = severity, .path = path, .fix = fix}, fmt, ap);
    va_end(ap);
}

static int compare(const void *a, const void *b)
{
    const struct fc_preflight_finding *x = a, *y = b;
    int gx = (int)fc_preflight_rules[x->rule].group, gy = (int)fc_preflight_rules[y->rule].group;
    int c = gx - gy;

    if (c == 0)
        c = (int)y->severity - (int)x->severity;
    if (c == 0)
        c = (int)x->rule - (int)y->rule;
    if (c == 0)
        c = strcmp(x->path ? x->path : "", y->path ? y->path : "");
    return c ? c : strcmp(x->what, y->what);
}

int fc_preflight_run(const struct fc_preflight_input *in, struct fc_preflight **ret_preflight, struct fc_error *err)
{
    static void (*const parts[])(struct fc_preflight * c) = {
        preflight_init,  preflight_console, preflight_tree,   preflight_fstab,
        preflight_login, preflight_image,   preflight_kernel, preflight_cmdline,
    };
    fc_auto(fc_preflight_free) struct fc_preflight *c = calloc(1, sizeof(*c));

    if (!c)
        return fc_fail_errno(err, ENOMEM, "check");
    c->in = in;
    c->s = in->snapshot;
    c->err = err;
    c->arch = in->arch ? in->arch : in->kernel ? in->kernel->arch : NULL;
    if (!c->arch)
        c->arch = preflight_majority(c);
    for (size_t i = 0; i < FC_LENGTH(parts) && !c->failed; i++)
        parts[i](c);
    if (c->failed)
        return c->failed;
    if (c->n)
        qsort(c->findings, c->n, sizeof(*c->findings), compare);
    c->err = NULL;
    *ret_preflight = fc_steal(&c);
    return 0;
}

const struct fc_preflight_finding *fc_preflight_finding(const struct fc_preflight *c, size_t i)
{
    return i < c->n ? &c->findings[i] : NULL;
}

void fc_preflight_free(struct fc_preflight *c)
{
    if (!c)
        return;
    free(c->findings);
    fc_map_release(&c->programs);
    fc_arena_release(&c->arena);
    free(c);
}

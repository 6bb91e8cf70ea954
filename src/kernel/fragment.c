/* SPDX-License-Identifier: Apache-2.0 */
/* The fragments of src/kernel/fragments, and what --fragment and --set name. */
#include "kernel/fragment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The Makefile writes the rows, {"NAME", "TEXT", NULL}, from the folder. */
static const struct fc_fragment fragments[] = {
#include <kernel-fragments.inc>
    {NULL, NULL, NULL},
};

const struct fc_fragment *fc_fragment_at(size_t i) { return i + 1 < FC_LENGTH(fragments) ? &fragments[i] : NULL; }

const struct fc_fragment *fc_fragment_find(const char *name)
{
    for (size_t i = 0; fragments[i].name; i++)
        if (strcmp(fragments[i].name, name) == 0)
            return &fragments[i];
    return NULL;
}

char *fc_fragment_about(const struct fc_fragment *f, char *out, size_t size)
{
    const char *line = strchr(f->text, '\n');

    line = line ? line + 1 : f->text;
    line += strspn(line, "# ");
    snprintf(out, size, "%.*s", (int)strcspn(line, "\n"), line);
    return out;
}

static int no_such(const char *which, struct fc_error *err)
{
    struct fc_buf all __attribute__((cleanup(fc_buf_release_auto))) = {0};

    for (size_t i = 0; fragments[i].name; i++)
        if (strcmp(fragments[i].name, FC_FRAGMENT_MINIMAL) != 0)
            fc_buf_addf(&all, " %s", fragments[i].name);
    return fc_fail(err, ENOENT, "there is no fragment \"%.100s\": there is%s; a file is written with a slash", which,
                   all.data ? all.data : " none");
}

int fc_fragment_add(struct fc_kconfig *c, const char *which, const struct fc_kconfig_add *how, struct fc_error *err)
{
    size_t len = strlen(which);
    const struct fc_fragment *f = fc_fragment_find(which);
    char label[80];

    if (strchr(which, '/') || (len > 7 && strcmp(which + len - 7, ".config") == 0))
        return fc_kconfig_add_file(c, which, how, err);
    if (!f)
        return no_such(which, err);
    snprintf(label, sizeof(label), "fragment %s", f->name);
    return fc_kconfig_add(c, f->text, strlen(f->text), label, how, err);
}

int fc_kconfig_set_word(struct fc_kconfig *c, const char *word, const struct fc_kconfig_add *how, struct fc_error *err)
{
    const char *equals = strchr(word, '='), *name = strncmp(word, "CONFIG_", 7) == 0 ? word + 7 : word;
    fc_auto(fc_free) char *text = NULL;
    bool off = equals && strcmp(equals, "=n") == 0;
    int r;

    if (!equals || equals == name || !equals[1] || strpbrk(word, "\n\r"))
        return fc_fail(err, EINVAL, "--set %.100s: expected CONFIG_NAME=VALUE, such as CONFIG_TUN=y", word);
    if (off)
        r = asprintf(&text, "# CONFIG_%.*s is not set\n", (int)(equals - name), name);
    else
        r = asprintf(&text, "CONFIG_%s\n", name);
    if (r < 0)
        return text = NULL, fc_fail(err, ENOMEM, "out of memory");
    return fc_kconfig_add(c, text, strlen(text), "--set", how, err);
}

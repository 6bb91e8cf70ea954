/* SPDX-License-Identifier: Apache-2.0 */
/* Read a text of a recipe as what it must be. */
#include <regex.h>
#include <string.h>

#include "base/path.h"
#include "compose/scalar.h"

/* Compiled on first use: most recipes use few of them. */
struct patterns {
    struct {
        const struct scalar *of;
        regex_t regex;
    } list[64];
    size_t n;
};

void patterns_free(struct patterns *p)
{
    for (size_t i = 0; p && i < p->n; i++)
        regfree(&p->list[i].regex);
    free(p);
}

static const regex_t *compiled(struct reader *r, const struct scalar *s)
{
    struct patterns *p = r->patterns ? r->patterns : calloc(1, sizeof(*p));

    r->patterns = p;
    for (size_t i = 0; p && i < p->n; i++) {
        if (p->list[i].of == s)
            return &p->list[i].regex;
    }
    if (!p || p->n == FC_LENGTH(p->list) || regcomp(&p->list[p->n].regex, s->pattern, REG_EXTENDED | REG_NOSUB) != 0) {
        r->oom = true;
        return NULL;
    }
    p->list[p->n].of = s;
    return &p->list[p->n++].regex;
}

static bool fits(struct reader *r, const struct scalar *s, const char *text)
{
    const regex_t *regex;

    if (!s->pattern)
        return *text != '\0';
    if (!*s->pattern)
        return true;
    regex = compiled(r, s);
    return regex && regexec(regex, text, 0, NULL, 0) == 0;
}

/* Words for a text that does not fit. Secrets do not stand in recipes, so it may be shown. */
static void complain(struct reader *r, const struct node *n, const char *key, const struct scalar *s, const char *text,
                     const char *words)
{
    char shown[80];

    if (r->oom)
        return;
    fc_name_show(shown, sizeof(shown), text, strlen(text));
    if (words)
        reader_problem(r, n, "%s: %s: %s", key, shown, words);
    else
        reader_problem(r, n, "%s: %s%sexpected %s", key, shown, *shown ? ": " : "", s->expected);
}

char *scalar_read(struct reader *r, const struct node *n, const char *key, const struct scalar *s)
{
    const char *text, *words = NULL;
    size_t size;

    if (n->kind != FC_YAML_TEXT || node_is_null(n)) {
        reader_problem(r, n, "%s: expected %s, not %s", key, s->expected,
                       n->kind == FC_YAML_LIST  ? "a list"
                       : n->kind == FC_YAML_MAP ? "keys and values"
                                                : "nothing (an empty text is written \"\")");
        return NULL;
    }
    text = args_expand(r, n, &size);
    if (!text)
        return NULL;
    if (strlen(text) != size) {
        reader_problem(r, n, "%s: a NUL cannot stand here", key);
        return NULL;
    }
    words = s->refuse ? s->refuse(text) : NULL;
    if (words || !fits(r, s, text)) {
        complain(r, n, key, s, text, words);
        return NULL;
    }
    if (s->convert)
        return s->convert(r, n, text);
    r->oom |= !(text = strdup(text));
    return (char *)(uintptr_t)text;
}

char *scalar_absolute(struct reader *r, const struct node *n, const char *path)
{
    struct fc_buf all = {0};

    while (strncmp(path, "./", 2) == 0 && path[2])
        path += 2 + strspn(path + 2, "/");
    if (*path == '/' ? fc_buf_adds(&all, path) < 0 : fc_buf_addf(&all, "%s/%s", n->source->dir, path) < 0)
        r->oom = true;
    return all.data;
}

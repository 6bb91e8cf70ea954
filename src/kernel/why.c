/* SPDX-License-Identifier: Apache-2.0 */
/* Read what Kconfig files say about one symbol. */
#include "kernel/why.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/io.h"

enum { MAX_DEPTH = 24, MAX_BLOCKS = 64 };

/* An "if", "menu" or "choice" that is open. */
struct block {
    char kind; /* 'i', 'm', 'c' */
    char *depends;
};

/* What is read, and where one is. */
struct reader {
    const char *dir, *srcarch, *name;
    struct fc_why *w;
    struct block blocks[MAX_BLOCKS];
    size_t n_blocks;
    const char *file;
    unsigned line, depth;
    char entry[128]; /* the config that is open; empty: none */
    bool ours;       /* it is the one asked for */
    bool in_head;    /* "depends on" belongs to the innermost block */
    bool failed;
};

void fc_why_release(struct fc_why *w)
{
    fc_buf_release(&w->defined);
    fc_buf_release(&w->depends);
    fc_buf_release(&w->selected);
}

static void add(struct reader *r, struct fc_buf *to, const char *text)
{
    if (fc_buf_addf(to, "%s\n", text) < 0)
        r->failed = true;
}

static const char *word_after(const char *line, const char *keyword)
{
    size_t n = strlen(keyword);

    if (strncmp(line, keyword, n) != 0 || (line[n] && !isspace((unsigned char)line[n])))
        return NULL;
    return line + n + strspn(line + n, " \t");
}

static void push(struct reader *r, char kind, const char *depends)
{
    if (r->n_blocks < MAX_BLOCKS)
        r->blocks[r->n_blocks++] = (struct block){kind, depends ? strdup(depends) : NULL};
}

static void pop(struct reader *r)
{
    if (r->n_blocks)
        free(r->blocks[--r->n_blocks].depends);
}

static void begin_entry(struct reader *r, const char *name)
{
    char place[512];

    snprintf(r->entry, sizeof(r->entry), "%.*s", (int)strcspn(name, " \t"), name);
    r->ours = strcmp(r->entry, r->name) == 0;
    r->in_head = false;
    if (!r->ours)
        return;
    r->w->n_defined++;
    snprintf(place, sizeof(place), "%s:%u", r->file, r->line);
    add(r, &r->w->defined, place);
    for (size_t i = 0; i < r->n_blocks; i++)
        if (r->blocks[i].depends)
            add(r, &r->w->depends, r->blocks[i].depends);
}

/* More "depends on" of a menu: both count. */
static void add_to_block(struct reader *r, const char *expression)
{
    struct block *b = &r->blocks[r->n_blocks - 1];
    char *both = NULL;

    if (!b->depends)
        b->depends = strdup(expression);
    else if (asprintf(&both, "(%s) && (%s)", b->depends, expression) >= 0) {
        free(b->depends);
        b->depends = both;
    }
}

static void read_type(struct reader *r, const char *line)
{
    static const char *const types[] = {"bool", "tristate", "int", "hex", "string", "def_bool", "def_tristate"};
    const char *rest;

    for (size_t i = 0; i < FC_LENGTH(types); i++) {
        rest = word_after(line, types[i]);
        if (!rest)
            continue;
        snprintf(r->w->type, sizeof(r->w->type), "%s", types[i] + (strncmp(types[i], "def_", 4) == 0 ? 4 : 0));
        r->w->prompt |= *rest == '"' || *rest == '\'';
    }
    if (word_after(line, "prompt"))
        r->w->prompt = true;
}

/* "select X if Y" somewhere: of ours? */
static void read_select(struct reader *r, const char *rest)
{
    size_t n = strcspn(rest, " \t");
    char text[600];

    if (n != strlen(r->name) || strncmp(rest, r->name, n) != 0 || !*r->entry)
        return;
    snprintf(text, sizeof(text), "%s%s", r->entry, rest + n);
    add(r, &r->w->selected, text);
}

static void read_file(struct reader *r, const char *path);

/* "$(SRCARCH)" and "$SRCARCH" in a path. */
static void read_source(struct reader *r, const char *rest)
{
    char path[600] = "";
    size_t n = 0;

    for (const char *p = rest + (*rest == '"'); *p && *p != '"' && n + 32 < sizeof(path);) {
        size_t skip = strncmp(p, "$(SRCARCH)", 10) == 0 ? 10 : strncmp(p, "$SRCARCH", 8) == 0 ? 8 : 0;

        if (skip) {
            n += (size_t)snprintf(path + n, sizeof(path) - n, "%s", r->srcarch);
            p += skip;
        } else {
            path[n++] = *p++;
        }
    }
    path[n] = '\0';
    read_file(r, path);
}

static void read_entry_line(struct reader *r, const char *line)
{
    const char *rest;

    if ((rest = word_after(line, "depends")) != NULL && (rest = word_after(rest, "on")) != NULL) {
        if (r->ours)
            add(r, &r->w->depends, rest);
        else if (r->in_head && r->n_blocks)
            add_to_block(r, rest);
    } else if ((rest = word_after(line, "select")) != NULL || (rest = word_after(line, "imply")) != NULL) {
        read_select(r, rest);
    } else if (r->ours) {
        read_type(r, line);
    }
}

static void read_line(struct reader *r, const char *line)
{
    const char *rest;

    if ((rest = word_after(line, "config")) != NULL || (rest = word_after(line, "menuconfig")) != NULL) {
        begin_entry(r, rest);
        return;
    }
    rest = word_after(line, "if");
    if (rest || word_after(line, "menu") || word_after(line, "choice")) {
        push(r, rest ? 'i' : *line, rest);
        r->in_head = !rest;
        *r->entry = '\0';
        r->ours = false;
    } else if (word_after(line, "endif") || word_after(line, "endmenu") || word_after(line, "endchoice")) {
        pop(r);
        *r->entry = '\0';
        r->ours = r->in_head = false;
    } else if ((rest = word_after(line, "source")) != NULL) {
        *r->entry = '\0';
        r->ours = r->in_head = false;
        read_source(r, rest);
    } else if (word_after(line, "comment") || word_after(line, "mainmenu")) {
        *r->entry = '\0';
        r->ours = r->in_head = false;
    } else {
        read_entry_line(r, line);
    }
}

/* Runs of blanks become one, those at the end none. */
static void squeeze(char *line)
{
    char *to = line;

    for (const char *p = line; *p; p++)
        if (!isspace((unsigned char)*p))
            *to++ = *p;
        else if (to > line && to[-1] != ' ')
            *to++ = ' ';
    *to = '\0';
    if (to > line && to[-1] == ' ')
        to[-1] = '\0';
}

static size_t indent_of(const char *line)
{
    size_t columns = 0;

    for (; *line == ' ' || *line == '\t'; line++)
        columns = *line == '\t' ? (columns | 7) + 1 : columns + 1;
    return columns;
}

/* Whether the line belongs to a help text: one is as far as it is indented like its first line. */
static bool in_help(const char *line, size_t *help, bool *first)
{
    size_t indent = indent_of(line);

    if (*help == 0)
        return false;
    if (line[strspn(line, " \t")] == '\0')
        return true;
    if (*first) {
        *first = false;
        *help = indent ? indent : 1;
        return indent > 0;
    }
    if (indent >= *help)
        return true;
    *help = 0;
    return false;
}

static void read_text(struct reader *r, char *text)
{
    size_t help = 0;
    bool first = false;

    for (char *next, *p = text; p && *p; p = next) {
        char *end = strchr(p, '\n'), *line;

        next = end ? end + 1 : NULL;
        if (end)
            *end = '\0';
        r->line++;
        if (in_help(p, &help, &first))
            continue;
        /* A backslash goes on in the next line. */
        while (next && end && end > p && end[-1] == '\\') {
            end[-1] = ' ';
            *end = ' ';
            end = strchr(next, '\n');
            next = end ? end + 1 : NULL;
            if (end)
                *end = '\0';
            r->line++;
        }
        line = p + strspn(p, " \t");
        squeeze(line);
        if (strcmp(line, "help") == 0 || strcmp(line, "---help---") == 0) {
            help = 1;
            first = true;
        } else if (*line && *line != '#') {
            read_line(r, line);
        }
    }
}

static void read_file(struct reader *r, const char *path)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *file = r->file;
    unsigned line = r->line;
    fc_auto(fc_free) char *whole = NULL;

    if (r->depth >= MAX_DEPTH || asprintf(&whole, "%s/%s", r->dir, path) < 0)
        return;
    if (fc_read_file(AT_FDCWD, whole, 4u << 20, &text) < 0 || !text.data)
        return;
    r->file = path;
    r->line = 0;
    r->depth++;
    read_text(r, text.data);
    r->depth--;
    r->file = file;
    r->line = line;
}

int fc_why_read(const char *dir, const char *srcarch, const char *name, struct fc_why *ret, struct fc_error *err)
{
    struct reader r = {.dir = dir, .srcarch = srcarch, .name = name, .w = ret};
    fc_auto(fc_free) char *top = NULL;

    if (asprintf(&top, "%s/Kconfig", dir) < 0)
        return top = NULL, fc_fail(err, ENOMEM, "out of memory");
    if (access(top, R_OK) < 0)
        return fc_fail_errno(err, errno, "cannot read %s", top);
    read_file(&r, "Kconfig");
    while (r.n_blocks)
        pop(&r);
    return r.failed ? fc_fail(err, ENOMEM, "out of memory") : 0;
}

/* An expression with the value of each symbol behind it: "TTY (n) && HAS_IOMEM (y)". */
static int put_expression(const char *p, const struct fc_kconfig *c, struct fc_buf *ret)
{
    while (*p) {
        size_t n = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        char name[128];

        if (n == 0) {
            if (fc_buf_add(ret, p++, 1) < 0)
                return -ENOMEM;
            continue;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(n < 127 ? n : 127), p);
        p += n;
        if (fc_buf_adds(ret, name) < 0 ||
            (isupper((unsigned char)*name) && fc_buf_addf(ret, " (%s)", fc_kconfig_value(c, name)) < 0))
            return -ENOMEM;
    }
    return 0;
}

/* 0, 1 or 2 for n, m, y, as Kconfig computes. */
static int value_of(const char **p, const struct fc_kconfig *c);

static void skip_space(const char **p) { *p += strspn(*p, " \t"); }

static int atom(const char **p, const struct fc_kconfig *c)
{
    char name[128], other[128];
    size_t n;
    int v;

    skip_space(p);
    if (**p == '!') {
        ++*p;
        return 2 - atom(p, c);
    }
    if (**p == '(') {
        ++*p;
        v = value_of(p, c);
        skip_space(p);
        *p += **p == ')';
        return v;
    }
    /* $(cc-option,...) and the like: nobody here knows. */
    if (**p == '$') {
        *p += strcspn(*p, ")");
        *p += **p == ')';
        return 2;
    }
    n = strcspn(*p, " \t()!=&|<>");
    snprintf(name, sizeof(name), "%.*s", (int)(n < 127 ? n : 127), *p);
    *p += n ? n : **p != '\0';
    skip_space(p);
    n = strspn(*p, "!=<>");
    if (n && (**p == '=' || (*p)[1] == '=' || **p == '<' || **p == '>')) {
        bool equal = **p == '=', order = **p == '<' || **p == '>';
        const char *mine = islower((unsigned char)*name) ? name : fc_kconfig_value(c, name);

        *p += n;
        skip_space(p);
        n = strcspn(*p, " \t()&|");
        snprintf(other, sizeof(other), "%.*s", (int)(n < 127 ? n : 127), *p);
        *p += n;
        return order ? 2 : (strcmp(mine, other) == 0) == equal ? 2 : 0;
    }
    if (strcmp(name, "y") == 0 || strcmp(name, "m") == 0 || strcmp(name, "n") == 0)
        return *name == 'y' ? 2 : *name == 'm';
    return fc_kconfig_is_y(c, name) ? 2 : fc_kconfig_is_on(c, name);
}

static int value_of(const char **p, const struct fc_kconfig *c)
{
    int all = atom(p, c), one = -1;

    for (;;) {
        skip_space(p);
        if (strncmp(*p, "&&", 2) == 0) {
            int v;

            *p += 2;
            v = atom(p, c);
            all = v < all ? v : all;
        } else if (strncmp(*p, "||", 2) == 0) {
            *p += 2;
            one = all > one ? all : one;
            all = atom(p, c);
        } else {
            return all > one ? all : one;
        }
    }
}

static int say_needs(const struct fc_why *w, const struct fc_kconfig *c, int wanted, struct fc_buf *ret, unsigned *n)
{
    fc_auto(fc_free) char *copy = strdup(w->depends.data ? w->depends.data : "");
    char *save = NULL;

    if (!copy)
        return -ENOMEM;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        const char *at = line;

        if (value_of(&at, c) >= wanted)
            continue;
        if (fc_buf_adds(ret, (*n)++ ? "; and " : "needs ") < 0 || put_expression(line, c, ret) < 0)
            return -ENOMEM;
    }
    return 0;
}

int fc_why_say(const struct fc_why *w, const struct fc_kconfig *c, const char *wanted, struct fc_buf *ret)
{
    unsigned n = 0;
    int r;

    if (w->n_defined == 0)
        return fc_buf_adds(ret, "this source has no such option for this architecture");
    if (strcmp(wanted, "n") == 0) {
        if (w->selected.len == 0)
            return fc_buf_adds(ret, w->prompt ? "nothing that is set needs it: perhaps its default"
                                              : "it has no prompt: its default counts");
        return fc_buf_addf(ret, "selected by %.*s%s", (int)strcspn(w->selected.data, "\n"), w->selected.data,
                           strchr(w->selected.data, '\n')[1] ? " and others" : "");
    }
    if (strcmp(wanted, "m") == 0 && !fc_kconfig_is_y(c, "MODULES"))
        return fc_buf_adds(ret, "modules need MODULES (n)");
    r = say_needs(w, c, strcmp(wanted, "m") == 0 ? 1 : 2, ret, &n);
    if (r < 0 || n)
        return r;
    if (!w->prompt && w->selected.len)
        return fc_buf_addf(ret, "it has no prompt: it is set by what selects it, such as %.*s",
                           (int)strcspn(w->selected.data, "\n"), w->selected.data);
    return fc_buf_adds(ret, w->prompt ? "its dependencies are met: a choice, or its range, decided otherwise"
                                      : "it has no prompt: its default counts");
}

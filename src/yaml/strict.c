/* SPDX-License-Identifier: Apache-2.0 */
/* Read a document that must be understood whole: every complaint has its line and column, and nothing is dropped in silence. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/path.h"
#include "yaml/internal.h"

enum { LEVELS_MAX = 32, NODES_MAX = 100000, BYTES_MAX = 16 << 20 };

/* What a node becomes when its aliases are written out. */
struct measure {
    uint32_t nodes, levels; /* 0: not known yet */
    uint64_t bytes;         /* of its texts */
    bool open;              /* on the way from the root to the node that is being looked at */
};

struct strict {
    const char *data, *label;
    size_t size;
    yaml_document_t *document;
    struct measure *measures;
    struct fc_error *err;
};

static int complain(const struct strict *s, const yaml_mark_t *mark, const char *words)
{
    return fc_fail(s->err, EBADMSG, "%s:%zu:%zu: %s", s->label, mark->line + 1, mark->column + 1, words);
}

/* Whether the line of @mark has a tab among the blanks that it begins with. */
static bool is_indented_by_tab(const struct strict *s, size_t line)
{
    const char *at = s->data, *end = s->data + s->size;

    for (; line > 0 && at; line--) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    for (; at && at < end && (*at == ' ' || *at == '\t'); at++) {
        if (*at == '\t')
            return true;
    }
    return false;
}

/* What libyaml's reader says has an offset in bytes and no mark. */
static yaml_mark_t mark_of_offset(const struct strict *s, size_t offset)
{
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < s->size; i++) {
        mark.column += ((unsigned char)s->data[i] & 0xc0) != 0x80;
        if (s->data[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* What libyaml says of the commonest slips, in words that say what to write. */
static const char *in_other_words(const char *problem)
{
    static const char *const words[][2] = {
        {"found undefined alias", "an alias (*NAME) for which nothing above has the anchor &NAME"},
        {"found character that cannot start any token", "a text that begins with this character needs quotes"},
        {"mapping values are not allowed in this context",
         "a key cannot stand here: indent it as those above, or put a text that has \": \" in it into quotes"},
    };

    for (size_t i = 0; i < FC_LENGTH(words); i++) {
        if (strcmp(problem, words[i][0]) == 0)
            return words[i][1];
    }
    return problem;
}

static int complain_of_parser(const struct strict *s, const yaml_parser_t *p)
{
    yaml_mark_t mark = p->problem_mark;
    const char *problem = p->problem ? p->problem : "malformed";
    size_t at = p->problem_offset < s->size ? p->problem_offset : s->size;
    char words[240];

    if (p->error == YAML_MEMORY_ERROR)
        return fc_fail(s->err, ENOMEM, "out of memory");
    if (p->error == YAML_READER_ERROR) {
        /* Of a character that ends too early, where it begins. */
        while (strstr(problem, "trailing") && at > 0 && ((unsigned char)s->data[at - 1] & 0xc0) == 0x80)
            at--;
        mark = mark_of_offset(s, strstr(problem, "trailing") && at > 0 ? at - 1 : at);
        if (!strstr(problem, "control"))
            problem = "this is not UTF-8";
        else
            problem = "control characters (NUL and the like) cannot stand here; in \"quotes\" write \\0 or \\xHH";
    } else if (is_indented_by_tab(s, mark.line)) {
        problem = "a tab cannot indent YAML: use spaces";
    } else {
        problem = in_other_words(problem);
    }
    if (problem != p->problem || !p->context)
        return complain(s, &mark, problem);
    /* "did not find expected key, while parsing a block mapping that begins on line 3" */
    snprintf(words, sizeof(words), "%s, %s that begins on line %zu", problem, p->context, p->context_mark.line + 1);
    return complain(s, &mark, words);
}

/* Levels as they are written: bounded before the loader recurses. */
static int check_levels(const struct strict *s)
{
    yaml_parser_t parser;
    yaml_event_t event;
    yaml_event_type_t type = YAML_NO_EVENT;
    int depth = 0, r = 0, documents = 0;

    if (!yaml_parser_initialize(&parser))
        return fc_fail(s->err, ENOMEM, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)s->data, s->size);
    while (r == 0 && type != YAML_STREAM_END_EVENT) {
        if (!yaml_parser_parse(&parser, &event)) {
            r = complain_of_parser(s, &parser);
            break;
        }
        type = event.type;
        depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
        depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
        documents += type == YAML_DOCUMENT_START_EVENT;
        if (depth > LEVELS_MAX)
            r = complain(s, &event.start_mark, "more than 32 levels");
        else if (documents > 1)
            r = complain(s, &event.start_mark, "a second document begins here (---): one file, one document");
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

static int check_tag(const struct strict *s, const yaml_node_t *n)
{
    static const char *const plain[] = {"str", "int", "float", "bool", "null", "seq", "map"};
    const char *tag = n->tag ? (const char *)n->tag : "";
    char words[160], shown[64];
    size_t len = strlen("tag:yaml.org,2002:");

    if (!*tag || strcmp(tag, FC_YAML_RESET) == 0)
        return 0;
    for (size_t i = 0; strncmp(tag, "tag:yaml.org,2002:", len) == 0 && i < FC_LENGTH(plain); i++) {
        if (strcmp(tag + len, plain[i]) == 0)
            return 0;
    }
    fc_name_show(shown, sizeof(shown), tag, strlen(tag));
    snprintf(words, sizeof(words), "the tag %s means nothing here (!reset is the only one that does)", shown);
    return complain(s, &n->start_mark, words);
}

/* A key for sorting: by text, equal ones in the order of the file. */
struct key {
    const yaml_node_t *node;
    size_t at;
};

static int compare_text(const yaml_node_t *x, const yaml_node_t *y)
{
    size_t n = x->data.scalar.length, m = y->data.scalar.length;
    int r = memcmp(x->data.scalar.value, y->data.scalar.value, n < m ? n : m);

    return r ? r : (n > m) - (n < m);
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    int r = compare_text(x->node, y->node);

    return r ? r : (x->at > y->at) - (x->at < y->at);
}

static int complain_of_double(const struct strict *s, const yaml_node_t *first, const yaml_node_t *second)
{
    char words[200], shown[64];

    fc_name_show(shown, sizeof(shown), (const char *)second->data.scalar.value, second->data.scalar.length);
    snprintf(words, sizeof(words), "%s stands here a second time (first on line %zu)", shown,
             first->start_mark.line + 1);
    return complain(s, &second->start_mark, words);
}

static int check_keys(const struct strict *s, const yaml_node_t *map)
{
    size_t n = (size_t)(map->data.mapping.pairs.top - map->data.mapping.pairs.start), found = 0;
    fc_auto(fc_free) struct key *keys = calloc(n + 1, sizeof(*keys));

    if (!keys)
        return fc_fail(s->err, ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        keys[i] = (struct key){yaml_document_get_node(s->document, map->data.mapping.pairs.start[i].key), i};
        if (keys[i].node->type != YAML_SCALAR_NODE)
            return complain(s, &keys[i].node->start_mark, "a key must be a text");
    }
    qsort(keys, n, sizeof(*keys), compare_keys);
    /* Of several the one that comes first in the file. */
    for (size_t i = 1; i < n; i++) {
        if (compare_text(keys[i - 1].node, keys[i].node) == 0 && (!found || keys[i].at < keys[found].at))
            found = i;
    }
    return found ? complain_of_double(s, keys[found - 1].node, keys[found].node) : 0;
}

static int measure(const struct strict *s, int node, unsigned level);

/* Add what is below @child to @m. */
static int measure_child(const struct strict *s, struct measure *m, int child, unsigned level)
{
    const struct measure *c = &s->measures[child];
    int r = measure(s, child, level + 1);

    if (r < 0)
        return r;
    m->nodes += c->nodes;
    m->bytes += c->bytes;
    if (c->levels + 1 > m->levels)
        m->levels = c->levels + 1;
    if (level + m->levels > LEVELS_MAX + 2)
        return complain(s, &yaml_document_get_node(s->document, child)->start_mark,
                        "more than 32 levels when its aliases are written out");
    if (m->nodes > NODES_MAX || m->bytes > BYTES_MAX)
        return complain(s, &yaml_document_get_node(s->document, child)->start_mark,
                        m->bytes > BYTES_MAX ? "more than 16 MiB when its aliases are written out"
                                             : "more than 100,000 values when aliases are written out");
    return 0;
}

static int measure_below(const struct strict *s, const yaml_node_t *n, struct measure *m, unsigned level)
{
    int r = 0;

    if (n->type == YAML_SEQUENCE_NODE) {
        for (const yaml_node_item_t *i = n->data.sequence.items.start; r == 0 && i < n->data.sequence.items.top; i++)
            r = measure_child(s, m, *i, level);
    } else if (n->type == YAML_MAPPING_NODE) {
        r = check_keys(s, n);
        for (const yaml_node_pair_t *p = n->data.mapping.pairs.start; r == 0 && p < n->data.mapping.pairs.top; p++) {
            r = measure_child(s, m, p->key, level);
            if (r == 0)
                r = measure_child(s, m, p->value, level);
        }
    }
    return r;
}

static int measure(const struct strict *s, int node, unsigned level)
{
    struct measure *m = &s->measures[node];
    const yaml_node_t *n = yaml_document_get_node(s->document, node);
    int r;

    if (m->open)
        return complain(s, &n->start_mark, "an alias inside of this leads back to it");
    if (m->nodes)
        return 0;
    m->open = true;
    m->nodes = m->levels = 1;
    m->bytes = n->type == YAML_SCALAR_NODE ? n->data.scalar.length : 0;
    r = check_tag(s, n);
    if (r == 0)
        r = measure_below(s, n, m, level);
    m->open = false;
    return r;
}

static int load(const struct strict *s, struct fc_yaml *y)
{
    yaml_parser_t parser;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return fc_fail(s->err, ENOMEM, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)s->data, s->size);
    y->loaded = yaml_parser_load(&parser, &y->document);
    if (!y->loaded)
        r = complain_of_parser(s, &parser);
    yaml_parser_delete(&parser);
    return r;
}

int fc_yaml_parse_strict(const char *data, size_t size, const char *label, struct fc_yaml **ret, struct fc_error *err)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = calloc(1, sizeof(*y));
    struct strict s = {.data = data, .size = size, .label = label, .err = err};
    int r = y ? check_levels(&s) : fc_fail(err, ENOMEM, "out of memory");

    if (r == 0)
        r = load(&s, y);
    if (r == 0 && fc_yaml_root(y)) {
        size_t n = (size_t)(y->document.nodes.top - y->document.nodes.start);

        s.document = &y->document;
        s.measures = calloc(n + 1, sizeof(*s.measures));
        r = s.measures ? measure(&s, fc_yaml_root(y), 1) : fc_fail(err, ENOMEM, "out of memory");
        free(s.measures);
    }
    if (r == 0)
        *ret = fc_steal(&y);
    return r;
}

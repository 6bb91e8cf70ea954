/* SPDX-License-Identifier: Apache-2.0 */
/* Read a YAML document through libyaml's loader; aliases refer and are not expanded, so a short text stays a small tree. */
#include <errno.h>
#include <string.h>

#include "yaml/internal.h"

/* Levels are bounded while events pass: the loader itself recurses as deep as it is told to. */
static int check_depth(const char *data, size_t size, const char *label, struct fc_error *err)
{
    yaml_parser_t parser;
    yaml_event_t event;
    yaml_event_type_t type = YAML_NO_EVENT;
    int depth = 0, r = 0;

    if (!yaml_parser_initialize(&parser))
        return fc_fail(err, ENOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)data, size);
    while (r == 0 && type != YAML_STREAM_END_EVENT && type != YAML_DOCUMENT_END_EVENT) {
        if (!yaml_parser_parse(&parser, &event)) {
            r = fc_fail(err, EBADMSG, "%s, line %zu: %s", label, parser.problem_mark.line + 1,
                        parser.problem ? parser.problem : "malformed");
            break;
        }
        type = event.type;
        depth += type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT;
        depth -= type == YAML_SEQUENCE_END_EVENT || type == YAML_MAPPING_END_EVENT;
        if (depth > 32)
            r = fc_fail(err, EBADMSG, "%s, line %zu: more than 32 levels", label, event.start_mark.line + 1);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return r;
}

int fc_yaml_parse(const char *data, size_t size, const char *label, struct fc_yaml **ret, struct fc_error *err)
{
    fc_auto(fc_yaml_free) struct fc_yaml *y = calloc(1, sizeof(*y));
    yaml_parser_t parser;
    int r = y ? check_depth(data, size, label, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r < 0)
        return r;
    if (!yaml_parser_initialize(&parser))
        return fc_fail(err, ENOMEM, "out of memory");
    yaml_parser_set_input_string(&parser, (const unsigned char *)data, size);
    y->loaded = yaml_parser_load(&parser, &y->document);
    if (!y->loaded)
        r = fc_fail(err, EBADMSG, "%s, line %zu: %s", label, parser.problem_mark.line + 1,
                    parser.problem ? parser.problem : "malformed");
    yaml_parser_delete(&parser);
    if (r == 0)
        *ret = fc_steal(&y);
    return r;
}

void fc_yaml_free(struct fc_yaml *y)
{
    if (y && y->loaded)
        yaml_document_delete(&y->document);
    free(y);
}

static yaml_node_t *node_of(struct fc_yaml *y, int node)
{
    return node > 0 ? yaml_document_get_node(&y->document, node) : NULL;
}

int fc_yaml_root(struct fc_yaml *y) { return yaml_document_get_root_node(&y->document) ? 1 : 0; }

enum fc_yaml_kind fc_yaml_kind(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    if (!n || n->type == YAML_NO_NODE)
        return FC_YAML_NONE;
    return n->type == YAML_SCALAR_NODE ? FC_YAML_TEXT : n->type == YAML_SEQUENCE_NODE ? FC_YAML_LIST : FC_YAML_MAP;
}

const char *fc_yaml_text(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    if (!n || n->type != YAML_SCALAR_NODE || memchr(n->data.scalar.value, '\0', n->data.scalar.length))
        return NULL;
    return (const char *)n->data.scalar.value;
}

const char *fc_yaml_bytes(struct fc_yaml *y, int node, size_t *ret_size)
{
    const yaml_node_t *n = node_of(y, node);

    if (!n || n->type != YAML_SCALAR_NODE)
        return NULL;
    *ret_size = n->data.scalar.length;
    return (const char *)n->data.scalar.value;
}

bool fc_yaml_is_plain(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    return n && n->type == YAML_SCALAR_NODE && n->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool fc_yaml_is_reset(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    return n && n->tag && strcmp((const char *)n->tag, FC_YAML_RESET) == 0;
}

unsigned fc_yaml_column(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    return n ? (unsigned)n->start_mark.column + 1 : 0;
}

unsigned fc_yaml_line(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    return n ? (unsigned)n->start_mark.line + 1 : 0;
}

size_t fc_yaml_count(struct fc_yaml *y, int node)
{
    const yaml_node_t *n = node_of(y, node);

    if (n && n->type == YAML_SEQUENCE_NODE)
        return (size_t)(n->data.sequence.items.top - n->data.sequence.items.start);
    if (n && n->type == YAML_MAPPING_NODE)
        return (size_t)(n->data.mapping.pairs.top - n->data.mapping.pairs.start);
    return 0;
}

int fc_yaml_item(struct fc_yaml *y, int node, size_t i, const char **ret_key)
{
    const yaml_node_t *n = node_of(y, node);

    if (i >= fc_yaml_count(y, node))
        return 0;
    if (n->type == YAML_SEQUENCE_NODE)
        return n->data.sequence.items.start[i];
    if (ret_key)
        *ret_key = fc_yaml_text(y, n->data.mapping.pairs.start[i].key);
    return n->data.mapping.pairs.start[i].value;
}

int fc_yaml_key(struct fc_yaml *y, int node, size_t i)
{
    const yaml_node_t *n = node_of(y, node);

    return n && n->type == YAML_MAPPING_NODE && i < fc_yaml_count(y, node) ? n->data.mapping.pairs.start[i].key : 0;
}

int fc_yaml_get(struct fc_yaml *y, int node, const char *key)
{
    const char *is = NULL;

    if (fc_yaml_kind(y, node) != FC_YAML_MAP)
        return 0;
    for (size_t i = fc_yaml_count(y, node); i-- > 0;) {
        int value = fc_yaml_item(y, node, i, &is);

        if (is && strcmp(is, key) == 0)
            return value;
    }
    return 0;
}

const char *fc_yaml_get_text(struct fc_yaml *y, int node, const char *key)
{
    return fc_yaml_text(y, fc_yaml_get(y, node, key));
}

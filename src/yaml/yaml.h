/* SPDX-License-Identifier: Apache-2.0 */
/* YAML (and so JSON) as a small tree of texts, lists and maps. The only door to libyaml. */
#ifndef FC_YAML_YAML_H
#define FC_YAML_YAML_H

#include <stdbool.h>
#include <stddef.h>

#include <fccompose/error.h>

#include "base/cleanup.h"

/** A document. Immutable. */
struct fc_yaml;

/** What a node is. Every scalar is text: what it means is for its reader to say. */
enum fc_yaml_kind { FC_YAML_NONE, FC_YAML_TEXT, FC_YAML_LIST, FC_YAML_MAP };

/**
 * Read the first document of the @size bytes @data; @label names them in messages. An empty one has no root. Returns 0 and
 * sets *ret, or -EBADMSG with words that say the line, also for more than 32 levels; or -ENOMEM.
 */
int fc_yaml_parse(const char *data, size_t size, const char *label, struct fc_yaml **ret, struct fc_error *err);
/**
 * The same for a file that a person writes and that is to be understood whole: also refused are what is no UTF-8, a key that
 * stands twice or is no text, a second document, tags but those of plain YAML and !reset, and aliases that lead back into
 * themselves or that, written out, would make more than 100,000 nodes, 32 levels or 16 MiB. Words begin with LABEL:LINE:COLUMN.
 */
int fc_yaml_parse_strict(const char *data, size_t size, const char *label, struct fc_yaml **ret, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_yaml_free(struct fc_yaml *y);

/** The root. Nodes are numbers; 0 is none, and every function may be asked about it. */
int fc_yaml_root(struct fc_yaml *y);
/** What @node is. */
enum fc_yaml_kind fc_yaml_kind(struct fc_yaml *y, int node);
/** Its text, or NULL if it is not FC_YAML_TEXT or has a NUL inside. Borrowed. */
const char *fc_yaml_text(struct fc_yaml *y, int node);
/** Its text with any byte inside, *ret_size long; NULL if it is not FC_YAML_TEXT. Borrowed. */
const char *fc_yaml_bytes(struct fc_yaml *y, int node, size_t *ret_size);
/** Whether it is a text without quotes (and no block): "", "~" and "null" are then what people write for nothing. */
bool fc_yaml_is_plain(struct fc_yaml *y, int node);
/** Whether it has the tag !reset. */
bool fc_yaml_is_reset(struct fc_yaml *y, int node);
/** The line on which it begins, from 1. */
unsigned fc_yaml_line(struct fc_yaml *y, int node);
/** The column in it, from 1, in characters. */
unsigned fc_yaml_column(struct fc_yaml *y, int node);
/** How many items a list or map has. */
size_t fc_yaml_count(struct fc_yaml *y, int node);
/** The @i-th item of a list, or value of a map whose key goes to *ret_key (may be NULL); 0 behind the last. */
int fc_yaml_item(struct fc_yaml *y, int node, size_t i, const char **ret_key);
/** The @i-th key of a map as a node, or 0. */
int fc_yaml_key(struct fc_yaml *y, int node, size_t i);
/** The value of @key in a map (the last if there are several), or 0. */
int fc_yaml_get(struct fc_yaml *y, int node, const char *key);
/** The same as text, or NULL. */
const char *fc_yaml_get_text(struct fc_yaml *y, int node, const char *key);

FC_DEFINE_AUTO(struct fc_yaml *, fc_yaml_free)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What reading a recipe goes through: the merged tree of its files, the problems found, the values of its args. Private to compose/. */
#ifndef FC_COMPOSE_READER_H
#define FC_COMPOSE_READER_H

#include "base/arena.h"
#include "base/buf.h"
#include "compose/recipe.h"
#include "yaml/yaml.h"

/** A file of the recipe. */
struct source {
    const char *shown; /**< for messages; the recipe's */
    const char *dir;   /**< absolute: what relative paths in it are relative to */
};

/** A value of the merged tree. Lives in the reader's arena. */
struct node {
    enum fc_yaml_kind kind;
    bool plain; /**< a text without quotes */
    bool reset; /**< clears what an include brought */
    unsigned line, column;
    const struct source *source;
    char *text; /**< NUL-terminated; @size may be more than strlen() */
    size_t size;
    struct node **keys, **items; /**< keys: of a map */
    size_t n;
};

/** The value of an arg; text NULL: declared, and without one. */
struct arg {
    const char *name, *text;
};

/** A reading under way. */
struct reader {
    struct fc_arena arena;
    struct fc_recipe *recipe;
    const struct fc_recipe_options *options;
    struct arg *args; /**< in the arena */
    size_t n_args;
    size_t expanded; /**< bytes of texts with variables so far */
    unsigned n_problems;
    struct fc_error first; /**< the first of them */
    bool oom;
    bool applies;              /**< what `when` says of the layer or step that is being read */
    struct patterns *patterns; /**< compiled; see scalar.c */
};

/** How many problems are told before reading stops. */
enum { PROBLEMS_MAX = 20 };

/** Note a problem of @n. */
void reader_problem(struct reader *r, const struct node *n, const char *fmt, ...) FC_PRINTF(3, 4);
/** Whether so much is wrong that there is no use in going on. */
bool reader_is_done(const struct reader *r);
/** A copy of @len bytes, NUL-terminated, in the arena; NULL after noting that memory is short. */
char *reader_copy(struct reader *r, const char *data, size_t len);
/** The place of @n. */
struct fc_recipe_place reader_place(const struct node *n);

/* node.c */

/** Whether @n is written as nothing: "key:", ~ or null. */
bool node_is_null(const struct node *n);
/** Whether @n is there only to clear what an include brought (!reset, and nothing or an empty list or map). */
bool node_is_cleared(const struct node *n);
/** The value of @key in the map @n, or NULL, also when it is cleared. */
struct node *node_get(const struct node *n, const char *key);
/** The document @y as nodes of @source, aliases written out. NULL: it is empty, or memory is short. */
struct node *node_of_yaml(struct reader *r, struct fc_yaml *y, const struct source *source);
/** @over on top of @under, either of which may be NULL: maps merge, lists append, !reset replaces, else @over wins. Both are used up. */
struct node *node_merge(struct reader *r, struct node *under, struct node *over);

/* load.c */

/** Read @file and what it includes into one tree. Returns 0 and sets *ret (NULL: all of it is empty), or -errno with words. */
int recipe_load(struct reader *r, const char *file, struct node **ret, struct fc_error *err);

/* args.c */

/** Take the args of the recipe @root and of the options. Problems are noted; what is wrong with options: -EINVAL with words. */
int args_read(struct reader *r, const struct node *root, struct fc_error *err);
/** The text of @n with its ${VAR} filled in, *ret_size long, in the arena; NULL after noting a problem. */
const char *args_expand(struct reader *r, const struct node *n, size_t *ret_size);

/* list.c */

/** Append a copy of @text. Notes when memory is short. */
void list_add(struct reader *r, struct fc_recipe_list *list, const char *text);
/** Free the strings. */
void list_release(struct fc_recipe_list *list);

#endif

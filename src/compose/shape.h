/* SPDX-License-Identifier: Apache-2.0 */
/* The schema of a recipe as tables: they read it, complain about it, and print its JSON Schema. Private to compose/. */
#ifndef FC_COMPOSE_SHAPE_H
#define FC_COMPOSE_SHAPE_H

#include "compose/reader.h"
#include "compose/scalar.h"

struct json_t;
struct field;

/** How the value of a key is read, and what the schema says of it. */
struct kind {
    /** Read @n into the struct @into, at @f->offset. Problems are noted. */
    void (*read)(struct reader *r, const struct node *n, const struct field *f, void *into);
    /** A new JSON Schema; shapes that it refers to go into @defs. */
    struct json_t *(*schema)(const struct field *f, struct json_t *defs);
};

/** Flags of a field. */
enum { FIELD_REQUIRED = 1, FIELD_ONE_OF = 2 /* exactly one of those of its shape stands there */ };

/** A key. */
struct field {
    const char *name, *about; /**< about: one line, no full stop */
    const struct kind *kind;
    size_t offset;     /**< of the member in the struct that is read into */
    const void *param; /**< what the kind wants: a scalar, words, a shape */
    unsigned flags;
    int number;        /**< kind_enum: of the first word; kind_verb: the verb */
    const char *needs; /**< a key that must stand there too */
};

/** A map with known keys. */
struct shape {
    const char *name, *about;   /**< name: for messages and for $defs */
    const struct field *fields; /**< ends with an all-zero one */
    const char *shorthand;      /**< key that is meant by what is no map; NULL: it must be one */
    /** What the fields cannot say, after they were read; may be NULL. */
    void (*check)(struct reader *r, const struct node *n, void *into);
};

/** Where a field's member is. */
#define AT(type, member) offsetof(type, member)
/** Pointer to the member of @type that @f names in @into. */
#define MEMBER(type, into, f) ((type *)(void *)((char *)(into) + (f)->offset))

/* Kinds, and what their param is. */
extern const struct kind kind_scalar; /**< char *; a struct scalar */
extern const struct kind kind_list;   /**< struct fc_recipe_list, one or several; a struct scalar */
extern const struct kind kind_bool;   /**< bool */
extern const struct kind kind_word;   /**< char *; words, NULL-terminated */
extern const struct kind kind_enum;   /**< int or an enum: the word's place + number; words */
extern const struct kind kind_shape;  /**< a struct that is a member; a shape */

/** Read the map @n by @shape into @into. */
void shape_read(struct reader *r, const struct node *n, const struct shape *shape, void *into);
/** The place of @text among @words, or -1 after noting a problem of @n. */
int shape_word(struct reader *r, const struct node *n, const char *key, const char *const *words);

/* Pieces of schemas, for kinds that stand in other files. All return new values, NULL when memory is short. */

/** A reference to @shape, which goes into @defs once. */
struct json_t *schema_shape(const struct shape *shape, struct json_t *defs);
/** A text that fits @s. */
struct json_t *schema_scalar(const struct scalar *s);
/** One of the two (taken over). */
struct json_t *schema_either(struct json_t *a, struct json_t *b);
/** A list of @item (taken over), or nothing. */
struct json_t *schema_list(struct json_t *item);
/** A map from any name that fits @names (may be NULL) to @value (taken over). */
struct json_t *schema_names(const char *names, struct json_t *value);
/** Any of @words, or a text with a variable in it. */
struct json_t *schema_words(const char *const *words);

/** The shapes. */
extern const struct shape shape_recipe, shape_layer, shape_step, shape_when, shape_guest, shape_image, shape_kernel,
    shape_vm;
/** Kinds of their own files. */
extern const struct kind kind_layers, kind_steps, kind_when, kind_guest_section;

/** Free what is in them. */
void layer_release(struct fc_recipe_layer *l);
void step_release(struct fc_recipe_step *s);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* What the general kinds of fields say in JSON Schema. Private to compose/. */
#ifndef FC_COMPOSE_SCHEMA_H
#define FC_COMPOSE_SCHEMA_H

#include "compose/shape.h"

/** Words for true and false in turns, NULL-terminated. */
extern const char *const schema_booleans[];

struct json_t *schema_of_scalar(const struct field *f, struct json_t *defs);
struct json_t *schema_of_list(const struct field *f, struct json_t *defs);
struct json_t *schema_of_bool(const struct field *f, struct json_t *defs);
struct json_t *schema_of_words(const struct field *f, struct json_t *defs);
struct json_t *schema_of_shape(const struct field *f, struct json_t *defs);

#endif

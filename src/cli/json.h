/* SPDX-License-Identifier: Apache-2.0 */
/* JSON out: the only door to jansson. */
#ifndef FC_CLI_JSON_H
#define FC_CLI_JSON_H

#include <jansson.h>
#include <stddef.h>

#include <fccompose/error.h>

/**
 * Set @key of @object to a name of @len bytes. JSON texts are Unicode and names are bytes: a name that is not UTF-8 has
 * its bad bytes replaced by U+FFFD and all its bytes, in hexadecimal, under "KEY_hex" beside it.
 */
void cli_json_name(json_t *object, const char *key, const char *name, size_t len);
/** Print @value (taken over) to stdout, indented, with a newline. Returns 0 or a negative errno with words. */
int cli_json_print(json_t *value, struct fc_error *err);

#endif

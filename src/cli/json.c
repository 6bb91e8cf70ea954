/* SPDX-License-Identifier: Apache-2.0 */
/* Names and values as JSON. */
#include "cli/json.h"

#include <errno.h>
#include <string.h>

#include "cli/cli.h"

/* Length of the valid UTF-8 sequence at @p, 0 if there is none. */
static size_t sequence(const char *p, size_t len)
{
    size_t max = len < 4 ? len : 4;

    for (size_t n = 1; n <= max; n++) {
        json_t *s = json_stringn(p, n);

        if (s) {
            json_decref(s);
            return n;
        }
    }
    return 0;
}

static json_t *replaced(const char *name, size_t len)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};

    for (size_t i = 0; i < len;) {
        size_t n = sequence(name + i, len - i);
        int r = n ? fc_buf_add(&text, name + i, n) : fc_buf_adds(&text, "\xef\xbf\xbd");

        if (r < 0)
            return NULL;
        i += n ? n : 1;
    }
    return json_stringn(text.data ? text.data : "", text.len);
}

void cli_json_name(json_t *object, const char *key, const char *name, size_t len)
{
    json_t *exact = json_stringn(name, len);
    struct fc_buf hex __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char hex_key[64];

    if (exact) {
        json_object_set_new(object, key, exact);
        return;
    }
    json_object_set_new(object, key, replaced(name, len));
    for (size_t i = 0; i < len; i++)
        if (fc_buf_addf(&hex, "%02x", (unsigned char)name[i]) < 0)
            return;
    snprintf(hex_key, sizeof(hex_key), "%s_hex", key);
    json_object_set_new(object, hex_key, json_stringn(hex.data ? hex.data : "", hex.len));
}

int cli_json_print(json_t *value, struct fc_error *err)
{
    int r = value ? json_dumpf(value, stdout, JSON_INDENT(2)) : -1;

    json_decref(value);
    if (r < 0)
        return fc_fail(err, ENOMEM, "cannot print JSON");
    putchar('\n');
    return cli_flush(err);
}

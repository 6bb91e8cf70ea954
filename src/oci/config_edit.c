/* SPDX-License-Identifier: Apache-2.0 */
/* Change single fields of an image's configuration. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "oci/assemble.h"

/* The member "config", made if it is not there. Borrowed. */
static json_t *inner(json_t *json)
{
    json_t *config = json_object_get(json, "config");

    if (!json_is_object(config)) {
        config = json_object();
        if (json_object_set_new(json, "config", config) < 0)
            return NULL;
    }
    return config;
}

static bool is_words(const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            return false;
    return json_is_array(list);
}

static int set_words(json_t *config, const char *key, const char *value, struct fc_error *err)
{
    json_t *list;

    if (!*value)
        return json_object_del(config, key), 0;
    if (*value != '[') {
        list = json_pack("[s, s, s]", "/bin/sh", "-c", value);
    } else {
        list = json_loads(value, 0, NULL);
        if (!is_words(list)) {
            json_decref(list);
            return fc_fail(err, EINVAL, "%.200s is not a JSON array of strings, as [\"/bin/app\", \"-v\"]", value);
        }
    }
    return json_object_set_new(config, key, list) < 0 ? fc_fail(err, EINVAL, "%.200s is not UTF-8", value) : 0;
}

/* Set or (@value NULL) remove "NAME=..." in a list of such. */
static int set_env(json_t *config, const char *name, size_t len, const char *whole)
{
    json_t *list = json_object_get(config, "Env");

    if (!json_is_array(list)) {
        if (!whole)
            return 0;
        list = json_array();
        json_object_set_new(config, "Env", list);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *have = json_string_value(json_array_get(list, i));

        if (!have || strncmp(have, name, len) != 0 || have[len] != '=')
            continue;
        if (whole)
            return json_array_set_new(list, i, json_string(whole));
        return json_array_remove(list, i);
    }
    return whole ? json_array_append_new(list, json_string(whole)) : 0;
}

/* A member of a member that is a set: {"Volumes": {"/data": {}}}. */
static int add_member(json_t *config, const char *key, const char *name, json_t *value)
{
    json_t *set = json_object_get(config, key);

    if (!json_is_object(set)) {
        set = json_object();
        json_object_set_new(config, key, set);
    }
    return json_object_set_new(set, name, value);
}

static int set_text(json_t *object, const char *key, const char *value)
{
    if (!*value)
        return json_object_del(object, key), 0;
    return json_object_set_new(object, key, json_string(value));
}

static bool is_port(const char *value)
{
    size_t len = strspn(value, "0123456789");

    return len > 0 && len <= 5 && atoi(value) > 0 && atoi(value) <= 65535 &&
           (!value[len] || strcmp(value + len, "/tcp") == 0 || strcmp(value + len, "/udp") == 0);
}

/* NAME=VALUE: *ret_value is behind the sign. */
static int split_pair(const char *text, const char **ret_value, struct fc_error *err)
{
    const char *sign = strchr(text, '=');

    if (!sign || sign == text)
        return fc_fail(err, EINVAL, "\"%.200s\" is not NAME=VALUE", text);
    *ret_value = sign + 1;
    return 0;
}

static int change_pair(json_t *config, const struct fc_oci_config_change *c, struct fc_error *err)
{
    fc_auto(fc_free) char *name = NULL;
    const char *value = c->value;
    int r = split_pair(c->value, &value, err);

    if (r < 0)
        return r;
    if (c->field == FC_OCI_ENV)
        return set_env(config, c->value, (size_t)(value - 1 - c->value), c->value);
    name = strndup(c->value, (size_t)(value - 1 - c->value));
    return name ? add_member(config, "Labels", name, json_string(value)) : -ENOMEM;
}

static int change(json_t *json, const struct fc_oci_config_change *c, struct fc_error *err)
{
    json_t *config = inner(json);

    switch (c->field) {
    case FC_OCI_ENTRYPOINT:
        return set_words(config, "Entrypoint", c->value, err);
    case FC_OCI_CMD:
        return set_words(config, "Cmd", c->value, err);
    case FC_OCI_ENV:
    case FC_OCI_LABEL:
        return change_pair(config, c, err);
    case FC_OCI_UNSET_ENV:
        return set_env(config, c->value, strlen(c->value), NULL);
    case FC_OCI_UNSET_LABEL:
        json_object_del(json_object_get(config, "Labels"), c->value);
        return 0;
    case FC_OCI_WORKDIR:
        if (*c->value && *c->value != '/')
            return fc_fail(err, EINVAL, "the working directory %.200s is not an absolute path", c->value);
        return set_text(config, "WorkingDir", c->value);
    case FC_OCI_USER:
        return set_text(config, "User", c->value);
    case FC_OCI_STOP_SIGNAL:
        return set_text(config, "StopSignal", c->value);
    case FC_OCI_VOLUME:
        if (*c->value != '/')
            return fc_fail(err, EINVAL, "the volume %.200s is not an absolute path", c->value);
        return add_member(config, "Volumes", c->value, json_object());
    case FC_OCI_EXPOSE:
        if (!is_port(c->value))
            return fc_fail(err, EINVAL, "%.200s is not PORT, PORT/tcp or PORT/udp", c->value);
        return add_member(config, "ExposedPorts", c->value, json_object());
    case FC_OCI_AUTHOR:
        return set_text(json, "author", c->value);
    }
    return fc_fail(err, EINVAL, "no such field");
}

int fc_oci_config_edit(const char *json, const struct fc_oci_config_change *changes, size_t n, bool indent, char **ret,
                       struct fc_error *err)
{
    json_t *config = json ? json_loads(json, 0, NULL) : json_object();
    int r = 0;

    if (!json_is_object(config)) {
        json_decref(config);
        return fc_fail(err, EBADMSG, "the image's configuration is not a JSON object");
    }
    for (size_t i = 0; i < n && r == 0; i++) {
        struct fc_error why = {0};

        r = change(config, &changes[i], &why);
        if (r < 0) /* jansson takes UTF-8 and nothing else */
            r = why.code ? fc_fail(err, why.code, "%s", why.msg)
                         : fc_fail(err, EINVAL, "\"%.200s\" is not UTF-8", changes[i].value);
    }
    if (r == 0) {
        *ret = json_dumps(config, JSON_SORT_KEYS | (indent ? JSON_INDENT(2) : JSON_COMPACT));
        r = *ret ? 0 : fc_fail_errno(err, ENOMEM, "the image's configuration");
    }
    json_decref(config);
    return r;
}

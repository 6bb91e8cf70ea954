/* SPDX-License-Identifier: Apache-2.0 */
/* Find, keep and forget credentials for registries. */
#include "oci/auth.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "oci/helper.h"

static const char *env(const char *name)
{
    const char *v = getenv(name);

    return v && *v ? v : NULL;
}

/* "DIR/TAIL", or NULL when there is no @dir or no memory. Caller frees. */
static char *below(const char *dir, const char *tail)
{
    char *path;

    return dir && asprintf(&path, "%s/%s", dir, tail) >= 0 ? path : NULL;
}

/* The @nth file to look into, NULL for none; *ret_last when it is the last of all. Caller frees. */
static char *file_to_read(unsigned nth, bool *ret_last)
{
    const char *only = env("REGISTRY_AUTH_FILE");

    *ret_last = only || nth == 3;
    if (only)
        return strdup(only);
    switch (nth) {
    case 0:
        return below(env("XDG_RUNTIME_DIR"), "containers/auth.json");
    case 1:
        return env("XDG_CONFIG_HOME") ? below(env("XDG_CONFIG_HOME"), "containers/auth.json")
                                      : below(env("HOME"), ".config/containers/auth.json");
    case 2:
        return below(env("DOCKER_CONFIG"), "config.json");
    default:
        return env("DOCKER_CONFIG") ? NULL : below(env("HOME"), ".docker/config.json");
    }
}

/* The file that login writes. Caller frees; NULL when nobody says where. */
static char *file_to_write(void)
{
    if (env("REGISTRY_AUTH_FILE"))
        return strdup(env("REGISTRY_AUTH_FILE"));
    if (env("XDG_RUNTIME_DIR"))
        return below(env("XDG_RUNTIME_DIR"), "containers/auth.json");
    return env("XDG_CONFIG_HOME") ? below(env("XDG_CONFIG_HOME"), "containers/auth.json")
                                  : below(env("HOME"), ".config/containers/auth.json");
}

static void wipe_string(char **s)
{
    if (*s)
        explicit_bzero(*s, strlen(*s));
    free(*s);
    *s = NULL;
}

void fc_oci_credentials_release(struct fc_oci_credentials *c)
{
    wipe_string(&c->user);
    wipe_string(&c->password);
    wipe_string(&c->identity_token);
    wipe_string(&c->registry_token);
}

/* "auth" is base64 of "user:password". Returns 1, 0 when it is empty, or -errno with words. */
static int read_auth(const char *text, const char *path, struct fc_oci_credentials *c, struct fc_error *err)
{
    struct fc_buf both = {0};
    int r = fc_base64_decode(&both, text, strlen(text));
    char *colon = r == 0 && both.data ? memchr(both.data, ':', both.len) : NULL;

    if (*text && (r == -EINVAL || !colon))
        r = fc_fail(err, EBADMSG, "%s: an \"auth\" is not base64 of user:password", path);
    if (r == 0 && colon) {
        size_t len = both.len - (size_t)(colon + 1 - both.data);

        while (len > 0 && colon[len] == '\0') /* some clients pad with zeros */
            len--;
        c->user = strndup(both.data, (size_t)(colon - both.data));
        c->password = strndup(colon + 1, len);
        r = c->user && c->password ? 1 : fc_fail_errno(err, ENOMEM, "%s", path);
    }
    if (both.data)
        explicit_bzero(both.data, both.len);
    fc_buf_release(&both);
    return r;
}

/* Returns 1 and fills *c, 0 when the entry says nothing, or -errno with words. */
static int read_entry(const json_t *entry, const char *path, struct fc_oci_credentials *c, struct fc_error *err)
{
    const char *auth = json_string_value(json_object_get(entry, "auth"));
    const char *user = json_string_value(json_object_get(entry, "username"));
    const char *password = json_string_value(json_object_get(entry, "password"));
    const char *identity = json_string_value(json_object_get(entry, "identitytoken"));
    const char *registry = json_string_value(json_object_get(entry, "registrytoken"));
    int r = 0;

    if (identity && *identity)
        c->identity_token = strdup(identity);
    if (registry && *registry)
        c->registry_token = strdup(registry);
    if (auth && *auth)
        r = read_auth(auth, path, c, err);
    else if (user && password) {
        c->user = strdup(user);
        c->password = strdup(password);
    }
    return r < 0 ? r : c->identity_token || c->registry_token || c->user;
}

/* Returns 1 and fills *ret, 0 when this file knows nothing, or -errno with words. */
static int find_in(const char *path, const char *host, const char *repository, struct fc_oci_credentials *ret,
                   struct fc_error *err)
{
    fc_auto(fc_oci_credentials_release) struct fc_oci_credentials c = {0};
    json_t *json;
    const char *helper, *server = fc_oci_server_name(host, FC_OCI_DOCKER_KEY);
    bool only;
    int r = fc_oci_auth_file_load(path, &json, err);

    if (r < 0 || !json)
        return r;
    helper = fc_oci_auth_helper(json, host, &only);
    if (helper && only)
        r = fc_oci_helper_get(helper, server, &c, err);
    if (r == 0 && !(helper && only))
        r = read_entry(fc_oci_auth_entry(json, host, repository, NULL), path, &c, err);
    if (r == 0 && helper && !only)
        r = fc_oci_helper_get(helper, server, &c, err);
    json_decref(json);
    if (r < 0)
        return fc_wrap(err, "credentials for %s (%s)", host, path);
    if (r > 0) {
        *ret = c;
        c = (struct fc_oci_credentials){0};
    }
    return r;
}

int fc_oci_credentials_find(const char *host, const char *repository, struct fc_oci_credentials *ret,
                            struct fc_error *err)
{
    bool last = false;

    *ret = (struct fc_oci_credentials){0};
    for (unsigned i = 0; !last; i++) {
        fc_auto(fc_free) char *path = file_to_read(i, &last);
        int r = path ? find_in(path, host, repository, ret, err) : 0;

        if (r != 0)
            return r < 0 ? r : 0;
    }
    return 0;
}

/* Load the file that login writes. On success *ret_json is an object and *ret_path its file. */
static int load_own(char **ret_path, json_t **ret_json, struct fc_error *err)
{
    fc_auto(fc_free) char *path = file_to_write();
    json_t *json;
    int r;

    if (!path)
        return fc_fail(err, ENOENT, "nowhere to keep credentials: set REGISTRY_AUTH_FILE or HOME");
    r = fc_oci_auth_file_load(path, &json, err);
    if (r < 0)
        return r;
    if (!json)
        json = json_object();
    if (!json)
        return fc_fail_errno(err, ENOMEM, "%s", path);
    *ret_json = json;
    *ret_path = fc_steal(&path);
    return 0;
}

static int put_entry(json_t *json, const char *path, const char *host, const char *user, const char *password,
                     struct fc_error *err)
{
    struct fc_buf both = {0}, text = {0};
    json_t *auths = json_object_get(json, "auths"), *entry;
    int r = fc_buf_addf(&both, "%s:%s", user, password);

    if (r == 0)
        r = fc_base64_encode(&text, both.data, both.len);
    entry = r == 0 ? json_pack("{s:s}", "auth", text.data) : NULL;
    if (!json_is_object(auths)) {
        auths = json_object();
        if (json_object_set_new(json, "auths", auths) < 0)
            r = -ENOMEM;
    }
    if (json_object_set_new(auths, host, entry) < 0)
        r = -ENOMEM;
    if (both.data)
        explicit_bzero(both.data, both.len);
    if (text.data)
        explicit_bzero(text.data, text.len);
    fc_buf_release(&both);
    fc_buf_release(&text);
    return r < 0 ? fc_fail_errno(err, -r, "%s", path) : 0;
}

/* Where credentials went, in words. Caller frees. */
static char *say_where(const char *path, const char *helper)
{
    char *text;

    if (asprintf(&text, "%s%s", helper ? "docker-credential-" : "", helper ? helper : path) < 0)
        return NULL;
    return text;
}

int fc_oci_credentials_store(const char *host, const char *user, const char *password, char **ret_where,
                             struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    json_t *json = NULL;
    const char *helper;
    bool only;
    int r;

    if (strchr(user, ':'))
        return fc_fail(err, EINVAL, "a user name has no colon");
    r = load_own(&path, &json, err);
    if (r < 0)
        return r;
    helper = fc_oci_auth_helper(json, host, &only);
    if (helper) {
        r = fc_oci_helper_store(helper, fc_oci_server_name(host, FC_OCI_DOCKER_KEY), user, password, err);
    } else {
        r = put_entry(json, path, host, user, password, err);
        if (r == 0)
            r = fc_oci_auth_file_save(path, json, err);
    }
    if (r == 0)
        *ret_where = say_where(path, helper);
    json_decref(json);
    return r;
}

int fc_oci_credentials_erase(const char *host, char **ret_where, struct fc_error *err)
{
    fc_auto(fc_free) char *path = NULL;
    json_t *json = NULL;
    const char *helper, *key = NULL;
    bool only;
    int r = load_own(&path, &json, err);

    if (r < 0)
        return r;
    helper = fc_oci_auth_helper(json, host, &only);
    if (fc_oci_auth_entry(json, host, NULL, &key)) {
        json_object_del(json_object_get(json, "auths"), key);
        r = fc_oci_auth_file_save(path, json, err);
        helper = NULL;
    } else if (helper) {
        r = fc_oci_helper_erase(helper, fc_oci_server_name(host, FC_OCI_DOCKER_KEY), err);
    } else {
        r = fc_fail(err, ENOENT, "%s has nothing for %s", path, host);
    }
    if (r == 0)
        *ret_where = say_where(path, helper);
    json_decref(json);
    return r;
}

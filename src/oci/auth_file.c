/* SPDX-License-Identifier: Apache-2.0 */
/* Auth files: JSON with "auths", "credHelpers" and "credsStore". */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "oci/helper.h"

enum { AUTH_FILE_MAX = 4 << 20 };

int fc_oci_auth_file_load(const char *path, json_t **ret_json, struct fc_error *err)
{
    struct fc_buf bytes = {0};
    json_error_t why;
    json_t *json;
    int r = fc_read_file(AT_FDCWD, path, AUTH_FILE_MAX, &bytes);

    *ret_json = NULL;
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return fc_fail_errno(err, -r, "%s", path);
    json = json_loadb(bytes.data ? bytes.data : "", bytes.len, 0, &why);
    if (bytes.data)
        explicit_bzero(bytes.data, bytes.len);
    fc_buf_release(&bytes);
    if (!json && strspn(why.text, " ") == strlen(why.text))
        return 0;
    if (!json) /* the place, not the text near it, which may be a secret */
        return fc_fail(err, EBADMSG, "%s: not JSON: line %d, column %d", path, why.line, why.column);
    if (!json_is_object(json)) {
        json_decref(json);
        return fc_fail(err, EBADMSG, "%s: not a JSON object", path);
    }
    *ret_json = json;
    return 0;
}

static int make_folder(const char *path, struct fc_error *err)
{
    const char *slash = strrchr(path, '/');
    fc_auto(fc_free) char *folder = slash ? strndup(path, (size_t)(slash - path)) : strdup(".");

    return folder ? fc_mkdir_all(folder, err) : fc_fail_errno(err, ENOMEM, "%s", path);
}

int fc_oci_auth_file_save(const char *path, const json_t *json, struct fc_error *err)
{
    struct fc_atomic file __attribute__((cleanup(fc_atomic_release_auto))) = {.fd = -1};
    char *text = json_dumps(json, JSON_INDENT(4) | JSON_SORT_KEYS);
    int r = text ? make_folder(path, err) : fc_fail_errno(err, ENOMEM, "%s", path);

    if (r == 0)
        r = fc_atomic_begin(&file, path, err);
    if (r == 0 && fchmod(file.fd, 0600) < 0)
        r = fc_fail_errno(err, errno, "%s", path);
    if (r == 0) {
        r = fc_write_full(file.fd, text, strlen(text));
        if (r == 0)
            r = fc_write_full(file.fd, "\n", 1);
        if (r < 0)
            fc_fail_errno(err, -r, "%s", path);
    }
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    return r < 0 ? r : fc_atomic_commit(&file, true, err);
}

/* Whether the key of an entry, which may be a URL of old, means @name ("host" or "host/repository/..."). */
static bool key_means(const char *key, const char *name)
{
    bool url = strncmp(key, "https://", 8) == 0 || strncmp(key, "http://", 7) == 0;
    size_t len;

    if (!url)
        return strcmp(key, name) == 0;
    key += key[4] == 's' ? 8 : 7;
    len = strcspn(key, "/"); /* what follows in a URL ("/v1/", "/v2/") is not part of the name */
    return strlen(name) == len && strncmp(key, name, len) == 0;
}

static json_t *entry_of(json_t *json, const char *name, const char **ret_key)
{
    json_t *auths = json_object_get(json, "auths"), *entry;
    const char *key;

    json_object_foreach(auths, key, entry)
    {
        if (!key_means(key, name))
            continue;
        if (ret_key)
            *ret_key = key;
        return entry;
    }
    return NULL;
}

json_t *fc_oci_auth_entry(json_t *json, const char *host, const char *repository, const char **ret_key)
{
    fc_auto(fc_free) char *name = NULL;
    json_t *entry = NULL;

    if (asprintf(&name, "%s%s%s", host, repository ? "/" : "", repository ? repository : "") < 0)
        return name = NULL, NULL;
    for (;;) { /* "host/a/b", "host/a", "host" (containers-auth.json(5)) */
        char *slash = strrchr(name, '/');

        entry = entry_of(json, name, ret_key);
        if (entry || !slash)
            break;
        *slash = '\0';
    }
    if (!entry && strcmp(host, "docker.io") == 0)
        entry = entry_of(json, "index.docker.io", ret_key);
    return entry;
}

const char *fc_oci_auth_helper(const json_t *json, const char *host, bool *ret_only)
{
    const json_t *helpers = json_object_get(json, "credHelpers");
    const char *helper = json_string_value(json_object_get(helpers, host));

    if (!helper && strcmp(host, "docker.io") == 0)
        helper = json_string_value(json_object_get(helpers, FC_OCI_DOCKER_KEY));
    *ret_only = helper != NULL;
    if (!helper)
        helper = json_string_value(json_object_get(json, "credsStore"));
    return helper && *helper ? helper : NULL;
}

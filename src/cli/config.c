/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration file, config.yaml: what it says about downloads. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/dirs.h"
#include "base/io.h"
#include "cli/fetch.h"
#include "yaml/yaml.h"

#define CONFIG_MAX (1u << 20)

/* The file that is read, and where its values go. */
struct config {
    struct cli_fetch *s;
    struct fc_yaml *y;
    const char *path;
};

static int wrong(const struct config *c, int node, const char *expected, struct fc_error *err)
{
    return fc_fail(err, EBADMSG, "%s, line %u: expected %s", c->path, fc_yaml_line(c->y, node), expected);
}

static int read_number(const struct config *c, int node, unsigned *ret, struct fc_error *err)
{
    const char *text = fc_yaml_text(c->y, node);
    struct fc_error why = {0};
    uint64_t value;

    if (!text || cli_parse_number("", text, 100000, &value, &why) < 0 || value == 0)
        return wrong(c, node, "a number from 1 to 100000", err);
    *ret = (unsigned)value;
    return 0;
}

static int read_bool(const struct config *c, int node, bool *ret, struct fc_error *err)
{
    const char *text = fc_yaml_text(c->y, node);

    if (!text || (strcmp(text, "true") != 0 && strcmp(text, "false") != 0))
        return wrong(c, node, "true or false", err);
    *ret = *ret || strcmp(text, "true") == 0;
    return 0;
}

/* PREFIX: URL, or PREFIX: [URL, ...] */
static int read_rules(const struct config *c, int node, bool only, struct fc_error *err)
{
    const char *prefix = NULL;
    int value, one;

    if (fc_yaml_kind(c->y, node) != FC_YAML_MAP)
        return wrong(c, node, "lines such as https://dl-cdn.alpinelinux.org/: https://mirror.example/", err);
    for (size_t i = 0; (value = fc_yaml_item(c->y, node, i, &prefix)) != 0; i++) {
        bool list = fc_yaml_kind(c->y, value) == FC_YAML_LIST;

        for (size_t k = 0; (one = list ? fc_yaml_item(c->y, value, k, NULL) : k == 0 ? value : 0) != 0; k++) {
            const char *to = fc_yaml_text(c->y, one);

            if (!prefix || !to || !strstr(prefix, "://") || !strstr(to, "://"))
                return wrong(c, one, "a URL for a URL", err);
            if (cli_fetch_add_rule_pair(c->s, prefix, to, only) < 0)
                return fc_fail_errno(err, ENOMEM, "%s", c->path);
        }
    }
    return 0;
}

static int read_insecure(const struct config *c, int node, struct fc_error *err)
{
    struct cli_fetch *s = c->s;
    int one;

    if (fc_yaml_kind(c->y, node) != FC_YAML_LIST)
        return wrong(c, node, "a list of hosts", err);
    for (size_t i = 0; (one = fc_yaml_item(c->y, node, i, NULL)) != 0; i++) {
        const char *host = fc_yaml_text(c->y, one);

        if (!host)
            return wrong(c, one, "HOST or HOST:PORT", err);
        if (cli_fetch_add_insecure(s, host) < 0)
            return fc_fail_errno(err, ENOMEM, "%s", c->path);
    }
    return 0;
}

static int read_key(const struct config *c, const char *key, int node, struct fc_error *err)
{
    static const char *const keys[] = {"mirrors",           "rewrites", "insecure",    "offline",
                                       "require-signature", "attempts", "retry-delay", "connect-timeout",
                                       "stall-timeout",     "downloads"};
    struct fc_fetch_options *o = &c->s->options;
    const char *close;

    if (strcmp(key, "mirrors") == 0 || strcmp(key, "rewrites") == 0)
        return read_rules(c, node, key[0] == 'r', err);
    if (strcmp(key, "insecure") == 0)
        return read_insecure(c, node, err);
    if (strcmp(key, "offline") == 0)
        return read_bool(c, node, &o->offline, err);
    if (strcmp(key, "require-signature") == 0)
        return read_bool(c, node, &c->s->require_signature, err);
    if (strcmp(key, "attempts") == 0)
        return read_number(c, node, &o->attempts, err);
    if (strcmp(key, "retry-delay") == 0)
        return read_number(c, node, &o->retry_ms, err);
    if (strcmp(key, "connect-timeout") == 0)
        return read_number(c, node, &o->connect_s, err);
    if (strcmp(key, "stall-timeout") == 0)
        return read_number(c, node, &o->stall_s, err);
    if (strcmp(key, "downloads") == 0)
        return read_number(c, node, &o->max_transfers, err);
    close = cli_closest(key, keys, FC_LENGTH(keys));
    return fc_fail(err, EBADMSG, "%s, line %u: unknown setting %s%s%s", c->path, fc_yaml_line(c->y, node), key,
                   close ? ": did you mean " : "", close ? close : "");
}

static int read_all(const struct config *c, struct fc_error *err)
{
    int root = fc_yaml_root(c->y), node, r = 0;
    const char *key = NULL;

    if (root && fc_yaml_kind(c->y, root) != FC_YAML_MAP)
        return wrong(c, root, "lines such as offline: true", err);
    for (size_t i = 0; r == 0 && (node = fc_yaml_item(c->y, root, i, &key)) != 0; i++)
        r = key ? read_key(c, key, node, err) : wrong(c, node, "a name before it", err);
    return r;
}

int cli_fetch_configure(struct cli_fetch *s, struct fc_error *err)
{
    const char *named = getenv("FCCOMPOSE_CONFIG");
    fc_auto(fc_yaml_free) struct fc_yaml *y = NULL;
    fc_auto(fc_free) char *dir = NULL;
    fc_auto(fc_free) char *path = NULL;
    struct fc_buf text = {0};
    int r;

    if (named && *named)
        path = strdup(named);
    else if (fc_dir_config(&dir, NULL) < 0)
        return 0; /* nowhere to look */
    else if (asprintf(&path, "%s/config.yaml", dir) < 0)
        path = NULL;
    if (!path)
        return fc_fail_errno(err, ENOMEM, "configuration");
    r = fc_read_file(AT_FDCWD, path, CONFIG_MAX, &text);
    if (r == -ENOENT && !(named && *named))
        return 0;
    if (r < 0)
        r = fc_fail_errno(err, -r, "cannot read the configuration %s", path);
    if (r == 0)
        r = fc_yaml_parse(text.data ? text.data : "", text.len, path, &y, err);
    fc_buf_release(&text);
    return r == 0 ? read_all(&(struct config){s, y, path}, err) : r;
}

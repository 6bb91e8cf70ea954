/* SPDX-License-Identifier: Apache-2.0 */
/* What recipes say of the guest: how it boots, as `fccompose guest enable` takes it. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <jansson.h>

#include "base/io.h"
#include "compose/guest_section.h"

/* A key file is a few lines. */
enum { KEYS_MAX = 1 << 20 };

/* In the order of the enums. */
static const char *const inits[] = {"auto", "openrc", "systemd", "busybox", "oci", "none", NULL};
static const char *const nets[] = {"none", "kernel", "dhcp", "mac", NULL};

struct guest_build {
    struct fc_guest_options o; /* first */
    struct fc_recipe_list keys;
};

/* Each line of the file that is neither empty nor a comment. */
static void add_lines(struct reader *r, char *text, struct fc_recipe_list *keys)
{
    char *rest = text, *line;

    while ((line = strsep(&rest, "\n"))) {
        line[strcspn(line, "\r")] = '\0';
        if (*line && *line != '#')
            list_add(r, keys, line);
    }
}

static void read_key(struct reader *r, const struct node *n, const char *key, struct fc_recipe_list *keys)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    fc_auto(fc_free) char *word = scalar_read(r, n, key, &scalar_text);
    fc_auto(fc_free) char *path = NULL;
    int code;

    if (!word)
        return;
    if (strncmp(word, "ssh-", 4) == 0 || strncmp(word, "ecdsa-", 6) == 0 || strncmp(word, "sk-", 3) == 0) {
        add_lines(r, word, keys);
        return;
    }
    path = scalar_absolute(r, n, word);
    code = path ? fc_read_file(AT_FDCWD, path, KEYS_MAX, &text) : 0;
    if (code < 0)
        reader_problem(r, n, "%s: %s: %s", key, word, strerror(-code));
    else if (text.data && memmem(text.data, text.len, "PRIVATE KEY", 11))
        reader_problem(r, n, "%s: %s is a private key: give the public one (.pub)", key, word);
    else if (text.data)
        add_lines(r, text.data, keys);
}

static void read_keys(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    struct guest_build *g = into;

    if (n->kind == FC_YAML_MAP)
        reader_problem(r, n, "%s: expected files", f->name);
    if (n->kind == FC_YAML_TEXT && !node_is_null(n))
        read_key(r, n, f->name, &g->keys);
    for (size_t i = 0; n->kind == FC_YAML_LIST && i < n->n && !reader_is_done(r); i++)
        read_key(r, n->items[i], f->name, &g->keys);
}

static json_t *schema_keys(const struct field *f, json_t *defs)
{
    (void)f;
    (void)defs;
    return schema_either(schema_list(schema_scalar(&scalar_text)), schema_scalar(&scalar_text));
}

static const struct kind kind_keys = {read_keys, schema_keys};

#define G(member) AT(struct fc_guest_options, member)
static const struct field fields[] = {
    {"init", "who is process 1: auto, openrc, systemd, busybox, oci (the image's entrypoint) or none", &kind_enum,
     G(init), inits, 0, FC_GUEST_AUTO, NULL},
    {"mode", "another name of init", &kind_enum, G(init), inits, 0, FC_GUEST_AUTO, NULL},
    {"console", "the device that gets a login (default ttyS0), or none", &kind_scalar, G(console), &scalar_device, 0, 0,
     NULL},
    {"autologin", "root on the console without a password", &kind_bool, G(autologin), NULL, 0, 0, NULL},
    {"hostname", "its name", &kind_scalar, G(hostname), &scalar_hostname, 0, 0, NULL},
    {"ssh_authorized_keys", "files of public keys that may log in as root, or the keys themselves", &kind_keys, 0, NULL,
     0, 0, NULL},
    {"password", "root's: a text, or a hash of crypt(5); \"\" is an empty one", &kind_scalar, G(password), &scalar_any,
     0, 0, NULL},
    {"network", "how it gets its address: none, kernel (ip=), dhcp or mac", &kind_enum, G(net), nets, 0,
     FC_GUEST_NET_NONE, NULL},
    {"hygiene", "empty machine-id, no host keys, no random seed, no logs: safe to clone", &kind_bool, G(hygiene), NULL,
     0, 0, NULL},
    {0},
};
#undef G

const struct shape shape_guest = {"guest", "Make the tree bootable, as fccompose guest does", fields, NULL, NULL};

struct fc_guest_options *read_guest_section(struct reader *r, const struct node *n)
{
    struct guest_build g = {0};
    struct fc_guest_options *o = calloc(1, sizeof(*o));

    shape_read(r, n, &shape_guest, &g);
    if (node_get(n, "init") && node_get(n, "mode"))
        reader_problem(r, node_get(n, "mode"), "guest: mode is another name of init: write one of them");
    g.o.ssh_keys = g.keys.items;
    if (o) {
        *o = g.o;
        return o;
    }
    r->oom = true;
    fc_guest_options_release(&g.o);
    return NULL;
}

void guest_free(struct fc_guest_options *o)
{
    if (o)
        fc_guest_options_release(o);
    free(o);
}

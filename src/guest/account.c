/* SPDX-License-Identifier: Apache-2.0 */
/* Root's password and the host's name. */
#include <crypt.h>
#include <errno.h>
#include <string.h>

#include "base/digest.h"
#include "guest/internal.h"

/* The field of root's line in /etc/passwd or /etc/shadow that holds the password: where, or NULL. */
static const char *root_field(const struct fc_buf *text, size_t *ret_len)
{
    size_t len;
    const char *line = guest_line(text, "root:", &len);

    return line ? guest_field(line, len, 1, ret_len) : NULL;
}

/*
 * A salt for crypt(5). It must not come from chance (the same input gives the same image), nor from the password (a salt is
 * public): it comes from the tree's lowest layer.
 */
static int make_salt(const struct fc_guest_plan *p, char salt[32], struct fc_error *err)
{
    static const char letters[] = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const struct fc_digest *seed = fc_snapshot_seed(p->s);
    struct fc_digest d;

    if (fc_buf_adds(&text, "fccompose: the salt of root's password ") < 0 ||
        fc_buf_add(&text, seed->bytes, sizeof(seed->bytes)) < 0)
        return guest_no_memory(err);
    if (fc_digest_of(text.data, text.len, &d) < 0)
        return fc_fail(err, EIO, "password: no digest");
    strcpy(salt, "$6$"); /* SHA-512: what glibc, musl and BusyBox all read */
    for (int i = 0; i < 16; i++)
        salt[3 + i] = letters[d.bytes[i] & 63];
    salt[19] = '\0';
    return 0;
}

/* crypt(3) in memory of ours. Returns "" when it fails. */
static const char *hash(const char *password, const char *setting, struct crypt_data *data)
{
    const char *s = crypt_r(password, setting, data);

    return s && *s != '*' ? s : "";
}

/* What stands in the file for the wanted password; @now is what stands there and stays when it fits. */
static const char *wanted_hash(struct fc_guest_plan *p, const char *now, struct fc_error *err)
{
    const char *password = p->options->password, *made;
    fc_auto(fc_free) struct crypt_data *data = calloc(1, sizeof(*data));
    char salt[32];

    if (!data) {
        guest_no_memory(err);
        return NULL;
    }
    if (!*password)
        return "";
    if (*password == '$') {
        if (crypt_checksalt(password) != CRYPT_SALT_INVALID && strrchr(password, '$') - password > 2)
            return password;
        fc_fail(err, EINVAL, "password: it begins with \"$\" as hashes do, and is none that crypt(5) knows");
        return NULL;
    }
    if (*now == '$' && strcmp(hash(password, now, data), now) == 0)
        return now;
    if (make_salt(p, salt, err) < 0)
        return NULL;
    made = hash(password, salt, data);
    if (!*made) {
        fc_fail(err, EINVAL, "password: crypt(3) cannot hash it");
        return NULL;
    }
    made = fc_arena_copy(&p->arena, made, strlen(made));
    if (!made)
        guest_no_memory(err);
    return made;
}

/* Put the hash into root's line of @path, and nothing else. */
static int set_field(struct fc_guest_plan *p, const char *path, const char *value, const char *what,
                     struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *field;
    size_t len;
    int r = guest_content(p, path, &text, err);

    if (r < 0)
        return r;
    field = root_field(&text, &len);
    if (!field)
        return fc_fail(err, EOPNOTSUPP, "password: %s of the tree has no root", path);
    if (len == strlen(value) && memcmp(field, value, len) == 0)
        return 0;
    if (guest_splice(&text, (size_t)(field - text.data), len, value) < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = path, .text = text.data, .len = text.len}, err, "%s", what);
}

/* The text of root's password field, where it counts: in /etc/shadow when there is root's line, else in /etc/passwd. */
static int current(struct fc_guest_plan *p, const char **ret_path, const char **ret, struct fc_error *err)
{
    static const char *const paths[] = {"/etc/shadow", "/etc/passwd"};

    *ret_path = *ret = NULL;
    for (size_t i = 0; i < FC_LENGTH(paths) && !*ret; i++) {
        struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
        const char *field;
        size_t len;
        int r = guest_content(p, paths[i], &text, err);

        if (r < 0)
            return r;
        field = root_field(&text, &len);
        if (!field)
            continue;
        *ret_path = paths[i];
        *ret = fc_arena_copy(&p->arena, field, len);
        if (!*ret)
            return guest_no_memory(err);
    }
    return 0;
}

bool guest_root_open(struct fc_guest_plan *p)
{
    const char *path, *now;

    return current(p, &path, &now, NULL) == 0 && now && (!*now || *now == '$');
}

int guest_password(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *path, *now, *value, *what;
    int r = p->options->password ? current(p, &path, &now, err) : 0;

    if (r < 0 || !p->options->password)
        return r;
    if (!path)
        return fc_fail(err, EOPNOTSUPP, "password: the tree has no root in /etc/passwd");
    value = wanted_hash(p, now, err);
    if (!value)
        return err && err->code ? -err->code : -EINVAL;
    what = *value ? "set root's password" : "empty root's password: root logs in without one";
    r = set_field(p, path, value, what, err);
    if (r < 0 || strcmp(path, "/etc/passwd") == 0)
        return r;
    return set_field(p, "/etc/passwd", "x", "root's password is the one in /etc/shadow", err);
}

/* "127.0.1.1 NAME" in /etc/hosts, as Debian has it, so that the name can be resolved without a network. */
static int name_in_hosts(struct fc_guest_plan *p, const char *name, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *line = guest_text(p, "127.0.1.1\t%s", name), *old;
    size_t len;
    int r = guest_content(p, "/etc/hosts", &text, err);

    if (r < 0)
        return r;
    if (!line)
        return guest_no_memory(err);
    if (guest_has_line(&text, line, strlen(line)))
        return 0;
    old = guest_line(&text, "127.0.1.1", &len);
    if (r == 0)
        r = guest_add_line(&text, "127.0.0.1\tlocalhost");
    r = r < 0 ? r : old ? guest_splice(&text, (size_t)(old - text.data), len, line) : guest_add_line(&text, line);
    if (r < 0)
        return guest_no_memory(err);
    return guest_put(p, &(struct guest_want){.path = "/etc/hosts", .text = text.data, .len = text.len}, err,
                     "name the machine in /etc/hosts");
}

int guest_host_name(struct fc_guest_plan *p, struct fc_error *err)
{
    const char *name = p->options->hostname, *line;
    int r;

    if (!name)
        return 0;
    line = guest_text(p, "%s\n", name);
    if (!line)
        return guest_no_memory(err);
    r = guest_put(p, &(struct guest_want){.path = "/etc/hostname", .text = line}, err, "call the machine %s", name);
    if (r == 0)
        r = name_in_hosts(p, name, err);
    if (r == 0 && p->init == FC_GUEST_OPENRC)
        r = guest_rc_add(p, "hostname", "boot", err);
    return r;
}

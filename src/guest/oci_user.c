/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs an image's program, by the tree's passwd and group; and for which machine its programs are. */
#include "guest/oci.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/arch.h"

/* A number in @len bytes at @s. */
static bool number_of(const char *s, size_t len, uint32_t *ret)
{
    uint64_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (s[i] < '0' || s[i] > '9' || n > UINT32_MAX)
            return false;
        n = n * 10 + (uint64_t)(s[i] - '0');
    }
    *ret = (uint32_t)n;
    return len > 0 && n < UINT32_MAX;
}

static bool same(const char *a, size_t a_len, const char *b, size_t b_len)
{
    return a && a_len == b_len && memcmp(a, b, a_len) == 0;
}

/* The line whose name is @key or, when that is a number, whose third field is. NULL: none. */
static const char *entry_of(const struct fc_buf *text, const char *key, size_t key_len, size_t *ret_len)
{
    uint32_t wanted = 0, id;
    bool by_id = number_of(key, key_len, &wanted);

    for (size_t at = 0; at < text->len;) {
        const char *line = text->data + at, *field;
        size_t n, len;

        *ret_len = strcspn(line, "\n");
        at += *ret_len + 1;
        field = guest_field(line, *ret_len, 0, &n);
        if (same(field, n, key, key_len))
            return line;
        field = by_id ? guest_field(line, *ret_len, 2, &len) : NULL;
        if (field && number_of(field, len, &id) && id == wanted)
            return line;
    }
    return NULL;
}

static int find_group(struct fc_guest_plan *p, const char *name, uint32_t *ret, struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *line, *field;
    size_t len, n;
    int r = guest_content(p, "/etc/group", &text, err);

    if (r < 0)
        return r;
    line = entry_of(&text, name, strlen(name), &len);
    field = line ? guest_field(line, len, 2, &n) : NULL;
    if ((field && number_of(field, n, ret)) || (!line && number_of(name, strlen(name), ret)))
        return 0;
    return fc_fail(err, ENOENT, "User of the image: the tree's /etc/group has no group \"%s\"", name);
}

/* Whether @name is in the comma-separated list. */
static bool is_member(const char *list, size_t len, const char *name, size_t name_len)
{
    while (list && len) {
        const char *comma = memchr(list, ',', len);
        size_t n = comma ? (size_t)(comma - list) : len;

        if (same(list, n, name, name_len))
            return true;
        list += n + (comma != NULL);
        len -= n + (comma != NULL);
    }
    return false;
}

/* The groups that have the user among their members. */
static int find_groups(struct fc_guest_plan *p, const char *name, size_t name_len, struct guest_user *u,
                       struct fc_error *err)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = guest_content(p, "/etc/group", &text, err);

    for (size_t at = 0; r > 0 && at < text.len;) {
        const char *line = text.data + at, *members, *field;
        size_t len = strcspn(line, "\n"), n = 0, id_len = 0;

        at += len + 1;
        members = guest_field(line, len, 3, &n);
        field = guest_field(line, len, 2, &id_len);
        if (!is_member(members, n, name, name_len) || !field || u->n_groups == CONFIG_GROUPS ||
            !number_of(field, id_len, &u->groups[u->n_groups]))
            continue;
        u->n_groups++;
    }
    return r < 0 ? r : 0;
}

/* What the line of /etc/passwd says. */
static int take_entry(struct fc_guest_plan *p, const char *line, size_t len, bool groups, struct guest_user *u,
                      struct fc_error *err)
{
    size_t name_len, uid_len = 0, gid_len = 0, home_len = 0;
    const char *name = guest_field(line, len, 0, &name_len), *uid = guest_field(line, len, 2, &uid_len);
    const char *gid = guest_field(line, len, 3, &gid_len), *home = guest_field(line, len, 5, &home_len);

    if (!uid || !gid || !number_of(uid, uid_len, &u->uid) || !number_of(gid, gid_len, &u->gid))
        return fc_fail(err, EBADMSG, "/etc/passwd of the tree: the line of \"%.*s\" cannot be understood",
                       (int)name_len, name);
    if (home && home_len)
        u->home = fc_arena_copy(&p->arena, home, home_len);
    if (!u->home)
        return guest_no_memory(err);
    return groups ? find_groups(p, name, name_len, u, err) : 0;
}

int guest_user_find(struct fc_guest_plan *p, const char *text, struct guest_user *ret, struct fc_error *err)
{
    struct fc_buf passwd __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *colon = text ? strchr(text, ':') : NULL, *line;
    size_t user_len, len;
    int r = guest_content(p, "/etc/passwd", &passwd, err);

    *ret = (struct guest_user){.home = "/"};
    if (r < 0)
        return r;
    if (!text || !*text)
        text = "0";
    user_len = colon ? (size_t)(colon - text) : strlen(text);
    line = entry_of(&passwd, text, user_len, &len);
    if (line)
        r = take_entry(p, line, len, !colon, ret, err);
    else if (!number_of(text, user_len, &ret->uid))
        r = fc_fail(err, ENOENT, "User of the image: the tree's /etc/passwd has no user \"%.*s\"", (int)user_len, text);
    if (r < 0 || !colon)
        return r < 0 ? r : 0;
    return find_group(p, colon + 1, &ret->gid, err);
}

/* The machine of an ELF file, or NULL. */
static const char *machine_of(struct fc_guest_plan *p, const char *path)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    Elf64_Ehdr head;

    if (guest_content(p, path, &text, NULL) <= 0 || text.len < sizeof(head))
        return NULL;
    memcpy(&head, text.data, sizeof(head));
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0)
        return NULL;
    return head.e_machine == EM_X86_64 ? "x86_64" : head.e_machine == EM_AARCH64 ? "aarch64" : NULL;
}

const char *guest_arch(struct fc_guest_plan *p, const char *said)
{
    static const char *const programs[] = {"/bin/sh", "/bin/busybox", "/usr/bin/env", "/bin/true"};
    const char *machine = NULL;

    for (size_t i = 0; i < FC_LENGTH(programs) && !machine; i++)
        machine = machine_of(p, programs[i]);
    if (!machine && said)
        machine = fc_arch_machine(said);
    return machine ? machine : said ? said : fc_arch_host();
}

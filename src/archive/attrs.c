/* SPDX-License-Identifier: Apache-2.0 */
/* Turn what PAX records say into the extended attributes that Linux stores. */
#include "archive/attrs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "archive/acl.h"
#include "entry/entry.h"

#define ACL_ACCESS "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

static bool is_acl(const char *name) { return strcmp(name, ACL_ACCESS) == 0 || strcmp(name, ACL_DEFAULT) == 0; }

/*
 * Whether a file of @mode can have the attribute on Linux. A SELinux label in a tar was put there on purpose (tar --selinux),
 * unlike those of a host's files.
 */
static bool is_wanted(const struct fc_xattr *x, uint32_t mode)
{
    static const char *const spaces[] = {"user.", "security.", "trusted."};

    if (fc_xattr_is_host_only(x->name) && strcmp(x->name, "security.selinux") != 0)
        return false;
    if (is_acl(x->name))
        return !S_ISLNK(mode) && (S_ISDIR(mode) || x->name[17] == 'a') && fc_acl_valid(x->value, x->size);
    for (size_t i = 0; i < sizeof(spaces) / sizeof(spaces[0]); i++)
        if (strncmp(x->name, spaces[i], strlen(spaces[i])) == 0 && x->name[strlen(spaces[i])])
            return true;
    return false;
}

static int append(struct fc_attrs *a, struct fc_xattr x)
{
    if (fc_grow(&a->list, &a->cap, a->n + 1, sizeof(x)) < 0)
        return -ENOMEM;
    a->list[a->n++] = x;
    return 0;
}

/* By name; of one name the later record (higher address of its value) first. */
static int compare(const void *pa, const void *pb)
{
    const struct fc_xattr *a = pa, *b = pb;
    int c = strcmp(a->name, b->name);

    if (c != 0)
        return c;
    return (const char *)a->name > (const char *)b->name ? -1 : 1;
}

static void sort_unique(struct fc_attrs *a)
{
    size_t n = 0;

    if (a->n == 0)
        return;
    qsort(a->list, a->n, sizeof(*a->list), compare);
    for (size_t i = 0; i < a->n; i++)
        if (n == 0 || strcmp(a->list[n - 1].name, a->list[i].name) != 0)
            a->list[n++] = a->list[i];
    a->n = n;
}

static const struct fc_xattr *find(const struct fc_attrs *a, const char *name)
{
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->list[i].name, name) == 0)
            return &a->list[i];
    return NULL;
}

/* Encode the text @text as attribute @name, unless the tar gave that in binary, too. */
static int add_acl(struct fc_attrs *a, const char *name, const struct fc_buf *text, uint32_t mode, uint32_t *notes,
                   struct fc_error *err)
{
    size_t at = a->acls.len;
    unsigned dropped;
    int r;

    if (find(a, name))
        return 0;
    r = fc_acl_from_text(text->data, text->len, mode, &a->acls, &dropped);
    if (r == -EBADMSG)
        return fc_fail(err, EBADMSG, "damaged access control list");
    if (r < 0 || append(a, (struct fc_xattr){.name = name, .size = a->acls.len - at}) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    *notes += dropped;
    return 0;
}

/* Let the mode say what the access ACL says, as the kernel does; an ACL that says no more is not kept. */
static void settle_acls(struct fc_attrs *a, uint32_t *mode)
{
    size_t at = 0;

    for (size_t i = 0; i < a->n; i++) {
        if (!a->list[i].value && is_acl(a->list[i].name)) { /* encoded by add_acl(), in this order */
            a->list[i].value = a->acls.data + at;
            at += a->list[i].size;
        }
    }
    for (size_t i = 0; i < a->n; i++) {
        bool minimal;

        if (strcmp(a->list[i].name, ACL_ACCESS) != 0)
            continue;
        *mode = fc_acl_mode(a->list[i].value, a->list[i].size, *mode, &minimal);
        if (minimal) {
            memmove(&a->list[i], &a->list[i + 1], (a->n - i - 1) * sizeof(*a->list));
            a->n--;
        }
        break;
    }
}

int fc_attrs_build(struct fc_attrs *a, const struct fc_pax *pax, uint32_t *mode, uint32_t *notes, struct fc_error *err)
{
    int r = 0;

    a->n = 0;
    fc_buf_clear(&a->acls);
    for (size_t i = 0; i < pax->n_xattrs; i++) {
        const struct fc_pax_xattr *p = &pax->xattrs[i];
        struct fc_xattr x = {pax->bytes.data + p->name, pax->bytes.data + p->value, p->size};

        if (!is_wanted(&x, *mode))
            ++*notes;
        else if (append(a, x) < 0)
            return fc_fail(err, ENOMEM, "out of memory");
    }
    sort_unique(a);
    if ((pax->set & FC_PAX_ACL_ACCESS) && !S_ISLNK(*mode))
        r = add_acl(a, ACL_ACCESS, &pax->acl_access, *mode, notes, err);
    if (r == 0 && (pax->set & FC_PAX_ACL_DEFAULT) && S_ISDIR(*mode) && pax->acl_default.len)
        r = add_acl(a, ACL_DEFAULT, &pax->acl_default, *mode, notes, err);
    if (r < 0)
        return r;
    settle_acls(a, mode);
    sort_unique(a);
    return 0;
}

void fc_attrs_release(struct fc_attrs *a)
{
    free(a->list);
    fc_buf_release(&a->acls);
    *a = (struct fc_attrs){0};
}

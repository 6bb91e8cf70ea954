/* SPDX-License-Identifier: Apache-2.0 */
/* Path rules for what comes from a source, and what names and attributes say about themselves. */
#include "entry/entry.h"

#include <errno.h>
#include <string.h>

#include "base/path.h"

#define WH ".wh."
#define WH_LEN 4u

/* The mark of a whiteout counts as no part of the name, so that every name can be hidden. */
static size_t name_limit(const char *name, size_t len)
{
    return len >= WH_LEN && memcmp(name, WH, WH_LEN) == 0 ? FC_NAME_MAX + WH_LEN : FC_NAME_MAX;
}

static int add_component(struct fc_buf *ret, const char *name, size_t len, struct fc_error *err)
{
    char show[100];

    if (len == 2 && name[0] == '.' && name[1] == '.')
        return fc_fail(err, EBADMSG, "the path leaves the tree through \"..\"");
    if (len > name_limit(name, len))
        return fc_fail(err, EBADMSG, "name of %zu bytes (at most %u are allowed): %s", len, FC_NAME_MAX,
                       fc_name_show(show, sizeof(show), name, len));
    if (ret->len + len + 1 > FC_PATH_MAX)
        return fc_fail(err, EBADMSG, "path longer than %u bytes", FC_PATH_MAX);
    if ((ret->len && fc_buf_add(ret, "/", 1) < 0) || fc_buf_add(ret, name, len) < 0)
        return fc_fail(err, ENOMEM, "out of memory");
    return 0;
}

int fc_path_normalise(const char *path, size_t len, struct fc_buf *ret, struct fc_error *err)
{
    size_t i = 0;

    fc_buf_clear(ret);
    if (fc_buf_add(ret, "", 0) < 0) /* so that the root, too, is a string */
        return fc_fail(err, ENOMEM, "out of memory");
    if (len && memchr(path, '\0', len))
        return fc_fail(err, EBADMSG, "the path has a NUL byte in it");
    while (i < len) {
        const char *slash = memchr(path + i, '/', len - i);
        size_t n = slash ? (size_t)(slash - (path + i)) : len - i;

        if (n > 0 && !(n == 1 && path[i] == '.')) {
            int r = add_component(ret, path + i, n, err);

            if (r < 0)
                return r;
        }
        i += n + 1;
    }
    return 0;
}

enum fc_whiteout fc_whiteout_classify(const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *rest;

    if (strncmp(name, WH, WH_LEN) != 0)
        return FC_WHITEOUT_NONE;
    rest = name + WH_LEN;
    if (strcmp(rest, ".wh..opq") == 0)
        return FC_WHITEOUT_OPAQUE;
    if (strncmp(rest, WH, WH_LEN) == 0)
        return FC_WHITEOUT_META;
    /* "." and ".." are no names that could be hidden. */
    if (!*rest || strcmp(rest, ".") == 0 || strcmp(rest, "..") == 0)
        return FC_WHITEOUT_BAD;
    if (ret_name)
        *ret_name = rest;
    return FC_WHITEOUT_FILE;
}

bool fc_xattr_is_host_only(const char *name)
{
    static const char *const exact[] = {"security.selinux", "security.ima", "security.evm", "system.nfs4_acl"};
    static const char *const prefix[] = {"trusted.overlay.", "user.overlay."};

    for (size_t i = 0; i < FC_LENGTH(exact); i++)
        if (strcmp(name, exact[i]) == 0)
            return true;
    for (size_t i = 0; i < FC_LENGTH(prefix); i++)
        if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
            return true;
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes: which names on which types for whom, sizes, flags, lists. */
#include "px.h"

#include <sys/xattr.h>

static void prepare_values(void)
{
    px_file("f", "text");
    OK(setxattr("f", "user.one", "1", 1, 0));
    OK(setxattr("f", "user.two", "second", 6, 0));
    OK(mkdir("d", 0755));
    OK(setxattr("d", "user.one", "dir", 3, 0));
}

static bool listed(const char *list, ssize_t n, const char *name)
{
    for (ssize_t i = 0; i < n; i += (ssize_t)strlen(list + i) + 1)
        if (strcmp(list + i, name) == 0)
            return true;
    return false;
}

static void values(void)
{
    static char big[65537];
    char b[4096], list[4096], name[300];
    ssize_t n;

    IS(getxattr("f", "user.one", b, sizeof(b)), 1);
    IS(b[0], '1');
    IS(getxattr("f", "user.two", NULL, 0), 6);
    FAILS(ERANGE, getxattr("f", "user.two", b, 5));
    FAILS(ENODATA, getxattr("f", "user.none", b, 5));
    IS(getxattr("d", "user.one", b, sizeof(b)), 3);
    n = OK(listxattr("f", list, sizeof(list)));
    TRUE(listed(list, n, "user.one"));
    TRUE(listed(list, n, "user.two"));
    IS(listxattr("f", NULL, 0), n);
    FAILS(ERANGE, listxattr("f", list, (size_t)n - 1));
    FAILS(EEXIST, setxattr("f", "user.one", "x", 1, XATTR_CREATE));
    FAILS(ENODATA, setxattr("f", "user.three", "x", 1, XATTR_REPLACE));
    FAILS(EINVAL, setxattr("f", "user.one", "x", 1, 8));
    OK(setxattr("f", "user.three", "x", 1, XATTR_CREATE));
    OK(setxattr("f", "user.one", "", 0, XATTR_REPLACE));
    IS(getxattr("f", "user.one", b, sizeof(b)), 0);
    n = OK(listxattr("f", list, sizeof(list)));
    TRUE(listed(list, n, "user.one"));
    OK(removexattr("f", "user.one"));
    FAILS(ENODATA, removexattr("f", "user.one"));
    FAILS(ENODATA, getxattr("f", "user.one", NULL, 0));
    snprintf(name, sizeof(name), "user.%s", px_long(250));
    OK(setxattr("f", name, "long", 4, 0));
    IS(getxattr("f", name, b, sizeof(b)), 4);
    OK(removexattr("f", name));
    snprintf(name, sizeof(name), "user.%s", px_long(251));
    FAILS(ERANGE, setxattr("f", name, "long", 4, 0));
    FAILS(ERANGE, setxattr("f", "", "x", 1, 0));
    FAILS(EOPNOTSUPP, setxattr("f", "nonsense.x", "x", 1, 0));
    FAILS(EOPNOTSUPP, setxattr("f", "plain", "x", 1, 0));
    FAILS(EOPNOTSUPP, setxattr("f", "system.nonsense", "x", 1, 0));
    FAILS(EOPNOTSUPP, getxattr("f", "nonsense.x", b, sizeof(b)));
    FAILS(EOPNOTSUPP, removexattr("f", "nonsense.x"));
    FAILS(EINVAL, setxattr("f", "user.", "x", 1, 0));
    FAILS(E2BIG, setxattr("f", "user.big", big, sizeof(big), 0));
    memset(b, '\xff', 2000);
    OK(setxattr("f", "user.\xc3\xa4 \xff", b, 2000, 0));
    IS(getxattr("f", "user.\xc3\xa4 \xff", list, sizeof(list)), 2000);
    IS(memcmp(b, list, 2000), 0);
    OK(rename("f", "g"));
    IS(getxattr("g", "user.two", b, sizeof(b)), 6);
    OK(link("g", "h"));
    OK(setxattr("h", "user.two", "2", 1, 0));
    IS(getxattr("g", "user.two", b, sizeof(b)), 1);
}

static void prepare_types(void)
{
    px_make_all();
    for (enum px_type t = 0; t < PX_TYPES; t++)
        if (t != PX_SOCK)
            OK(lchown(px_type_names[t], ANN, TEAM));
}

static void types(void)
{
    char b[16];

    px_make_rest();
    OK(chown("sock", ANN, TEAM));
    for (enum px_type t = 0; t < PX_TYPES; t++) {
        const char *n = px_type_names[t];

        px_row("%s", n);
        if (t == PX_REG || t == PX_DIR) {
            OK(lsetxattr(n, "user.a", "v", 1, 0));
        } else {
            FAILS(EPERM, lsetxattr(n, "user.a", "v", 1, 0));
            FAILS(ENODATA, lgetxattr(n, "user.a", b, sizeof(b)));
        }
        OK(lsetxattr(n, "trusted.a", "secret", 6, 0));
        OK(lsetxattr(n, "security.a", "label", 5, 0));
        IS(lgetxattr(n, "trusted.a", b, sizeof(b)), 6);
        IS(lgetxattr(n, "security.a", b, sizeof(b)), 5);
        IS(llistxattr(n, NULL, 0), 10 + 11 + (t == PX_REG || t == PX_DIR ? 7 : 0));
        px_be(ANN, ANN, 0);
        FAILS(EPERM, lsetxattr(n, "trusted.a", "v", 1, 0));
        FAILS(ENODATA, lgetxattr(n, "trusted.a", b, sizeof(b)));
        FAILS(EPERM, lsetxattr(n, "security.a", "v", 1, 0));
        IS(lgetxattr(n, "security.a", b, sizeof(b)), 5);
        FAILS(EPERM, lremovexattr(n, "security.a"));
        px_be_root();
        OK(lremovexattr(n, "trusted.a"));
        OK(lremovexattr(n, "security.a"));
    }
}

/* user.* follow the mode; in a sticky directory only the owner of it sets its own. */
static void users(void)
{
    OK(chmod("reg", 0602));
    OK(chmod("dir", 01777));
    px_be(BOB, BOB, 0);
    OK(setxattr("reg", "user.a", "v", 1, 0));
    FAILS(EACCES, getxattr("reg", "user.a", NULL, 0));
    FAILS(EPERM, setxattr("dir", "user.a", "v", 1, 0));
    px_be_root();
    OK(chmod("reg", 0604));
    px_be(BOB, BOB, 0);
    FAILS(EACCES, setxattr("reg", "user.a", "v", 1, 0));
    FAILS(EACCES, removexattr("reg", "user.a"));
    IS(getxattr("reg", "user.a", NULL, 0), 1);
    px_be(ANN, ANN, 0);
    OK(setxattr("dir", "user.a", "v", 1, 0));
}

/* Through descriptors. */
static void descriptors(void)
{
    int fd = (int)OK(open("f", O_RDONLY)), path = (int)OK(open("f", O_PATH));
    char b[16];

    OK(fsetxattr(fd, "user.fd", "v", 1, 0));
    IS(fgetxattr(fd, "user.fd", b, sizeof(b)), 1);
    FAILS(EBADF, fgetxattr(path, "user.fd", b, sizeof(b)));
    OK(unlink("f"));
    OK(fsetxattr(fd, "user.late", "v", 1, 0));
    IS(fgetxattr(fd, "user.late", b, sizeof(b)), 1);
    IS(fgetxattr(fd, "user.two", b, sizeof(b)), 6);
    OK(fremovexattr(fd, "user.two"));
    close(fd);
    close(path);
}

const struct px_case px_xattrs[] = {
    {"xattr-values", prepare_values, values, false},
    {"xattr-types", prepare_types, types, true},
    {"xattr-users", prepare_types, users, true},
    {"xattr-descriptors", prepare_values, descriptors, false},
    {0},
};

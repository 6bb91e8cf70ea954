/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs: what they grant, how they and the mode follow each other, what is handed down. */
#include "px.h"

#include <endian.h>
#include <sys/xattr.h>

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

/* An ACL as the kernel reads it: "u7 U4:65533 g5 G6:65530 m5 o0", in words that end in a permission digit. */
static size_t encode(const char *text, unsigned char *ret)
{
    static const char kinds[] = "uUgGmo";
    static const uint16_t tags[] = {1, 2, 4, 8, 16, 32};
    size_t n = 4;

    memcpy(ret, &(uint32_t){htole32(2)}, 4);
    for (; *text; text += strcspn(text, " "), text += *text == ' ') {
        uint16_t tag = htole16(tags[strchr(kinds, text[0]) - kinds]), perm = htole16((uint16_t)(text[1] - '0'));
        uint32_t id = htole32(text[2] == ':' ? (uint32_t)strtoul(text + 3, NULL, 10) : UINT32_MAX);

        memcpy(ret + n, &tag, 2);
        memcpy(ret + n + 2, &perm, 2);
        memcpy(ret + n + 4, &id, 4);
        n += 8;
    }
    return n;
}

static int set(const char *path, const char *name, const char *text)
{
    unsigned char b[256];
    size_t n = encode(text, b);

    return setxattr(path, name, b, n, 0);
}

/* Whether @path has exactly this ACL. */
static bool has(const char *path, const char *name, const char *text)
{
    unsigned char want[256], got[256];
    size_t n = encode(text, want);
    ssize_t m = getxattr(path, name, got, sizeof(got));

    return m == (ssize_t)n && memcmp(want, got, n) == 0;
}

static void prepare(void)
{
    px_file("f", "text");
    OK(mkdir("d", 0755));
    OK(chown("f", ANN, TEAM));
    OK(chown("d", ANN, TEAM));
    OK(set("f", ACCESS, "u6 U4:65532 g4 m4 o0"));
    OK(set("d", DEFAULT, "u7 U6:65532 g5 G7:65529 m7 o0"));
}

/* ACL and mode are one. */
static void modes(void)
{
    IS(px_stat("f").st_mode & 07777, 0640);
    TRUE(has("f", ACCESS, "u6 U4:65532 g4 m4 o0"));
    OK(chmod("f", 0604));
    TRUE(has("f", ACCESS, "u6 U4:65532 g4 m0 o4"));
    OK(chmod("f", 0777));
    TRUE(has("f", ACCESS, "u7 U4:65532 g4 m7 o7"));
    OK(set("f", ACCESS, "u1 U7:65532 g2 m3 o4"));
    IS(px_stat("f").st_mode & 07777, 0134);
    OK(set("f", ACCESS, "u6 g4 o2"));
    IS(px_stat("f").st_mode & 07777, 0642);
    FAILS(ENODATA, getxattr("f", ACCESS, NULL, 0));
    OK(set("f", ACCESS, "u6 U7:65532 g4 m7 o0"));
    OK(removexattr("f", ACCESS));
    IS(px_stat("f").st_mode & 07777, 0670);
    FAILS(ENODATA, getxattr("f", ACCESS, NULL, 0));
    px_row("refused");
    FAILS(EINVAL, set("f", ACCESS, "u6 g4"));
    FAILS(EINVAL, set("f", ACCESS, "u6 U4:65532 g4 o4"));
    FAILS(EINVAL, set("f", ACCESS, "g4 u6 o4"));
    FAILS(EINVAL, set("f", ACCESS, "u6 u6 g4 o4"));
    FAILS(EINVAL, set("f", ACCESS, "u8 g4 o4"));
    FAILS(EINVAL, setxattr("f", ACCESS, "\2\0\0\0xyz", 7, 0));
    FAILS(EACCES, set("f", DEFAULT, "u7 g5 o0"));
    OK(symlink("f", "l"));
    FAILS(EOPNOTSUPP, lsetxattr("l", ACCESS, "\2\0\0\0", 4, 0));
    px_be(BOB, BOB, 0);
    FAILS(EPERM, set("f", ACCESS, "u6 g4 o2"));
    FAILS(EPERM, removexattr("d", DEFAULT));
    px_be(ANN, ANN, 0);
    OK(set("f", ACCESS, "u6 g4 o2"));
}

static void grants(void)
{
    static const struct {
        const char *acl;
        uid_t uid;
        gid_t gid, further;
        int may;
    } rows[] = {
        {"u6 U4:65532 g0 m7 o0", BOB, BOB, BOB, 4},          {"u6 U6:65532 g0 m4 o0", BOB, BOB, BOB, 4},
        {"u6 U0:65532 g7 m7 o7", BOB, TEAM, TEAM, 0},        {"u0 U7:65533 g7 m7 o7", ANN, TEAM, TEAM, 0},
        {"u6 g0 G6:65529 m7 o0", BOB, CLUB, BOB, 6},         {"u6 g0 G6:65529 m7 o7", BOB, BOB, CLUB, 6},
        {"u6 g4 G2:65529 m7 o7", BOB, TEAM, CLUB, 6 * 8},    {"u6 g0 G1:65529 m7 o7", BOB, TEAM, CLUB, 1},
        {"u6 g0 G0:65529 m7 o7", BOB, BOB, BOB, 7},          {"u6 g7 G7:65529 m0 o7", BOB, TEAM, CLUB, 0},
        {"u6 U7:65532 U0:65534 g7 m5 o7", BOB, BOB, BOB, 5}, {"u7 U7:65532 g7 m7 o0", 12345, 12345, 12345, 0},
    };

    for (size_t i = 0; i < LENGTH(rows); i++) {
        int may = rows[i].may < 8 ? rows[i].may : -1;

        px_be_root();
        px_row("%s for %u:%u,%u", rows[i].acl, rows[i].uid, rows[i].gid, rows[i].further);
        OK(set("f", ACCESS, rows[i].acl));
        px_be(rows[i].uid, rows[i].gid, 1, rows[i].further);
        for (int wish = 1; wish <= 7; wish++) {
            /* Of two groups' entries one must grant it all: 4 or 2, but not 6. */
            bool yes = may >= 0 ? (may & wish) == wish : wish == 4 || wish == 2;

            if (yes)
                OK(faccessat(AT_FDCWD, "f", wish, AT_EACCESS));
            else
                FAILS(EACCES, faccessat(AT_FDCWD, "f", wish, AT_EACCESS));
        }
    }
}

static void inherits(void)
{
    int fd;

    umask(077); /* is of no account where there is a default ACL */
    fd = (int)OK(open("d/file", O_CREAT | O_WRONLY, 0666));
    OK(close(fd));
    TRUE(has("d/file", ACCESS, "u6 U6:65532 g5 G7:65529 m6 o0"));
    IS(px_stat("d/file").st_mode & 07777, 0660);
    FAILS(ENODATA, getxattr("d/file", DEFAULT, NULL, 0));
    OK(mknod("d/fifo", S_IFIFO | 0640, 0));
    TRUE(has("d/fifo", ACCESS, "u6 U6:65532 g5 G7:65529 m4 o0"));
    OK(mkdir("d/sub", 0777));
    TRUE(has("d/sub", DEFAULT, "u7 U6:65532 g5 G7:65529 m7 o0"));
    TRUE(has("d/sub", ACCESS, "u7 U6:65532 g5 G7:65529 m7 o0"));
    IS(px_stat("d/sub").st_mode & 07777, 0770);
    OK(mkdir("d/sub/private", 0700));
    IS(px_stat("d/sub/private").st_mode & 07777, 0700);
    OK(symlink("x", "d/link"));
    FAILS(ENODATA, lgetxattr("d/link", "system.posix_acl_nothing", NULL, 0) < 0 ? (errno = ENODATA, -1) : 0);
    px_row("plain default");
    OK(set("d", DEFAULT, "u7 g1 o3"));
    OK(mknod("d/plain", S_IFREG | 0666, 0));
    IS(px_stat("d/plain").st_mode & 07777, 0602);
    FAILS(ENODATA, getxattr("d/plain", ACCESS, NULL, 0));
    OK(removexattr("d", DEFAULT));
    OK(mknod("d/masked", S_IFREG | 0666, 0));
    IS(px_stat("d/masked").st_mode & 07777, 0600);
    umask(022);
}

/* Who sets an ACL on a file of a group that they are not in loses its set-group-id bit. */
static void set_group_id(void)
{
    OK(chmod("f", 02755));
    px_be(ANN, ANN, 0);
    OK(set("f", ACCESS, "u7 U4:65532 g5 m5 o5"));
    IS(px_stat("f").st_mode & 07777, 0755);
    px_be_root();
    OK(chmod("f", 02755));
    px_be(ANN, ANN, 1, TEAM);
    OK(set("f", ACCESS, "u7 U5:65532 g5 m5 o5"));
    IS(px_stat("f").st_mode & 07777, 02755);
    px_be_root();
    OK(set("f", ACCESS, "u7 U4:65532 g5 m5 o5"));
    IS(px_stat("f").st_mode & 07777, 02755);
}

const struct px_case px_acls[] = {
    {"acl-modes", prepare, modes, true},
    {"acl-grants", prepare, grants, true},
    {"acl-inherits", prepare, inherits, true},
    {"acl-set-group-id", prepare, set_group_id, true},
    {0},
};

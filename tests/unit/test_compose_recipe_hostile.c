/* SPDX-License-Identifier: Apache-2.0 */
/* Recipes that are cut short or have bytes changed are read or refused with a place; under AddressSanitizer nothing else happens. */
#include "compose_help.h"

#include <ctype.h>
#include <sys/mman.h>

/* Every key and kind of value; paths that lead nowhere. */
static const char seed_text[] =
    "version: 1\nname: all\narch: [x86_64, aarch64]\nargs: {A: \"1\", B: , C: x y}\nx-common: &env {K: v, L: "
    "\"${A}\"}\n"
    "layers:\n"
    "  - alpine:3.20\n"
    "  - oci: docker.io/library/alpine:${A}\n"
    "  - {url: \"https://example.org/a.tar\", sha256: "
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef,\n"
    "     verify: {openpgp: k.asc, signature: +.sig}}\n"
    "  - {archive: a.tar#v1, when: {arch: arm64, profile: [a, b]}}\n"
    "  - {layout: ./l#x, to: /opt}\n"
    "  - {dir: d, owner: \"0:0\", exclude: [\"**/.git\", '*.o']}\n"
    "  - {name: \"debian:12\"}\n"
    "  - builtin: busybox\n"
    "steps:\n"
    "  - run: |\n"
    "      for s in a b; do echo $s $$HOME ${A:-b}; done\n"
    "    net: host\n"
    "    env: *env\n"
    "    cache: [/var/cache]\n"
    "    secret: {id: a, file: b}\n"
    "  - run: [echo, \"a b\", 'c']\n"
    "    env: [A=b]\n"
    "    secrets: [{id: a, file: b}, {id: c, file: d}]\n"
    "  - copy: {from: [a, \"b*\"], to: /c, mode: u+x, owner: \"a:b\", exclude: x}\n"
    "  - write: {path: /a, text: \"\\0\\xff\\u20ac\", mode: 0644}\n"
    "  - write: {path: /a, base64: AAEC, append: yes}\n"
    "  - mkdir: [/a, /b]\n"
    "  - mv: {path: /a, to: /b}\n"
    "  - ln: {path: /a, target: /b, force: true}\n"
    "  - symlink: {path: /a, target: b}\n"
    "  - mknod: {path: /dev/x, type: c, major: 1, minor: 3, mode: 0o666}\n"
    "  - chmod: {path: /a, mode: \"0755\", recursive: true}\n"
    "  - chown: {path: /a, owner: \":5\"}\n"
    "  - xattr: {path: /a, caps: \"cap_net_raw,cap_bpf=ep\"}\n"
    "  - xattr: {path: /a, name: user.x, hex: 00ff}\n"
    "  - xattr: {path: /a, name: user.x, base64: AP8=}\n"
    "  - xattr: {path: /a, name: user.x, remove: true}\n"
    "  - rm: {path: [/a/*, /b], force: true}\n"
    "  - guest: {init: openrc, ssh_authorized_keys: ssh-ed25519 AAAA, hygiene: on}\n"
    "guest: {console: ttyS0, hostname: web, password: \"\", network: mac}\n"
    "image: {output: o, size: +5M, label: l, profile: fc-6.1, features: [^a, b], verity: file, reserved: 5, read_only: "
    "false}\n"
    "kernel: {base: 6.1, source: {git: \"https://x/y\", tag: v6}, fragments: [ci, ./f], set: [CONFIG_A=y]}\n"
    "vm: {vcpus: 2, memory: 512M, net: {tap: t, ip: 1.2.3.4/30, gateway: 1.2.3.1}}\n";

static uint64_t random_state = 0x9e3779b97f4a7c15u;

static uint32_t random_below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 11) % n;
}

/* Whether @words begin with "FILE:LINE:COLUMN: ". */
static bool has_place(const char *words, const char *file)
{
    size_t len = strlen(file);
    const char *at = words + len;

    if (strncmp(words, file, len) != 0)
        return false;
    for (int i = 0; i < 2; i++) {
        if (*at++ != ':' || !isdigit((unsigned char)*at))
            return false;
        at += strspn(at, "0123456789");
    }
    return at[0] == ':' && at[1] == ' ';
}

static unsigned n_good, n_bad;

static void read_bytes(int fd, const char *data, size_t size)
{
    char path[32];
    struct fc_recipe *r = NULL;
    struct fc_error err = {0};
    int code;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, data, size, 0), size);
    code = fc_recipe_read(path, NULL, &r, &err);
    if (code == 0)
        n_good++;
    else if (code != -EBADMSG || !has_place(err.msg, path))
        fail_msg("%d %s\n%.*s", code, err.msg, (int)size, data);
    else
        n_bad++;
    fc_recipe_free(r);
}

static void the_seed_is_good(void **state)
{
    (void)state;
    fc_recipe_free(good(seed_text));
}

static void any_beginning_is_read_or_refused(void **state)
{
    int fd = memfd_create("recipe", 0);

    (void)state;
    assert_true(fd >= 0);
    for (size_t size = 0; size < sizeof(seed_text); size += 3)
        read_bytes(fd, seed_text, size);
    assert_true(n_good > 10 && n_bad > 100);
    close(fd);
}

/* Pieces that mean something to YAML or to us, put anywhere. */
static const char *const pieces[] = {"\n",   "\t",      "  ",   "- ",   ": ",          "[",     "]", "{",  "}",
                                     "&x ",  "*x",      "*env", "\"",   "'",           "#",     "|", ">",  "!",
                                     "!!",   "!reset ", "${",   "${A}", "$$",          "---\n", "~", "\0", "\xff",
                                     "\xc3", "null",    "<<",   "0x1",  "99999999999", "x-y:",  "?", "%",  ","};

static void changed_bytes_are_read_or_refused(void **state)
{
    int fd = memfd_create("recipe", 0);
    char text[sizeof(seed_text) + 256];

    (void)state;
    assert_true(fd >= 0);
    for (unsigned round = 0; round < 2000; round++) {
        size_t size = sizeof(seed_text) - 1;

        memcpy(text, seed_text, size);
        for (unsigned n = 1 + random_below(4); n > 0; n--) {
            size_t at = random_below((uint32_t)size), len;
            const char *piece = pieces[random_below(sizeof(pieces) / sizeof(pieces[0]))];

            switch (random_below(4)) {
            case 0: /* a bit */
                text[at] ^= (char)(1 << random_below(8));
                break;
            case 1: /* some bytes fewer */
                len = 1 + random_below(12);
                len = len < size - at ? len : size - at;
                memmove(text + at, text + at + len, size - at - len);
                size -= len;
                break;
            default: /* a piece more */
                len = strlen(piece) ? strlen(piece) : 1;
                memmove(text + at + len, text + at, size - at);
                memcpy(text + at, piece, len);
                size += len;
            }
        }
        read_bytes(fd, text, size);
    }
    assert_true(n_good > 100 && n_bad > 1000);
    close(fd);
}

/* Random nestings of aliases: bounded in time and memory whatever they are. */
static void nested_aliases_are_read_or_refused(void **state)
{
    int fd = memfd_create("recipe", 0);

    (void)state;
    assert_true(fd >= 0);
    for (unsigned round = 0; round < 200; round++) {
        char text[4096];
        size_t len = 0;

        for (unsigned i = 0; i < 12; i++) {
            len += (size_t)snprintf(text + len, sizeof(text) - len, "x-%u: &a%u [z", i, i);
            for (unsigned k = random_below(9); k > 0; k--)
                len += (size_t)snprintf(text + len, sizeof(text) - len, random_below(3) ? ", *a%u" : ", [*a%u]",
                                        random_below(i + 1));
            len += (size_t)snprintf(text + len, sizeof(text) - len, "]\n");
        }
        read_bytes(fd, text, len);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_seed_is_good),
        cmocka_unit_test(any_beginning_is_read_or_refused),
        cmocka_unit_test(changed_bytes_are_read_or_refused),
        cmocka_unit_test(nested_aliases_are_read_or_refused),
    };

    return cmocka_run_group_tests(tests, enter_work, leave_work);
}

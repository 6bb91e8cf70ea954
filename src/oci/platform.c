/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms: as texts, under the names that image-spec has for them, and which image serves which machine. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/arch.h"
#include "oci/oci.h"

static bool is_word(const char *s, size_t len)
{
    return len > 0 && strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") >= len;
}

static bool take(char *to, size_t room, const char *s, size_t len)
{
    if (!is_word(s, len) || len >= room)
        return false;
    memcpy(to, s, len);
    to[len] = '\0';
    return true;
}

static void normalise(struct fc_oci_platform *p)
{
    const struct fc_arch *a = fc_arch_find(p->arch);

    if (a) {
        strcpy(p->arch, a->oci);
        if (!p->variant[0])
            strcpy(p->variant, a->variant);
    }
    /* What every such machine is needs no saying. */
    if ((strcmp(p->arch, "arm64") == 0 && (strcmp(p->variant, "v8") == 0 || strcmp(p->variant, "8") == 0)) ||
        (strcmp(p->arch, "amd64") == 0 && strcmp(p->variant, "v1") == 0))
        p->variant[0] = '\0';
}

int fc_oci_platform_parse(const char *text, struct fc_oci_platform *ret, struct fc_error *err)
{
    struct fc_oci_platform p = {.os = "linux"};
    struct utsname host;
    const char *part[3] = {0};
    size_t len[3] = {0}, n = 0, first;
    bool ok;

    if (!text) {
        uname(&host);
        text = host.machine;
    }
    for (const char *s = text; n < 3; s += len[n - 1] + 1) {
        part[n] = s;
        len[n] = strcspn(s, "/");
        if (!s[len[n++]])
            break;
    }
    ok = part[n - 1][len[n - 1]] == '\0';
    /* "arm/v7" has a variant for its second part, "linux/arm" an architecture. */
    first = n == 3 || (n == 2 && part[1][0] != 'v') ? 1 : 0;
    if (first == 1)
        ok = ok && take(p.os, sizeof(p.os), part[0], len[0]);
    ok = ok && take(p.arch, sizeof(p.arch), part[first], len[first]);
    if (n > first + 1)
        ok = ok && take(p.variant, sizeof(p.variant), part[first + 1], len[first + 1]);
    if (!ok)
        return fc_fail(err, EINVAL, "\"%.100s\" is not a platform: write [OS/]ARCH[/VARIANT], as linux/arm64", text);
    normalise(&p);
    *ret = p;
    return 0;
}

char *fc_oci_platform_format(const struct fc_oci_platform *p, char text[72])
{
    snprintf(text, 72, "%s/%s%s%s", p->os[0] ? p->os : "unknown", p->arch[0] ? p->arch : "unknown",
             p->variant[0] ? "/" : "", p->variant);
    return text;
}

/* The number in "v7", 0 for none. */
static unsigned level(const char *variant)
{
    return variant[0] == 'v' && variant[1] >= '0' && variant[1] <= '9' && !variant[2] ? (unsigned)(variant[1] - '0')
                                                                                      : 0;
}

unsigned fc_oci_platform_match(const struct fc_oci_platform *want, const struct fc_oci_platform *have)
{
    struct fc_oci_platform h = *have;
    unsigned need;

    normalise(&h);
    if (strcmp(want->os, h.os) != 0 || strcmp(want->arch, h.arch) != 0)
        return 0;
    if (strcmp(want->variant, h.variant) == 0)
        return 100;
    need = level(want->variant);
    if (need == 0) /* any will do: of arm the most usual, else the least that it asks of the machine */
        return strcmp(h.arch, "arm") == 0 ? (level(h.variant) == 7 ? 90 : 50 + level(h.variant))
                                          : 90 - level(h.variant);
    /* Whoever has v7 runs v6 too, and whoever has v3 of amd64 runs what asks for nothing. */
    return level(h.variant) < need ? 50 + level(h.variant) : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of architectures' names. */
#include "base/arch.h"

#include <stddef.h>
#include <strings.h>
#include <sys/utsname.h>

#include "base/cleanup.h"

/*
 * Debian's armel is made for ARMv5, and its tarballs are called so; container tools take the word for arm/v6 (containerd's
 * platforms package), which on their side finds images for v5, too. Each is kept where it is asked.
 */
static const struct fc_arch table[] = {
    {"x86_64", "x86_64", "amd64", ""},
    {"amd64", "x86_64", "amd64", ""},
    {"x86-64", "x86_64", "amd64", ""},
    {"x64", "x86_64", "amd64", ""},
    {"aarch64", "aarch64", "arm64", ""},
    {"arm64", "aarch64", "arm64", ""},
    {"arm64v8", "aarch64", "arm64", ""},
    {"arm64e", "aarch64", "arm64", ""},
    {"armv8", "aarch64", "arm64", ""},
    {"i386", "i386", "386", ""},
    {"386", "i386", "386", ""},
    {"x86", "i386", "386", ""},
    {"i486", "i386", "386", ""},
    {"i586", "i386", "386", ""},
    {"i686", "i386", "386", ""},
    {"armv7", "armv7", "arm", "v7"},
    {"armv7l", "armv7", "arm", "v7"},
    {"armv7hl", "armv7", "arm", "v7"},
    {"armv8l", "armv7", "arm", "v7"},
    {"arm32v7", "armv7", "arm", "v7"},
    {"armhf", "armv7", "arm", "v7"},
    {"armv6", "armv6", "arm", "v6"},
    {"armv6l", "armv6", "arm", "v6"},
    {"arm32v6", "armv6", "arm", "v6"},
    {"armv5", "armv5", "arm", "v5"},
    {"arm32v5", "armv5", "arm", "v5"},
    {"armel", "armv5", "arm", "v6"},
    {"ppc64le", "ppc64le", "ppc64le", ""},
    {"ppc64el", "ppc64le", "ppc64le", ""},
    {"powerpc64le", "ppc64le", "ppc64le", ""},
    {"ppc64", "ppc64", "ppc64", ""},
    {"powerpc64", "ppc64", "ppc64", ""},
    {"s390x", "s390x", "s390x", ""},
    {"riscv64", "riscv64", "riscv64", ""},
    {"loongarch64", "loongarch64", "loong64", ""},
    {"loong64", "loongarch64", "loong64", ""},
    {"mips64le", "mips64le", "mips64le", ""},
    {"mips64el", "mips64le", "mips64le", ""},
    {"mipsle", NULL, "mipsle", ""},
    {"mipsel", NULL, "mipsle", ""},
};

const struct fc_arch *fc_arch_find(const char *name)
{
    for (size_t i = 0; i < FC_LENGTH(table); i++)
        if (strcasecmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const char *fc_arch_machine(const char *name)
{
    const struct fc_arch *a = fc_arch_find(name);

    return a ? a->machine : NULL;
}

const char *fc_arch_host(void)
{
    struct utsname host;
    const struct fc_arch *a = uname(&host) == 0 ? fc_arch_find(host.machine) : NULL;

    return a && a->machine ? a->machine : "x86_64";
}

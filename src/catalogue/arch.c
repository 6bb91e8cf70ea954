/* SPDX-License-Identifier: Apache-2.0 */
/* Architectures under all the names that distributions, kernels and registries give them. */
#include <string.h>
#include <strings.h>
#include <sys/utsname.h>

#include "catalogue/catalogue.h"

/* A name, and what uname -m says there. */
static const char *const names[][2] = {
    {"x86_64", "x86_64"},
    {"amd64", "x86_64"},
    {"x86-64", "x86_64"},
    {"x64", "x86_64"},
    {"aarch64", "aarch64"},
    {"arm64", "aarch64"},
    {"arm64v8", "aarch64"},
    {"armv8", "aarch64"},
    {"i386", "i386"},
    {"386", "i386"},
    {"x86", "i386"},
    {"i486", "i386"},
    {"i586", "i386"},
    {"i686", "i386"},
    {"armv7", "armv7"},
    {"armv7l", "armv7"},
    {"arm32v7", "armv7"},
    {"armhf", "armv7"},
    {"armv6", "armv6"},
    {"armv6l", "armv6"},
    {"arm32v6", "armv6"},
    {"armv5", "armv5"},
    {"arm32v5", "armv5"},
    {"armel", "armv5"},
    {"ppc64le", "ppc64le"},
    {"ppc64el", "ppc64le"},
    {"powerpc64le", "ppc64le"},
    {"ppc64", "ppc64"},
    {"powerpc64", "ppc64"},
    {"s390x", "s390x"},
    {"riscv64", "riscv64"},
    {"loongarch64", "loongarch64"},
    {"loong64", "loongarch64"},
    {"mips64le", "mips64le"},
    {"mips64el", "mips64le"},
};

const char *fc_arch_name(const char *text)
{
    for (size_t i = 0; i < FC_LENGTH(names); i++)
        if (strcasecmp(names[i][0], text) == 0)
            return names[i][1];
    return NULL;
}

const char *fc_arch_host(void)
{
    struct utsname host;
    const char *name = uname(&host) == 0 ? fc_arch_name(host.machine) : NULL;

    return name ? name : "x86_64";
}

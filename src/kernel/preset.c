/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of guest kernels and of their configurations. */
#include "kernel/preset.h"

#include <stdio.h>
#include <string.h>

/* Firecracker's docs/kernel-policy.md, and the tags that its resources/rebuild.sh takes. */
const struct fc_kernel_preset fc_kernel_presets[] = {
    {"5.10", "5.10", "1.0.0", "2024-01-31", "microvm-kernel-5.10.*.amzn2", NULL},
    {"5.10-no-acpi", "5.10", "1.0.0", "2024-01-31", "microvm-kernel-5.10.*.amzn2", "x86_64"},
    {"6.1", "6.1", "1.9.0", "2026-09-02", "microvm-kernel-6.1.*.amzn2023", NULL},
    {"6.18", "6.18", "1.16.1", "2028-06-01", "kernel6.18-6.18.*.amzn2023", NULL},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct fc_kernel_preset *fc_kernel_preset_find(const char *name)
{
    for (const struct fc_kernel_preset *p = fc_kernel_presets; p->name; p++)
        if (strcmp(p->name, name) == 0)
            return p;
    return NULL;
}

const struct fc_kernel_preset *fc_kernel_preset_near(unsigned major, unsigned minor)
{
    const struct fc_kernel_preset *best = &fc_kernel_presets[0];

    for (const struct fc_kernel_preset *p = fc_kernel_presets; p->name; p++) {
        unsigned a = 0, b = 0;

        if (strcmp(p->name, p->series) == 0 && sscanf(p->series, "%u.%u", &a, &b) == 2 &&
            (a < major || (a == major && b <= minor)))
            best = p;
    }
    return best;
}

const char fc_guest_config_url[] =
    "https://raw.githubusercontent.com/firecracker-microvm/firecracker/%s/resources/guest_configs/%s";
const char fc_guest_config_commit[] = "f2f43b6";

static const struct fc_guest_config configs[] = {
    {"5.10", "x86_64", "microvm-kernel-ci-x86_64-5.10.config",
     "45519584034c401d8cef49424be15ba606048ede5c2d2ffc90c4725cbf384e1a"},
    {"5.10", "aarch64", "microvm-kernel-ci-aarch64-5.10.config",
     "1709bd15c5950ef206dfebb0d291a2b48ad43ba0394dd6f46573949aea8692c8"},
    {"5.10-no-acpi", "x86_64", "microvm-kernel-ci-x86_64-5.10-no-acpi.config",
     "75fc86c147419d97c098d1d66abe9b1b9bf3a0a212718e17a281a7e67f4504f0"},
    {"6.1", "x86_64", "microvm-kernel-ci-x86_64-6.1.config",
     "adbc70ab5e89213ba00594b12d25e09bdf8bb1ed3c252d7449326bb14c22963b"},
    {"6.1", "aarch64", "microvm-kernel-ci-aarch64-6.1.config",
     "1df6e14391ef65eceac0f65cac4e431fefd8e04e4584d261184059320ad492b7"},
    {"6.18", "x86_64", "microvm-kernel-ci-x86_64-6.18.config",
     "fc5444773da3bbeb566f3b60680d6c3fbc7c1b47c84f84b6352a65948135d6c0"},
    {"6.18", "aarch64", "microvm-kernel-ci-aarch64-6.18.config",
     "60c7eef6d7e81c46f1f62e6c6ef9faca0bafda12e1eb7870d881a092553f7c4a"},
};

const struct fc_guest_config *fc_guest_config_find(const char *preset, const char *arch)
{
    for (size_t i = 0; i < sizeof(configs) / sizeof(configs[0]); i++)
        if (strcmp(configs[i].preset, preset) == 0 && strcmp(configs[i].arch, arch) == 0)
            return &configs[i];
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The table of distributions: a new one is a file and a line here. */
#include "catalogue/distro.h"

const struct fc_distro *const fc_distros[] = {
    &fc_distro_alpine, &fc_distro_amazonlinux, &fc_distro_debian, &fc_distro_freebsd, &fc_distro_ubuntu, NULL,
};

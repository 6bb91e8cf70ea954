/* SPDX-License-Identifier: Apache-2.0 */
/* Make a file's capabilities from their usual text. */
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <linux/capability.h>
#include <sys/capability.h>

#include "compose/caps.h"

_Static_assert(sizeof(struct vfs_cap_data) == CAPS_SIZE, "the attribute of version 2");

static bool has(cap_t caps, unsigned bit, cap_flag_t set)
{
    cap_flag_value_t value = CAP_CLEAR;

    return cap_get_flag(caps, (cap_value_t)bit, set, &value) == 0 && value == CAP_SET;
}

int caps_from_text(const char *text, unsigned char ret[CAPS_SIZE], struct fc_error *err)
{
    uint64_t permitted = 0, inheritable = 0, effective = 0;
    cap_t caps = cap_from_text(text);
    struct vfs_cap_data value = {0};

    if (!caps)
        return fc_fail(err, EINVAL, "expected capabilities such as cap_net_bind_service=ep");
    for (unsigned bit = 0; bit < 64; bit++) {
        permitted |= (uint64_t)has(caps, bit, CAP_PERMITTED) << bit;
        inheritable |= (uint64_t)has(caps, bit, CAP_INHERITABLE) << bit;
        effective |= (uint64_t)has(caps, bit, CAP_EFFECTIVE) << bit;
    }
    cap_free(caps);
    if (effective && effective != (permitted | inheritable))
        return fc_fail(err, EINVAL, "a file's effective set (e) is all of its others or nothing");
    value.magic_etc = htole32(VFS_CAP_REVISION_2 | (effective ? VFS_CAP_FLAGS_EFFECTIVE : 0));
    for (unsigned half = 0; half < 2; half++) {
        value.data[half].permitted = htole32((uint32_t)(permitted >> 32 * half));
        value.data[half].inheritable = htole32((uint32_t)(inheritable >> 32 * half));
    }
    memcpy(ret, &value, sizeof(value));
    return 0;
}

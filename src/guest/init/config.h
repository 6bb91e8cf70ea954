/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest's init is to run: /etc/fccompose-init.json. */
#ifndef FC_GUEST_INIT_CONFIG_H
#define FC_GUEST_INIT_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_PATH "/etc/fccompose-init.json"
/* Bounds of its lists and of the file. Who writes it keeps them, too (guest/oci_config.c). */
enum { CONFIG_ARGS = 1024, CONFIG_ENV = 1024, CONFIG_GROUPS = 64, CONFIG_BYTES = 1 << 20 };

/** One member a field, called as in the file. Texts are in the file's own bytes. */
struct config {
    char *args[CONFIG_ARGS + 1];
    size_t n_args;
    char *env[CONFIG_ENV + 2]; /**< room for TERM and the end */
    size_t n_env;
    const char *dir;     /**< "" is "/" */
    const char *console; /**< a device in /dev; "" is the kernel's, "none" what init was started with */
    uint32_t uid, gid, groups[CONFIG_GROUPS];
    size_t n_groups;
    uint32_t stop_signal;
    uint32_t stop_seconds; /**< from that signal to SIGKILL */
    bool address_from_mac;
};

/**
 * Read @path into *ret, which is all zero. Members that are not known are an error: what is asked for in vain should be seen.
 * Returns false after saying why.
 */
bool config_read(const char *path, struct config *ret);

#endif

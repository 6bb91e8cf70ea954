/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about what a running system expects of the tree: mount points, /dev/console, udev, machine-id. */
#include <ctype.h>
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

static void judge_folders(struct fc_preflight *c)
{
    static const char *const mounted[] = {"/dev", "/proc", "/sys"}, *const written[] = {"/run", "/tmp", "/var"};

    for (size_t i = 0; i < FC_LENGTH(mounted); i++)
        if (!preflight_has(c, mounted[i], S_IFDIR))
            preflight_say(c, FC_PREFLIGHT_MOUNT_POINT, mounted[i], "it is no directory");
    for (size_t i = 0; i < FC_LENGTH(written); i++)
        if (!preflight_has(c, written[i], S_IFDIR))
            preflight_say(c, FC_PREFLIGHT_DIR_MISSING, written[i], "it is no directory");
}

static void judge_dev(struct fc_preflight *c)
{
    const struct fc_kconfig *config = c->in->kernel ? c->in->kernel->config : NULL;

    if (config && !(fc_kconfig_is_y(config, "DEVTMPFS") && fc_kconfig_is_y(config, "DEVTMPFS_MOUNT")) &&
        !preflight_has(c, "/dev/console", S_IFCHR))
        preflight_say(c, FC_PREFLIGHT_DEV_CONSOLE, "/dev/console",
                      "CONFIG_DEVTMPFS_MOUNT is not set, and this is no device");
}

static bool is_id(const char *text)
{
    size_t n = 0;

    while (isxdigit((unsigned char)text[n]))
        n++;
    return n == 32;
}

static void judge_machine_id(struct fc_preflight *c)
{
    char *text = preflight_content(c, "/etc/machine-id");

    if (text && is_id(text))
        preflight_say(c, FC_PREFLIGHT_MACHINE_ID_FIXED, "/etc/machine-id", "%.32s", text);
    else if (!text && c->in->read_only && c->init == PREFLIGHT_INIT_SYSTEMD)
        preflight_say(c, FC_PREFLIGHT_MACHINE_ID_MISSING, "/etc/machine-id", "it is not there");
}

/* An init system keeps logs and state in /var; what is mounted over it by fstab is written to in memory. */
static void judge_read_only(struct fc_preflight *c)
{
    char *text = preflight_content(c, "/etc/fstab"), *line;

    if (!c->in->read_only || c->init == PREFLIGHT_INIT_OWN || c->init == PREFLIGHT_INIT_OTHER ||
        preflight_word(c, "overlay_root"))
        return;
    while ((line = preflight_line(&text)))
        if (*line != '#' && (strstr(line, " /var ") || strstr(line, "\t/var\t")))
            return;
    preflight_say(c, FC_PREFLIGHT_READ_ONLY, "/var", "nothing is mounted over it");
}

void preflight_tree(struct fc_preflight *c)
{
    judge_folders(c);
    judge_dev(c);
    if (c->init == PREFLIGHT_INIT_SYSTEMD && !preflight_which(c, "udevadm"))
        preflight_say(c, FC_PREFLIGHT_UDEV_MISSING, "/usr/bin/udevadm", "it is not there");
    judge_machine_id(c);
    judge_read_only(c);
}

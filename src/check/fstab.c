/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about /etc/fstab: entries for devices that the machine does not have. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "check/internal.h"
#include "ext4/probe.h"

/* What the image calls itself. */
struct own {
    char uuid[37];
    char label[17];
};

static void find_own(const struct fc_preflight *c, struct own *o)
{
    struct fc_ext4_probe p;
    const uint8_t *u = p.uuid;

    *o = (struct own){0};
    if (!c->in->image || fc_ext4_probe(c->in->image, &p, NULL) < 0)
        return;
    snprintf(o->uuid, sizeof(o->uuid), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0],
             u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
    memcpy(o->label, p.label, sizeof(o->label));
}

/* NAME=value, the value perhaps in quotes. */
static const char *tagged(struct fc_preflight *c, const char *device, const char *name)
{
    size_t n = strlen(name);

    if (strncmp(device, name, n) != 0 || device[n] != '=')
        return NULL;
    device += n + 1;
    return *device == '"' ? preflight_textf(c, "%.*s", (int)strcspn(device + 1, "\""), device + 1) : device;
}

/* Whether the machine may have it: the root drive, a further drive, or what is no device. */
static bool is_there(struct fc_preflight *c, const char *device, const struct own *o)
{
    static const char *const never[] = {"/dev/sd",      "/dev/hd", "/dev/xvd",   "/dev/nvme", "/dev/mmcblk",
                                        "/dev/mapper/", "/dev/sr", "/dev/cdrom", "/dev/fd",   "/dev/disk/"};
    const char *uuid = tagged(c, device, "UUID"), *label = tagged(c, device, "LABEL");

    if (uuid)
        return c->in->image ? strcasecmp(uuid, o->uuid) == 0 : false;
    if (label)
        return c->in->image ? strcmp(label, o->label) == 0 : strcmp(label, "rootfs") == 0;
    if (tagged(c, device, "PARTUUID") || tagged(c, device, "PARTLABEL"))
        return false;
    for (size_t i = 0; i < FC_LENGTH(never); i++)
        if (strncmp(device, never[i], strlen(never[i])) == 0)
            return false;
    return true;
}

static bool has_option(const char *options, const char *name)
{
    size_t n = strlen(name);

    for (const char *at = options; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (!at[n] || at[n] == ','))
            return true;
    return false;
}

static void judge(struct fc_preflight *c, char *line, const struct own *o)
{
    char *save = NULL, *device = strtok_r(line, " \t\r", &save), *place = strtok_r(NULL, " \t\r", &save);
    char *type = strtok_r(NULL, " \t\r", &save), *options = strtok_r(NULL, " \t\r", &save);
    bool systemd = c->init == PREFLIGHT_INIT_SYSTEMD;

    if (!device || *device == '#' || !place || !type || is_there(c, device, o))
        return;
    if (options && (has_option(options, "nofail") || has_option(options, "noauto")))
        return;
    if (strcmp(place, "/") == 0)
        preflight_say(c, FC_PREFLIGHT_FSTAB_ROOT, "/etc/fstab", "%s for /", device);
    else if (strcmp(type, "swap") == 0)
        preflight_say(c, FC_PREFLIGHT_FSTAB_SWAP, "/etc/fstab", "%s for swap", device);
    else
        preflight_say_as(c, FC_PREFLIGHT_FSTAB_DEVICE, systemd ? FC_PREFLIGHT_ERROR : FC_PREFLIGHT_WARNING, NULL,
                         "/etc/fstab", "%s for %s%s", device, place,
                         systemd ? ": systemd waits 90 s, then it is emergency mode" : "");
}

void preflight_fstab(struct fc_preflight *c)
{
    char *text = preflight_content(c, "/etc/fstab"), *line;
    struct own o;

    if (!text || c->init == PREFLIGHT_INIT_OWN || c->init == PREFLIGHT_INIT_OTHER)
        return;
    find_own(c, &o);
    while ((line = preflight_line(&text)))
        judge(c, line, &o);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Rules about the image: its size, and its features against the kernel's version and configuration. */
#include <string.h>

#include "check/internal.h"
#include "ext4/probe.h"

enum { SECTOR = 512, PMEM = 2 << 20 };
enum { WORD_INCOMPAT, WORD_RO_COMPAT };
#define RECOVER 0x4u

/*
 * Features that came after ext4 itself (2.6.28), by the kernel that first mounts them (fs/ext4/ext4.h and its history), and those
 * that ext4 refuses without an option (ext4_feature_set_ok() and ext4_fill_super() in fs/ext4/super.c).
 */
static const struct feature {
    int word;
    uint32_t bit;
    const char *name;
    unsigned major, minor;
    const char *option; /* NULL: none */
} features[] = {
    {WORD_INCOMPAT, 0x0100, "mmp", 3, 0, NULL},
    {WORD_INCOMPAT, 0x0400, "ea_inode", 4, 13, NULL},
    {WORD_INCOMPAT, 0x2000, "metadata_csum_seed", 4, 4, NULL},
    {WORD_INCOMPAT, 0x4000, "large_dir", 4, 13, NULL},
    {WORD_INCOMPAT, 0x8000, "inline_data", 3, 8, NULL},
    {WORD_INCOMPAT, 0x10000, "encrypt", 4, 1, NULL},
    {WORD_INCOMPAT, 0x20000, "casefold", 5, 2, "UNICODE"},
    {WORD_RO_COMPAT, 0x0100, "quota", 3, 6, "QUOTA"},
    {WORD_RO_COMPAT, 0x0200, "bigalloc", 3, 2, NULL},
    {WORD_RO_COMPAT, 0x0400, "metadata_csum", 3, 6, NULL},
    {WORD_RO_COMPAT, 0x2000, "project", 4, 5, "QUOTA"},
    {WORD_RO_COMPAT, 0x8000, "verity", 5, 4, NULL},
    {WORD_RO_COMPAT, 0x10000, "orphan_present", 5, 15, NULL},
};

static bool older(const struct fc_kernel *k, unsigned major, unsigned minor)
{
    return k->major && (k->major < major || (k->major == major && k->minor < minor));
}

static void judge_features(struct fc_preflight *c, const struct fc_ext4_probe *p)
{
    const struct fc_kernel *k = c->in->kernel;

    for (size_t i = 0; i < FC_LENGTH(features); i++) {
        const struct feature *f = &features[i];
        bool read_only = f->word == WORD_RO_COMPAT && c->in->read_only;

        if (!((f->word == WORD_INCOMPAT ? p->incompat : p->ro_compat) & f->bit) || read_only)
            continue;
        if (older(k, f->major, f->minor))
            preflight_say(c, FC_PREFLIGHT_EXT4_FEATURE, f->name, "Linux mounts it since %u.%u, the kernel is %s",
                          f->major, f->minor, k->version);
        else if (f->option && k->config && !fc_kconfig_is_y(k->config, f->option))
            preflight_say_as(c, FC_PREFLIGHT_EXT4_CONFIG, FC_PREFLIGHT_ERROR,
                             preflight_textf(c, "set CONFIG_%s=y", f->option), f->name, "CONFIG_%s is not set",
                             f->option);
    }
}

/* What the driver for ext2 mounts: neither extents nor a journal that waits. */
static void judge_driver(struct fc_preflight *c, const struct fc_ext4_probe *p)
{
    const struct fc_kconfig *k = c->in->kernel->config;

    if (!k || fc_kconfig_is_y(k, "EXT4_FS"))
        return;
    if (p && !(p->incompat & ~0x2u) && !(p->ro_compat & ~0x7u) && fc_kconfig_is_y(k, "EXT2_FS"))
        return;
    preflight_say(c, FC_PREFLIGHT_EXT4_DRIVER, "CONFIG_EXT4_FS", "it is %s", fc_kconfig_value(k, "EXT4_FS"));
}

static void judge_xattrs(struct fc_preflight *c)
{
    static const char *const kinds[][2] = {{"system.posix_acl_", "EXT4_FS_POSIX_ACL"},
                                           {"security.", "EXT4_FS_SECURITY"}};
    const struct fc_kconfig *k = c->in->kernel->config;
    uint32_t n;
    const struct fc_xattr *x = fc_snapshot_xattrs(c->s, &n);

    for (size_t kind = 0; k && kind < FC_LENGTH(kinds); kind++) {
        const char *option = kinds[kind][1];
        uint32_t i = 0;

        while (i < n && strncmp(x[i].name, kinds[kind][0], strlen(kinds[kind][0])) != 0)
            i++;
        if (i < n && fc_kconfig_is_y(k, "EXT4_FS") && !fc_kconfig_is_y(k, option))
            preflight_say_as(c, FC_PREFLIGHT_EXT4_XATTR, FC_PREFLIGHT_WARNING,
                             preflight_textf(c, "set CONFIG_%s=y", option), x[i].name,
                             "the tree has such attributes, and CONFIG_%s is not set", option);
    }
}

void preflight_image(struct fc_preflight *c)
{
    struct fc_ext4_probe p, *probe = NULL;

    if (c->in->image) {
        int r = fc_ext4_probe(c->in->image, &p, c->err);

        if (r < 0) {
            c->failed = r;
            return;
        }
        probe = &p;
        if (p.size % SECTOR)
            preflight_say(c, FC_PREFLIGHT_IMAGE_SECTORS, c->in->image, "%llu bytes", (unsigned long long)p.size);
        if (c->in->pmem && p.size % PMEM)
            preflight_say(c, FC_PREFLIGHT_IMAGE_PMEM, c->in->image, "%llu bytes", (unsigned long long)p.size);
        if (c->in->read_only && p.incompat & RECOVER)
            preflight_say(c, FC_PREFLIGHT_IMAGE_JOURNAL, c->in->image, "the journal was not replayed (needs_recovery)");
        if (c->in->kernel)
            judge_features(c, &p);
    }
    if (c->in->kernel) {
        judge_driver(c, probe);
        judge_xattrs(c);
    }
}

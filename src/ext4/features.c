/* SPDX-License-Identifier: Apache-2.0 */
/* The features of each profile: what a guest's kernel can mount and its own e2fsck can check. */
#include <errno.h>
#include <string.h>

#include "ext4/plan.h"

#define COMPAT_ALWAYS (EXT2_FEATURE_COMPAT_EXT_ATTR | EXT2_FEATURE_COMPAT_RESIZE_INODE | EXT2_FEATURE_COMPAT_DIR_INDEX)
#define INCOMPAT_ALWAYS (EXT2_FEATURE_INCOMPAT_FILETYPE | EXT3_FEATURE_INCOMPAT_EXTENTS | EXT4_FEATURE_INCOMPAT_FLEX_BG)
#define RO_COMPAT_ALWAYS                                                                                               \
    (EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER | EXT2_FEATURE_RO_COMPAT_LARGE_FILE | EXT4_FEATURE_RO_COMPAT_HUGE_FILE |      \
     EXT4_FEATURE_RO_COMPAT_DIR_NLINK | EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE)
#define WHEN_USED (EXT4_FEATURE_INCOMPAT_EA_INODE | EXT4_FEATURE_INCOMPAT_LARGEDIR | EXT4_FEATURE_INCOMPAT_INLINE_DATA)

/*
 * Who knows what, as Linux and e2fsprogs came to know it:
 *   64bit                 Linux 2.6.28   e2fsprogs 1.42 (mke2fs makes it since 1.43)
 *   uninit_bg             Linux 2.6.24   e2fsprogs 1.41
 *   metadata_csum         Linux 3.6      e2fsprogs 1.43 (mke2fs: 1.44); takes the place of uninit_bg
 *   inline_data           Linux 3.8      e2fsprogs 1.43
 *   read-only             Linux 4.1      e2fsprogs 1.43
 *   metadata_csum_seed    Linux 4.4      e2fsprogs 1.43 (mke2fs: 1.47)
 *   ea_inode, large_dir   Linux 4.13     e2fsprogs 1.44
 *   orphan_file           Linux 5.15     e2fsprogs 1.47
 * Debian 11 has Linux 5.10 with e2fsck 1.46, Amazon Linux 2023 Linux 6.1 with e2fsck 1.46, Debian 12 Linux 6.1 with 1.47,
 * and Debian 13 a later Linux with 1.47; CentOS 7 and Amazon Linux 2 have e2fsck 1.42.
 */
static const struct profile {
    const char *name;
    struct fc_ext4_features always;
    uint32_t incompat_when_used;
    uint32_t ro_compat_read_only; /* for images that are not written to: the kernel then refuses to */
} profiles[] = {
    [FC_EXT4_PROFILE_5_10] = {"5.10",
                              {COMPAT_ALWAYS, INCOMPAT_ALWAYS | EXT4_FEATURE_INCOMPAT_64BIT,
                               RO_COMPAT_ALWAYS | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM},
                              WHEN_USED,
                              EXT4_FEATURE_RO_COMPAT_READONLY},
    [FC_EXT4_PROFILE_6_1] = {"6.1",
                             {COMPAT_ALWAYS,
                              INCOMPAT_ALWAYS | EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_CSUM_SEED,
                              RO_COMPAT_ALWAYS | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM},
                             WHEN_USED,
                             EXT4_FEATURE_RO_COMPAT_READONLY},
    [FC_EXT4_PROFILE_6_18] = {"6.18",
                              {COMPAT_ALWAYS | FC_EXT4_COMPAT_ORPHAN_FILE,
                               INCOMPAT_ALWAYS | EXT4_FEATURE_INCOMPAT_64BIT | EXT4_FEATURE_INCOMPAT_CSUM_SEED,
                               RO_COMPAT_ALWAYS | EXT4_FEATURE_RO_COMPAT_METADATA_CSUM},
                              WHEN_USED,
                              EXT4_FEATURE_RO_COMPAT_READONLY},
    [FC_EXT4_PROFILE_COMPAT] = {"compat",
                                {COMPAT_ALWAYS, INCOMPAT_ALWAYS, RO_COMPAT_ALWAYS | EXT4_FEATURE_RO_COMPAT_GDT_CSUM},
                                0,
                                0},
};

int fc_ext4_profile_find(const char *name, enum fc_ext4_profile *ret_profile)
{
    for (size_t i = 0; i < FC_LENGTH(profiles); i++)
        if (strcmp(name, profiles[i].name) == 0) {
            *ret_profile = (enum fc_ext4_profile)i;
            return 0;
        }
    return -ENOENT;
}

int fc_ext4_start_features(struct fc_ext4_planner *p)
{
    const struct fc_ext4_options *o = &p->options;

    if ((unsigned)o->profile >= FC_LENGTH(profiles))
        return fc_fail(p->err, EINVAL, "there is no profile %u", (unsigned)o->profile);
    p->features = profiles[o->profile].always;
    p->csum = p->features.ro_compat & EXT4_FEATURE_RO_COMPAT_METADATA_CSUM;
    if (o->inode_size == EXT2_GOOD_OLD_INODE_SIZE)
        p->features.ro_compat &= ~(uint32_t)EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE;
    if (o->journal == FC_EXT4_JOURNAL_NONE) /* without one there is nothing to note */
        p->features.compat &= ~FC_EXT4_COMPAT_ORPHAN_FILE;
    if (o->read_only) {
        p->features.compat &= ~(uint32_t)EXT2_FEATURE_COMPAT_RESIZE_INODE;
        p->features.ro_compat |= profiles[o->profile].ro_compat_read_only;
    }
    if (!o->inline_data)
        return 0;
    if (o->inode_size == EXT2_GOOD_OLD_INODE_SIZE)
        return fc_fail(p->err, EINVAL, "inodes of 128 bytes have no room for data: inline data needs 256 or more");
    if (!(profiles[o->profile].incompat_when_used & EXT4_FEATURE_INCOMPAT_INLINE_DATA))
        return fc_fail(p->err, EINVAL, "inline data needs inline_data, which the profile %s lacks",
                       profiles[o->profile].name);
    p->features.incompat |= EXT4_FEATURE_INCOMPAT_INLINE_DATA;
    return 0;
}

int fc_ext4_need(struct fc_ext4_planner *p, uint32_t inode, uint32_t incompat, const char *name, const char *what)
{
    const struct profile *profile = &profiles[p->options.profile];
    char text[256];

    if (profile->incompat_when_used & incompat) {
        p->features.incompat |= incompat;
        return 0;
    }
    snprintf(text, sizeof(text), "%s without %s, which the profile %s lacks", what, name, profile->name);
    return fc_ext4_fail_at(p, inode, EOPNOTSUPP, text);
}

void fc_ext4_set_features(const struct fc_ext4_planner *p, struct ext2_super_block *sb)
{
    sb->s_feature_compat = p->features.compat | (p->journal_blocks ? EXT3_FEATURE_COMPAT_HAS_JOURNAL : 0);
    sb->s_feature_incompat = p->features.incompat;
    sb->s_feature_ro_compat = p->features.ro_compat;
    if (p->features.ro_compat & EXT4_FEATURE_RO_COMPAT_EXTRA_ISIZE)
        sb->s_min_extra_isize = sb->s_want_extra_isize = 32;
    fc_ext4_set_orphan_file(p, sb);
}

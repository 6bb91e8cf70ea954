/* SPDX-License-Identifier: Apache-2.0 */
/* Open an image for reading: see that it is an ext file system, whole, supported and of a sane shape. */
#include <errno.h>
#include <et/com_err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include "base/cleanup.h"
#include "base/io.h"
#include "base/log.h"
#include "ext4/read.h"

/* Bytes that any image may cost, however small it is; and how much better than these a host may compress an image. */
#define BUDGET_LEAST (UINT64_C(64) << 20)
#define COMPRESSED_MOST 16u

/* What the image really occupies bounds the work: a sparse file of terabytes may claim anything about its holes. */
static int measure(struct fc_ext4_reader *r)
{
    uint64_t real;
    struct stat st;

    if (fstat(r->fd, &st) < 0)
        return fc_fail_errno(r->err, errno, "%s", r->label);
    if (S_ISDIR(st.st_mode))
        return fc_fail(r->err, EISDIR, "%s is a folder, not an image", r->label);
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
        return fc_fail(r->err, EINVAL, "%s is neither a file nor a block device: an image is read at any place",
                       r->label);
    r->image_size = (uint64_t)st.st_size;
    if (S_ISBLK(st.st_mode) && ioctl(r->fd, BLKGETSIZE64, &r->image_size) < 0)
        return fc_fail_errno(r->err, errno, "cannot get the size of %s", r->label);
    real = (uint64_t)st.st_blocks * 512 * COMPRESSED_MOST;
    if (S_ISBLK(st.st_mode) || real > r->image_size)
        real = r->image_size;
    r->copy_budget = real + BUDGET_LEAST;
    r->budget = r->copy_budget / 4;
    return 0;
}

static int check_super(struct fc_ext4_reader *r, struct ext2_super_block *s)
{
    uint64_t blocks = s->s_blocks_count, per_group = s->s_blocks_per_group, size, descriptor = EXT2_MIN_DESC_SIZE;

    if (s->s_log_block_size > EXT2_MAX_BLOCK_LOG_SIZE - EXT2_MIN_BLOCK_LOG_SIZE ||
        s->s_log_cluster_size > EXT2_MAX_CLUSTER_LOG_SIZE - EXT2_MIN_CLUSTER_LOG_SIZE || per_group < 8)
        return fc_fail(r->err, EBADMSG, "%s: damaged: its superblock makes no sense", r->label);
    size = UINT64_C(1024) << s->s_log_block_size;
    if (s->s_feature_incompat & EXT4_FEATURE_INCOMPAT_64BIT) {
        blocks |= (uint64_t)s->s_blocks_count_hi << 32;
        descriptor = s->s_desc_size;
    }
    if (blocks > r->image_size / size)
        return fc_fail(r->err, EBADMSG,
                       "%s is cut short: its file system has %llu blocks of %llu bytes, the image %llu bytes", r->label,
                       (unsigned long long)blocks, (unsigned long long)size, (unsigned long long)r->image_size);
    if (blocks / per_group > r->copy_budget / (descriptor ? descriptor : 1))
        return fc_fail(r->err, EBADMSG, "%s: damaged: more block groups than it has room for", r->label);
    return 0;
}

/* Words for features that the library, or this reader, does not know. */
static int check_features(struct fc_ext4_reader *r, const struct ext2_super_block *s)
{
    uint32_t unknown = s->s_feature_incompat & ~(uint32_t)EXT2_LIB_FEATURE_INCOMPAT_SUPP;

    if (s->s_feature_incompat & EXT3_FEATURE_INCOMPAT_JOURNAL_DEV)
        return fc_fail(r->err, EOPNOTSUPP, "%s is an external journal, not a file system", r->label);
    if (unknown)
        return fc_fail(r->err, EOPNOTSUPP, "%s: its file system has features that are not known here (incompat 0x%x)",
                       r->label, unknown);
    return 0;
}

/* What may be missing. An ext2 image that was mounted when it was copied has no journal to say so. */
static void warn(const struct fc_ext4_reader *r)
{
    const struct ext2_super_block *s = r->fs->super;

    if (ext2fs_has_feature_journal_needs_recovery(r->fs->super))
        fc_log(FC_LOG_WARN,
               "%s was not unmounted: its last writes are in the journal, and are not seen here; e2fsck -p %s puts "
               "them in "
               "their place",
               r->label, r->label);
    else if (!(s->s_state & EXT2_VALID_FS))
        fc_log(FC_LOG_WARN, "%s was not unmounted: its last writes may be missing; e2fsck -p %s mends it", r->label,
               r->label);
    if (s->s_state & EXT2_ERROR_FS)
        fc_log(FC_LOG_WARN, "%s: the kernel has found errors in it; e2fsck -f %s looks for them", r->label, r->label);
}

static int open_library(struct fc_ext4_reader *r)
{
    int fd = fcntl(r->fd, F_DUPFD_CLOEXEC, 3);
    char name[16];
    errcode_t code;

    if (fd < 0)
        return fc_fail_errno(r->err, errno, "%s", r->label);
    snprintf(name, sizeof(name), "%d", fd);
    add_error_table(&et_ext2_error_table); /* once is enough, and more does nothing */
    code = ext2fs_open2(name, NULL, EXT2_FLAG_64BITS, 0, 0, unixfd_io_manager, &r->fs);
    if (code) {
        r->fs = NULL;
        return fc_ext4_read_fail_lib(r, code, "cannot open its file system");
    }
    return 0;
}

int fc_ext4_read_open(struct fc_ext4_reader *r, const char *path)
{
    struct ext2_super_block super;
    ssize_t n;
    int ret;

    r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (r->fd < 0)
        return fc_fail_errno(r->err, errno, "%s", r->label);
    ret = measure(r);
    if (ret < 0)
        return ret;
    n = fc_pread_full(r->fd, &super, sizeof(super), SUPERBLOCK_OFFSET);
    if (n < 0)
        return fc_fail_errno(r->err, (int)-n, "cannot read %s", r->label);
    if ((size_t)n < sizeof(super) || super.s_magic != EXT2_SUPER_MAGIC)
        return fc_ext4_read_fail_other(r);
    ret = check_features(r, &super);
    if (ret == 0)
        ret = check_super(r, &super);
    if (ret == 0)
        ret = open_library(r);
    if (ret == 0 && !r->options.no_warnings)
        warn(r);
    return ret;
}

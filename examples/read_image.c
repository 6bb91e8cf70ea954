/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List an ext2, ext3 or ext4 image without mounting it, like "find -printf '%m %U:%G %s %p'".
 *
 *   cc read_image.c -lfccompose -o read_image && ./read_image rootfs.ext4
 */
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include <fccompose/fccompose.h>

static void print_below(const struct fc_snapshot *s, uint32_t dir, const char *path)
{
    const struct fc_snap_inode *inodes = fc_snapshot_inodes(s, NULL);
    const struct fc_snap_dentry *names = fc_snapshot_dentries(s, NULL) + inodes[dir].first_dentry;

    for (uint32_t k = 0; k < inodes[dir].n_dentries; k++) {
        const struct fc_snap_inode *i = &inodes[names[k].inode];
        char below[4096];

        snprintf(below, sizeof(below), "%s/%.*s", path, (int)names[k].name_len, names[k].name);
        printf("%06o %5u:%-5u %10" PRIu64 " %s%s%s\n", i->mode, i->uid, i->gid, i->size, below, i->target ? " -> " : "",
               i->target ? i->target : "");
        if (S_ISDIR(i->mode))
            print_below(s, names[k].inode, below);
    }
}

int main(int argc, char **argv)
{
    const struct fc_ext4_read_options options = {.no_content = true};
    struct fc_snapshot *s = NULL;
    struct fc_error err = {0};

    if (argc != 2) {
        fprintf(stderr, "usage: read_image IMAGE\n");
        return 2;
    }
    if (fc_ext4_read_image(argv[1], &options, &s, &err) < 0) {
        fprintf(stderr, "read_image: %s\n", err.msg);
        return 1;
    }
    print_below(s, 0, "");
    fc_snapshot_free(s);
    return 0;
}

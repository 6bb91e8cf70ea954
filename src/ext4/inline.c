/* SPDX-License-Identifier: Apache-2.0 */
/* Data in inodes (inline_data): small files and directories stand in i_block, and what is more in an attribute. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/io.h"
#include "ext4/plan.h"

#define PARENT_SIZE 4u /* a directory begins with its parent's number in place of "." and ".." */
#define ENTRY_SIZE 20u /* of the attribute system.data, its name included */

uint32_t fc_ext4_inline_room(const struct fc_ext4_planner *p)
{
    uint32_t body = p->options.inode_size > FC_EXT4_BODY_AT ? p->options.inode_size - FC_EXT4_BODY_AT : 0;

    if (!p->options.inline_data)
        return 0;
    return FC_EXT4_INLINE_BLOCK + body - 4 - ENTRY_SIZE - 4; /* a magic number before, a terminator after */
}

static void set_inline(struct fc_ext4_node *node, unsigned char *content, uint32_t size)
{
    node->content = content;
    node->content_blocks = 0;
    node->inlined = true;
    node->inline_size = (uint16_t)size;
}

/* Put as many of @names as fit into the @room bytes at @at; the last reaches to the end. Returns those left, moved up. */
static size_t fill_part(unsigned char *at, uint32_t room, struct fc_ext4_name *names, size_t n)
{
    uint32_t used = 0, last = 0;
    size_t left = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t size = fc_ext4_name_size(names[i].len);

        if (size > room - used) {
            names[left++] = names[i];
            continue;
        }
        fc_ext4_put_name(at + used, &names[i], size);
        last = used;
        used += size;
    }
    if (used)
        ((struct ext2_dir_entry_2 *)(void *)(at + last))->rec_len = (uint16_t)(room - last);
    else
        fc_ext4_put_name(at, &(struct fc_ext4_name){0}, room);
    return left;
}

/* The bytes of the names that fill_part() would leave of a part of @room bytes. */
static uint64_t bytes_left(uint32_t room, const struct fc_ext4_name *names, size_t n)
{
    uint64_t left = 0;
    uint32_t used = 0;

    for (size_t i = 0; i < n; i++) {
        uint32_t size = fc_ext4_name_size(names[i].len);

        if (size > room - used)
            left += size;
        else
            used += size;
    }
    return left;
}

int fc_ext4_inline_directory(struct fc_ext4_planner *p, struct fc_ext4_node *node, uint32_t parent_ino,
                             struct fc_ext4_name *names, size_t n)
{
    uint32_t room = fc_ext4_inline_room(p), first = FC_EXT4_INLINE_BLOCK - PARENT_SIZE;
    unsigned char *content;
    uint64_t rest;

    /* The kernel refuses a root without blocks, and lost+found has blocks to put things back without an allocation. */
    if (node == &p->nodes[FC_EXT4_NODE_ROOT] || node == &p->nodes[FC_EXT4_NODE_LOST_FOUND] ||
        n * fc_ext4_name_size(1) > room)
        return 0;
    rest = bytes_left(first, names, n);
    if (!room || rest > room - FC_EXT4_INLINE_BLOCK)
        return 0;
    content = fc_image_alloc(p->image, FC_EXT4_INLINE_BLOCK + (size_t)rest);
    if (!content)
        return fc_ext4_no_memory(p);
    memcpy(content, &parent_ino, PARENT_SIZE);
    n = fill_part(content + PARENT_SIZE, first, names, n);
    if (rest)
        fill_part(content + FC_EXT4_INLINE_BLOCK, (uint32_t)rest, names, n);
    set_inline(node, content, FC_EXT4_INLINE_BLOCK + (uint32_t)rest);
    return 1;
}

static int read_file(struct fc_ext4_planner *p, const struct fc_ext4_node *node, unsigned char *content)
{
    const struct fc_snap_inode *s = &p->inodes[node->source];

    for (uint32_t i = 0; i < s->n_extents; i++) {
        const struct fc_snap_extent *e = &p->extents[s->first_extent + i];
        size_t want = (size_t)(s->size - e->offset < e->length ? s->size - e->offset : e->length);

        if (fc_snap_source_read(&p->sources[e->source], content + e->offset, want, e->source_offset) != (ssize_t)want)
            return fc_ext4_fail_at(p, node->source, EIO, "cannot read its content");
    }
    return 0;
}

/* Contents are read in the order in which they stand in the packs, which is that of p->data_order. */
int fc_ext4_inline_files(struct fc_ext4_planner *p)
{
    uint32_t room = fc_ext4_inline_room(p);
    size_t n = 0;

    for (size_t i = 0; i < p->n_data; i++) {
        struct fc_ext4_node *node = &p->nodes[p->data_order[i]];
        uint64_t size = p->inodes[node->source].size;
        unsigned char *content;
        int r;

        if (size > room || !size) {
            p->data_order[n++] = p->data_order[i];
            continue;
        }
        content = fc_image_alloc(p->image, FC_EXT4_INLINE_BLOCK > size ? FC_EXT4_INLINE_BLOCK : (size_t)size);
        if (!content)
            return fc_ext4_no_memory(p);
        r = p->sizes_only ? 0 : read_file(p, node, content);
        if (r < 0)
            return r;
        set_inline(node, content, (uint32_t)size);
    }
    p->n_data = n;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* From the snapshot's inodes to the inodes of the image: numbers, link counts, copies, order of contents. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "ext4/plan.h"

/* One less than 2^32 blocks: the largest offset that ext4's extents can name. */
#define SIZE_MOST ((uint64_t)UINT32_MAX * FC_EXT4_BLOCK)

static int check_extents(const struct fc_ext4_planner *p, uint32_t i)
{
    const struct fc_snap_inode *s = &p->inodes[i];
    uint64_t end = 0, last = (s->size + FC_EXT4_BLOCK - 1) / FC_EXT4_BLOCK * FC_EXT4_BLOCK;

    if (s->size > SIZE_MOST)
        return fc_ext4_fail_at(p, i, EOPNOTSUPP, "ext4 holds files of at most 16 TiB");
    for (uint32_t k = 0; k < s->n_extents; k++) {
        const struct fc_snap_extent *e = &p->extents[s->first_extent + k];

        if (e->offset < end || e->offset % FC_EXT4_BLOCK || e->source_offset % FC_EXT4_BLOCK ||
            e->source >= p->n_sources || e->offset > last || e->length > last - e->offset ||
            (e->length % FC_EXT4_BLOCK && k + 1 < s->n_extents))
            return fc_ext4_fail_at(p, i, EINVAL, "the snapshot's extents are not in order");
        end = e->offset + e->length;
    }
    return 0;
}

static int check_inode(const struct fc_ext4_planner *p, uint32_t i)
{
    const struct fc_snap_inode *s = &p->inodes[i];

    switch (s->mode & S_IFMT) {
    case S_IFREG:
        return check_extents(p, i);
    case S_IFLNK:
        if (!s->target || !s->size || s->size >= FC_EXT4_BLOCK)
            return fc_ext4_fail_at(p, i, EOPNOTSUPP, "ext4 holds symlinks of 1 to 4095 bytes");
        return 0;
    case S_IFBLK:
    case S_IFCHR:
        if (s->rdev_major >= 1u << 12 || s->rdev_minor >= 1u << 20)
            return fc_ext4_fail_at(p, i, EOPNOTSUPP, "ext4 holds device numbers up to 4095:1048575");
        return 0;
    case S_IFDIR:
    case S_IFIFO:
    case S_IFSOCK:
        return 0;
    default:
        return fc_ext4_fail_at(p, i, EOPNOTSUPP, "unknown type of file");
    }
}

/* Count names (of a directory: subdirectories) in @names and find /lost+found. */
static int count_names(struct fc_ext4_planner *p, uint32_t *names)
{
    p->lost_found = FC_TREE_NONE;
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        const struct fc_snap_inode *dir = &p->inodes[i];

        for (uint32_t k = 0; k < dir->n_dentries; k++) {
            const struct fc_snap_dentry *d = &p->dentries[dir->first_dentry + k];
            bool is_dir;

            if (d->inode == 0 || d->inode >= p->n_inodes || d->name_len == 0 || d->name_len > EXT2_NAME_LEN)
                return fc_ext4_fail_at(p, i, EINVAL, "the snapshot has a bad name in this directory");
            is_dir = S_ISDIR(p->inodes[d->inode].mode);
            names[d->inode] += !is_dir || names[d->inode] == 0; /* a directory: "it has a name" */
            if (i == 0 && d->name_len == 10 && !memcmp(d->name, "lost+found", 10))
                p->lost_found = d->inode;
        }
    }
    return 0;
}

static void set_directory_links(struct fc_ext4_planner *p)
{
    for (size_t k = 0; k < p->n_nodes; k++) {
        struct fc_ext4_node *node = &p->nodes[k];
        const struct fc_snap_inode *dir;

        if (node->source == FC_TREE_NONE || !S_ISDIR(p->inodes[node->source].mode))
            continue;
        dir = &p->inodes[node->source];
        node->links = 0;
        for (uint32_t i = 0; i < dir->n_dentries; i++)
            node->links += S_ISDIR(p->inodes[p->dentries[dir->first_dentry + i].inode].mode);
    }
    if (p->lost_found == FC_TREE_NONE)
        p->nodes[FC_EXT4_NODE_ROOT].links++;
}

static int add_copies(struct fc_ext4_planner *p, const uint32_t *names, uint32_t n_split)
{
    if (!n_split)
        return 0;
    p->first_copy = calloc(p->n_inodes, sizeof(*p->first_copy));
    p->names_seen = calloc(p->n_inodes, sizeof(*p->names_seen));
    if (!p->first_copy || !p->names_seen)
        return fc_ext4_no_memory(p);
    p->summary.n_split_links = n_split;
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        uint32_t left = names[i];

        if (p->node_of[i] == FC_TREE_NONE || S_ISDIR(p->inodes[i].mode) || left <= FC_EXT4_LINKS_MOST)
            continue;
        p->first_copy[i] = (uint32_t)p->n_nodes;
        p->nodes[p->node_of[i]].links = FC_EXT4_LINKS_MOST;
        for (left -= FC_EXT4_LINKS_MOST; left; left -= p->nodes[p->n_nodes++].links)
            p->nodes[p->n_nodes] = (struct fc_ext4_node){
                .base = FC_TREE_NONE, .source = i, .links = left < FC_EXT4_LINKS_MOST ? left : FC_EXT4_LINKS_MOST};
    }
    return 0;
}

uint32_t fc_ext4_n_copies(const struct fc_ext4_planner *p, uint32_t inode)
{
    uint32_t n = 0, first = p->first_copy ? p->first_copy[inode] : 0;

    while (first && first + n < p->n_nodes && p->nodes[first + n].source == inode)
        n++;
    return n;
}

uint32_t fc_ext4_take_ino(struct fc_ext4_planner *p)
{
    while (p->base && p->next_ino <= p->base->last_ino && (p->ino_used[p->next_ino / 8] >> p->next_ino % 8) & 1)
        p->next_ino++;
    return p->next_ino++;
}

/* Number the nodes: in their order, or, after edits, as the unedited stack has them. */
static int number_nodes(struct fc_ext4_planner *p)
{
    p->next_ino = FC_EXT4_FIRST_INO + 1 + fc_ext4_has_orphan_file(p);
    if (p->sparse)
        return fc_ext4_number_sparse(p);
    if (p->base)
        return fc_ext4_number_edited(p);
    for (size_t k = FC_EXT4_NODE_TREE; k < p->n_nodes; k++)
        p->nodes[k].ino = fc_ext4_take_ino(p);
    p->last_ino = p->next_ino - 1;
    return 0;
}

struct fc_ext4_node *fc_ext4_node_for_name(struct fc_ext4_planner *p, uint32_t inode)
{
    struct fc_ext4_node *first = &p->nodes[p->node_of[inode]];
    uint32_t turn;

    /* Directories count subdirectories there, of which there may be any number. */
    if (!p->first_copy || S_ISDIR(p->inodes[inode].mode) || first->links < FC_EXT4_LINKS_MOST)
        return first;
    turn = p->names_seen[inode]++ / FC_EXT4_LINKS_MOST;
    return turn == 0 ? first : &p->nodes[p->first_copy[inode] + turn - 1];
}

struct order_key {
    uint32_t layer, source, node;
    uint64_t offset;
};

static int by_key(const void *a, const void *b)
{
    const struct order_key *x = a, *y = b;

    if (x->layer != y->layer)
        return x->layer < y->layer ? -1 : 1;
    if (x->source != y->source)
        return x->source < y->source ? -1 : 1;
    if (x->offset != y->offset)
        return x->offset < y->offset ? -1 : 1;
    return x->node < y->node ? -1 : x->node > y->node;
}

/* Contents go in the order in which they stand in the layers' packs, edits last, so that neighbours stay neighbours. */
static int order_data(struct fc_ext4_planner *p)
{
    fc_auto(fc_free) struct order_key *keys = malloc((p->n_nodes + 1) * sizeof(*keys));
    size_t n = 0;

    p->data_order = malloc((p->n_nodes + 1) * sizeof(*p->data_order));
    if (!keys || !p->data_order)
        return fc_ext4_no_memory(p);
    for (size_t k = 0; k < p->n_nodes; k++) {
        const struct fc_snap_inode *s = p->nodes[k].source == FC_TREE_NONE ? NULL : &p->inodes[p->nodes[k].source];
        const struct fc_snap_extent *e;

        if (!s || p->nodes[k].settled || !S_ISREG(s->mode) || !s->n_extents)
            continue;
        e = &p->extents[s->first_extent];
        keys[n++] = (struct order_key){p->sources[e->source].layer, e->source, (uint32_t)k, e->source_offset};
        for (uint32_t i = 0; i < s->n_extents; i++)
            p->summary.data_bytes += e[i].length;
    }
    qsort(keys, n, sizeof(*keys), by_key);
    for (size_t i = 0; i < n; i++)
        p->data_order[i] = keys[i].node;
    p->n_data = n;
    return 0;
}

static void list_nodes(struct fc_ext4_planner *p, const uint32_t *names)
{
    p->nodes[FC_EXT4_NODE_JOURNAL] =
        (struct fc_ext4_node){.ino = EXT2_JOURNAL_INO, .source = FC_TREE_NONE, .base = FC_TREE_NONE, .links = 1};
    p->nodes[FC_EXT4_NODE_ROOT] = (struct fc_ext4_node){.ino = EXT2_ROOT_INO, .base = FC_TREE_NONE};
    p->nodes[FC_EXT4_NODE_LOST_FOUND] =
        (struct fc_ext4_node){.ino = FC_EXT4_FIRST_INO, .source = p->lost_found, .base = FC_TREE_NONE};
    p->n_nodes = FC_EXT4_NODE_TREE;
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        p->node_of[i] = FC_TREE_NONE;
        if (i == 0)
            p->node_of[i] = FC_EXT4_NODE_ROOT;
        else if (i == p->lost_found)
            p->node_of[i] = FC_EXT4_NODE_LOST_FOUND;
        else if (names[i]) {
            p->node_of[i] = (uint32_t)p->n_nodes;
            p->nodes[p->n_nodes++] = (struct fc_ext4_node){.source = i, .links = names[i], .base = FC_TREE_NONE};
        }
    }
    p->n_tree_nodes = p->n_nodes;
}

/* A sparse snapshot does not show the names that an inode has elsewhere. What is settled is listed for its number. */
static void take_names(const struct fc_ext4_planner *p, uint32_t *names)
{
    for (uint32_t i = 0; i < p->n_inodes; i++) {
        uint32_t n = fc_ext4_sparse_names(p, i);

        names[i] = n ? n : 1;
    }
}

static void settle_nodes(struct fc_ext4_planner *p)
{
    for (size_t k = FC_EXT4_NODE_ROOT; k < p->n_nodes; k++)
        p->nodes[k].settled = p->nodes[k].source == FC_TREE_NONE || !fc_ext4_sparse_names(p, p->nodes[k].source);
}

int fc_ext4_make_nodes(struct fc_ext4_planner *p)
{
    fc_auto(fc_free) uint32_t *names = calloc((size_t)p->n_inodes + 1, sizeof(*names));
    uint64_t copies = 0;
    size_t size;
    uint32_t n_split = 0;
    int r;

    if (!names)
        return fc_ext4_no_memory(p);
    if (!p->n_inodes || !S_ISDIR(p->inodes[0].mode))
        return fc_fail(p->err, EINVAL, "the snapshot has no root directory");
    r = count_names(p, names);
    if (p->sparse)
        take_names(p, names);
    for (uint32_t i = 0; r >= 0 && i < p->n_inodes; i++) {
        r = check_inode(p, i);
        if (names[i] > FC_EXT4_LINKS_MOST) {
            n_split++;
            copies += names[i] / FC_EXT4_LINKS_MOST;
        }
    }
    if (r < 0)
        return r;
    if (p->lost_found != FC_TREE_NONE && !S_ISDIR(p->inodes[p->lost_found].mode))
        return fc_ext4_fail_at(p, p->lost_found, EOPNOTSUPP, "an ext4 file system needs this name for a directory");
    size = (p->n_inodes + copies + FC_EXT4_NODE_TREE) * sizeof(*p->nodes);
    p->nodes = fc_large(malloc(size), size);
    p->node_of = malloc(p->n_inodes * sizeof(*p->node_of));
    if (!p->nodes || !p->node_of)
        return fc_ext4_no_memory(p);
    list_nodes(p, names);
    if (p->sparse)
        settle_nodes(p);
    r = add_copies(p, names, n_split);
    if (r >= 0)
        r = number_nodes(p);
    if (r < 0)
        return r;
    set_directory_links(p);
    return order_data(p);
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fold layers into one tree and tell, for each path, which layer it came from.
 *
 *   cc fold_layers.c -lfccompose -o fold_layers && ./fold_layers base.tar.gz app.tar
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fccompose/fccompose.h>

/* Depth is the number of directories above; a real program would not recurse, an example may. */
static void print_directory(const struct fc_tree *tree, uint32_t dir, int depth)
{
    const struct fc_tree_inode *inodes = fc_tree_inodes(tree, NULL);
    const struct fc_tree_dentry *d = fc_tree_dentries(tree, NULL) + inodes[dir].first_dentry;

    for (uint32_t i = 0; i < inodes[dir].n_dentries; i++, d++) {
        const struct fc_tree_inode *inode = &inodes[d->inode];

        if (inode->layer == FC_TREE_NONE)
            printf("   - ");
        else
            printf("%4u ", inode->layer);
        printf("%*s%.*s%s\n", 2 * depth, "", (int)d->name_len, d->name, S_ISDIR(inode->mode) ? "/" : "");
        if (S_ISDIR(inode->mode))
            print_directory(tree, d->inode, depth + 1);
    }
}

static int import(struct fc_cache *cache, char **names, uint32_t n, struct fc_tree_layer *ret, struct fc_error *err)
{
    for (uint32_t i = 0; i < n; i++) {
        int r = fc_stack_import(cache, names[i], NULL, &ret[i].layer, NULL, err);

        if (r < 0)
            return r;
    }
    return 0;
}

int main(int argc, char **argv)
{
    uint32_t n = argc > 1 ? (uint32_t)argc - 1 : 0;
    struct fc_tree_layer *layers = calloc(n + 1, sizeof(*layers));
    struct fc_error err = {0};
    struct fc_cache *cache = NULL;
    struct fc_tree *tree = NULL;
    int r;

    if (!n || !layers) {
        fprintf(stderr, "usage: fold_layers LAYER...   (lowest first)\n");
        free(layers);
        return 2;
    }
    r = fc_cache_open(NULL, &cache, &err);
    if (r == 0)
        r = import(cache, argv + 1, n, layers, &err);
    if (r == 0)
        r = fc_tree_fold(layers, n, NULL, &tree, &err);
    if (r == 0)
        print_directory(tree, 0, 0);
    else
        fprintf(stderr, "fold_layers: %s\n", err.msg);
    fc_tree_free(tree);
    for (uint32_t i = 0; i < n; i++)
        fc_layer_unref(layers[i].layer);
    free(layers);
    fc_cache_free(cache);
    return r < 0;
}

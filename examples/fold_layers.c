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

/* Import @n locators and put all of their layers, lowest first, into *ret: an image has several. Returns their number. */
static int import(struct fc_cache *cache, char **names, int n, struct fc_tree_layer **ret, struct fc_error *err)
{
    struct fc_tree_layer *layers = NULL;
    uint32_t n_layers = 0;

    for (int i = 0; i < n; i++) {
        struct fc_imported got;
        int r = fc_stack_import(cache, names[i], NULL, &got, err);

        *ret = layers;
        if (r < 0)
            return r;
        layers = realloc(layers, (n_layers + got.n_layers) * sizeof(*layers));
        if (!layers)
            abort();
        for (size_t k = 0; k < got.n_layers; k++)
            layers[n_layers++] = (struct fc_tree_layer){.layer = fc_layer_ref(got.layers[k])};
        fc_imported_release(&got);
    }
    *ret = layers;
    return (int)n_layers;
}

int main(int argc, char **argv)
{
    struct fc_tree_layer *layers = NULL;
    struct fc_error err = {0};
    struct fc_cache *cache = NULL;
    struct fc_tree *tree = NULL;
    int r, n = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: fold_layers LAYER...   (lowest first)\n");
        return 2;
    }
    r = fc_cache_open(NULL, &cache, &err);
    if (r == 0)
        r = n = import(cache, argv + 1, argc - 1, &layers, &err);
    if (r >= 0)
        r = fc_tree_fold(layers, (uint32_t)n, NULL, &tree, &err);
    if (r == 0)
        print_directory(tree, 0, 0);
    else
        fprintf(stderr, "fold_layers: %s\n", err.msg);
    fc_tree_free(tree);
    for (int i = 0; i < n; i++)
        fc_layer_unref(layers[i].layer);
    free(layers);
    fc_cache_free(cache);
    return r < 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make an ext4 image from a layer, with no workspace, no mount and no privilege.
 *
 *   cc freeze.c -lfccompose -o freeze && ./freeze out.ext4 base.tar.gz
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include <fccompose/fccompose.h>

static int freeze(const struct fc_tree *tree, const char *path, struct fc_error *err)
{
    const struct fc_ext4_options options = {.label = "example", .free_bytes = 16 << 20};
    struct fc_ext4_summary summary;
    struct fc_snapshot *snapshot = NULL;
    struct fc_image *image = NULL;
    int r = fc_snapshot_of_tree(tree, &snapshot, err);

    if (r == 0)
        r = fc_ext4_plan(snapshot, &options, &image, &summary, err);
    if (r == 0)
        r = fc_image_write(image, path, NULL, NULL, err);
    if (r == 0)
        printf("%s: %" PRIu64 " bytes, %" PRIu64 " inodes free\n", path, summary.size, summary.free_inodes);
    fc_image_free(image);
    fc_snapshot_free(snapshot);
    return r;
}

int main(int argc, char **argv)
{
    struct fc_imported image = {0};
    struct fc_tree_layer *layers = NULL;
    struct fc_error err = {0};
    struct fc_cache *cache = NULL;
    struct fc_tree *tree = NULL;
    int r;

    if (argc != 3) {
        fprintf(stderr, "usage: freeze OUT.ext4 LAYER   (a tar, dir:PATH, oci:PATH...)\n");
        return 2;
    }
    r = fc_cache_open(NULL, &cache, &err);
    if (r == 0)
        r = fc_stack_import(cache, argv[2], NULL, &image, &err); /* one layer, or those of an image */
    layers = calloc(image.n_layers + 1, sizeof(*layers));
    for (size_t i = 0; layers && i < image.n_layers; i++)
        layers[i].layer = image.layers[i];
    if (r == 0)
        r = fc_tree_fold(layers, (uint32_t)image.n_layers, NULL, &tree, &err);
    if (r == 0)
        r = freeze(tree, argv[1], &err);
    if (r < 0)
        fprintf(stderr, "freeze: %s\n", err.msg);
    fc_tree_free(tree);
    free(layers);
    fc_imported_release(&image);
    fc_cache_free(cache);
    return r < 0;
}

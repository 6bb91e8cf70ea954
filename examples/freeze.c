/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Make an ext4 image from layers, with no workspace, no mount and no privilege.
 *
 *   cc freeze.c -lfccompose -o freeze && ./freeze out.ext4 base.tar.gz app.tar
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
    uint32_t n = argc > 2 ? (uint32_t)argc - 2 : 0;
    struct fc_tree_layer *layers = calloc(n + 1, sizeof(*layers));
    struct fc_error err = {0};
    struct fc_cache *cache = NULL;
    struct fc_tree *tree = NULL;
    int r;

    if (!n || !layers) {
        fprintf(stderr, "usage: freeze OUT.ext4 LAYER...   (lowest first)\n");
        free(layers);
        return 2;
    }
    r = fc_cache_open(NULL, &cache, &err);
    for (uint32_t i = 0; r == 0 && i < n; i++)
        r = fc_stack_import(cache, argv[i + 2], NULL, &layers[i].layer, NULL, &err);
    if (r == 0)
        r = fc_tree_fold(layers, n, NULL, &tree, &err);
    if (r == 0)
        r = freeze(tree, argv[1], &err);
    if (r < 0)
        fprintf(stderr, "freeze: %s\n", err.msg);
    fc_tree_free(tree);
    for (uint32_t i = 0; i < n; i++)
        fc_layer_unref(layers[i].layer);
    free(layers);
    fc_cache_free(cache);
    return r < 0;
}

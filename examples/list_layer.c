/* SPDX-License-Identifier: Apache-2.0 */
/*
 * List what a layer holds, like "tar -tv".
 *
 *   cc list_layer.c -lfccompose -o list_layer && ./list_layer rootfs.tar.gz
 */
#include <inttypes.h>
#include <stdio.h>

#include <fccompose/fccompose.h>

static void print_entry(const struct fc_entry *e)
{
    static const char *const ops[] = {"", "link     ", "whiteout ", "opaque   "};

    printf("%s%06o %5u:%-5u %10" PRIu64 " /%s%s%s\n", ops[e->op], e->mode, e->uid, e->gid, e->size, e->path,
           e->target ? " -> " : "", e->target ? e->target : "");
}

static int list(struct fc_layer *layer, struct fc_error *err)
{
    struct fc_entry_iter *it;
    const struct fc_entry *e;
    int r = fc_layer_iter(layer, &it, err);

    if (r < 0)
        return r;
    while ((r = fc_entry_next(it, &e, err)) > 0)
        print_entry(e);
    fc_entry_iter_free(it);
    return r;
}

int main(int argc, char **argv)
{
    struct fc_error err = {0};
    struct fc_cache *cache = NULL;
    struct fc_imported got = {0};
    int r;

    if (argc != 2) {
        fprintf(stderr, "usage: list_layer LAYER\n");
        return 2;
    }
    r = fc_cache_open(NULL, &cache, &err);
    if (r == 0)
        r = fc_stack_import(cache, argv[1], NULL, &got, &err);
    if (r == 0)
        r = list(got.layers[0], &err); /* an image has more */
    if (r < 0)
        fprintf(stderr, "list_layer: %s\n", err.msg);
    fc_imported_release(&got);
    fc_cache_free(cache);
    return r < 0;
}

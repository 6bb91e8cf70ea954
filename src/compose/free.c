/* SPDX-License-Identifier: Apache-2.0 */
/* Free a recipe. */
#include "compose/shape.h"

static void free_image(struct fc_recipe_image *i)
{
    free(i->output);
    free(i->size);
    free(i->free);
    free(i->label);
    free(i->uuid);
    free(i->profile);
    free(i->journal);
    free(i->inodes);
    free(i->inode_size);
    free(i->reserved);
    free(i->align);
    free(i->verity);
    list_release(&i->features);
}

static void free_kernel(struct fc_recipe_kernel *k)
{
    free(k->base);
    free(k->source);
    free(k->config);
    free(k->output);
    list_release(&k->fragments);
    list_release(&k->set);
}

static void free_vm(struct fc_recipe_vm *v)
{
    free(v->vcpus);
    free(v->memory);
    free(v->boot_args);
    free(v->tap);
    free(v->ip);
    free(v->gateway);
    free(v->output);
}

void fc_recipe_free(struct fc_recipe *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_layers; i++)
        layer_release(&r->layers[i]);
    for (size_t i = 0; i < r->n_steps; i++)
        step_release(&r->steps[i]);
    free(r->layers);
    free(r->steps);
    free_image(&r->image);
    free_kernel(&r->kernel);
    free_vm(&r->vm);
    list_release(&r->archs);
    list_release(&r->args);
    list_release(&r->included);
    list_release(&r->shown);
    free(r->file);
    free(r->dir);
    free(r->name);
    free(r->arch);
    free(r);
}

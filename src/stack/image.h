/* SPDX-License-Identifier: Apache-2.0 */
/* Importing the layers of an image that was found. Private to stack/. */
#ifndef FC_STACK_IMAGE_H
#define FC_STACK_IMAGE_H

#include "oci/image.h"
#include "stack/stack.h"

/**
 * Import the layers of @image, whose blobs are in @source, lowest first; the downloads of the next ones run meanwhile. What the
 * cache has is not opened at all.
 *
 * Fills @ret->layers (room for all is there) and counts in @ret->n_layers; its counts too. Returns 0 or -errno with words that
 * name the layer; those that were imported before it stay in @ret.
 */
int fc_import_layers(const struct fc_import *im, struct fc_oci_source *source, const struct fc_oci_image *image,
                     struct fc_imported *ret, struct fc_error *err);

#endif

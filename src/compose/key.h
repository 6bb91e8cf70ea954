/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The key of a step: what its layer depends on, in parts, so that a step that has to be done again can say why.
 *
 * The notes of a build (.fccompose/build/steps) are a line for each step of the last one: its parts in hexadecimal.
 */
#ifndef FC_COMPOSE_KEY_H
#define FC_COMPOSE_KEY_H

#include "compose/build.h"
#include "compose/sources.h"

/** What a key is made of. */
enum fc_key_part {
    FC_KEY_BELOW,   /**< the layers below */
    FC_KEY_STEP,    /**< what the recipe says */
    FC_KEY_FILES,   /**< contents of this host's files */
    FC_KEY_SECRETS, /**< the same of secrets */
    FC_KEY_CONTEXT, /**< architecture, time, FC_BUILD_VERSION */
    FC_KEY_PARTS
};

/** A key. */
struct fc_step_key {
    struct fc_digest part[FC_KEY_PARTS];
    struct fc_digest whole;
};

/** The digest of the layers that a step stands on: @below becomes that of @below and @layer on top. Returns 0 or -EIO. */
int fc_key_stack(struct fc_digest *below, const struct fc_layer *layer);

/** Make the key of @step over @below; @sources are those of a copy or write, expanded. Returns 0 or -errno with words. */
int fc_step_key(const struct fc_recipe_build_options *o, const struct fc_recipe_step *step,
                const struct fc_sources *sources, const struct fc_digest *below, struct fc_step_key *ret,
                struct fc_error *err);

/** The keys of the last build. All zero is none. */
struct fc_key_notes {
    struct fc_step_key *keys;
    size_t n;
};
/** Read the file @path; one that is missing or strange is none. */
void fc_key_notes_read(const char *path, struct fc_key_notes *ret);
/** Write @n keys to it. Returns 0 or -errno with words. */
int fc_key_notes_write(const char *path, const struct fc_step_key *keys, size_t n, struct fc_error *err);
/** Free. */
void fc_key_notes_release(struct fc_key_notes *notes);
/** Why step @i, whose key is @now, is another than in the last build. A constant. */
const char *fc_key_why(const struct fc_key_notes *notes, size_t i, const struct fc_step_key *now);

#endif

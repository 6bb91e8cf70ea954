/* SPDX-License-Identifier: Apache-2.0 */
/* What recipes say of the guest. Private to compose/. */
#ifndef FC_COMPOSE_GUEST_SECTION_H
#define FC_COMPOSE_GUEST_SECTION_H

#include "compose/shape.h"
#include "guest/guest.h"

/** The options that @n holds; guest_free() them. NULL when memory is short (noted); problems are noted. */
struct fc_guest_options *read_guest_section(struct reader *r, const struct node *n);
/** Free. NULL is allowed. */
void guest_free(struct fc_guest_options *o);
/** Append the section of the recipe @root, if it has one, as the last step. */
void guest_section_append(struct reader *r, const struct node *root);

#endif

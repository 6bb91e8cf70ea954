/* SPDX-License-Identifier: Apache-2.0 */
/* File capabilities as text and as the attribute that holds them. The only door to libcap. */
#ifndef FC_COMPOSE_CAPS_H
#define FC_COMPOSE_CAPS_H

#include <stddef.h>

#include <fccompose/error.h>

/** Bytes of security.capability as version 2 has it. */
enum { CAPS_SIZE = 20 };

/**
 * Make the value of security.capability from @text as cap_from_text(3) takes it ("cap_net_raw=ep"). Returns 0, or -EINVAL with words
 * for what is no such text or what a file cannot have (an effective set that is neither empty nor all of the others).
 */
int caps_from_text(const char *text, unsigned char ret[CAPS_SIZE], struct fc_error *err);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Words that a person typed: which known one was meant. */
#ifndef FC_BASE_WORDS_H
#define FC_BASE_WORDS_H

#include <stddef.h>

/** The closest of @n @words to @word (the beginning of one counts), or NULL when none is close. Any thread. */
const char *fc_closest(const char *word, const char *const *words, size_t n);

#endif

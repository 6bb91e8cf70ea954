/* SPDX-License-Identifier: Apache-2.0 */
/* Find the word that was meant. */
#include <string.h>

#include "base/words.h"

/* Damerau's distance of two short words (insert, drop, change, swap neighbours). */
static unsigned distance(const char *a, const char *b)
{
    enum { MAX = 32 };
    unsigned d[MAX + 1][MAX + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > MAX || m > MAX)
        return MAX;
    for (size_t i = 0; i <= n; i++)
        d[i][0] = (unsigned)i;
    for (size_t j = 0; j <= m; j++)
        d[0][j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        for (size_t j = 1; j <= m; j++) {
            unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[n][m];
}

const char *fc_closest(const char *word, const char *const *words, size_t n)
{
    unsigned best = (unsigned)(strlen(word) / 3 + 2), d;
    const char *found = NULL;

    for (size_t i = 0; i < n; i++) {
        if (strlen(word) > 2 && strncmp(word, words[i], strlen(word)) == 0)
            return words[i];
        d = distance(word, words[i]);
        if (d < best && 2 * d <= strlen(words[i])) {
            best = d;
            found = words[i];
        }
    }
    return found;
}

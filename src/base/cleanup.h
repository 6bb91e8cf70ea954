/* SPDX-License-Identifier: Apache-2.0 */
/* Ownership of locals: what is declared with fc_auto is released when it goes out of scope. */
#ifndef FC_BASE_CLEANUP_H
#define FC_BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

/**
 * Declares a local that owns: `fc_auto(fc_layer_unref) struct fc_layer *l = NULL;`.
 *
 * Works for any destructor that takes the value (a pointer) and accepts NULL; the destructor needs
 * FC_DEFINE_AUTO(type, destructor) once, after its declaration.
 */
#define fc_auto(destructor) __attribute__((cleanup(destructor##_auto)))

/** Makes fc_auto(destructor) possible for variables of @type. */
#define FC_DEFINE_AUTO(type, destructor)                                                                               \
    static inline void destructor##_auto(type *p) { destructor(*p); }

static inline void fc_free_auto(void *p) { free(*(void **)p); }
static inline void fc_close_auto(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/** A local that free() releases: `fc_auto(fc_free) char *s = NULL;`. And a descriptor: `fc_auto(fc_close) int fd = -1;`. */

/** Takes the value out of @p and leaves NULL, so that the cleanup does nothing: `*ret_layer = fc_steal(&l);`. */
#define fc_steal(p)                                                                                                    \
    __extension__({                                                                                                    \
        __typeof__(*(p)) fc_v_ = *(p);                                                                                 \
        *(p) = NULL;                                                                                                   \
        fc_v_;                                                                                                         \
    })

/** The same for a descriptor; leaves -1. */
static inline int fc_steal_fd(int *fd)
{
    int v = *fd;
    *fd = -1;
    return v;
}

/** Number of elements of an array. */
#define FC_LENGTH(a) (sizeof(a) / sizeof((a)[0]))

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Load libcurl once. */
#define FC_CURL_NO_NAMES
#include "fetch/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>

static struct fc_curl loaded;
static bool complete;

static void load(void)
{
    /* OpenSSL's and the GnuTLS one have one interface; the latter's versioned symbols are found as well. */
    static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl.dylib"};
    void *library = NULL;

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]) && !library; i++)
        library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    complete = library != NULL;
#define FC_CURL_FIND(name)                                                                                             \
    loaded.name = library ? (__typeof__(loaded.name))dlsym(library, "curl_" #name) : NULL;                             \
    complete = complete && loaded.name;
    FC_CURL_FUNCTIONS(FC_CURL_FIND)
#undef FC_CURL_FIND
}

const struct fc_curl *fc_curl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, load);
    return complete ? &loaded : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when it is first needed: it brings two dozen libraries along, which would make every command that fetches
 * nothing start three times slower. The functions keep their names.
 */
#ifndef FC_FETCH_CURL_H
#define FC_FETCH_CURL_H

#include <curl/curl.h>

/** What is used of it. */
#define FC_CURL_FUNCTIONS(X)                                                                                           \
    X(easy_cleanup)                                                                                                    \
    X(easy_getinfo)                                                                                                    \
    X(easy_init)                                                                                                       \
    X(easy_setopt)                                                                                                     \
    X(easy_strerror)                                                                                                   \
    X(free)                                                                                                            \
    X(global_init)                                                                                                     \
    X(multi_add_handle)                                                                                                \
    X(multi_cleanup)                                                                                                   \
    X(multi_info_read)                                                                                                 \
    X(multi_init)                                                                                                      \
    X(multi_perform)                                                                                                   \
    X(multi_poll)                                                                                                      \
    X(multi_remove_handle)                                                                                             \
    X(multi_setopt)                                                                                                    \
    X(slist_append)                                                                                                    \
    X(slist_free_all)                                                                                                  \
    X(url)                                                                                                             \
    X(url_cleanup)                                                                                                     \
    X(url_get)                                                                                                         \
    X(url_set)                                                                                                         \
    X(version)

/* The macros of curl.h around some of them would get in the way. */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

/** The functions. */
struct fc_curl {
#define FC_CURL_MEMBER(name) __typeof__(&curl_##name) name;
    FC_CURL_FUNCTIONS(FC_CURL_MEMBER)
#undef FC_CURL_MEMBER
};

/** The loaded library, or NULL when there is none. Any thread. */
const struct fc_curl *fc_curl(void);

#ifndef FC_CURL_NO_NAMES
#define curl_easy_cleanup fc_curl()->easy_cleanup
#define curl_easy_getinfo fc_curl()->easy_getinfo
#define curl_easy_init fc_curl()->easy_init
#define curl_easy_setopt fc_curl()->easy_setopt
#define curl_easy_strerror fc_curl()->easy_strerror
#define curl_free fc_curl()->free
#define curl_global_init fc_curl()->global_init
#define curl_multi_add_handle fc_curl()->multi_add_handle
#define curl_multi_cleanup fc_curl()->multi_cleanup
#define curl_multi_info_read fc_curl()->multi_info_read
#define curl_multi_init fc_curl()->multi_init
#define curl_multi_perform fc_curl()->multi_perform
#define curl_multi_poll fc_curl()->multi_poll
#define curl_multi_remove_handle fc_curl()->multi_remove_handle
#define curl_multi_setopt fc_curl()->multi_setopt
#define curl_slist_append fc_curl()->slist_append
#define curl_slist_free_all fc_curl()->slist_free_all
#define curl_url fc_curl()->url
#define curl_url_cleanup fc_curl()->url_cleanup
#define curl_url_get fc_curl()->url_get
#define curl_url_set fc_curl()->url_set
#define curl_version fc_curl()->version
#endif

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl.c - libcurl at its first use instead of at the start. It brings 25 libraries (GnuTLS, Kerberos, LDAP, ...):
 * 4 MB of resident memory and a third of the start's time, and a process that takes webhooks in and delivers by plain
 * http, or any command that only asks the running one, never calls it.
 *
 * The program is linked against these functions instead of the library; tests are linked against the library itself.
 * Where it cannot be loaded each call fails as it does for want of memory, and curl_easy_strerror says what to install.
 */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

/* the header's macros of these names check types at the caller's */
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt
#undef curl_share_setopt

/* hidden: the library's own calls of itself must not come here */
#define LATE __attribute__((visibility("hidden")))

#define FUNCTIONS(X)                                                                                                   \
    X(easy_cleanup)                                                                                                    \
    X(easy_getinfo)                                                                                                    \
    X(easy_init)                                                                                                       \
    X(easy_perform)                                                                                                    \
    X(easy_reset)                                                                                                      \
    X(easy_setopt)                                                                                                     \
    X(easy_strerror)                                                                                                   \
    X(global_init)                                                                                                     \
    X(multi_add_handle)                                                                                                \
    X(multi_cleanup)                                                                                                   \
    X(multi_info_read)                                                                                                 \
    X(multi_init)                                                                                                      \
    X(multi_remove_handle)                                                                                             \
    X(multi_setopt)                                                                                                    \
    X(multi_socket_action)                                                                                             \
    X(multi_strerror)                                                                                                  \
    X(share_cleanup)                                                                                                   \
    X(share_init)                                                                                                      \
    X(share_setopt)                                                                                                    \
    X(slist_append)                                                                                                    \
    X(slist_free_all)                                                                                                  \
    X(version_info)

static struct {
    pthread_once_t once;
    bool loaded;
#define MEMBER(name) __typeof__(&curl_##name) name;
    FUNCTIONS(MEMBER)
} lib = {.once = PTHREAD_ONCE_INIT};

static void load(void)
{
    void *handle = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL), *at;
    bool all = handle != NULL;

#define FIND(name)                                                                                                     \
    at = all ? dlsym(handle, "curl_" #name) : NULL;                                                                    \
    all = all && at;                                                                                                   \
    memcpy(&lib.name, &at, sizeof at);
    FUNCTIONS(FIND)
    lib.loaded = all;
}

static bool loaded(void)
{
    (void)pthread_once(&lib.once, load);
    return lib.loaded;
}

LATE CURLcode curl_global_init(long flags)
{
    return loaded() ? lib.global_init(flags) : CURLE_FAILED_INIT;
}

LATE curl_version_info_data *curl_version_info(CURLversion age)
{
    static curl_version_info_data none = {.version = "not installed"};

    return loaded() ? lib.version_info(age) : &none;
}

LATE CURL *curl_easy_init(void)
{
    return loaded() ? lib.easy_init() : NULL;
}

LATE void curl_easy_cleanup(CURL *easy)
{
    if (easy)
        lib.easy_cleanup(easy);
}

LATE void curl_easy_reset(CURL *easy)
{
    lib.easy_reset(easy);
}

LATE CURLcode curl_easy_perform(CURL *easy)
{
    return lib.easy_perform(easy);
}

/* What follows an option is a long, a pointer or a curl_off_t: one 64-bit place on the machines we build for, and
 * libcurl itself takes it out by the option. */
#define HAND_ON(fn, handle, option)                                                                                    \
    void *value;                                                                                                       \
    va_list ap;                                                                                                        \
    va_start(ap, option);                                                                                              \
    value = va_arg(ap, void *);                                                                                        \
    va_end(ap);                                                                                                        \
    return lib.fn(handle, option, value)

_Static_assert(sizeof(long) == sizeof(void *) && sizeof(curl_off_t) == sizeof(void *), "one place holds each value");

LATE CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...)
{
    HAND_ON(easy_setopt, easy, option);
}

LATE CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...)
{
    HAND_ON(easy_getinfo, easy, info);
}

LATE CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...)
{
    HAND_ON(multi_setopt, multi, option);
}

LATE CURLSHcode curl_share_setopt(CURLSH *share, CURLSHoption option, ...)
{
    HAND_ON(share_setopt, share, option);
}

LATE const char *curl_easy_strerror(CURLcode code)
{
    return loaded() ? lib.easy_strerror(code) : "libcurl.so.4 cannot be loaded: install the package libcurl4";
}

LATE CURLM *curl_multi_init(void)
{
    return loaded() ? lib.multi_init() : NULL;
}

LATE CURLMcode curl_multi_cleanup(CURLM *multi)
{
    return multi ? lib.multi_cleanup(multi) : CURLM_OK;
}

LATE CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy)
{
    return lib.multi_add_handle(multi, easy);
}

LATE CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy)
{
    return lib.multi_remove_handle(multi, easy);
}

LATE CURLMsg *curl_multi_info_read(CURLM *multi, int *left)
{
    return lib.multi_info_read(multi, left);
}

LATE CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t fd, int mask, int *running)
{
    return lib.multi_socket_action(multi, fd, mask, running);
}

LATE const char *curl_multi_strerror(CURLMcode code)
{
    return lib.multi_strerror(code);
}

LATE CURLSH *curl_share_init(void)
{
    return loaded() ? lib.share_init() : NULL;
}

LATE CURLSHcode curl_share_cleanup(CURLSH *share)
{
    return share ? lib.share_cleanup(share) : CURLSHE_OK;
}

LATE struct curl_slist *curl_slist_append(struct curl_slist *list, const char *text)
{
    return loaded() ? lib.slist_append(list, text) : NULL;
}

LATE void curl_slist_free_all(struct curl_slist *list)
{
    if (list)
        lib.slist_free_all(list);
}

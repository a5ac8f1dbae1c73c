/* SPDX-License-Identifier: Apache-2.0 */
/* rig.h - a real server on loopback with two loops on threads of their own, and a blocking client. */
#ifndef TL_HTTP_TEST_RIG_H
#define TL_HTTP_TEST_RIG_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "http/http.h"

enum { RIG_LOOPS = 2 };

struct rig {
    struct async_loop *loops[RIG_LOOPS];
    pthread_t threads[RIG_LOOPS];
    struct http_server *server;
    struct http_router *router;
    uint16_t port;
    _Atomic int hits; /* times a handler began */
    _Atomic int seen; /* for a test's own use */
    _Atomic int hold; /* handlers at /hold wait until it is 0 */
};

/* options and listen may be NULL; host and port are filled in. */
void rig_start(struct rig *r, const struct http_server_options *options, const struct http_listen *listen);
void rig_stop(struct rig *r);
struct http_server_stats rig_stats(const struct rig *r);
/* Until the condition holds, or the test fails after some seconds. */
#define RIG_UNTIL(cond)                                                                                                \
    do {                                                                                                               \
        for (int rig_i = 0; !(cond); rig_i++) {                                                                        \
            assert_true(rig_i < 2000);                                                                                 \
            rig_pause();                                                                                               \
        }                                                                                                              \
    } while (0)
void rig_pause(void);

int rig_connect(const struct rig *r);
void rig_send(int fd, const char *text);
void rig_send_n(int fd, const void *p, size_t n);
/* All bytes until the other side closes (or n = wanted responses have come, by their Content-Length). Static buffer of
 * r. */
const char *rig_read_all(int fd);
/* Exactly the next response: head and body by Content-Length. */
const char *rig_response(int fd);
bool rig_at_eof(int fd); /* waits for it */
/* connect, send, read until closed, close. */
const char *rig_talk(const struct rig *r, const char *text);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* world.h - what the tests of auth share: a token server that can be told what to answer, a disk, a fake clock. */
#ifndef TL_AUTH_TEST_WORLD_H
#define TL_AUTH_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "auth/auth_int.h"

#define START INT64_C(1760000000000)
#define MINUTE INT64_C(60000)

/* A world with a server that can be told what to answer and a disk that can be looked into. */
struct world {
    struct crypto *c;
    struct tl_fake_clock clock;
    struct secret_box *box;
    struct async_loop *loop;
    struct auth_world auth;
    const char *password;
    int calls, status, fail_first; /* fail_first: so many calls answer 503 */
    int expires_in, number;        /* number: of the last token given out */
    bool rotates;
    char refresh[64];  /* the only refresh token the server takes */
    char previous[64]; /* taken too while it has not seen `refresh` */
    char body[8192], authorization[512];
    struct tl_buf disk, refused; /* tokens; what auth_remember writes */
    const char *other;
    int puts;
    bool disk_fails;
    const char *words, *instance, *more; /* more: members of the token endpoint's answer */
};

/* One call of a connector, in a task of its own. */
struct job {
    struct auth *auth;
    struct auth_ticket ticket;
    struct tl_arena *arena;
    struct auth_request req;
    enum tl_rc rc;
    struct tl_err err;
    char authorization[512], base[AUTH_BASE];
};

int world_begin(void **state);
int world_end(void **state);
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, world_begin, world_end)

extern const struct auth_conf world_client_conf, world_refresh_conf;
struct auth *world_auth(struct world *w, const char *scheme, const struct auth_conf *conf);
/* Begin the call; the loop runs it, the caller frees the arena. */
void world_start(struct world *w, struct job *j, struct auth *a);
/* All of it. */
enum tl_rc world_apply(struct world *w, struct auth *a, struct job *j);

#endif

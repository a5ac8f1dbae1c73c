/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim.h - what a simulator stands on: a small server of our own on one loop, options that can be given on the command
 * line and changed while it runs, counters of what came, and, through what it includes, the store (for records) and
 * crypto (for authentication that is really verified). The one header besides connector.h that a simulator uses:
 * connectors/NAME/sim*.c, or all of a folder connectors/NAME/sim/ where it is large.
 *
 * A simulator keeps its records in a store of its own: path ":memory:", or a file that the user named.
 */
#ifndef TL_CONNECTOR_SIM_H
#define TL_CONNECTOR_SIM_H

#include "connector/connector.h"
#include "http/http.h"
#include "store/store.h"

/* ---- options: one table serves the command line and POST /__control ---- */
enum connector_sim_type {
    CONNECTOR_SIM_FLAG,    /* bool */
    CONNECTOR_SIM_INT,     /* int64_t */
    CONNECTOR_SIM_PERCENT, /* double, 0.1 for "10" and "10%" */
    CONNECTOR_SIM_MS,      /* int64_t: "50" (ms), "50ms", "2s" */
    CONNECTOR_SIM_RATE,    /* double, a second: "100", "100/s" */
    CONNECTOR_SIM_SPAN,    /* double[2], seconds since the start: "5..15" */
    CONNECTOR_SIM_TEXT     /* const char *; only on the command line */
};
struct connector_sim_option {
    const char *name; /* "fail": --fail on the command line, "fail" in JSON */
    enum connector_sim_type type;
    size_t offset;
    const char *value, *doc; /* for --help: "PERCENT", "..." */
    bool start;              /* only at the start */
};
struct connector_sim_server;
/* Reads the command line (argv[0]: the simulator's name) into the options, and those named port, host and quiet, which
 * every table has, and --json into the server. -1: go on; else the exit status: 0 after --help, 2 after an error (on
 * stderr). */
int connector_sim_parse(const struct connector_sim_option *table, size_t n, const char *usage, int argc, char **argv,
                        void *options, struct connector_sim_server *server);
/* What is wrong with the command line, on stderr, as JSON after --json; 2, the exit status. */
int connector_sim_wrong(const struct connector_sim_server *server, const char *fmt, ...) TL_PRINTF(2, 3);
/* The same for what failed later. */
void connector_sim_failed(const struct connector_sim_server *server, const struct tl_err *err);
/* The members of a JSON object; TL_INVALID: nothing was changed. */
TL_MUST_CHECK enum tl_rc connector_sim_control(const struct connector_sim_option *table, size_t n, struct json v,
                                               void *options, struct tl_err *err);
/* The options that can be changed, as they are. */
struct json connector_sim_show(const struct connector_sim_option *table, size_t n, const void *options,
                               struct tl_arena *a);

/* ---- faults: the same ones for the same seed ---- */
uint64_t connector_sim_seed(int64_t seed);     /* what *random begins with */
double connector_sim_chance(uint64_t *random); /* the next one, [0, 1) */
/* A CONNECTOR_SIM_SPAN: is it now within, for a simulator that started then? Never for {0, 0}. */
bool connector_sim_within(const double span[2], const struct tl_clock *clock, uint64_t started_ns);

/* ---- a set of 64-bit hashes with a value each; grows up to `most`, then takes no more ---- */
struct connector_sim_set {
    uint64_t *keys, *values; /* key 0: free */
    size_t n, cap, most;
    bool full; /* something was not taken */
};
void connector_sim_set_init(struct connector_sim_set *s, size_t most);
void connector_sim_set_done(struct connector_sim_set *s);
/* The value of the key, new ones 0 with *ret_new; NULL: full. */
uint64_t *connector_sim_set_at(struct connector_sim_set *s, uint64_t hash, bool *ret_new);

/* ---- the server ---- */
struct connector_sim_server {
    const char *name;                 /* for people */
    const char *host;                 /* NULL: 127.0.0.1 */
    uint16_t port;                    /* 0: any */
    bool quiet;                       /* do not say where it listens */
    bool json;                        /* say it as JSON */
    const char *cert_file, *key_file; /* PEM; NULL: plain HTTP */
    const struct http_route *routes;
    size_t n_routes;
    http_h2_handler_fn *streams; /* NULL: none. On a port of its own: streams over HTTP/2 (gRPC), with the same host and
                                    certificate */
    void *streams_arg;
    const char *streams_name; /* for people */
    uint16_t streams_port;    /* 0: any */
};
struct connector_sim;
/* On a loop that exists (tests). */
TL_MUST_CHECK enum tl_rc connector_sim_new(struct async_loop *loop, const struct connector_sim_server *server,
                                           struct connector_sim **ret_sim, struct tl_err *err);
uint16_t connector_sim_port(const struct connector_sim *s);
uint16_t connector_sim_streams_port(const struct connector_sim *s);                 /* 0: none */
struct http_h2_server *connector_sim_streams_server(const struct connector_sim *s); /* for tests; NULL: none */
/* A JSON answer; written into the request's arena. type: a literal, NULL: "application/json". At most 64 MB. */
void connector_sim_json(struct http_req *req, struct http_res *res, int status, const char *type, struct json v);
/* The body as JSON, parsed on the main stack into the request's arena. False: it is none, *ret is as it was. */
bool connector_sim_body(struct task *task, struct http_req *req, struct json *ret);
/* What POST /__control does: takes the options of the body and answers with those in force. TL_INVALID: nothing was
 * changed. */
TL_MUST_CHECK enum tl_rc connector_sim_controlled(struct task *task, struct http_req *req, struct http_res *res,
                                                  const struct connector_sim_option *table, size_t n, void *options,
                                                  struct tl_err *err);
void connector_sim_stop(struct task *task, struct connector_sim *s); /* suspends */
void connector_sim_free(struct connector_sim *s); /* after stop, or when the loop does not run any more */
/* Runs until SIGINT or SIGTERM, then at_end (may be NULL); the exit status: 1 when it cannot listen (said on stderr).
 */
int connector_sim_run(const struct connector_sim_server *server, void (*at_end)(void *arg), void *arg);

#endif

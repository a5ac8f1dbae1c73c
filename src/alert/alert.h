/* SPDX-License-Identifier: Apache-2.0 */
/*
 * alert.h - what is wrong, said once: rules over a snapshot of the figures, the life of an alert, who is told.
 *
 * One table of rules (ALERT_RULE_TABLE): the configuration's keys, the reference page and the rules for Prometheus are
 * made from it. A *book* keeps the alerts. Every few seconds it is given a snapshot; it says which notices are due, and
 * whoever has sent one says so. Nothing here does I/O, waits or reads a clock; a book may be used by any thread.
 *
 * The life of an alert: its condition holds (pending), has held for the rule's `hold` (firing), has not held for
 * `resolve_after` (resolved). An alert that another one explains (a backlog behind refused credentials) is *folded*
 * into it: shown, not told. Alerts of one rule that begin to fire together are one notice, and one resolves it.
 */
#ifndef TL_ALERT_ALERT_H
#define TL_ALERT_ALERT_H

#include "config/config.h"
#include "json/json.h"
#include "metrics/metrics.h"

/* ---- rules ---- */
enum alert_kind { ALERT_FLOW, ALERT_CONNECTION, ALERT_SERVER };
enum alert_unit { ALERT_NOTHING, ALERT_TIME, ALERT_SHARE, ALERT_NUMBER }; /* of the threshold: seconds, 0.05, 3 */
enum alert_severity { ALERT_TICKET, ALERT_PAGE };                         /* in working hours; now */
enum {
    ALERT_WINDOW_S = 300,
    ALERT_LONG_WINDOW_S = 900,
    ALERT_LEAST_CALLS = 20,
    ALERT_LEAST_RETRIES = 10,
    ALERT_LEAST_WAIT_S = 900 /* what a retry may take is no old backlog, whatever the flow promises */
};

/* id, name, kind, threshold, its default, hold, severity, what it watches */
#define ALERT_RULE_TABLE(X)                                                                                            \
    X(CONNECTION_AUTH, connection_auth, CONNECTION, NOTHING, NULL, "0s", PAGE,                                         \
      "The credentials of a connection are refused: it takes no call.")                                                \
    X(CONNECTION_IDENTITY, connection_identity, CONNECTION, NOTHING, NULL, "0s", PAGE,                                 \
      "A connection points to another account or host than its waiting deliveries were meant for.")                    \
    X(BREAKER_OPEN, breaker_open, CONNECTION, NOTHING, NULL, "2m", PAGE,                                               \
      "The circuit breaker of a connection is not closed: the other side fails.")                                      \
    X(CALLS_SLOW, calls_slow, CONNECTION, TIME, "5s", "5m", TICKET,                                                    \
      "95 of 100 calls of a connection within 5 minutes take up to longer than the threshold.")                        \
    X(CALLS_FAIL, calls_fail, CONNECTION, SHARE, "5%", "5m", TICKET,                                                   \
      "More than this share of the calls of a connection within 5 minutes fail.")                                      \
    X(QUOTA_NEARLY_USED, quota_nearly_used, CONNECTION, SHARE, "90%", "5m", TICKET,                                    \
      "More than this share of a quota is used.")                                                                      \
    X(CREDENTIAL_EXPIRES, credential_expires, CONNECTION, TIME, "14d", "0s", TICKET,                                   \
      "A certificate or a long-lived token of a connection, or our own certificate, ends within this time.")           \
    X(FLOW_HELD, flow_held, FLOW, NOTHING, NULL, "0s", PAGE,                                                           \
      "A flow is held: its configuration is wrong, it tripped, or it was removed with events waiting.")                \
    X(DEAD_LETTERS_GROW, dead_letters_grow, FLOW, NUMBER, "0", "0s", TICKET,                                           \
      "More than this many deliveries of a flow died within 15 minutes.")                                              \
    X(DELAY_HIGH, delay_high, FLOW, TIME, "1h", "10m", TICKET,                                                         \
      "95 of 100 events of a flow within 15 minutes were delivered later than its `sla: { delay_p95 }`; without one, " \
      "than the threshold.")                                                                                           \
    X(BACKLOG_OLD, backlog_old, FLOW, TIME, "1h", "5m", TICKET,                                                        \
      "The oldest event of a flow has waited for longer than its `sla: { delay_p95 }`, and 15 minutes at least; "      \
      "without one, than the threshold.")                                                                              \
    X(SOURCE_FAILS, source_fails, FLOW, TIME, "2m", "0s", TICKET,                                                      \
      "Every read of the source of a flow has failed for longer: nothing comes in.")                                   \
    X(RETRIES_HIGH, retries_high, FLOW, NUMBER, "3", "10m", TICKET,                                                    \
      "More retries than this for each delivery of a flow within 15 minutes.")                                         \
    X(ERROR_BUDGET_SPENT, error_budget_spent, FLOW, NOTHING, NULL, "5m", TICKET,                                       \
      "A flow has more failures in 30 days than its `sla: { success }` allows.")                                       \
    X(REQUESTS_REFUSED, requests_refused, FLOW, SHARE, "5%", "10m", TICKET,                                            \
      "More than this share of the requests of a flow within 5 minutes have a signature that is not good.")            \
    X(DISK_FILLING, disk_filling, SERVER, NUMBER, "3", "10m", TICKET,                                                  \
      "Less is free on the ledger's disk than so many times what intake stops at.")                                    \
    X(INTAKE_STOPPED, intake_stopped, SERVER, NOTHING, NULL, "0s", PAGE,                                               \
      "The disk is almost full, or the ledger's files are not in their place: senders are asked to come back later.")
enum alert_rule_id {
#define X(id, ...) ALERT_##id,
    ALERT_RULE_TABLE(X)
#undef X
        ALERT_RULES
};
struct alert_rule {
    const char *name;
    enum alert_kind kind;
    enum alert_unit unit;
    const char *threshold, *hold; /* as the configuration would spell them */
    enum alert_severity severity;
    const char *doc;
};
extern const struct alert_rule alert_rules[ALERT_RULES];
const char *alert_kind_name(enum alert_kind k);
const char *alert_severity_name(enum alert_severity s);
/* Alerting rules for Prometheus from the same table, a YAML file; the reference page, Markdown. False: b's limit. */
bool alert_prometheus(struct tl_buf *b);
bool alert_reference(struct tl_buf *b);

/* ---- configuration: the block `alerts:` ---- */
struct alert_rule_conf {
    bool off;
    int64_t threshold_ms, hold_ms; /* threshold_ms: rules of ALERT_TIME */
    double threshold;              /* of the others */
    int severity;
    const char *owner, *runbook;
    struct config_list notify; /* of struct config_text: receivers */
    struct config_list except; /* of const char *: flows or connections */
};
struct alert_conf {
    bool off;
    const char *console;
    int64_t resolve_after_ms;
    struct config_map receivers;     /* of const struct config_node *: a target, or a list of them */
    struct config_list notify, page; /* of struct config_text */
    struct {
        struct alert_rule_conf of[ALERT_RULES];
    } rules;
};
extern const struct config_spec alert_spec;
const struct metrics_desc *alert_metrics(size_t *ret_n); /* what is measured for the rules alone, for its owner */
double alert_threshold(const struct alert_conf *c, enum alert_rule_id rule); /* seconds, share, number; 0: none */
/* False: there is no such receiver, and e says so. */
bool alert_receiver_check(const struct alert_conf *c, const struct config_text *name, struct config_errors *e);
/* The same for all that `alerts` itself names; c may be what could be read of one with errors. */
void alert_names_check(const struct alert_conf *c, struct config_errors *e);

/* ---- the figures ---- */
struct alert_credential {
    const char *what;             /* "access token", "certificate erp.pem" */
    int64_t expires_ms, since_ms; /* 0: not known */
    bool renews;                  /* by itself: its end is no alert */
};
struct alert_flow {
    const char *name, *owner, *runbook;
    const char *notify;             /* the receiver that `on_dead` names; NULL */
    const char *const *connections; /* of its targets, look-ups and source */
    size_t n_connections;
    int receiver;                                         /* a receiver's own flow: its index, else -1 */
    double objective_s;                                   /* 0: none */
    double oldest_s, error_budget_left;                   /* NAN: no promise */
    bool promises_all;                                    /* sla: { success: 100% } */
    uint64_t waiting, dead;                               /* now */
    uint64_t received, refused, delivered, retries, died; /* since the start */
    const struct metrics_hist *delay;                     /* microseconds, since the start; may be NULL */
    const char *held; /* NULL, or "flow_config", "flow_tripped", "flow_removed", "target_changed" */
    const char *held_text;
    double source_failing_s; /* every read of its source has failed for so long; 0: it works, or is not read */
    const char *source_failure;
};
struct alert_connection {
    const char *name;
    const char *held; /* NULL, or queue_held_name of refused credentials, of a changed identity */
    const char *held_text;
    const char *breaker; /* "closed", "open", "half_open" */
    uint64_t calls, failed;
    const struct metrics_hist *latency; /* microseconds, since the start; may be NULL */
    uint64_t drain_ms;                  /* UINT64_MAX: not known */
    const char *drain_reason;
    const struct alert_budget {
        const char *name;
        double used, amount; /* windows only, no rates */
        int64_t resets_ms;   /* 0: continuous */
    } * budgets;
    size_t n_budgets;
    const struct alert_credential *credentials;
    size_t n_credentials;
};
struct alert_snapshot {
    int64_t wall_ms;
    uint64_t mono_ms;
    const struct alert_flow *flows;
    size_t n_flows;
    const struct alert_connection *connections;
    size_t n_connections;
    uint64_t disk_free, disk_reserve;
    bool intake_stopped, ledger_moved;           /* moved: that is why */
    const struct alert_credential *certificates; /* of our own servers */
    size_t n_certificates;
};

/* ---- the book ---- */
struct alert_book;
struct alert_book *alert_book_new(void) TL_MUST_CHECK;
void alert_book_free(struct alert_book *b); /* NULL allowed */

struct alert_notice { /* something to tell one receiver */
    int receiver;     /* index in the configuration's receivers */
    const char *name;
    uint64_t group; /* what one incident is: the id of its first alert. Same for its beginning and its end */
    bool resolved;
    struct json body; /* the notification, as the receiver's flow gets it */
};
/* Look at the snapshot. *ret: what is due, in the arena; each stays due until alert_told. conf is the one in force. */
void alert_look(struct alert_book *b, const struct alert_conf *conf, const struct alert_snapshot *s,
                struct tl_arena *arena, struct alert_notice **ret, size_t *ret_n);
void alert_told(struct alert_book *b, const struct alert_notice *n, uint64_t event);

/* Worth keeping has changed since the last alert_save. */
bool alert_changed(const struct alert_book *b);
bool alert_save(struct alert_book *b, struct tl_buf *text); /* false: the buffer's limit */
/* Into an empty book. TL_PARSE: not ours. What was firing goes on firing without being told again. */
TL_MUST_CHECK enum tl_rc alert_load(struct alert_book *b, struct tl_sv text, const struct alert_conf *conf,
                                    int64_t wall_ms, uint64_t mono_ms, struct tl_err *err);

/* ---- for people ---- */
enum alert_which { ALERT_OPEN, ALERT_RESOLVED, ALERT_ALL };
struct alert_query {
    enum alert_which which;
    struct tl_sv rule, kind, subject; /* .n 0: all */
    size_t limit;
};
struct json alert_list_json(const struct alert_book *b, const struct alert_query *q, struct tl_arena *a);
struct json alert_counts_json(const struct alert_book *b, struct tl_arena *a);
struct json alert_json(const struct alert_book *b, uint64_t id, struct tl_arena *a); /* JSON_UNDEFINED: no such alert */
struct json alert_rules_json(const struct alert_conf *conf, struct tl_arena *a);
/* TL_NOT_FOUND; TL_CONFLICT: it has resolved. */
TL_MUST_CHECK enum tl_rc alert_acknowledge(struct alert_book *b, uint64_t id, struct tl_sv by, struct tl_sv reason,
                                           int64_t wall_ms, struct tl_err *err);
/* Rule and subject of this alert tell nobody until then, also if it begins anew. 0 ends the silence. */
TL_MUST_CHECK enum tl_rc alert_silence(struct alert_book *b, uint64_t id, struct tl_sv by, struct tl_sv reason,
                                       int64_t until_ms, struct tl_err *err);

#endif

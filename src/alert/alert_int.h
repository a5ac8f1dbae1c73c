/* SPDX-License-Identifier: Apache-2.0 */
/* alert_int.h - the book, as the folder sees it. */
#ifndef TL_ALERT_ALERT_INT_H
#define TL_ALERT_ALERT_INT_H

#include <pthread.h>

#include "alert/alert.h"

enum {
    ALERT_TOLD_MAX = 48, /* receivers of one alert: 20 of `notify`, 20 of `page`, a flow's own; a reload names others */
    ALERT_OPEN_MAX = 2000, /* more are counted, not kept */
    ALERT_KEPT_MAX = 200,  /* resolved ones */
    ALERT_SILENCES_MAX = 200,
    ALERT_SHOWN_MAX = 20, /* alerts in one notice */
    ALERT_FLOWS_MAX = 8   /* named with an alert of a connection */
};

enum alert_state { ALERT_PENDING, ALERT_FIRING, ALERT_OVER };
struct alert_person { /* who did something, when and why; at_ms 0: nobody did */
    int64_t at_ms;
    char by[64], reason[200];
};
struct alert_told { /* by the receiver's name: positions change with the configuration */
    char receiver[64];
    uint64_t group, begun, ended; /* begun, ended: events in the ledger; 0: not told */
    bool fresh;                   /* joined its group in this look */
};
struct alert {
    struct alert *next;
    uint64_t id;
    enum alert_rule_id rule;
    enum alert_severity severity;
    enum alert_state state;
    enum alert_kind kind;
    char subject[128], detail[128]; /* with the rule: what it is */
    char summary[240], cause[400], owner[100], runbook[500];
    double value, threshold; /* NAN: none */
    uint64_t held, drain_ms;
    char drain_reason[80];
    int64_t since_ms, fired_ms, over_ms; /* wall clock, for people */
    uint64_t began_mono, last_mono;      /* began to hold; held last */
    uint64_t patience_ms;                /* it may not hold for so long before it is over */
    uint64_t fold_until_mono;            /* what explained it is over, but not its consequences */
    uint64_t because;                    /* the alert that explains it */
    bool because_fired;                  /* that one was firing */
    uint64_t suspect_until_mono;         /* for so long one that is still pending may explain it; 0: none has yet */
    struct alert_person acknowledged;
    char flows[ALERT_FLOWS_MAX][128]; /* the first that it touches */
    size_t n_flows;
    struct alert_told told[ALERT_TOLD_MAX];
    size_t n_told;
};
struct alert_silence {
    enum alert_rule_id rule;
    char subject[128], detail[128];
    int64_t until_ms;
    struct alert_person who;
};

/* watch.c: counters of a subject a while ago */
struct alert_past;
struct alert_book {
    pthread_mutex_t lock;      /* of all that follows; taken by what alert.h declares */
    struct alert *open, *over; /* newest first */
    size_t n_open, n_over;
    struct alert_silence silences[ALERT_SILENCES_MAX];
    size_t n_silences;
    bool changed;
    struct tl_map *past[2]; /* of flows, of connections: name -> struct alert_past */
    uint64_t last_id;
    char console[300]; /* of the configuration looked with last */
    /* during one look */
    const struct alert_conf *conf;
    const struct alert_snapshot *s;
};

/* TL_CLEANUP(alert__unlockp) struct alert_book *held = alert__lock(b); */
static inline struct alert_book *alert__lock(const struct alert_book *b)
{
    struct alert_book *mine = (struct alert_book *)(uintptr_t)b; /* looking needs the lock too */

    (void)pthread_mutex_lock(&mine->lock);
    return mine;
}
static inline void alert__unlockp(struct alert_book **b)
{
    (void)pthread_mutex_unlock(&(*b)->lock);
}

/* What a rule found: the condition holds now. Text is borrowed for the call. */
struct alert_finding {
    enum alert_rule_id rule;
    const char *subject, *detail; /* detail may be NULL */
    double value, threshold;      /* NAN: none */
    const char *summary, *cause;
    const struct alert_flow *flow; /* one of both, or neither */
    const struct alert_connection *connection;
};
void alert__found(struct alert_book *b, const struct alert_finding *f); /* book.c */
void alert__watch(struct alert_book *b);                                /* watch.c: calls alert__found */
void alert__past_free(struct alert_book *b);

const char *alert__fix_text(enum alert_rule_id rule);
struct tl_sv alert__fix(const struct alert *a, struct tl_arena *arena); /* with the subject's name in it */
const char *alert__unit_name(enum alert_rule_id rule);
int alert__receiver(const struct alert_conf *c, const char *name); /* -1 */
struct alert *alert__find(const struct alert_book *b, uint64_t id);
const struct alert_silence *alert__silence_of(const struct alert_book *b, const struct alert *a); /* NULL */
const struct alert_flow *alert__flow(const struct alert_snapshot *s, const char *name);           /* NULL */
bool alert__uses(const struct alert_flow *f, const char *connection);
/* notice.c: what is due */
void alert__notices(struct alert_book *b, struct tl_arena *arena, struct alert_notice **ret, size_t *ret_n);
/* json.c */
struct json alert__json(const struct alert_book *b, const struct alert *a, struct tl_arena *arena);

#endif

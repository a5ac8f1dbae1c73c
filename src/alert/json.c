/* SPDX-License-Identifier: Apache-2.0 */
/* json.c - alerts for people and programs, and the text that keeps them over a restart. */
#include "alert/alert_int.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { VERSION = 1, RESTORED_MS = 30000 };

static struct json time_json(struct tl_arena *a, int64_t ms)
{
    char text[TL_TIME_TEXT];

    return ms ? json_str_copy(a, tl_sv_str(tl_time_format(ms, text))) : json_null();
}

static struct json id_json(struct tl_arena *a, uint64_t id)
{
    char text[14];

    return id ? json_str_copy(a, tl_sv_str(tl_id32_format(id, text))) : json_null();
}

static struct json text_json(struct tl_arena *a, const char *text)
{
    return *text ? json_str_copy(a, tl_sv_str(text)) : json_null();
}

static struct json number_json(double v)
{
    return isfinite(v) ? json_double(v) : json_null();
}

static struct json person_json(struct tl_arena *a, const struct alert_person *p, const char *when)
{
    struct json_builder b;

    if (!p->at_ms)
        return json_null();
    json_object_begin(&b, a, 3);
    json_adds(&b, "by", text_json(a, p->by));
    json_adds(&b, when, time_json(a, p->at_ms));
    json_adds(&b, "reason", text_json(a, p->reason));
    return json_end(&b);
}

static struct json told_json(struct tl_arena *a, const struct alert *alert)
{
    struct json_builder list, b;

    json_array_begin(&list, a, 2 * alert->n_told);
    for (size_t i = 0; i < alert->n_told; i++) {
        const struct alert_told *t = &alert->told[i];
        const uint64_t events[] = {t->begun, t->ended};

        for (size_t k = 0; k < TL_COUNT(events); k++) {
            if (!events[k])
                continue;
            json_object_begin(&b, a, 3);
            json_adds(&b, "receiver", json_str_copy(a, tl_sv_str(t->receiver)));
            json_adds(&b, "event", id_json(a, events[k]));
            json_adds(&b, "what", json_str(k ? "resolved" : "firing"));
            json_push(&list, json_end(&b));
        }
    }
    return json_end(&list);
}

static struct json flows_json(const struct alert *alert, struct tl_arena *a)
{
    struct json_builder list;

    json_array_begin(&list, a, alert->n_flows);
    for (size_t i = 0; i < alert->n_flows; i++)
        json_push(&list, json_str_copy(a, tl_sv_str(alert->flows[i])));
    return json_end(&list);
}

struct json alert__json(const struct alert_book *book, const struct alert *al, struct tl_arena *a)
{
    static const char *const states[] = {
        [ALERT_PENDING] = "pending", [ALERT_FIRING] = "firing", [ALERT_OVER] = "resolved"};
    const struct alert_silence *silence = alert__silence_of(book, al);
    struct json_builder b;
    char id[14];

    json_object_begin(&b, a, 28);
    json_adds(&b, "id", id_json(a, al->id));
    json_adds(&b, "rule", json_str(alert_rules[al->rule].name));
    json_adds(&b, "severity", json_str(alert_severity_name(al->severity)));
    json_adds(&b, "state", json_str(states[al->state]));
    json_adds(&b, "kind", json_str(alert_kind_name(al->kind)));
    json_adds(&b, "subject", json_str_copy(a, tl_sv_str(al->subject)));
    json_adds(&b, "detail", json_str_copy(a, tl_sv_str(al->detail)));
    json_adds(&b, "summary", json_str_copy(a, tl_sv_str(al->summary)));
    json_adds(&b, "cause", json_str_copy(a, tl_sv_str(al->cause)));
    json_adds(&b, "fix", json_sv(alert__fix(al, a)));
    json_adds(&b, "value", number_json(al->value));
    json_adds(&b, "threshold", number_json(al->threshold));
    json_adds(&b, "unit", json_str(alert__unit_name(al->rule)));
    json_adds(&b, "owner", text_json(a, al->owner));
    json_adds(&b, "runbook", text_json(a, al->runbook));
    json_adds(&b, "link",
              *book->console ? json_printf(a, "%s/#/alerts/%s", book->console, tl_id32_format(al->id, id))
                             : json_null());
    json_adds(&b, "flows", flows_json(al, a));
    json_adds(&b, "held", json_int((int64_t)al->held));
    json_adds(&b, "drain_ms", al->drain_ms == UINT64_MAX ? json_null() : json_int((int64_t)al->drain_ms));
    json_adds(&b, "drain_reason", json_str_copy(a, tl_sv_str(al->drain_reason)));
    json_adds(&b, "since", time_json(a, al->since_ms));
    json_adds(&b, "fired_at", time_json(a, al->fired_ms));
    json_adds(&b, "resolved_at", time_json(a, al->over_ms));
    json_adds(&b, "because", id_json(a, al->because));
    json_adds(&b, "acknowledged", person_json(a, &al->acknowledged, "at"));
    json_adds(&b, "silenced", silence ? person_json(a, &silence->who, "until") : json_null());
    json_adds(&b, "notified", told_json(a, al));
    return json_end(&b);
}

/* ---- lists ---- */
static bool wanted(const struct alert *a, const struct alert_query *q)
{
    return (!q->rule.n || tl_sv_eqs(q->rule, alert_rules[a->rule].name)) &&
           (!q->kind.n || tl_sv_eqs(q->kind, alert_kind_name(a->kind))) &&
           (!q->subject.n || tl_sv_eqs(q->subject, a->subject));
}

static int by_urgency(const void *x, const void *y)
{
    const struct alert *a = *(const struct alert *const *)x, *b = *(const struct alert *const *)y;

    if ((a->state == ALERT_FIRING) != (b->state == ALERT_FIRING))
        return a->state == ALERT_FIRING ? -1 : 1;
    if (!a->because != !b->because)
        return a->because ? 1 : -1;
    if (a->severity != b->severity)
        return a->severity == ALERT_PAGE ? -1 : 1;
    return a->since_ms != b->since_ms ? (a->since_ms > b->since_ms ? -1 : 1) : a->id > b->id ? -1 : a->id < b->id;
}

struct json alert_list_json(const struct alert_book *b, const struct alert_query *q, struct tl_arena *a)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    const struct alert **all = tl_arena_must(a, (b->n_open + 1) * sizeof(struct alert *));
    struct json_builder list;
    size_t n = 0;

    for (const struct alert *al = b->open; al && q->which != ALERT_RESOLVED; al = al->next) {
        if (wanted(al, q))
            all[n++] = al;
    }
    qsort(all, n, sizeof *all, by_urgency);
    json_array_begin(&list, a, n);
    for (size_t i = 0; i < n && json_end(&list).n < q->limit; i++)
        json_push(&list, alert__json(b, all[i], a));
    for (const struct alert *al = b->over; al && q->which != ALERT_OPEN; al = al->next) {
        if (wanted(al, q) && json_end(&list).n < q->limit)
            json_push(&list, alert__json(b, al, a));
    }
    return json_end(&list);
}

struct json alert_counts_json(const struct alert_book *b, struct tl_arena *a)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    int64_t firing = 0, pending = 0, page = 0, ticket = 0, folded = 0, silenced = 0;
    struct json_builder o;

    for (const struct alert *al = b->open; al; al = al->next) {
        pending += al->state == ALERT_PENDING;
        folded += al->because != 0;
        silenced += alert__silence_of(b, al) != NULL;
        if (al->state != ALERT_FIRING)
            continue;
        firing++;
        page += al->severity == ALERT_PAGE;
        ticket += al->severity == ALERT_TICKET;
    }
    json_object_begin(&o, a, 6);
    json_adds(&o, "firing", json_int(firing));
    json_adds(&o, "pending", json_int(pending));
    json_adds(&o, "page", json_int(page));
    json_adds(&o, "ticket", json_int(ticket));
    json_adds(&o, "folded", json_int(folded));
    json_adds(&o, "silenced", json_int(silenced));
    return json_end(&o);
}

struct json alert_json(const struct alert_book *b, uint64_t id, struct tl_arena *a)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    const struct alert *al = alert__find(b, id);

    return al ? alert__json(b, al, a) : JSON_NOTHING;
}

/* ---- keeping ---- */
static struct json kept_json(const struct alert_book *b, const struct alert *al, struct tl_arena *a)
{
    struct json_builder list, o;

    json_array_begin(&list, a, al->n_told);
    for (size_t i = 0; i < al->n_told; i++) {
        json_object_begin(&o, a, 4);
        json_adds(&o, "receiver", json_str_copy(a, tl_sv_str(al->told[i].receiver)));
        json_adds(&o, "group", id_json(a, al->told[i].group));
        json_adds(&o, "begun", id_json(a, al->told[i].begun));
        json_adds(&o, "ended", id_json(a, al->told[i].ended));
        json_push(&list, json_end(&o));
    }
    json_object_begin(&o, a, 3);
    json_adds(&o, "alert", alert__json(b, al, a));
    json_adds(&o, "told", json_end(&list));
    if (al->because && !al->because_fired)
        json_adds(&o, "suspected", json_bool(true));
    return json_end(&o);
}

static struct json silence_json(const struct alert_silence *s, struct tl_arena *a)
{
    struct json_builder b;

    json_object_begin(&b, a, 4);
    json_adds(&b, "rule", json_str(alert_rules[s->rule].name));
    json_adds(&b, "subject", json_str_copy(a, tl_sv_str(s->subject)));
    json_adds(&b, "detail", json_str_copy(a, tl_sv_str(s->detail)));
    json_adds(&b, "who", person_json(a, &s->who, "at"));
    return json_end(&b);
}

bool alert_save(struct alert_book *b, struct tl_buf *text)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(64 << 20);
    struct alert *lists[] = {b->open, b->over};
    struct json_builder o, list;
    bool ok;

    json_object_begin(&o, a, 3);
    json_adds(&o, "version", json_int(VERSION));
    json_array_begin(&list, a, b->n_open + b->n_over);
    for (size_t l = 0; l < TL_COUNT(lists); l++) {
        for (const struct alert *al = lists[l]; al; al = al->next) {
            if (al->state != ALERT_PENDING)
                json_push(&list, kept_json(b, al, a));
        }
    }
    json_adds(&o, "alerts", json_end(&list));
    json_array_begin(&list, a, b->n_silences);
    for (size_t i = 0; i < b->n_silences; i++)
        json_push(&list, silence_json(&b->silences[i], a));
    json_adds(&o, "silences", json_end(&list));
    ok = json_write(text, json_end(&o), 0);
    b->changed &= !ok;
    return ok;
}

static void get_text(struct json v, const char *name, char *to, size_t size)
{
    (void)snprintf(to, size, "%.*s", TL_SV_ARG(json_text(json_gets(v, name), TL_SV(""))));
}
#define GET(v, name, to) get_text((v), (name), (to), sizeof(to))

static uint64_t get_id(struct json v, const char *name)
{
    struct tl_sv s = json_text(json_gets(v, name), TL_SV(""));
    uint64_t id = 0;

    return tl_id32_parse(s.p, s.n, &id) ? id : 0;
}

static int64_t get_time(struct json v, const char *name)
{
    int64_t ms = 0;

    return tl_time_parse(json_text(json_gets(v, name), TL_SV("")), &ms) ? ms : 0;
}

static double get_number(struct json v, const char *name)
{
    struct json n = json_gets(v, name);

    return json_is_number(n) ? json_number(n) : (double)NAN;
}

static uint64_t get_count(struct json v, const char *name, uint64_t absent)
{
    int64_t n;

    return json_int64(json_gets(v, name), &n) && n >= 0 ? (uint64_t)n : absent;
}

static bool get_rule(struct json v, enum alert_rule_id *ret)
{
    for (int i = 0; i < ALERT_RULES; i++) {
        if (tl_sv_eqs(json_text(json_gets(v, "rule"), TL_SV("")), alert_rules[i].name)) {
            *ret = (enum alert_rule_id)i;
            return true;
        }
    }
    return false; /* of a version that had other rules */
}

static void get_person(struct json v, struct alert_person *p)
{
    GET(v, "by", p->by);
    GET(v, "reason", p->reason);
    p->at_ms = get_time(v, "at");
}

static void get_told(struct json list, struct alert *a)
{
    for (uint32_t i = 0; i < list.n && a->n_told < ALERT_TOLD_MAX; i++) {
        struct json v = json_at(list, i);
        struct alert_told *t = &a->told[a->n_told++];

        GET(v, "receiver", t->receiver);
        t->group = get_id(v, "group");
        t->begun = get_id(v, "begun");
        t->ended = get_id(v, "ended");
    }
}

static void get_flows(struct json list, struct alert *a)
{
    for (uint32_t i = 0; i < list.n && a->n_flows < ALERT_FLOWS_MAX; i++)
        (void)snprintf(a->flows[a->n_flows++], sizeof a->flows[0], "%.*s",
                       TL_SV_ARG(json_text(json_at(list, i), TL_SV(""))));
}

static struct alert *get_alert(struct json kept)
{
    struct alert *a = tl_zalloc(sizeof *a);
    struct json v = json_gets(kept, "alert");

    if (!get_rule(v, &a->rule) || !(a->id = get_id(v, "id"))) {
        tl_free(a);
        return NULL;
    }
    for (int k = ALERT_FLOW; k <= ALERT_SERVER; k++) {
        if (tl_sv_eqs(json_text(json_gets(v, "kind"), TL_SV("")), alert_kind_name((enum alert_kind)k)))
            a->kind = (enum alert_kind)k;
    }
    a->state = tl_sv_eqs(json_text(json_gets(v, "state"), TL_SV("")), "firing") ? ALERT_FIRING : ALERT_OVER;
    a->severity = tl_sv_eqs(json_text(json_gets(v, "severity"), TL_SV("")), "page") ? ALERT_PAGE : ALERT_TICKET;
    GET(v, "subject", a->subject);
    GET(v, "detail", a->detail);
    GET(v, "summary", a->summary);
    GET(v, "cause", a->cause);
    GET(v, "owner", a->owner);
    GET(v, "runbook", a->runbook);
    GET(v, "drain_reason", a->drain_reason);
    a->value = get_number(v, "value");
    a->threshold = get_number(v, "threshold");
    a->held = get_count(v, "held", 0);
    a->drain_ms = get_count(v, "drain_ms", UINT64_MAX);
    a->since_ms = get_time(v, "since");
    a->fired_ms = get_time(v, "fired_at");
    a->over_ms = get_time(v, "resolved_at");
    a->because = get_id(v, "because");
    get_person(json_gets(v, "acknowledged"), &a->acknowledged);
    get_flows(json_gets(v, "flows"), a);
    get_told(json_gets(kept, "told"), a);
    a->because_fired = json_gets(kept, "suspected").type != JSON_BOOL;
    return a;
}

/* A restart hides causes for a while: counters begin anew, a refused credential has to be refused again. */
static uint64_t patience(const struct alert *a, const struct alert_conf *c)
{
    uint64_t least = RESTORED_MS;

    if (a->rule == ALERT_DEAD_LETTERS_GROW || a->rule == ALERT_RETRIES_HIGH || a->rule == ALERT_DELAY_HIGH)
        least = (uint64_t)ALERT_LONG_WINDOW_S * 1000;
    else if (alert_rules[a->rule].unit != ALERT_NOTHING)
        least = (uint64_t)ALERT_WINDOW_S * 1000;
    return (uint64_t)c->resolve_after_ms > least ? (uint64_t)c->resolve_after_ms : least;
}

static void get_silence(struct alert_book *b, struct json v)
{
    struct alert_silence *s = &b->silences[b->n_silences];

    if (b->n_silences == ALERT_SILENCES_MAX || !get_rule(v, &s->rule))
        return;
    GET(v, "subject", s->subject);
    GET(v, "detail", s->detail);
    get_person(json_gets(v, "who"), &s->who);
    s->until_ms = s->who.at_ms;
    b->n_silences++;
}

enum tl_rc alert_load(struct alert_book *b, struct tl_sv text, const struct alert_conf *conf, int64_t wall_ms,
                      uint64_t mono_ms, struct tl_err *err)
{
    TL_CLEANUP(alert__unlockp) TL_UNUSED struct alert_book *held = alert__lock(b);
    TL_CLEANUP(tl_arena_freep) struct tl_arena *arena = tl_arena_new(64 << 20);
    struct alert **ends[] = {&b->open, &b->over};
    struct json v, list;
    int64_t version = 0;

    if (json_parse(arena, text, 0, NULL, &v, err) != TL_OK)
        return tl_err_prefix(err, "the alerts that were kept");
    if (!json_int64(json_gets(v, "version"), &version) || version != VERSION)
        return tl_fail(err, TL_PARSE, "the alerts that were kept are of version %lld, this program reads %d",
                       (long long)version, VERSION);
    list = json_gets(v, "alerts");
    for (uint32_t i = 0; i < list.n; i++) {
        struct alert *a = get_alert(json_at(list, i));
        bool is_over = a && a->state == ALERT_OVER;

        if (!a)
            continue;
        a->last_mono = mono_ms;
        a->began_mono = mono_ms - (uint64_t)(wall_ms > a->since_ms ? wall_ms - a->since_ms : 0);
        a->patience_ms = patience(a, conf);
        *ends[is_over] = a;
        ends[is_over] = &a->next;
        b->n_over += is_over;
        b->n_open += !is_over;
        b->last_id = a->id > b->last_id ? a->id : b->last_id;
    }
    list = json_gets(v, "silences");
    for (uint32_t i = 0; i < list.n; i++)
        get_silence(b, json_at(list, i));
    return TL_OK;
}

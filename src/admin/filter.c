/* SPDX-License-Identifier: Apache-2.0 */
/*
 * filter.c - which events: members of the query (?flow=orders&state=dead), and the same as one text that people write
 * and share: `flow:orders state:dead error:"429" since:1h A-1042`. A bare word is an id, or is looked for in payloads.
 */
#include "admin/admin_int.h"
#include "http/http.h"

enum { TEXT_MAX = 200, PICK_MOST = 10000, PICK_MS = 15000 };

struct words {
    struct admin_call *c;
    const struct admin_names *names;
    struct queue_filter *f;
};

static bool taken(const struct queue_filter *f, uint32_t id)
{
    for (size_t i = 0; i < f->n_targets; i++)
        if (f->targets[i] == id)
            return true;
    return f->n_targets == 0;
}

struct wanted {
    struct tl_sv name;
    bool found;
    const char **known; /* names, for a guess at what was meant */
    size_t n_known;
    uint32_t *ids;
    size_t n;
};

static void look_at(const struct words *w, struct wanted *t, const char *name, uint32_t id)
{
    t->known[t->n_known++] = name;
    if (!tl_sv_eqs(t->name, name))
        return;
    t->found = true;
    for (size_t i = 0; i < t->n; i++)
        if (t->ids[i] == id)
            return;
    if (taken(w->f, id))
        t->ids[t->n++] = id;
}

/* Target and connection together: what both allow. A target has left the configuration, or leads to another connection
 * now, or what runs is another program: the ledger knows its name, and the connection that it led to. */
static enum tl_rc add_targets(struct words *w, struct tl_sv name, bool connection, struct tl_err *err)
{
    size_t most = w->names->n_targets + w->names->n_known + 1;
    struct wanted t = {.name = name,
                       .known = tl_arena_must(w->c->arena, most * sizeof *t.known),
                       .ids = tl_arena_must(w->c->arena, most * sizeof *t.ids)};
    const char *near;

    for (size_t i = 0; i < w->names->n_targets; i++) {
        const struct flow_target_info *k = &w->names->targets[i];

        look_at(w, &t, connection ? k->connection : k->name, k->id);
    }
    for (size_t i = 0; i < w->names->n_known; i++) {
        const struct queue_target_name *k = &w->names->known[i];
        const char *known = connection ? k->connection : k->name;

        if (known)
            look_at(w, &t, known, k->id);
    }
    if (t.found) {
        if (t.n == 0)
            t.ids[t.n++] = UINT32_MAX; /* nothing is in both */
        w->f->targets = t.ids;
        w->f->n_targets = t.n;
        return TL_OK;
    }
    near = tl_nearest(name, t.known, t.n_known);
    return tl_fail(err, TL_NOT_FOUND, "no flow has the %s '%.*s', and the ledger knows %s%s%s%s",
                   connection ? "connection" : "target", TL_SV_ARG(name),
                   connection ? "no target that led to it last" : "none of that name", near ? "; did you mean '" : "",
                   near ? near : "", near ? "'?" : "");
}

static enum tl_rc text_member(struct tl_sv value, struct tl_sv *ret, struct tl_err *err)
{
    if (value.n == 0 || value.n > TEXT_MAX)
        return tl_fail(err, TL_INVALID, "a text to look for has 1 to %d bytes", TEXT_MAX);
    *ret = value;
    return TL_OK;
}

/* Other words for the same. */
static struct tl_sv plain(struct tl_sv name)
{
    static const struct {
        const char *said, *meant;
    } others[] = {{"status", "state"}, {"since", "from"}, {"before", "until"}, {"fp", "fingerprint"}, {"id", "event"}};

    for (size_t i = 0; i < TL_COUNT(others); i++)
        if (tl_sv_eqs(name, others[i].said))
            return tl_sv_str(others[i].meant);
    return name;
}

static enum tl_rc member(struct words *w, struct tl_sv name, struct tl_sv value, struct tl_err *err)
{
    struct json_builder b;

    name = plain(name);
    if (tl_sv_eqs(name, "key"))
        return text_member(value, &w->f->key, err);
    if (tl_sv_eqs(name, "error"))
        return text_member(value, &w->f->error, err);
    if (tl_sv_eqs(name, "text"))
        return text_member(value, &w->f->text, err);
    if (tl_sv_eqs(name, "target") || tl_sv_eqs(name, "connection"))
        return add_targets(w, value, tl_sv_eqs(name, "connection"), err);
    if (tl_sv_eqs(name, "state") && tl_sv_eqs(value, "failed"))
        value = TL_SV("dead");
    json_object_begin(&b, w->c->arena, 1);
    json_add(&b, name, json_sv(value));
    return admin__filter(w->c, json_end(&b), w->f, err);
}

/* One word: name:value, name:"value with blanks", or bare. */
static struct tl_sv next_word(struct tl_sv *rest, struct tl_sv *ret_name)
{
    size_t i = 0, start;
    bool quoted;
    struct tl_sv value;

    *rest = tl_sv_trim(*rest);
    *ret_name = TL_SV_NULL;
    while (i < rest->n && ((rest->p[i] >= 'a' && rest->p[i] <= 'z') || rest->p[i] == '_'))
        i++;
    if (i > 0 && i < rest->n && rest->p[i] == ':')
        *ret_name = tl_sv(rest->p, i++);
    else
        i = 0;
    quoted = i < rest->n && rest->p[i] == '"';
    start = i += quoted;
    while (i < rest->n && (quoted ? rest->p[i] != '"' : rest->p[i] != ' '))
        i++;
    value = tl_sv(rest->p + start, i - start);
    *rest = tl_sv_from(*rest, i + (quoted && i < rest->n));
    return value;
}

static enum tl_rc read_text(struct words *w, struct tl_sv rest, struct tl_err *err)
{
    enum tl_rc rc = TL_OK;

    for (int n = 0; rc == TL_OK && tl_sv_trim(rest).n; n++) {
        struct tl_sv name, value = next_word(&rest, &name);
        uint64_t id;

        if (n == 50)
            return tl_fail(err, TL_INVALID, "a filter has at most 50 words");
        if (name.p)
            rc = member(w, name, value, err);
        else if (value.n == 13 && tl_id32_parse(value.p, value.n, &id) && id)
            w->f->event = id;
        else if (value.n)
            rc = text_member(value, &w->f->text, err);
    }
    return rc;
}

/* Whether a key is there tells what a masked one is. */
static enum tl_rc may_look_for_key(const struct words *w, struct tl_err *err)
{
    const struct admin_names *n = w->names;
    struct tl_err ignored;

    for (size_t i = 0; w->f->key.p && n->key_hidden && i < n->n; i++)
        if (n->key_hidden[i] && (!w->f->flow || w->f->flow == n->flows[i].id) &&
            admin__may_reveal(w->c, &ignored) != TL_OK)
            return tl_fail(err, TL_FORBIDDEN,
                           "the ordering keys of flow %s are personal data: %s, or name a flow whose keys are not",
                           n->flows[i].name, "looking for one needs the role that admin.reveal names");
    return TL_OK;
}

enum tl_rc admin__event_filter(struct admin_call *c, const struct admin_names *names, struct queue_filter *ret,
                               struct tl_err *err)
{
    static const char *const members[] = {"flow",  "state", "class", "fingerprint", "from",   "until",
                                          "event", "key",   "error", "text",        "target", "connection"};
    struct words w = {.c = c, .names = names, .f = ret};
    enum tl_rc rc;

    *ret = (struct queue_filter){0};
    rc = read_text(&w, admin__query(c, "q"), err);
    for (size_t i = 0; i < TL_COUNT(members) && rc == TL_OK; i++) {
        struct tl_sv v = admin__query(c, members[i]);

        if (v.n)
            rc = member(&w, tl_sv_str(members[i]), v, err);
    }
    return rc == TL_OK ? may_look_for_key(&w, err) : rc;
}

/* ---- for plans: the same members in a body, and what no index answers picked beforehand ---- */
enum tl_rc admin__plan_filter(struct admin_call *c, struct json v, struct queue_filter *ret, struct tl_err *err)
{
    static const char *const looked[] = {"key", "error", "text", "target", "connection"};
    struct admin_names names;
    struct words w = {.c = c, .names = &names, .f = ret};
    enum tl_rc rc = TL_OK;

    if (v.type != JSON_OBJECT)
        return admin__filter(c, v, ret, err);
    rc = admin__names(c, &names, err);
    for (uint32_t i = 0; i < v.n && rc == TL_OK; i++) {
        struct tl_sv name = json_view(v.u.members[i].key), text = json_text(v.u.members[i].value, TL_SV(""));
        bool mine = tl_sv_eqs(name, "q");
        struct json_builder one;

        for (size_t k = 0; k < TL_COUNT(looked); k++)
            mine = mine || tl_sv_eqs(name, looked[k]);
        if (tl_sv_eqs(name, "q")) {
            rc = tl_sv_trim(text).n
                     ? read_text(&w, text, err)
                     : tl_fail(err, TL_INVALID, "q must be a text that says something: a filter {} is everything");
        } else if (mine) {
            rc = member(&w, name, text, err);
        } else {
            json_object_begin(&one, c->arena, 1);
            json_add(&one, name, v.u.members[i].value);
            rc = admin__filter(c, json_end(&one), ret, err);
        }
    }
    return rc == TL_OK ? may_look_for_key(&w, err) : rc;
}

static bool is_words(struct tl_sv name)
{
    return tl_sv_eqs(name, "key") || tl_sv_eqs(name, "error") || tl_sv_eqs(name, "text");
}

static struct json masked_text(struct tl_arena *a, struct tl_sv rest)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf b = {0};

    tl_buf_init(&b, 65536);
    while (tl_sv_trim(rest).n) {
        struct tl_sv name, value = next_word(&rest, &name);
        uint64_t id;
        bool bare_id = !name.p && value.n == 13 && tl_id32_parse(value.p, value.n, &id);

        if (name.p ? is_words(name) : !bare_id)
            value = TL_SV(FLOW_MASK);
        (void)tl_buf_printf(&b, "%s%.*s%s%.*s", b.n ? " " : "", TL_SV_ARG(name), name.p ? ":" : "", TL_SV_ARG(value));
    }
    return json_str_copy(a, tl_buf_view(&b));
}

struct json admin__filter_shown(struct admin_call *c, struct json filter)
{
    struct flow_plan *p = admin__plan(c->admin);
    bool masks = flow_plan_has_pii(p);
    struct json_builder b;

    flow_plan_unref(p);
    if (!masks || filter.type != JSON_OBJECT)
        return filter;
    json_object_begin(&b, c->arena, filter.n);
    for (uint32_t i = 0; i < filter.n; i++) {
        struct tl_sv name = json_view(filter.u.members[i].key);
        struct json v = filter.u.members[i].value;

        if (is_words(name))
            v = json_str(FLOW_MASK);
        else if (tl_sv_eqs(name, "q"))
            v = masked_text(c->arena, json_text(v, TL_SV("")));
        json_add(&b, name, v);
    }
    return json_end(&b);
}

bool admin__must_look(const struct queue_filter *f)
{
    return f->n_targets || f->key.p || f->error.p || f->text.p;
}

/* Newest first, until the ledger's end. Half an answer would be half an action: what does not fit is refused. */
static enum tl_rc pick(struct admin__read *l, struct queue_reader *r, struct tl_err *err)
{
    uint64_t until = tl_clock_mono_ms(tl_clock_system()) + PICK_MS,
             *ids = tl_arena_must(l->arena, PICK_MOST * sizeof *ids);
    struct queue_filter f = l->filter;
    uint64_t cursor = 0, last = l->id;
    bool more = true;
    size_t n = 0;

    f.budget_ms = PICK_MS;
    while (more) {
        TL_CLEANUP(tl_arena_freep) struct tl_arena *a = tl_arena_new(256 << 20);
        struct queue_page page;
        enum tl_rc rc = queue_list(r, a, &f, cursor, 1000, &page, err);

        if (rc != TL_OK)
            return rc;
        for (size_t i = 0; i < page.n; i++) {
            bool held = page.rows[i].held == QUEUE_HELD_EVENT;

            if (page.rows[i].expanded || (last && page.rows[i].delivery > last) ||
                !queue_acts_on(l->plan, held ? QUEUE_HELD : page.rows[i].state))
                continue;
            if (n == PICK_MOST)
                return tl_fail(err, TL_LIMIT, "more than %d match: narrow it (since:, until:, flow:)", PICK_MOST);
            ids[n++] = page.rows[i].delivery;
        }
        cursor = page.cursor;
        more = page.more;
        if (more && tl_clock_mono_ms(tl_clock_system()) > until)
            return tl_fail(err, TL_LIMIT,
                           "the ledger cannot be looked through for this within %d s: narrow it (since:, flow:)",
                           PICK_MS / 1000);
    }
    for (size_t i = 0; i < n / 2; i++) { /* a job goes through them in this order, and the oldest of a key is first */
        uint64_t id = ids[i];

        ids[i] = ids[n - 1 - i];
        ids[n - 1 - i] = id;
    }
    l->filter = (struct queue_filter){.flow = f.flow, .state = f.state, .ids = ids, .n_ids = n};
    return TL_OK;
}

enum tl_rc admin__pick(struct admin_call *c, struct queue_plan *plan, struct tl_err *err)
{
    struct queue_filter *f = &plan->filter;
    struct admin__read l = {.fn = pick, .filter = *f, .id = plan->last_id, .plan = plan};
    enum tl_rc rc;

    if (!admin__must_look(f))
        return TL_OK;
    rc = admin__read(c, &l, err);
    if (rc == TL_OK && l.filter.n_ids == 0)
        rc = tl_fail(err, TL_NOT_FOUND, "nothing matches");
    if (rc == TL_OK)
        *f = l.filter;
    return rc;
}

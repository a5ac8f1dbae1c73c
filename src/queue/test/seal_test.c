/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: what is on the disk, keys that change, rows that are moved. */
#include <dirent.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "help.h"

#define PLANTED "planted-4711"

static const struct crypto_seal_key first = {.id = 0x11111111, .key = "the first key, thirty-two bytes."};
static const struct crypto_seal_key second = {.id = 0x22222222, .key = "the second key, thirty-two byte."};

static void with_keys(struct bench *b, const struct crypto_seal_key *newest, const struct crypto_seal_key *old)
{
    b->n_keys = 0;
    if (newest)
        b->keys[b->n_keys++] = *newest;
    if (old)
        b->keys[b->n_keys++] = *old;
}

static bool file_has(const char *path, const char *text)
{
    FILE *f = fopen(path, "rb");
    char *bytes;
    bool has;
    long n;

    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    n = ftell(f);
    rewind(f);
    bytes = tl_alloc((size_t)n + 1);
    assert_int_equal(fread(bytes, 1, (size_t)n, f), n);
    (void)fclose(f);
    has = tl_sv_find_sv(tl_sv(bytes, (size_t)n), tl_sv_str(text)) != (size_t)n;
    tl_free(bytes);
    return has;
}

/* The database, its log, whatever else is there. */
static bool disk_has(struct bench *b, const char *text)
{
    DIR *d = opendir(b->dir);
    struct dirent *e;
    char path[400];
    bool has = false;

    assert_non_null(d);
    while ((e = readdir(d)) != NULL) {
        (void)snprintf(path, sizeof(path), "%s/%s", b->dir, e->d_name);
        if (e->d_name[0] != '.')
            has = has || file_has(path, text);
    }
    (void)closedir(d);
    return has;
}

static void sql(struct bench *b, const char *text)
{
    char path[100];
    sqlite3 *db;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static int64_t sql_number(struct bench *b, const char *text)
{
    char path[100];
    sqlite3_stmt *st;
    sqlite3 *db;
    int64_t n;

    (void)snprintf(path, sizeof(path), "%s/ledger.db", b->dir);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    n = sqlite3_column_int64(st, 0);
    sqlite3_finalize(st);
    sqlite3_close(db);
    return n;
}

static uint64_t put_chunks(struct bench *b)
{
    struct queue_put put = {.flow = b->flows[0].ret_id, .meta = TL_SV("{\"m\":\"" PLANTED "\"}")};
    struct tl_err err;

    assert_int_equal(queue_upload_begin(b->q, NULL, &put.upload, &err), TL_OK);
    assert_int_equal(queue_upload_chunk(b->q, NULL, put.upload, TL_SV("chunk one " PLANTED), &err), TL_OK);
    assert_int_equal(queue_upload_chunk(b->q, NULL, put.upload, TL_SV(", chunk two"), &err), TL_OK);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    return put.ret_event;
}

static void finish(struct bench *b, enum queue_end end, enum tl_rc rc)
{
    struct queue_work *w = help_take(b);

    assert_non_null(w);
    w->claims[0].outcome = (struct queue_outcome){
        .end = end, .rc = rc, .text = TL_SV("it said " PLANTED), .answer = TL_SV("{\"id\":\"" PLANTED "\"}")};
    queue_finish(b->q, w);
    help_turn(b);
}

struct planted {
    uint64_t dead, big, retrying, done;
};

/* In every place that a payload, an answer, an error or a cursor has. */
static struct planted plant(struct bench *b)
{
    struct queue_emit emit = {.lease = TL_SV("source"), .position = TL_SV("cursor " PLANTED)};
    const struct tl_err unparsed = {.rc = TL_PARSE, .text = "no JSON: " PLANTED};
    struct queue_put put = {.flow = b->flows[0].ret_id, .meta = TL_SV("{}"), .body = TL_SV(PLANTED), .dead = &unparsed};
    struct planted p = {0};
    struct tl_err err;

    p.dead = help_put(b, "k1", "lane " PLANTED, "{\"name\":\"" PLANTED "\"}");
    help_turn(b);
    finish(b, QUEUE_END_FAILED, TL_INVALID);
    assert_int_equal(queue_edit(b->q, NULL, p.dead, TL_SV("edited " PLANTED), TL_SV("me"), NULL, &err), TL_OK);
    p.big = put_chunks(b);
    help_turn(b);
    finish(b, QUEUE_END_DONE, TL_OK);
    p.done = help_put(b, "k2", "other " PLANTED, "done " PLANTED);
    help_turn(b);
    finish(b, QUEUE_END_DONE, TL_OK);
    p.retrying = help_put(b, "k3", "third " PLANTED, "later " PLANTED);
    help_turn(b);
    finish(b, QUEUE_END_FAILED, TL_TIMEOUT);
    assert_int_equal(queue_put(b->q, NULL, &put, &err), TL_OK);
    assert_int_equal(queue_lease(b->q, NULL, emit.lease, TL_SV("me"), 1000, &emit.lease_epoch, &err), TL_OK);
    assert_int_equal(queue_emit(b->q, NULL, &emit, &err), TL_OK);
    assert_int_equal(queue_kv_put(b->q, NULL, TL_SV("test/entry"), TL_SV("entry " PLANTED), &err), TL_OK);
    help_turn(b);
    return p;
}

static void expect_body(struct bench *b, uint64_t id, bool original, const char *text)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct queue_reader *r = NULL;
    struct tl_err err;

    tl_buf_init(&body, 1 << 20);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    if (queue_read_body(r, id, original, &body, &err) != TL_OK)
        fail_msg("%s", err.text);
    assert_string_equal(body.p, text);
    queue_reader_close(r);
}

static void expect_all(struct bench *b, const struct planted *p)
{
    struct tl_arena *arena = tl_arena_new(1u << 20);
    struct queue_filter filter = {.text = TL_SV("chunk"), .details = true};
    TL_CLEANUP(tl_buf_done) struct tl_buf value = {0};
    struct queue_reader *r = NULL;
    struct queue_detail d;
    struct queue_page page;
    struct tl_err err;

    tl_buf_init(&value, 1000);
    expect_body(b, p->dead, true, "{\"name\":\"" PLANTED "\"}");
    expect_body(b, p->dead, false, "edited " PLANTED);
    expect_body(b, p->big, false, "chunk one " PLANTED ", chunk two");
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_show(r, arena, p->dead, 1000, &d, &err), TL_OK);
    assert_string_equal(d.row.text, "it said " PLANTED);
    assert_true(tl_sv_eqs(d.attempts[0].text, "it said " PLANTED));
    assert_true(tl_sv_eqs(d.attempts[0].answer, "{\"id\":\"" PLANTED "\"}"));
    assert_true(tl_sv_eqs(d.order_by, "lane " PLANTED));
    filter.text = TL_SV("later " PLANTED);
    assert_int_equal(queue_list(r, arena, &filter, 0, 10, &page, &err), TL_OK);
    assert_int_equal(page.n, 1);
    assert_int_equal(page.rows[0].delivery, p->retrying);
    assert_true(tl_sv_eqs(page.rows[0].key, "third " PLANTED));
    queue_reader_close(r);
    assert_int_equal(queue_position(b->q, NULL, TL_SV("source"), TL_SV(""), &value, &err), TL_OK);
    assert_string_equal(value.p, "cursor " PLANTED);
    tl_buf_clear(&value);
    assert_int_equal(queue_kv_get(b->q, NULL, TL_SV("test/entry"), &value, &err), TL_OK);
    assert_string_equal(value.p, "entry " PLANTED);
    tl_arena_free(arena);
}

static void expect_refused(struct bench *b, const char *what)
{
    struct queue_options o = {
        .path = b->dir, .clock = &b->clock.base, .n_loops = 1, .manual = true, .keys = b->keys, .n_keys = b->n_keys};
    struct queue *q = NULL;
    struct tl_err err;

    assert_int_equal(queue_open(&o, &q, &err), TL_CONFIG);
    if (!strstr(err.text, what))
        fail_msg("%s", err.text);
}

static uint64_t rekey(struct bench *b)
{
    struct queue_rekey r = {0};
    struct tl_err err;

    while (!r.done)
        if (queue_rekey(b->q, NULL, &r, &err) != TL_OK)
            fail_msg("%s", err.text);
    assert_int_equal(r.unreadable, 0);
    return r.changed;
}

static void a_payload_is_nowhere_on_the_disk_of_an_encrypted_ledger_and_all_of_it_is_read(void **state)
{
    struct bench *b = *state;
    struct planted p;

    with_keys(b, &first, NULL);
    help_open(b);
    p = plant(b);
    assert_false(disk_has(b, PLANTED)); /* with what is in the log */
    expect_all(b, &p);
    help_close(b);
    assert_false(disk_has(b, PLANTED));
    help_open(b);
    expect_all(b, &p);
}

static void without_a_key_it_is_there(void **state)
{
    struct bench *b = *state;

    help_open(b);
    (void)plant(b);
    assert_true(disk_has(b, PLANTED));
}

static void a_ledger_opens_with_its_key_only_and_one_sentence_says_what_is_missing(void **state)
{
    struct bench *b = *state;
    struct planted p;

    with_keys(b, &first, NULL);
    help_open(b);
    p = plant(b);
    help_close(b);
    with_keys(b, NULL, NULL);
    expect_refused(b, "is encrypted (key 11111111): set store.encrypt.key");
    with_keys(b, &second, NULL);
    expect_refused(b, "is encrypted with key 11111111, and store.encrypt has key 22222222 only");
    with_keys(b, &first, NULL);
    help_open(b);
    expect_all(b, &p);
}

static void a_key_is_changed_by_naming_the_old_one_once(void **state)
{
    struct bench *b = *state;
    struct planted p;
    uint64_t late;

    with_keys(b, &first, NULL);
    help_open(b);
    p = plant(b);
    help_close(b);
    with_keys(b, &second, &first);
    help_open(b);
    expect_all(b, &p);
    late = help_put(b, "k9", "lane 9", "with the new key " PLANTED);
    help_close(b);
    with_keys(b, &first, NULL);
    expect_refused(b, "is encrypted with key 22222222");
    with_keys(b, &second, NULL);
    help_open(b);
    expect_all(b, &p);
    expect_body(b, late, true, "with the new key " PLANTED);
    assert_int_equal(sql_number(b, "SELECT count(*) FROM data_key"), 2);
    assert_true(rekey(b) > 5);
    help_close(b);
    assert_int_equal(sql_number(b, "SELECT count(*) FROM data_key"), 1);
    assert_int_equal(sql_number(b, "SELECT count(*) FROM body WHERE key_id<>2"), 0);
    help_open(b);
    expect_all(b, &p);
    assert_int_equal(rekey(b), 0);
}

static void what_was_there_before_the_key_is_read_and_after_a_rekey_it_is_off_the_disk(void **state)
{
    struct bench *b = *state;
    struct planted p;
    uint64_t again;

    help_open(b);
    p = plant(b);
    help_close(b);
    with_keys(b, &first, NULL);
    help_open(b);
    expect_all(b, &p);
    again = help_put(b, "k2", "other " PLANTED, "done " PLANTED);
    assert_int_equal(again, p.done); /* its key is still known */
    assert_int_equal(sql_number(b, "SELECT key_id FROM kv WHERE key='queue/hash_key'"), 1);
    assert_true(disk_has(b, PLANTED));
    assert_true(rekey(b) > 5);
    expect_all(b, &p);
    help_close(b);
    assert_false(disk_has(b, PLANTED));
    help_open(b);
    expect_all(b, &p);
    help_close(b);
    with_keys(b, NULL, NULL);
    expect_refused(b, "is encrypted");
}

/* As the release before encryption left it. */
static void a_ledger_of_the_version_before_is_read_and_encrypted_from_then_on(void **state)
{
    struct bench *b = *state;
    struct planted p;
    uint64_t late;

    help_open(b);
    p = plant(b);
    help_close(b);
    sql(b, "DROP TABLE data_key; ALTER TABLE kv DROP COLUMN key_id; ALTER TABLE position DROP COLUMN key_id; DROP "
           "TABLE own_write; DROP INDEX xref_ia; DROP INDEX xref_ib;"
           "CREATE INDEX xref_back ON xref(model, cb, ib, ca);"
           "ALTER TABLE edit DROP COLUMN vars; ALTER TABLE attempt DROP COLUMN asked; ALTER TABLE attempt DROP COLUMN "
           "pairs;"
           "DROP TABLE line; DELETE FROM meta WHERE name='line_from';"
           "CREATE INDEX unit_lane ON unit(lane, id) WHERE live>0 AND lane IS NOT NULL;"
           "ALTER TABLE target DROP COLUMN meant; ALTER TABLE target DROP COLUMN identity;"
           "ALTER TABLE job DROP COLUMN to_target;"
           "PRAGMA user_version=4");
    with_keys(b, &first, NULL);
    help_open(b);
    expect_all(b, &p);
    late = help_put(b, "k8", "lane 8", "after the upgrade, unseen");
    help_close(b);
    assert_false(disk_has(b, "after the upgrade, unseen"));
    help_open(b);
    expect_body(b, late, true, "after the upgrade, unseen");
    assert_true(rekey(b) > 5);
    expect_all(b, &p);
}

static void a_ledger_without_a_key_has_nothing_to_rekey(void **state)
{
    struct bench *b = *state;
    struct queue_rekey r;
    struct tl_err err;

    help_open(b);
    assert_int_equal(queue_rekey(b->q, NULL, &r, &err), TL_CONFLICT);
}

static void expect_unreadable(struct bench *b, uint64_t id)
{
    TL_CLEANUP(tl_buf_done) struct tl_buf body = {0};
    struct queue_reader *r = NULL;
    struct tl_err err;

    tl_buf_init(&body, 1 << 20);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    assert_int_equal(queue_read_body(r, id, true, &body, &err), TL_INVALID);
    assert_non_null(strstr(err.text, "moved"));
    queue_reader_close(r);
}

static void a_row_that_was_put_in_the_place_of_another_does_not_open_and_is_not_sent(void **state)
{
    struct bench *b = *state;
    struct queue_work *w;
    uint64_t a, c;
    char text[200];

    with_keys(b, &first, NULL);
    help_open(b);
    a = help_put(b, NULL, "a", "pay 1 to Ann");
    c = help_put(b, NULL, "c", "pay 9 to Carl");
    help_close(b);
    (void)snprintf(text, sizeof(text), "UPDATE body SET data=(SELECT data FROM body WHERE id=%llu) WHERE id=%llu",
                   (unsigned long long)c, (unsigned long long)a);
    sql(b, text);
    help_open(b);
    w = help_take(b);
    assert_int_equal(w->claims[0].delivery, a);
    assert_true(w->claims[0].unreadable);
    assert_int_equal(w->claims[0].body.n, 0);
    help_finish(b, w, QUEUE_END_FAILED, TL_INVALID, "cannot be read");
    w = help_take(b);
    assert_false(w->claims[0].unreadable);
    assert_true(tl_sv_eqs(w->claims[0].body, "pay 9 to Carl"));
    help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    expect_unreadable(b, a);
    assert_int_equal(b->fatals, 0);
}

static void chunks_of_another_event_do_not_open(void **state)
{
    struct bench *b = *state;
    uint64_t one, two;

    with_keys(b, &first, NULL);
    help_open(b);
    one = put_chunks(b);
    two = put_chunks(b);
    expect_body(b, one, true, "chunk one " PLANTED ", chunk two");
    help_close(b);
    sql(b, "UPDATE unit SET upload=(SELECT max(upload) FROM unit)"); /* the body says which chunks are its own */
    help_open(b);
    assert_true(help_take(b)->claims[0].unreadable);
    expect_unreadable(b, one);
    expect_body(b, two, true, "chunk one " PLANTED ", chunk two");
}

static void a_finished_one_is_replayed_with_its_chunks_and_its_edits(void **state)
{
    struct bench *b = *state;
    struct queue_plan plan = {.action = QUEUE_REPLAY, .filter = {.state = QUEUE_DELIVERED}};
    struct queue_work *w;
    struct planted p;

    with_keys(b, &first, NULL);
    help_open(b);
    p = plant(b);
    assert_int_equal(help_job(b, &plan).done, 2);
    while ((w = help_take(b)) != NULL) {
        assert_false(w->claims[0].unreadable);
        if (w->claims[0].replay_of == p.big)
            expect_body(b, w->claims[0].delivery, false, "chunk one " PLANTED ", chunk two");
        else if (w->claims[0].replay_of == p.done)
            assert_true(tl_sv_eqs(w->claims[0].body, "done " PLANTED));
        help_finish(b, w, QUEUE_END_DONE, TL_OK, NULL);
    }
    assert_false(disk_has(b, PLANTED));
}

static void a_snapshot_is_a_ledger_that_opens_with_the_key(void **state)
{
    struct bench *b = *state, copy = *b;
    struct queue_reader *r = NULL;
    struct planted p;
    struct tl_err err;
    char path[100];

    with_keys(b, &first, NULL);
    help_open(b);
    p = plant(b);
    assert_int_equal(queue_reader_open(b->q, &r, &err), TL_OK);
    help_init(&copy);
    with_keys(&copy, &first, NULL);
    (void)snprintf(path, sizeof(path), "%s/ledger.db", copy.dir);
    assert_int_equal(queue_snapshot(r, path, &err), TL_OK);
    queue_reader_close(r);
    assert_false(disk_has(&copy, PLANTED));
    help_open(&copy);
    expect_all(&copy, &p);
    help_done(&copy);
}

static void retention_takes_sealed_payloads_away(void **state)
{
    struct bench *b = *state;

    with_keys(b, &first, NULL);
    b->keep_final_ms = 1000;
    help_open(b);
    (void)put_chunks(b);
    help_turn(b);
    finish(b, QUEUE_END_DONE, TL_OK);
    help_after(b, 3600000);
    help_after(b, 3600000);
    help_close(b);
    assert_int_equal(sql_number(b, "SELECT (SELECT count(*) FROM body)+(SELECT count(*) FROM chunk)"), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, help_setup, help_teardown)
    const struct CMUnitTest tests[] = {
        T(a_payload_is_nowhere_on_the_disk_of_an_encrypted_ledger_and_all_of_it_is_read),
        T(without_a_key_it_is_there),
        T(a_ledger_opens_with_its_key_only_and_one_sentence_says_what_is_missing),
        T(a_key_is_changed_by_naming_the_old_one_once),
        T(what_was_there_before_the_key_is_read_and_after_a_rekey_it_is_off_the_disk),
        T(a_ledger_of_the_version_before_is_read_and_encrypted_from_then_on),
        T(a_ledger_without_a_key_has_nothing_to_rekey),
        T(a_row_that_was_put_in_the_place_of_another_does_not_open_and_is_not_sent),
        T(chunks_of_another_event_do_not_open),
        T(a_finished_one_is_replayed_with_its_chunks_and_its_edits),
        T(a_snapshot_is_a_ledger_that_opens_with_the_key),
        T(retention_takes_sealed_payloads_away),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing. Opening reads names, counters and cursors, never events: it takes as long for a million as for
 * none. */
#include <errno.h>
#include <sys/stat.h>

#include "queue/queue_int.h"

static const char *const statements[SQL_COUNT] = {
#define X(name, text) text,
    QUEUE_STATEMENTS(X)
#undef X
};

#define CAREFUL TL_SV("queue/careful_below")
#define FIRST_SWEEP_NS 5000000000ull /* a start has those to see to who have waited */

static void defaults(struct queue *q)
{
    struct queue_options *o = &q->o;

    o->n_loops = o->n_loops ? o->n_loops : 1;
    o->window = o->window ? o->window : 200000;
    o->window_per_flow = o->window_per_flow ? o->window_per_flow : (o->window + 3) / 4;
    o->inline_max = o->inline_max ? o->inline_max : 64u * 1024;
    o->cache_max = o->cache_max ? o->cache_max : 32u * 1024 * 1024;
    o->keep_key_ms = o->keep_key_ms ? o->keep_key_ms : 7LL * 86400000;
    o->keep_final_ms = o->keep_final_ms ? o->keep_final_ms : 30LL * 86400000;
    q->clock = o->clock ? o->clock : tl_clock_system();
    q->sweep_next_ns = queue__now(q) + FIRST_SWEEP_NS;
    q->dir = tl_strdup(o->path);
    o->path = q->dir;
    q->loop_load = tl_zalloc(o->n_loops * sizeof(*q->loop_load));
    q->kept_tail = &q->kept;
    q->internal.internal = true;
    q->internal.name = tl_strdup("");
    atomic_store(&q->dispatch_on, true);
}

static enum tl_rc open_store(struct queue *q, struct tl_err *err)
{
    char *path = tl_sprintf("%s/ledger.db", q->dir);
    struct store_options so = {
        .path = path,
        .vfs = q->o.vfs,
        .exclusive = true,
        .background = !q->o.manual,
        .no_sync = q->o.unsafe_no_sync,
        .busy_ms = 5000,
        .application_id = QUEUE_APPLICATION_ID,
        .migrations = queue__migrations,
        .n_migrations = queue__n_migrations,
    };
    enum tl_rc rc = TL_OK;

    if (mkdir(q->dir, 0700) != 0 && errno != EEXIST)
        rc = tl_fail(err, TL_IO, "cannot make the folder %s: %s", q->dir, strerror(errno));
    if (rc == TL_OK)
        rc = store_open(&so, &q->db, err);
    for (size_t i = 0; i < SQL_COUNT && rc == TL_OK; i++)
        rc = store_prepare(q->db, statements[i], &q->sql[i], err);
    tl_free(path);
    return rc;
}

/* Attempts that ended soon leave no row when a crash cuts them off. What was there at a crash is therefore begun on
 * disk before it goes, until a process has closed the ledger with nothing left to deliver. */
static void load_careful(struct queue *q)
{
    struct tl_buf v;

    tl_buf_init(&v, 64);
    q->careful_below = q->next_id;
    if (queue__kv_get(q, CAREFUL, &v) && v.n == sizeof(q->careful_below))
        memcpy(&q->careful_below, v.p, sizeof(q->careful_below));
    tl_buf_done(&v);
    (void)RUN(q, KV_DEL, store_text(CAREFUL));
}

static void save_careful(struct queue *q)
{
    uint64_t below = 0;
    struct tl_err err;

    for (size_t i = 1; i <= q->n_flows; i++)
        if (q->flows[i] && q->flows[i]->count[QUEUE_QUEUED] + q->flows[i]->count[QUEUE_RETRYING] > 0)
            below = q->careful_below;
    q->txn_rc = store_begin(q->db, &err);
    (void)queue__kv_set(q, CAREFUL, tl_sv((const char *)&below, sizeof(below)));
    if (q->txn_rc != TL_OK || store_commit(q->db, &err) != TL_OK)
        store_rollback(q->db); /* as after a crash, then */
}

static void load_meta(struct queue *q)
{
    struct store_val v;
    struct tl_buf key;
    uint64_t generation = 0;
    bool known;

    if (queue__one(q, SQL_META_GET, VALS(store_text(TL_SV("next_id"))), &v, 1))
        q->next_id = q->id_reserved = (uint64_t)v.i;
    if (queue__one(q, SQL_META_GET, VALS(store_text(TL_SV("generation"))), &v, 1))
        generation = (uint64_t)v.i + 1;
    (void)RUN(q, META_SET, store_text(TL_SV("generation")), store_u64(generation));
    q->epoch = generation << 32;
    load_careful(q);
    queue__load_origins(q);
    tl_buf_init(&key, 64);
    known = queue__kv_get(q, TL_SV("queue/hash_key"), &key) && key.n == sizeof(q->hash_key);
    if (known)
        memcpy(q->hash_key, key.p, sizeof(q->hash_key));
    else
        tl_random(q->hash_key, sizeof(q->hash_key));
    if (!known || q->ring) /* it hides bodies and ids from guesses: under the newest key from the first start on */
        (void)queue__kv_set(q, TL_SV("queue/hash_key"), tl_sv((const char *)q->hash_key, sizeof(q->hash_key)));
    tl_buf_done(&key);
}

/* Bodies whose put never came. */
static void sweep_uploads(struct queue *q)
{
    struct store_val v;

    while (queue__one(q, SQL_UPLOAD_ANY, NULL, 0, &v, 1)) {
        uint64_t id = (uint64_t)v.i;

        (void)RUN(q, CHUNK_DEL, store_u64(id * ATTEMPT_SPAN), store_u64((id + 1) * ATTEMPT_SPAN));
        (void)RUN(q, UPLOAD_DEL, store_u64(id));
    }
}

static enum tl_rc start_up(struct queue *q, struct tl_err *err)
{
    uint64_t start;
    enum tl_rc rc = store_begin(q->db, err);

    if (rc != TL_OK)
        return rc;
    q->txn_rc = TL_OK;
    rc = queue__load_keys(q, err);
    if (rc != TL_OK) {
        store_rollback(q->db);
        return rc;
    }
    load_meta(q);
    (void)queue__load_names(q, NULL);
    if (q->txn_rc == TL_OK)
        queue__load_dead_lanes(q);
    if (q->txn_rc == TL_OK)
        queue__load_held(q);
    queue__keys_load(q);
    if (q->txn_rc == TL_OK)
        queue__recover(q);
    queue__lines_load(q);
    sweep_uploads(q);
    queue__load_jobs(q);
    q->aborts = true;
    if (q->txn_rc == TL_OK)
        queue__save_counts(q);
    rc = q->txn_rc;
    if (rc != TL_OK) {
        *err = q->txn_err;
        store_rollback(q->db);
        return rc;
    }
    start = tl_clock_mono_ns(tl_clock_system());
    rc = store_commit(q->db, err);
    q->sync_us_start = (tl_clock_mono_ns(tl_clock_system()) - start) / 1000;
    q->sync_us_avg = (double)q->sync_us_start;
    queue__settle_counts(q, true);
    return rc;
}

enum tl_rc queue_open(const struct queue_options *options, struct queue **ret_queue, struct tl_err *err)
{
    struct queue *q = tl_zalloc(sizeof(*q));
    pthread_condattr_t attr;
    struct tl_err local;
    enum tl_rc rc;

    err = err ? err : &local;
    q->o = *options;
    defaults(q);
    (void)pthread_mutex_init(&q->lock, NULL);
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&q->wake, &attr);
    (void)pthread_cond_init(&q->done_cond, NULL);
    (void)pthread_condattr_destroy(&attr);
    rc = crypto_new(&q->crypto, err);
    if (rc == TL_OK)
        rc = open_store(q, err);
    if (rc == TL_OK)
        rc = start_up(q, err);
    q->o.keys = NULL;
    if (rc == TL_OK)
        queue__disk_check(q);
    if (rc == TL_OK && !q->o.manual) {
        q->has_thread = pthread_create(&q->thread, NULL, queue__thread, q) == 0;
        if (!q->has_thread)
            rc = tl_fail(err, TL_BUSY, "cannot start the ledger's thread");
    }
    if (rc != TL_OK) {
        queue_close(q);
        return rc;
    }
    q->opened = true;
    *ret_queue = q;
    return TL_OK;
}

static void free_works(struct queue *q)
{
    struct work *w, *next;

    while (q->out) /* an outcome that never reached the disk is unknown after the restart */
        queue__work_free(q, q->out);
    for (w = q->work_free; w; w = next) {
        next = w->next;
        tl_free(w);
    }
}

void queue_close(struct queue *q)
{
    struct tl_err err;

    if (!q)
        return;
    if (q->has_thread) {
        atomic_store(&q->stop, true);
        queue_kick(q);
        (void)pthread_join(q->thread, NULL);
    }
    queue_told_free(q->told); /* only of a start that failed: it did not happen */
    if (q->opened && !q->out && !atomic_load(&q->fatal))
        save_careful(q);
    if (q->db && !atomic_load(&q->fatal) && store_maintain(q->db, true, &err) != TL_OK)
        queue__fatal(q, &err);
    for (size_t i = 0; i < q->table_n; i++)
        for (struct lane *l = q->table[i]; l; l = l->hnext)
            queue__blob_unref(l->blob);
    free_works(q);
    for (size_t i = 0; i < q->n_slabs; i++)
        tl_free(q->slabs[i]);
    tl_free(q->slabs);
    tl_free(q->changes);
    queue__keys_free(q);
    queue__lines_free(q);
    tl_free(q->table);
    tl_free(q->heap);
    queue__free_names(q);
    for (size_t i = 0; i < SQL_COUNT; i++)
        store_stmt_free(q->sql[i]);
    store_close(q->db);
    queue__free_keys(q);
    crypto_free(q->crypto);
    (void)pthread_mutex_destroy(&q->lock);
    (void)pthread_cond_destroy(&q->wake);
    (void)pthread_cond_destroy(&q->done_cond);
    tl_free(q->internal.name);
    tl_free(q->origins);
    tl_free(q->loop_load);
    tl_free(q->dir);
    tl_free(q);
}

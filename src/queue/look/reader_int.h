/* SPDX-License-Identifier: Apache-2.0 */
/* reader_int.h - the statements of readers, and what read.c, show.c and dead.c share. A reader belongs to one thread at
 * a time. */
#ifndef TL_QUEUE_READER_INT_H
#define TL_QUEUE_READER_INT_H

#include "queue/queue_int.h"

#define ROW_COLUMNS                                                                                                    \
    "id,event,flow,target,item,rev,attempts,used,state,kind,live,received,updated,next_at,fp,cause,replay_of,bytes,"   \
    "cls,rc,text,upload,ticket,lane,n_open,superseded,d_epoch,d_started,d_status,d_latency,unknown"
#define ROW_N 31

#define READS(X)                                                                                                       \
    X(ONE, "SELECT " ROW_COLUMNS " FROM unit WHERE id=?1")                                                             \
    X(BEFORE, "SELECT " ROW_COLUMNS " FROM unit WHERE id<?1 AND id>=?2 ORDER BY id DESC")                              \
    X(CHILDREN, "SELECT " ROW_COLUMNS " FROM unit WHERE event=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")                 \
    X(DEAD, "SELECT " ROW_COLUMNS " FROM unit WHERE fp IS NOT NULL AND flow=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")   \
    X(DEAD_FP,                                                                                                         \
      "SELECT " ROW_COLUMNS " FROM unit WHERE fp IS NOT NULL AND flow=?1 AND fp=?4 AND id<?2 ORDER BY id DESC LIMIT "  \
      "?3")                                                                                                            \
    X(LIVE, "SELECT " ROW_COLUMNS " FROM unit WHERE live=1 AND target=?1 AND id<?2 ORDER BY id DESC LIMIT ?3")         \
    X(HELD, "SELECT " ROW_COLUMNS " FROM unit WHERE id IN (SELECT CAST(substr(key,6) AS INTEGER) FROM kv WHERE "       \
            "key>='held/' AND key<'held/'||printf('%020d',?1)) ORDER BY id DESC")                                      \
    X(KV, "SELECT value,key_id FROM kv WHERE key=?1")                                                                  \
    X(LIVE_LANE,                                                                                                       \
      "SELECT " ROW_COLUMNS " FROM unit WHERE live>0 AND lane=?1 AND id IN (SELECT id FROM line WHERE lane=?1 AND "    \
      "id<?2 ORDER BY id DESC LIMIT ?3) ORDER BY id DESC")                                                             \
    X(DEAD_LANE, "SELECT " ROW_COLUMNS " FROM unit WHERE fp IS NOT NULL AND lane=?1 AND id<?2 ORDER BY id DESC "       \
                 "LIMIT ?3")                                                                                           \
    X(LANES, "SELECT id,received,lane,0,0 FROM unit WHERE id<?1 ORDER BY id DESC")                                     \
    X(BODIES,                                                                                                          \
      "SELECT u.id,u.received,b.data,b.key_id,u.upload FROM unit u JOIN body b ON b.id=u.id WHERE u.id<?1 ORDER BY "   \
      "u.id DESC")                                                                                                     \
    X(FROM, "SELECT id,received FROM unit WHERE id>=?1 ORDER BY id LIMIT 1")                                           \
    X(KEY, "SELECT order_by,key_id FROM body WHERE id=?1")                                                             \
    X(REFUSED, "SELECT count(*) FROM attempt WHERE id>=?1 AND id<?2 AND status BETWEEN 502 AND 504")                   \
    X(LAST_ATTEMPT, "SELECT status,latency FROM attempt WHERE id>=?1 AND id<?2 ORDER BY id DESC LIMIT 1")              \
    X(IDEM, "SELECT event FROM idem WHERE k1=?1 AND k2=?2")                                                            \
    X(IDEM_NEW, "SELECT data FROM idem_new ORDER BY id")                                                               \
    X(TARGETS, "SELECT id FROM target WHERE ?1=0 OR flow=?1")                                                          \
    X(FLOWS, "SELECT id FROM flow WHERE ?1=0 OR id=?1")                                                                \
    X(NEWEST, "SELECT max(id) FROM unit")                                                                              \
    X(ATTEMPTS,                                                                                                        \
      "SELECT a.id,a.epoch,a.started,a.ended,a.end,a.flags,a.cls,a.rc,a.status,a.latency,a.call,a.text,"               \
      "a.answer,c.members,a.key_id,a.asked,a.pairs FROM attempt a LEFT JOIN call c ON c.id=a.call WHERE a.id>=?1 AND " \
      "a.id<?2 ORDER BY "                                                                                              \
      "a.id")                                                                                                          \
    X(BODY,                                                                                                            \
      "SELECT b.order_by,b.meta,b.data,b.key_id,u.upload FROM body b LEFT JOIN unit u ON u.id=b.id WHERE b.id=?1")     \
    X(EDIT, "SELECT data,key_id,vars FROM edit WHERE unit=?1 AND rev=?2")                                              \
    X(CHUNKS, "SELECT data,key_id,id FROM chunk WHERE id>=?1 AND id<?2 ORDER BY id")                                   \
    X(TICKET, "SELECT data,key_id FROM ticket WHERE id=?1")                                                            \
    X(PAIRS, "SELECT a.id,a.key_id,a.pairs FROM unit u JOIN attempt a ON a.id>=u.id*?2 AND a.id<(u.id+1)*?2 WHERE "    \
             "u.event=?1 AND a.pairs IS NOT NULL LIMIT ?3")                                                            \
    X(XREFS, "SELECT id,model,ca,ia,cb,ib,at FROM xref WHERE id<?1 ORDER BY id DESC")                                  \
    X(XREFS_ID,                                                                                                        \
      "SELECT id,model,ca,ia,cb,ib,at FROM xref WHERE id IN (SELECT id FROM xref WHERE ia=?2 UNION SELECT id FROM "    \
      "xref WHERE ib=?2) AND id<?1 ORDER BY id DESC")                                                                  \
    X(MARK, "SELECT mark FROM own_write WHERE model=?1 AND c=?2 AND i=?3 ORDER BY id DESC LIMIT 1")                    \
    X(AFTER, "SELECT u.id,CASE WHEN u.live=1 THEN 1 WHEN u.state=4 THEN 2 ELSE 3 END FROM line l CROSS JOIN unit u "   \
             "ON u.id=l.id WHERE l.lane=?1 AND l.id>?2 AND "                                                           \
             "u.live>0 AND u.lane=?1 ORDER BY l.id LIMIT 1")                                                           \
    X(LINE_FROM, "SELECT value FROM meta WHERE name='line_from'")                                                      \
    X(YOUNG, "SELECT id,lane FROM unit WHERE live=1 AND target=?1 AND id>=?2 ORDER BY id")                             \
    X(GROUP_NEXT, "SELECT fp,id FROM unit WHERE fp IS NOT NULL AND flow=?1 AND fp>?2 ORDER BY fp,id LIMIT 1")          \
    X(GROUP_LAST, "SELECT id FROM unit WHERE fp IS NOT NULL AND flow=?1 AND fp=?2 ORDER BY id DESC LIMIT 1")           \
    X(GROUP_COUNT, "SELECT count(*) FROM (SELECT 1 FROM unit WHERE fp IS NOT NULL AND flow=?1 AND fp=?2 LIMIT ?3)")    \
    X(GROUP_MARK, "SELECT state,at,owner,note,who FROM dead_group WHERE flow=?1 AND fp=?2")                            \
    X(AUDIT, "SELECT id,at,who,role,how,origin,action,subject,reason,detail,hash FROM audit WHERE id<?1 ORDER BY id "  \
             "DESC LIMIT ?2")                                                                                          \
    X(AUDIT_ALL, "SELECT id,at,who,role,how,origin,action,subject,reason,detail,hash FROM audit WHERE id>?1 ORDER BY " \
                 "id LIMIT ?2")                                                                                        \
    X(JOBS, "SELECT id,action,flow,state,cls,fp,from_ms,until_ms,event,ids IS NOT NULL,total,looked,done,refused,"     \
            "refusal,ended,who,reason,at,to_flow FROM job WHERE id<?1 ORDER BY id DESC LIMIT ?2")                      \
    X(OLDEST, "SELECT received FROM unit WHERE live=1 AND target=?1 ORDER BY id LIMIT 1")                              \
    X(UNKNOWN, "SELECT 1 FROM attempt WHERE id>=?1 AND id<?2 AND (flags & 2)<>0 LIMIT 1")

enum {
#define X(name, text) READ_##name,
    READS(X)
#undef X
        READ_COUNT
};

struct queue_reader {
    struct store *db;
    struct store_stmt *st[READ_COUNT];
    unsigned char hash_key[16];
    const struct queue__ring *ring; /* the ledger's */
    struct tl_buf opened;
    struct reader_line *line; /* line.c */
};

/* The numbers of one query (flows, targets). *ret is the caller's to free, also after an error. */
enum tl_rc queue__numbers(struct queue_reader *r, int read, uint32_t flow, uint32_t **ret, size_t *ret_n,
                          struct tl_err *err);
/* ROW_COLUMNS */
void queue__row_read(struct queue_reader *r, const struct store_val *v, struct queue_row *row);
/* What a column holds, in r->opened when it is sealed: until the next one. */
static inline enum tl_rc queue__column(struct queue_reader *r, struct place p, bool sealed, const struct store_val *v,
                                       struct tl_sv *ret, struct tl_err *err)
{
    return queue__unseal(r->ring, p, sealed, v->s, &r->opened, ret, err);
}
/* The row with this id; *ret_found. */
enum tl_rc queue__row(struct queue_reader *r, uint64_t id, struct queue_row *ret, bool *ret_found, struct tl_err *err);
/* For a live row: what is ahead of it in its lane, and how often a gateway has refused it. */
enum tl_rc queue__ahead(struct queue_reader *r, struct queue_row *row, struct tl_err *err);
/* What is shown beside the row, in lists and alone: the ordering key, and how the last attempt went. */
enum tl_rc queue__decorate(struct queue_reader *r, struct tl_arena *arena, struct queue_row *row, struct tl_err *err);
/* ---- line.c ---- */
/* The lowest live one of a lane behind `after`; 0: none. *ret_how: whether it can go. */
enum reader_after { AFTER_GOES = 1, AFTER_DEAD, AFTER_HELD };
enum tl_rc queue__reader_after(struct queue_reader *r, uint64_t lane, uint64_t after, uint64_t *ret_id,
                               enum reader_after *ret_how, struct tl_err *err);
/* Those that stand in these lanes (sorted by value) and are not in the table `line` yet: ids below `before`, newest
 * first, in the arena. All others are below *ret_from. */
enum tl_rc queue__reader_young(struct queue_reader *r, struct tl_arena *arena, const uint64_t *lanes, size_t n_lanes,
                               uint64_t before, uint64_t **ret, size_t *ret_n, uint64_t *ret_from, struct tl_err *err);
void queue__reader_line_forget(struct queue_reader *r); /* what was read of it: a new call begins */
/* Deliveries of an event, newest first, `limit` at most, in the arena. */
enum tl_rc queue__children(struct queue_reader *r, struct tl_arena *arena, uint64_t event, size_t limit,
                           struct queue_row **ret, size_t *ret_n, struct tl_err *err);

#endif

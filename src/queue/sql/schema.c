/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ledger's tables. A step that has been released is never changed; the next change is a new step.
 *
 * unit      one row an event and one a delivery; small, because the scheduler reads and changes nothing else.
 *           kind 0: an event that is its own delivery; 1: its steps have not run; 2: they have, children exist; 3: a
 * child. live 1: can be scheduled; 2: dead and blocking its lane; NULL: final, or dead and skipped. lane NULL: a lane
 * of its own. part: hash of the lane % 256, for nodes that own partitions later. body      what came in, by unit id;
 * bodies over a limit are chunks (id: upload * 65536 + number) named by unit.upload. attempt   id: unit * 65536 +
 * number. ended 0: running, or cut off by a crash. idem      idempotency keys, swept by age, independent of the events.
fp: a dead delivery has one, nothing else does: the indexes of the dead are left alone by what is delivered.
 * d_*: the attempt of a delivery that was done at the first one and had nothing to say; `updated` is its end.
 * key_id    the data key (data_key.id) that the row's payload is encrypted with; 0: none. A text (unit.text, call.text,
 *           held_text) is a BLOB when it is encrypted.
 */
#include "queue/queue_int.h"

static const char ledger_1[] =
    "CREATE TABLE meta(name TEXT PRIMARY KEY, value);"
    "INSERT INTO meta VALUES('next_id', 1), ('generation', 0);"
    "CREATE TABLE flow(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, removed INTEGER NOT NULL DEFAULT 0,"
    " block INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0, held_text TEXT, held_at INTEGER, held_fp "
    "INTEGER);"
    "CREATE TABLE target(id INTEGER PRIMARY KEY, flow INTEGER NOT NULL, name TEXT NOT NULL, UNIQUE(flow, name));"
    "CREATE TABLE connection(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, identity INTEGER NOT NULL,"
    " removed INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0, held_text TEXT, held_at INTEGER);"
    "CREATE TABLE flow_count(flow INTEGER PRIMARY KEY, queued INTEGER NOT NULL DEFAULT 0, retrying INTEGER NOT NULL "
    "DEFAULT 0,"
    " dead INTEGER NOT NULL DEFAULT 0, delivered INTEGER NOT NULL DEFAULT 0, skipped INTEGER NOT NULL DEFAULT 0,"
    " cancelled INTEGER NOT NULL DEFAULT 0, discarded INTEGER NOT NULL DEFAULT 0, events INTEGER NOT NULL DEFAULT 0,"
    " duplicates INTEGER NOT NULL DEFAULT 0, other_body INTEGER NOT NULL DEFAULT 0, no_key INTEGER NOT NULL DEFAULT 0,"
    " attempts INTEGER NOT NULL DEFAULT 0, retries INTEGER NOT NULL DEFAULT 0, f0 INTEGER NOT NULL DEFAULT 0,"
    " f1 INTEGER NOT NULL DEFAULT 0, f2 INTEGER NOT NULL DEFAULT 0, f3 INTEGER NOT NULL DEFAULT 0,"
    " f4 INTEGER NOT NULL DEFAULT 0, f5 INTEGER NOT NULL DEFAULT 0, f6 INTEGER NOT NULL DEFAULT 0);"
    "CREATE TABLE unit(id INTEGER PRIMARY KEY, flow INTEGER NOT NULL, target INTEGER NOT NULL, kind INTEGER NOT NULL,"
    " lane INTEGER, part INTEGER NOT NULL, state INTEGER NOT NULL, live INTEGER, received INTEGER NOT NULL,"
    " updated INTEGER NOT NULL, bytes INTEGER NOT NULL, event INTEGER, item INTEGER NOT NULL DEFAULT 0, upload INTEGER,"
    " cause INTEGER, replay_of INTEGER, attempts INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0,"
    " unknown INTEGER NOT NULL DEFAULT 0, age INTEGER NOT NULL DEFAULT 0, next_at INTEGER NOT NULL DEFAULT 0,"
    " rev INTEGER NOT NULL DEFAULT 0, ticket INTEGER, idem1 INTEGER, idem2 INTEGER, n_open INTEGER, n_dead INTEGER,"
    " n_done INTEGER, fp INTEGER, cls INTEGER, rc INTEGER, text TEXT, superseded INTEGER NOT NULL DEFAULT 0,"
    " d_epoch INTEGER, d_started INTEGER, d_status INTEGER, d_latency INTEGER);"
    "CREATE INDEX unit_ready ON unit(target, id, lane) WHERE live=1;"
    "CREATE INDEX unit_lane ON unit(lane, id) WHERE live>0 AND lane IS NOT NULL;"
    "CREATE INDEX unit_dead_lane ON unit(lane) WHERE fp IS NOT NULL;"
    "CREATE INDEX unit_due ON unit(target, next_at) WHERE live=1 AND state=3;"
    "CREATE INDEX unit_dead ON unit(flow, id) WHERE fp IS NOT NULL;"
    "CREATE INDEX unit_dead_fp ON unit(flow, fp, id) WHERE fp IS NOT NULL;"
    "CREATE INDEX unit_child ON unit(event, id) WHERE event IS NOT NULL;"
    "CREATE TABLE body(id INTEGER PRIMARY KEY, key_id INTEGER NOT NULL, order_by BLOB, meta BLOB, data BLOB);"
    "CREATE TABLE chunk(id INTEGER PRIMARY KEY, key_id INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE upload(id INTEGER PRIMARY KEY, chunks INTEGER NOT NULL, bytes INTEGER NOT NULL);"
    "CREATE TABLE edit(id INTEGER PRIMARY KEY, unit INTEGER NOT NULL, rev INTEGER NOT NULL, at INTEGER NOT NULL, who "
    "TEXT,"
    " key_id INTEGER NOT NULL, data BLOB NOT NULL, UNIQUE(unit, rev));";

static const char ledger_2[] =
    "CREATE TABLE attempt(id INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT "
    "NULL,"
    " end INTEGER NOT NULL, flags INTEGER NOT NULL, cls INTEGER, rc INTEGER, status INTEGER, latency INTEGER, call "
    "INTEGER,"
    " key_id INTEGER, text TEXT, answer BLOB);"
    "CREATE INDEX attempt_open ON attempt(id) WHERE ended=0;"
    "CREATE TABLE call(id INTEGER PRIMARY KEY, connection INTEGER NOT NULL, members INTEGER NOT NULL, started INTEGER "
    "NOT NULL,"
    " latency INTEGER, status INTEGER, rc INTEGER, text TEXT);"
    "CREATE TABLE idem(k1 INTEGER NOT NULL, k2 INTEGER NOT NULL, event INTEGER NOT NULL, body INTEGER NOT NULL,"
    " at INTEGER NOT NULL, PRIMARY KEY(k1, k2)) WITHOUT ROWID;"
    "CREATE TABLE ticket(id INTEGER PRIMARY KEY, target INTEGER NOT NULL, next_poll INTEGER NOT NULL, abort INTEGER "
    "NOT NULL,"
    " key_id INTEGER NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE ticket_member(ticket INTEGER NOT NULL, unit INTEGER NOT NULL, PRIMARY KEY(ticket, unit)) WITHOUT "
    "ROWID;"
    "CREATE TABLE lease(name TEXT PRIMARY KEY, owner TEXT NOT NULL, epoch INTEGER NOT NULL, until INTEGER NOT NULL);"
    "CREATE TABLE position(lease TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL, PRIMARY KEY(lease, key));"
    "CREATE TABLE kv(key TEXT PRIMARY KEY, value BLOB NOT NULL);"
    "CREATE TABLE xref(id INTEGER PRIMARY KEY, model TEXT NOT NULL, ca TEXT NOT NULL, ia TEXT NOT NULL, cb TEXT NOT "
    "NULL,"
    " ib TEXT NOT NULL, at INTEGER NOT NULL, UNIQUE(model, ca, ia, cb));"
    "CREATE INDEX xref_back ON xref(model, cb, ib, ca);"
    "CREATE TABLE job(id INTEGER PRIMARY KEY, action INTEGER NOT NULL, to_flow INTEGER NOT NULL, superseded INTEGER "
    "NOT NULL,"
    " flow INTEGER NOT NULL, state INTEGER NOT NULL, cls INTEGER NOT NULL, fp INTEGER NOT NULL, from_ms INTEGER NOT "
    "NULL,"
    " until_ms INTEGER NOT NULL, event INTEGER NOT NULL, ids BLOB, last_id INTEGER NOT NULL, cursor INTEGER NOT NULL,"
    " total INTEGER NOT NULL, looked INTEGER NOT NULL, done INTEGER NOT NULL, refused INTEGER NOT NULL,"
    " refusal_rc INTEGER NOT NULL, refusal TEXT, ended INTEGER NOT NULL);";

/* audit: what people did, one row before it is done and one more if it failed; hash: SHA-256 over the row before's hash
 * and this row's fields (audit.c), so that a row changed or taken out shows. dead_group: what people say of a cause. */
static const char ledger_3[] =
    "CREATE TABLE audit(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, who TEXT NOT NULL, role TEXT NOT NULL, how TEXT "
    "NOT NULL, origin TEXT NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, reason TEXT NOT NULL, detail TEXT "
    "NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE dead_group(flow INTEGER NOT NULL, fp INTEGER NOT NULL, state INTEGER NOT NULL, owner TEXT, note TEXT,"
    " who TEXT, at INTEGER NOT NULL, PRIMARY KEY(flow, fp)) WITHOUT ROWID;"
    "ALTER TABLE job ADD COLUMN who TEXT;"
    "ALTER TABLE job ADD COLUMN reason TEXT;"
    "ALTER TABLE job ADD COLUMN at INTEGER;";

/* idem_new: the idempotency keys that a transaction claimed or released, until keys.c has moved them into idem. data:
 * records of queue__key. */
static const char ledger_4[] = "CREATE TABLE idem_new(id INTEGER PRIMARY KEY, data BLOB NOT NULL);";

/* data_key: what payloads are sealed with, itself sealed with the operator's key (seal.c). */
static const char ledger_5[] =
    "CREATE TABLE data_key(id INTEGER PRIMARY KEY, at INTEGER NOT NULL, sealed BLOB NOT NULL);"
    "ALTER TABLE kv ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE position ADD COLUMN key_id INTEGER NOT NULL DEFAULT 0;";

/* edit.vars: what the steps of an event found out beside the body of a delivery (revision 0). attempt.asked: which
 * systems they asked, and how old what they took from a cache was. own_write: what our last writes made of the record
 * (model, connection c, id i), so that the event that tells us of it is recognised. */
static const char ledger_6[] = "ALTER TABLE edit ADD COLUMN vars BLOB;"
                               "ALTER TABLE attempt ADD COLUMN asked TEXT;"
                               "CREATE TABLE own_write(id INTEGER PRIMARY KEY, model TEXT NOT NULL, c TEXT NOT NULL,"
                               " i TEXT NOT NULL, mark TEXT NOT NULL, at INTEGER NOT NULL);"
                               "CREATE INDEX own_write_of ON own_write(model, c, i);"
                               "CREATE INDEX xref_a ON xref(model, ca, ia);";

/* line: who stands in which lane (line.c); it was an index of unit, and is written later now. meta.line_from: live
 * units from this one on stand in unit_ready only. */
static const char ledger_7[] =
    "CREATE TABLE line(lane INTEGER NOT NULL, id INTEGER NOT NULL, PRIMARY KEY(lane, id)) WITHOUT ROWID;"
    "INSERT INTO line SELECT lane,id FROM unit WHERE live>0 AND lane IS NOT NULL ORDER BY lane,id;"
    "INSERT INTO meta SELECT 'line_from',value FROM meta WHERE name='next_id';"
    "DROP INDEX unit_lane;";

/* attempt.pairs: the cross-references that it wrote, for people. An id is looked up with nothing else known, on either
 * side; xref_ib serves XREF_BACK too, and xref_a was the beginning of the table's own key. */
static const char ledger_8[] = "ALTER TABLE attempt ADD COLUMN pairs TEXT;"
                               "DROP INDEX xref_a;"
                               "DROP INDEX xref_back;"
                               "CREATE INDEX xref_ia ON xref(ia);"
                               "CREATE INDEX xref_ib ON xref(ib, model, cb, ca);";

/* target: the connection that what waits was meant for, and, while the target leads to another one, its identity then.
 * job.to_target: where a MOVE within a flow leads, 0: not said. Events of several deliveries of which none was
 * delivered were called delivered. */
static const char ledger_9[] =
    "ALTER TABLE target ADD COLUMN meant INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE target ADD COLUMN identity INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE job ADD COLUMN to_target INTEGER NOT NULL DEFAULT 0;"
    "UPDATE unit SET state=" QUEUE_PARENT_END " WHERE kind=2 AND state=5 AND n_open=0 AND n_dead=0 AND n_done=0;";

/* unit_ready with `live`, the same in every row of it: SQLite looks a column up in the table that only the index's own
 * condition names, and a start and the window read thousands of rows. */
static const char ledger_10[] = "DROP INDEX unit_ready;"
                                "CREATE INDEX unit_ready ON unit(target, id, lane, live) WHERE live=1;";

const struct store_migration queue__migrations[] = {{1, ledger_1}, {2, ledger_2},  {3, ledger_3}, {4, ledger_4},
                                                    {5, ledger_5}, {6, ledger_6},  {7, ledger_7}, {8, ledger_8},
                                                    {9, ledger_9}, {10, ledger_10}};
const size_t queue__n_migrations = TL_COUNT(queue__migrations);

/* SPDX-License-Identifier: Apache-2.0 */
/* The writer's statements: name, text. Prepared once. A partial index is used only where its condition is spelt the
 * same. */
#ifndef TL_QUEUE_SQL_STATEMENTS_H
#define TL_QUEUE_SQL_STATEMENTS_H

/* The columns of queue__row (rows.c reads them in this order). */
#define QUEUE_UNIT_COLUMNS                                                                                             \
    "id,flow,target,kind,lane,state,live,received,bytes,event,item,upload,cause,replay_of,attempts,used,unknown,age,"  \
    "next_at,rev,ticket,idem1,idem2"

/* What an event is whose deliveries have all ended and none was delivered: skipped if one was, else cancelled if one
 * was, else discarded. */
#define QUEUE_PARENT_END                                                                                               \
    "coalesce((SELECT min(c.state) FROM unit c WHERE c.event=unit.id AND c.state BETWEEN 6 AND 8),6)"

#define QUEUE_STATEMENTS(X)                                                                                            \
    X(META_SET, "UPDATE meta SET value=?2 WHERE name=?1")                                                              \
    X(META_GET, "SELECT value FROM meta WHERE name=?1")                                                                \
    X(META_ADD, "INSERT INTO meta VALUES(?1,?2)")                                                                      \
    X(UNIT_BETWEEN, "SELECT id FROM unit WHERE id>=?1 AND id<?2 LIMIT 1")                                              \
    X(UNIT_ADD, "INSERT INTO unit(id,flow,target,kind,lane,part,state,live,received,updated,bytes,upload,cause,idem1," \
                "idem2) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?9,?10,?11,?12,?13,?14)")                                    \
    X(CHILD_ADD, "INSERT INTO unit(id,flow,target,kind,lane,part,state,live,received,updated,bytes,event,item,upload," \
                 "cause,replay_of) VALUES(?1,?2,?3,3,?4,?5,2,1,?6,?6,?7,?8,?9,?10,?11,?12)")                           \
    X(BODY_ADD, "INSERT INTO body(id,key_id,order_by,meta,data) VALUES(?1,?5,?2,?3,?4)")                               \
    X(BODY_GET, "SELECT order_by,meta,data,key_id FROM body WHERE id=?1")                                              \
    X(BODY_META, "SELECT meta,key_id FROM body WHERE id=?1")                                                           \
    X(EDIT_ADD, "INSERT INTO edit(unit,rev,at,who,key_id,data) VALUES(?1,?2,?3,?4,?6,?5)")                             \
    X(EDIT_GET, "SELECT data,key_id,vars FROM edit WHERE unit=?1 AND rev=?2")                                          \
    X(CHILD_OWN, "INSERT INTO edit(unit,rev,at,who,key_id,data,vars) VALUES(?1,0,?2,NULL,?5,?3,?4)")                   \
    X(NEW_ADD, "INSERT INTO idem_new(id,data) VALUES(?1,?2)")                                                          \
    X(NEW_BYTES, "SELECT coalesce(sum(length(data)),0) FROM idem_new")                                                 \
    X(NEW_ALL, "SELECT id,data FROM idem_new ORDER BY id")                                                             \
    X(NEW_DEL, "DELETE FROM idem_new WHERE id IN (SELECT id FROM idem_new WHERE id<=?1 ORDER BY id LIMIT ?2)")         \
    X(IDEM_ADD, "INSERT OR REPLACE INTO idem(k1,k2,event,body,at) VALUES(?1,?2,?3,?4,?5)")                             \
    X(IDEM_ANY, "SELECT 1 FROM idem LIMIT 1")                                                                          \
    X(IDEM_GET, "SELECT event,body FROM idem WHERE k1=?1 AND k2=?2")                                                   \
    X(IDEM_DEL, "DELETE FROM idem WHERE k1=?1 AND k2=?2 AND event=?3")                                                 \
    X(IDEM_OLD, "DELETE FROM idem WHERE k1=?1 AND k2=?2")                                                              \
    X(IDEM_SCAN, "SELECT k1,k2,at FROM idem WHERE k1>?1 ORDER BY k1 LIMIT ?2")                                         \
    X(UNIT_GET, "SELECT " QUEUE_UNIT_COLUMNS " FROM unit WHERE id=?1")                                                 \
    X(UNIT_FINAL, "UPDATE unit SET state=?2,live=NULL,updated=?3,attempts=?4,used=?5,unknown=0,ticket=NULL WHERE "     \
                  "id=?1")                                                                                             \
    X(UNIT_FIRST, "UPDATE unit SET "                                                                                   \
                  "state=?2,live=NULL,updated=?3,attempts=1,used=?4,unknown=0,d_epoch=?5,d_started=?6,d_status=?7,d_"  \
                  "latency=?8 WHERE id=?1")                                                                            \
    X(UNIT_END, "UPDATE unit SET state=?2,live=NULL,updated=?3,ticket=NULL,fp=NULL WHERE id=?1")                       \
    X(UNIT_STATE, "UPDATE unit SET state=?2,live=?3,updated=?4,attempts=?5,used=?6,unknown=?7,age=?8,next_at=?9,"      \
                  "ticket=?10,fp=?11,cls=?12,rc=?13,text=?14 WHERE id=?1")                                             \
    X(UNIT_TRIES, "UPDATE unit SET attempts=?2,unknown=?3,ticket=NULL WHERE id=?1")                                    \
    X(UNIT_TICKET, "UPDATE unit SET state=3,live=1,ticket=?2,next_at=?3,attempts=?4,updated=?5,text=?6 WHERE id=?1")   \
    X(UNIT_EXPANDED, "UPDATE unit SET kind=2,live=NULL,state=?2,updated=?3,attempts=?4,n_open=?5,n_dead=0,n_done=0,"   \
                     "text=?6 WHERE id=?1")                                                                            \
    X(UNIT_MOVE, "UPDATE unit SET flow=?2,target=?3,kind=?4,lane=?5,part=?6,state=?7,live=?8,next_at=0,updated=?9 "    \
                 "WHERE id=?1")                                                                                        \
    X(UNIT_AGAIN,                                                                                                      \
      "UPDATE unit SET state=2,live=1,updated=?2,used=0,unknown=(unknown>0)*128,age=0,next_at=0,ticket=NULL,fp=NULL "  \
      "WHERE "                                                                                                         \
      "id=?1")                                                                                                         \
    X(UNIT_REV, "UPDATE unit SET rev=?2,updated=?3 WHERE id=?1")                                                       \
    X(PARENT, "UPDATE unit SET n_open=n_open+?2,n_dead=n_dead+?3,n_done=n_done+?4,updated=?5,state=CASE WHEN "         \
              "n_dead+?3>0 THEN 4 WHEN n_open+?2>0 THEN 2 WHEN n_done+?4>0 THEN 5 ELSE " QUEUE_PARENT_END              \
              " END WHERE id=?1 AND kind=2")                                                                           \
    X(CHILD_ANY, "SELECT id FROM unit WHERE event=?1 LIMIT 1")                                                         \
    X(ENDED_KEY, "SELECT idem1,idem2 FROM unit WHERE id=?1 AND kind=2 AND state IN (7,8) AND idem1 IS NOT NULL")       \
    X(LINE_ADD, "INSERT OR IGNORE INTO line(lane,id) VALUES(?1,?2)")                                                   \
    X(LINE_DEL, "DELETE FROM line WHERE lane=?1 AND id>=?2 AND id<=?3")                                                \
    X(LINE_NEXT, "SELECT id FROM line WHERE lane=?1 AND id>?2 ORDER BY id LIMIT 1")                                    \
    X(LINE_AFTER, "SELECT lane FROM line WHERE lane>?1 ORDER BY lane LIMIT 1")                                         \
    X(LINE_ANY, "SELECT 1 FROM line LIMIT 1")                                                                          \
    X(LINE_YOUNG, "SELECT id,lane FROM unit WHERE live=1 AND target=?1 AND id>=?2 ORDER BY id")                        \
    X(LINE_UNBLOCK,                                                                                                    \
      "DELETE FROM line WHERE (lane,id) IN (SELECT lane,id FROM unit WHERE flow=?1 AND fp IS NOT NULL AND live=2)")    \
    X(READY, "SELECT id,lane FROM unit WHERE live=1 AND target=?1 AND id>?2 ORDER BY id LIMIT ?3")                     \
    X(READY_COUNT, "SELECT count(*) FROM unit WHERE live=1 AND target=?1")                                             \
    X(DUE, "SELECT id,next_at FROM unit WHERE live=1 AND state=3 AND target=?1 AND (next_at,id)>(?2,?3) AND "          \
           "next_at<=?4 ORDER BY next_at,id LIMIT ?5")                                                                 \
    X(DUE_NEXT, "SELECT next_at FROM unit WHERE live=1 AND state=3 AND target=?1 AND (next_at,id)>(?2,?3) ORDER BY "   \
                "next_at,id LIMIT 1")                                                                                  \
    X(UNIT_BACK,                                                                                                       \
      "UPDATE unit SET next_at=?2+next_at-updated,updated=?2 WHERE id IN (SELECT id FROM unit WHERE live=1 AND "       \
      "state=3 AND target=?1 AND next_at>?3 AND updated>?4 LIMIT ?5)")                                                 \
    X(SUPERSEDE, "UPDATE unit SET superseded=1 WHERE fp IS NOT NULL AND lane=?1 AND id<?2")                            \
    X(DEAD_LANES, "SELECT lane FROM unit WHERE fp IS NOT NULL AND lane IS NOT NULL LIMIT ?1")                          \
    X(HELD_ALL, "SELECT flow,lane FROM unit WHERE id IN (SELECT CAST(substr(key,6) AS INTEGER) FROM kv WHERE "         \
                "key>='held/' AND key<'held0')")                                                                       \
    X(HELD_COUNT, "SELECT count(*) FROM unit WHERE id IN (SELECT CAST(substr(key,6) AS INTEGER) FROM kv WHERE "        \
                  "key>='held/' AND key<'held0') AND +target=?1")                                                      \
    X(UNIT_LIVE, "UPDATE unit SET live=?2,updated=?3 WHERE id=?1")                                                     \
    X(UNBLOCK, "UPDATE unit SET live=NULL WHERE flow=?1 AND fp IS NOT NULL AND live=2")                                \
    X(ATTEMPT_BEGIN,                                                                                                   \
      "INSERT OR REPLACE INTO attempt(id,epoch,started,ended,end,flags,call) VALUES(?1,?2,?3,0,0,0,?4)")               \
    X(ATTEMPT_ADD,                                                                                                     \
      "INSERT OR REPLACE INTO attempt(id,epoch,started,ended,end,flags,cls,rc,status,latency,call,key_id,"             \
      "text,answer,asked,pairs) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?15,?12,?13,?14,?16)")                       \
    X(ATTEMPT_END,                                                                                                     \
      "UPDATE attempt SET ended=?4,end=?5,flags=?6,cls=?7,rc=?8,status=?9,latency=?10,call=?11,key_id=?15,"            \
      "text=?12,answer=?13,asked=?14,pairs=?16 WHERE id=?1 AND epoch=?2 AND started=?3")                               \
    X(ATTEMPT_OPEN, "SELECT id FROM attempt WHERE ended=0 ORDER BY id LIMIT 500")                                      \
    X(ATTEMPT_CUT, "UPDATE attempt SET ended=?2,end=?3,flags=?4,rc=?5,cls=?6 WHERE id=?1")                             \
    X(ATTEMPT_BACK,                                                                                                    \
      "SELECT coalesce(max(ended),0) FROM attempt WHERE id<?2 AND end=?3 AND (flags&?4)=0 AND cls=?5 AND "             \
      "id>(SELECT coalesce(max(id),?1-1) FROM attempt WHERE id>=?1 AND id<?2 AND (flags&?4)<>0)")                      \
    X(ATTEMPT_REFUSED, "SELECT count(*) FROM attempt WHERE id>=?1 AND id<?2 AND status BETWEEN 502 AND 504")           \
    X(CALL_ADD, "INSERT INTO call(id,connection,members,started,latency,status,rc,text) VALUES(?1,?2,?3,?4,?5,?6,?7,"  \
                "?8)")                                                                                                 \
    X(CHUNK_ADD, "INSERT INTO chunk(id,key_id,data) VALUES(?1,?3,?2)")                                                 \
    X(CHUNK_DEL, "DELETE FROM chunk WHERE id>=?1 AND id<?2")                                                           \
    X(UPLOAD_ADD, "INSERT INTO upload(id,chunks,bytes) VALUES(?1,0,0)")                                                \
    X(UPLOAD_GROW, "UPDATE upload SET chunks=chunks+1,bytes=bytes+?2 WHERE id=?1")                                     \
    X(UPLOAD_GET, "SELECT chunks,bytes FROM upload WHERE id=?1")                                                       \
    X(UPLOAD_DEL, "DELETE FROM upload WHERE id=?1")                                                                    \
    X(UPLOAD_ANY, "SELECT id FROM upload LIMIT 1")                                                                     \
    X(FLOW_ALL, "SELECT id,name,removed,block,held,held_text,held_at,held_fp FROM flow")                               \
    X(FLOW_ADD, "INSERT INTO flow(name) VALUES(?1) RETURNING id")                                                      \
    X(FLOW_SET, "UPDATE flow SET removed=?2,block=?3,held=?4,held_text=?5,held_at=?6,held_fp=?7 WHERE id=?1")          \
    X(TARGET_ALL, "SELECT id,flow,name,meant,identity FROM target")                                                    \
    X(TARGET_ADD, "INSERT INTO target(flow,name) VALUES(?1,?2) RETURNING id")                                          \
    X(TARGET_NAME, "UPDATE target SET name=?2 WHERE id=?1")                                                            \
    X(TARGET_SET, "UPDATE target SET meant=?2,identity=?3 WHERE id=?1")                                                \
    X(CONN_ALL, "SELECT id,name,identity,removed,held,held_text,held_at FROM connection")                              \
    X(CONN_ADD, "INSERT INTO connection(name,identity) VALUES(?1,?2) RETURNING id")                                    \
    X(CONN_SET, "UPDATE connection SET identity=?2,removed=?3,held=?4,held_text=?5,held_at=?6 WHERE id=?1")            \
    X(COUNT_ALL, "SELECT * FROM flow_count")                                                                           \
    X(COUNT_SET, "INSERT OR REPLACE INTO flow_count VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"    \
                 "?17,?18,?19,?20,?21)")                                                                               \
    X(TICKET_ADD, "INSERT OR REPLACE INTO ticket(id,target,next_poll,abort,key_id,data) VALUES(?1,?2,0,?3,?5,?4)")     \
    X(TICKET_GET, "SELECT target,abort,data,key_id FROM ticket WHERE id=?1")                                           \
    X(TICKET_ABORT, "UPDATE ticket SET abort=1 WHERE id=?1")                                                           \
    X(TICKET_ABORTS, "SELECT id,target,data,key_id FROM ticket WHERE abort=1 AND id>?1 ORDER BY id LIMIT 1")           \
    X(TICKET_DEL, "DELETE FROM ticket WHERE id=?1 AND abort=?2")                                                       \
    X(MEMBER_ADD, "INSERT OR IGNORE INTO ticket_member(ticket,unit) VALUES(?1,?2)")                                    \
    X(MEMBER_ALL, "SELECT unit FROM ticket_member WHERE ticket=?1 ORDER BY unit")                                      \
    X(MEMBER_DEL, "DELETE FROM ticket_member WHERE ticket=?1 AND unit=?2")                                             \
    X(MEMBER_ANY, "SELECT unit FROM ticket_member WHERE ticket=?1 LIMIT 1")                                            \
    X(LEASE_GET, "SELECT owner,epoch,until FROM lease WHERE name=?1")                                                  \
    X(LEASE_SET, "INSERT OR REPLACE INTO lease(name,owner,epoch,until) VALUES(?1,?2,?3,?4)")                           \
    X(POSITION_SET, "INSERT OR REPLACE INTO position(lease,key,value,key_id) VALUES(?1,?2,?3,?4)")                     \
    X(POSITION_GET, "SELECT value,key_id FROM position WHERE lease=?1 AND key=?2")                                     \
    X(KV_SET, "INSERT OR REPLACE INTO kv(key,value,key_id) VALUES(?1,?2,?3)")                                          \
    X(KV_DEL, "DELETE FROM kv WHERE key=?1")                                                                           \
    X(KV_GET, "SELECT value,key_id FROM kv WHERE key=?1")                                                              \
    X(OWN_ADD, "INSERT INTO own_write(model,c,i,mark,at) VALUES(?1,?2,?3,?4,?5)")                                      \
    X(OWN_TRIM, "DELETE FROM own_write WHERE model=?1 AND c=?2 AND i=?3 AND id NOT IN (SELECT id FROM own_write "      \
                "WHERE model=?1 AND c=?2 AND i=?3 ORDER BY id DESC LIMIT ?4)")                                         \
    X(OWN_HAS, "SELECT mark FROM own_write WHERE model=?1 AND c=?2 AND i=?3")                                          \
    X(OWN_DEL, "DELETE FROM own_write WHERE model=?1 AND c=?2 AND i=?3")                                               \
    X(OWN_DEL_PAIRS,                                                                                                   \
      "DELETE FROM own_write WHERE id IN (SELECT o.id FROM xref x CROSS JOIN own_write o WHERE x.model=?1 AND "        \
      "x.ca=?2 AND x.ia=?3 AND o.model=?1 AND o.c=x.cb AND o.i=x.ib UNION ALL SELECT o.id FROM xref x CROSS JOIN "     \
      "own_write o WHERE x.model=?1 AND x.cb=?2 AND x.ib=?3 AND o.model=?1 AND o.c=x.ca AND o.i=x.ia)")                \
    X(XREF_DEL,                                                                                                        \
      "DELETE FROM xref WHERE id IN (SELECT id FROM xref WHERE model=?1 AND ca=?2 AND ia=?3 UNION ALL SELECT id FROM " \
      "xref WHERE model=?1 AND cb=?2 AND ib=?3)")                                                                      \
    X(XREF_SET, "INSERT OR REPLACE INTO xref(model,ca,ia,cb,ib,at) VALUES(?1,?2,?3,?4,?5,?6)")                         \
    X(XREF_GET, "SELECT ib FROM xref WHERE model=?1 AND ca=?2 AND ia=?3 AND cb=?4")                                    \
    X(XREF_BACK, "SELECT ia FROM xref WHERE model=?1 AND cb=?2 AND ib=?3 AND ca=?4")                                   \
    X(OLD, "SELECT id,kind,state,live,received,upload,n_open,event,updated,lane FROM unit WHERE id>?1 ORDER BY id "    \
           "LIMIT ?2")                                                                                                 \
    X(CALL_OLD, "DELETE FROM call WHERE id IN (SELECT id FROM call ORDER BY id LIMIT ?2) AND started<?1")              \
    X(UNIT_DEL, "DELETE FROM unit WHERE id=?1")                                                                        \
    X(BODY_DEL, "DELETE FROM body WHERE id=?1")                                                                        \
    X(EDIT_DEL, "DELETE FROM edit WHERE unit=?1")                                                                      \
    X(ATTEMPT_DEL, "DELETE FROM attempt WHERE id>=?1 AND id<?2")                                                       \
    X(JOB_ADD,                                                                                                         \
      "INSERT INTO job(id,action,to_flow,superseded,flow,state,cls,fp,from_ms,until_ms,event,ids,last_id,"             \
      "cursor,total,looked,done,refused,refusal_rc,refusal,ended,who,reason,at,to_target) VALUES(?1,?2,?3,?4,"         \
      "?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,0,0,0,0,NULL,0,?16,?17,?18,?19)")                                        \
    X(JOB_SET,                                                                                                         \
      "UPDATE job SET total=max(total,?3),cursor=?2,looked=?3,done=?4,refused=?5,refusal_rc=?6,refusal=?7,ended=?8 "   \
      "WHERE id=?1")                                                                                                   \
    X(JOB_GET, "SELECT total,looked,done,refused,refusal_rc,refusal,ended FROM job WHERE id=?1")                       \
    X(JOB_END, "UPDATE job SET ended=2 WHERE id=?1 AND ended=0")                                                       \
    X(JOB_SCAN, "SELECT id,fp,cls FROM unit WHERE id>?1 AND id<=?2 AND (?4=0 OR flow=?4) AND (?5=0 OR state=?5) AND "  \
                "(?6=0 OR cls=?6) AND (?7=0 OR fp=?7) AND (kind<>2 OR state=6) ORDER BY id LIMIT ?3")                  \
    X(JOB_DEAD,                                                                                                        \
      "SELECT id,fp,cls FROM unit WHERE fp IS NOT NULL AND flow=?4 AND id>?1 AND id<=?2 ORDER BY id LIMIT ?3")         \
    X(JOB_DEAD_FP, "SELECT id,fp,cls FROM unit WHERE fp=?5 AND flow=?4 AND id>?1 AND id<=?2 ORDER BY id LIMIT ?3")     \
    X(JOB_HELD, "SELECT id,fp,cls FROM unit WHERE id IN (SELECT CAST(substr(key,6) AS INTEGER) FROM kv WHERE "         \
                "key>'held/'||printf('%020d',?1) AND key<'held0' ORDER BY key LIMIT ?3) AND id<=?2 ORDER BY id")       \
    X(JOB_EVENT, "SELECT id,fp,cls FROM unit WHERE id>?1 AND id<=?2 AND (id=?4 OR event=?4) ORDER BY id LIMIT ?3")     \
    X(AUDIT_ADD, "INSERT INTO audit(id,at,who,role,how,origin,action,subject,reason,detail,hash) VALUES(?1,?2,?3,?4,"  \
                 "?5,?6,?7,?8,?9,?10,?11)")                                                                            \
    X(AUDIT_LAST, "SELECT id,hash FROM audit ORDER BY id DESC LIMIT 1")                                                \
    X(GROUP_SET, "INSERT OR REPLACE INTO dead_group(flow,fp,state,owner,note,who,at) VALUES(?1,?2,?3,?4,?5,?6,?7)")    \
    X(SUPERSEDED, "SELECT superseded FROM unit WHERE id=?1")                                                           \
    X(CHUNK_ALL, "SELECT id,key_id,data FROM chunk WHERE id>=?1 AND id<?2 ORDER BY id")                                \
    X(EDIT_ALL, "SELECT rev,at,who,key_id,data,vars FROM edit WHERE unit=?1 AND (rev=?2 OR rev=0) ORDER BY rev")       \
    X(KEY_ALL, "SELECT id,sealed FROM data_key ORDER BY id")                                                           \
    X(KEY_ADD, "INSERT INTO data_key(id,at,sealed) VALUES(?1,?2,?3)")                                                  \
    X(KEY_SET, "UPDATE data_key SET sealed=?2 WHERE id=?1")                                                            \
    X(MOVE_BODY, "SELECT b.id,b.key_id,b.order_by,b.meta,b.data,u.upload FROM body b LEFT JOIN unit u ON u.id=b.id "   \
                 "WHERE b.id>?1 ORDER BY b.id LIMIT ?2")                                                               \
    X(MOVED_BODY, "UPDATE body SET order_by=?2,meta=?3,data=?4,key_id=?5 WHERE id=?1")                                 \
    X(MOVE_CHUNK, "SELECT id,key_id,data FROM chunk WHERE id>?1 ORDER BY id LIMIT ?2")                                 \
    X(MOVED_CHUNK, "UPDATE chunk SET data=?2,key_id=?3 WHERE id=?1")                                                   \
    X(MOVE_EDIT, "SELECT id,key_id,data,vars,unit,rev FROM edit WHERE id>?1 ORDER BY id LIMIT ?2")                     \
    X(MOVED_EDIT, "UPDATE edit SET data=?2,vars=?3,key_id=?4 WHERE id=?1")                                             \
    X(MOVE_TICKET, "SELECT id,key_id,data FROM ticket WHERE id>?1 ORDER BY id LIMIT ?2")                               \
    X(MOVED_TICKET, "UPDATE ticket SET data=?2,key_id=?3 WHERE id=?1")                                                 \
    X(MOVE_ATTEMPT, "SELECT id,key_id,text,answer,asked,pairs FROM attempt WHERE id>?1 ORDER BY id LIMIT ?2")          \
    X(MOVED_ATTEMPT, "UPDATE attempt SET text=?2,answer=?3,asked=?4,pairs=?5,key_id=?6 WHERE id=?1")                   \
    X(MOVE_KV, "SELECT rowid,key_id,value,key FROM kv WHERE rowid>?1 ORDER BY rowid LIMIT ?2")                         \
    X(MOVED_KV, "UPDATE kv SET value=?2,key_id=?3 WHERE rowid=?1")                                                     \
    X(MOVE_POSITION, "SELECT rowid,key_id,value,lease,key FROM position WHERE rowid>?1 ORDER BY rowid LIMIT ?2")       \
    X(MOVED_POSITION, "UPDATE position SET value=?2,key_id=?3 WHERE rowid=?1")                                         \
    X(MOVE_UNIT, "SELECT id,text FROM unit WHERE id>?1 ORDER BY id LIMIT ?2")                                          \
    X(MOVED_UNIT, "UPDATE unit SET text=?2 WHERE id=?1")                                                               \
    X(MOVE_CALL, "SELECT id,text FROM call WHERE id>?1 ORDER BY id LIMIT ?2")                                          \
    X(MOVED_CALL, "UPDATE call SET text=?2 WHERE id=?1")                                                               \
    X(MOVE_FLOW, "SELECT id,held_text FROM flow WHERE id>?1 ORDER BY id LIMIT ?2")                                     \
    X(MOVED_FLOW, "UPDATE flow SET held_text=?2 WHERE id=?1")                                                          \
    X(MOVE_CONN, "SELECT id,held_text FROM connection WHERE id>?1 ORDER BY id LIMIT ?2")                               \
    X(MOVED_CONN, "UPDATE connection SET held_text=?2 WHERE id=?1")                                                    \
    X(KEY_OLD, "DELETE FROM data_key WHERE id<>?1")                                                                    \
    X(UNIT_REPLAYS, "UPDATE unit SET replay_of=?2 WHERE id=?1")                                                        \
    X(JOB_OPEN,                                                                                                        \
      "SELECT id,action,to_flow,superseded,flow,state,cls,fp,from_ms,until_ms,event,ids,last_id,cursor,"               \
      "total,looked,done,refused,refusal_rc,refusal,to_target,who,reason FROM job WHERE ended=0 ORDER BY id LIMIT 1")

enum queue_sql {
#define X(name, text) SQL_##name,
    QUEUE_STATEMENTS(X)
#undef X
        SQL_COUNT
};

#endif

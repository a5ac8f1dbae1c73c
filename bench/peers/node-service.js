// SPDX-License-Identifier: Apache-2.0
//
// The service that a team writes by hand for the comparison's job: node:http, better-sqlite3 with synchronous=FULL, a
// unique index as idempotency key, one delivery a key at a time, retries in memory, the rest resumed after a restart.
// BATCH=1: inserts of one turn of the event loop share a transaction, and so do outcomes.
'use strict';
const http = require('node:http');
const crypto = require('node:crypto');
const path = require('node:path');
const Database = require(require.resolve('better-sqlite3', { paths: [process.env.BENCH_PEERS] }));
const mapOrder = require('./order.js');

const { BENCH_PORT, BENCH_TARGET, BENCH_DATA, HOOK_SECRET } = process.env;
const batch = process.env.BATCH === '1';
const db = new Database(path.join(BENCH_DATA, 'service.db'));
db.pragma('journal_mode = WAL');
db.pragma('synchronous = FULL');
db.exec(`CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, delivery TEXT NOT NULL UNIQUE, body TEXT NOT NULL,
    state INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0);
    CREATE INDEX IF NOT EXISTS due ON event (id) WHERE state = 0`);
const insert = db.prepare('INSERT OR IGNORE INTO event (delivery, body) VALUES (?, ?)');
const done = db.prepare('UPDATE event SET state = 1, attempts = attempts + 1 WHERE id = ?');
const agent = new http.Agent({ keepAlive: true, maxSockets: 64 });
const lanes = new Map(); // key -> orders that wait behind the one that is out

let waiting = [];
function commit(work) {
    if (!batch) return work();
    waiting.push(work);
    if (waiting.length === 1)
        setImmediate(() => {
            const all = waiting, after = [];
            waiting = [];
            db.exec('BEGIN IMMEDIATE');
            for (const w of all) after.push(w());
            db.exec('COMMIT');
            for (const f of after) if (f) f();
        });
}
const then = (f) => (batch ? f : f());

function deliver(id, order, key, tries) {
    const body = JSON.stringify(mapOrder(order));
    const again = () => setTimeout(deliver, Math.min(600000, 1000 << tries), id, order, key, tries + 1);
    const req = http.request({
        host: '127.0.0.1', port: BENCH_TARGET, path: '/orders', method: 'POST', agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'idempotency-key': id },
    }, (res) => {
        res.resume();
        res.on('end', () => {
            if (res.statusCode >= 300) return again();
            commit(() => {
                done.run(id);
                return then(() => next(key));
            });
        });
    });
    req.on('error', again);
    req.end(body);
}
function next(key) {
    const lane = lanes.get(key), job = lane.shift();
    if (job) deliver(job.id, job.order, key, 0);
    else lanes.delete(key);
}
function enqueue(id, order) {
    const key = order.customer.id, lane = lanes.get(key);
    if (lane) return lane.push({ id, order });
    lanes.set(key, []);
    deliver(id, order, key, 0);
}

for (const row of db.prepare('SELECT id, body FROM event WHERE state = 0 ORDER BY id').all())
    enqueue(row.id, JSON.parse(row.body));

http.createServer((req, res) => {
    const parts = [];
    req.on('data', (d) => parts.push(d));
    req.on('end', () => {
        const raw = Buffer.concat(parts);
        const want = Buffer.from('sha256=' + crypto.createHmac('sha256', HOOK_SECRET).update(raw).digest('hex'));
        const got = Buffer.from(req.headers['x-hub-signature-256'] || '');
        if (want.length !== got.length || !crypto.timingSafeEqual(want, got)) return res.writeHead(401).end();
        const text = raw.toString(), order = JSON.parse(text);
        commit(() => {
            const r = insert.run(req.headers['x-github-delivery'], text);
            return then(() => {
                res.writeHead(202).end('{"status":"queued"}');
                if (r.changes) enqueue(Number(r.lastInsertRowid), order);
            });
        });
    });
}).listen(Number(BENCH_PORT), '127.0.0.1');

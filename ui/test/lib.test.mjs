// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { curl, pathOf } from "../src/lib/curl.ts";
import { diff } from "../src/lib/diff.ts";
import * as filter from "../src/lib/filter.ts";
import * as held from "../src/lib/held.ts";
import { bytes, clock, duration, percent, short } from "../src/lib/format.ts";
import { lines, linesOf } from "../src/lib/jsonlines.ts";
import { link, parse } from "../src/lib/router.ts";

test("a filter is read from its text and written back as it was", () => {
    for (const text of ["state:dead flow:orders since:1h", 'flow:"two words" class:data', "event:00000000000KN", ""])
        assert.equal(filter.format(filter.parse(text).terms), text);
});
test("the words of a filter become the API's parameters", () => {
    const { terms, error } = filter.parse("state:dead since:2h group:78AP8WYYDKHK7");
    assert.equal(error, "");
    assert.deepEqual(filter.params(terms), { state: "dead", from: "2h", fingerprint: "78AP8WYYDKHK7" });
});
test("an id alone, in small letters too, is that event", () => {
    assert.deepEqual(filter.parse("00000000000kn").terms, [{ key: "event", value: "00000000000KN" }]);
});
test("a bare word is looked for in payloads, with blanks when it is quoted", () => {
    assert.deepEqual(filter.parse('A-1042 state:dead').terms, [{ key: "text", value: "A-1042" }, { key: "state", value: "dead" }]);
    assert.deepEqual(filter.params(filter.parse('"Long Street 5"').terms), { text: "Long Street 5" });
});
test("what is wrong in a filter is said with what would be right", () => {
    assert.match(filter.parse("stat:dead").error, /state:/);
    assert.match(filter.parse("state:failed").error, /queued, retrying, held, dead/);
    assert.match(filter.parse("flow:").error, /name of the flow/);
});
test("one word of a filter is replaced and the others stay", () => {
    assert.equal(filter.withTerm("state:dead flow:a", "state", "queued"), "flow:a state:queued");
    assert.equal(filter.withTerm("state:dead flow:a", "state", ""), "flow:a");
});

test("the words for why something waits are those of the server, each with what ends it", () => {
    const c = readFileSync(join(import.meta.dirname, "../../src/queue/state.c"), "utf8");
    const words = [...c.matchAll(/\[QUEUE_HELD_\w+\] = "(\w+)"/g)].map((m) => m[1]).filter((w) => w !== "none");
    assert.ok(words.length > 15);
    for (const w of words)
        assert.ok(held.meaning(w).next, w);
});
test("a person ends at the flow what the flow holds, and at the connection what the connection holds", () => {
    assert.deepEqual(["target_changed", "flow_tripped", "identity_changed", "flow_removed", null].map(held.resumesFlow), [true, true, false, false, false]);
    assert.deepEqual(["identity_changed", "connection_auth", "breaker", "target_changed", null].map(held.resumesConnection), [true, true, false, false, false]);
});
test("what a refused credential or a person holds does not drain: it is counted as held", () => {
    const c = (name, held, waiting, drain_ms) => ({ name, held, waiting, drain_ms });
    const erp = c("erp", "connection_auth", 5, 90000), crm = c("crm", "rate", 2, 4000), slow = c("slow", null, 1, 7000);
    assert.deepEqual(held.drain([erp, crm, slow]), { ms: 7000, held: [erp] });
    assert.deepEqual(held.drain([erp]), { ms: null, held: [erp] });
    assert.deepEqual(held.drain([c("a", "connection_paused", 0, 0), c("b", "breaker", 3, null), c("c", null, 0, 500)]), { ms: null, held: [] });
});
test("what runs does not wait, and is not counted twice", () => {
    assert.equal(held.waitsFor({ state: "queued", running: true, held: null }), "");
    assert.equal(held.waitsFor({ state: "queued", held: "quota" }), "quota");
    assert.equal(held.waitsFor({ state: "delivered", held: null }), "");
    assert.equal(held.live({ counts: { queued: 3, retrying: 1, running: 2 } }), 4);
});
test("a request has its query again, as it is kept: decoded", () => {
    assert.equal(pathOf({ path: "/hooks/shop", query: { store: "7", "a b": "c&d", dry: "" } }), "/hooks/shop?store=7&a%20b=c%26d&dry=");
    assert.equal(pathOf({ path: "/hooks/shop" }), "/hooks/shop");
    const text = curl({ request: { method: "POST", path: "/h", query: { lang: "de" }, headers: { host: "tl", "x-a": "it's" } }, body: { n: 1 } });
    assert.equal(text, `curl -i -X POST 'http://tl/h?lang=de' \\\n  -H 'x-a: it'\\''s' \\\n  --data-binary '{"n":1}'`);
});

function apply(lines, side) {
    return lines.filter((l) => l.kind === "same" || l.kind === side).map((l) => l.text).join("\n");
}
test("a diff holds both texts whole, whatever they are", () => {
    const words = ["a", "b", "c", "", "x: 1"];
    let seed = 7;
    const random = (n) => (seed = (seed * 1103515245 + 12345) & 0x7fffffff) % n;
    for (let i = 0; i < 300; i++) {
        const make = () => Array.from({ length: random(12) }, () => words[random(words.length)]).join("\n");
        const a = make(), b = make(), lines = diff(a, b);
        assert.equal(apply(lines, "del"), a);
        assert.equal(apply(lines, "add"), b);
    }
});
test("a diff of one changed line is one line out and one in", () => {
    assert.deepEqual(diff("a\nb\nc", "a\nB\nc").map((l) => l.kind), ["same", "del", "add", "same"]);
});
test("a diff too large for its table is still right", () => {
    const a = Array.from({ length: 2500 }, (_, i) => `a${i}`).join("\n"), b = Array.from({ length: 2500 }, (_, i) => `b${i}`).join("\n");
    const lines = diff(a, b);
    assert.equal(apply(lines, "del"), a);
    assert.equal(apply(lines, "add"), b);
});

test("addresses come back as they were made, also with signs in names", () => {
    const to = link(["flows", "orders/eu v2.1"], { q: "state:dead flow:a" });
    assert.deepEqual(parse(to).path, ["flows", "orders/eu v2.1"]);
    assert.equal(parse(to).params.get("q"), "state:dead flow:a");
    assert.deepEqual(parse("#/events/%E0%A4%A").path, ["events", "%E0%A4%A"]);
});

test("numbers, sizes and spans are short and right", () => {
    assert.deepEqual([short(9999), short(12345), short(4_560_000)], ["9,999", "12.3k", "4.6M"]);
    assert.deepEqual([bytes(999), bytes(1500), bytes(10_000_000)], ["999 B", "1.5 kB", "10 MB"]);
    assert.deepEqual([duration(12), duration(1500), duration(61_000), duration(3 * 3600_000), duration(72 * 3600_000)],
        ["12 ms", "1.5 s", "61 s", "3.0 h", "3 d"]);
    assert.deepEqual([percent(0.9712), percent(1), percent(null)], ["97.1 %", "100 %", "–"]);
});
test("a time is relative, or in UTC with its date when it is not today", () => {
    const now = Date.parse("2026-11-30T12:00:00Z");
    assert.equal(clock("2026-11-30T11:59:20Z", "relative", now), "40 s ago");
    assert.equal(clock("2026-11-30T12:00:00.6Z", "relative", now), "now"); // not yet by our clock, which ticks once a second
    assert.equal(clock("2026-11-30T12:05:00Z", "relative", now), "in 5 min");
    assert.equal(clock("2026-11-30T11:59:20.5Z", "utc", now), "11:59:20.500");
    assert.equal(clock("2026-11-29T11:59:20Z", "utc", now), "2026-11-29 11:59:20");
});

test("JSON becomes lines with paths, and the lines together are the JSON", () => {
    const value = { id: 1, customer: { name: "Ann" }, lines: [{ sku: "a" }, { sku: "b" }], none: [], empty: {} };
    const list = lines(value);
    assert.equal(list.map((l) => l.text).join("\n"), JSON.stringify(value, null, 2));
    assert.deepEqual(list.filter((l) => linesOf(l.path, "lines.sku")).map((l) => l.text.trim()), ['"sku": "a"', '"sku": "b"']);
    assert.equal(list.filter((l) => linesOf(l.path, "customer")).length, 3);
});

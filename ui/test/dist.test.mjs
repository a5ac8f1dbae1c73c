// SPDX-License-Identifier: Apache-2.0
// What is embedded: its size, and that it obeys the content security policy of src/admin/web.c.
import assert from "node:assert/strict";
import { readFileSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

const dist = join(import.meta.dirname, "../dist");
const files = ["index.html", ...readdirSync(join(dist, "assets")).map((f) => `assets/${f}`)];
const page = readFileSync(join(dist, "index.html"), "utf8");

test("everything embedded together is under 400 KB, not compressed", () => {
    const total = files.reduce((n, f) => n + statSync(join(dist, f)).size, 0);
    assert.ok(total > 50_000, `${total} bytes: something is missing`);
    assert.ok(total < 400_000, `${total} bytes`);
});

test("there is one script and one style sheet, and the page names both", () => {
    assert.equal(files.length, 3);
    for (const f of files.slice(1))
        assert.ok(page.includes(`"${f}"`), f);
});

test("the page has no script or style of its own, and no handler in an attribute", () => {
    assert.doesNotMatch(page, /<style|<script>|<script [^>]*>[^<]|\sstyle=|\son[a-z]+=/);
});

test("nothing is loaded from another host", () => {
    for (const f of files) {
        const hosts = readFileSync(join(dist, f), "utf8").match(/https?:\/\/[a-z0-9.-]+/gi) ?? [];
        assert.deepEqual(hosts.filter((h) => !/^https?:\/\/(www\.w3\.org|host|x)$/i.test(h)), [], f);
    }
});

test("nothing evaluates text as code", () => {
    for (const f of files.filter((x) => x.endsWith(".js")))
        assert.doesNotMatch(readFileSync(join(dist, f), "utf8"), /\beval\(|new Function\(/);
});

// SPDX-License-Identifier: Apache-2.0
// journeys.mjs NAME: what people do at night, in a real browser against the real program (started by console_test.py).
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { BASE, NARROW, go, launch, open, serious } from "./browser.mjs";

const heading = (page, name) => page.getByRole("heading", { level: 1, name }).waitFor();
const control = (host, options) => fetch(host + "/__control", { method: "POST", body: JSON.stringify(options), headers: { "content-type": "application/json" } });
const api = async (page, path) => page.evaluate(async (p) => (await fetch(p)).json(), path);
async function until(what, test, ms = 20000) {
    const end = Date.now() + ms;
    for (;;) {
        const value = await test();
        if (value)
            return value;
        assert.ok(Date.now() < end, `not in time: ${what}`);
        await new Promise((r) => setTimeout(r, 150));
    }
}
const reason = (page, text) => page.getByRole("dialog").getByLabel("Reason").fill(text);
const press = (page, name) => page.getByRole("dialog").getByRole("button", { name }).click();

const PAGES = ["overview", "flows", "flows?show=graph", "flows?show=sla", "flows/orders-to-erp", "events", "events?q=state:dead", "dead", "xrefs", "connections", "connections/crm", "alerts", "alerts?show=rules", "alerts?show=resolved", "jobs", "audit", "config"];

const journeys = {
    /** The customer names an order: find it by its number, see why it failed, mend it, send it again. */
    async mend(browser) {
        const { page, errors } = await open(browser);
        await page.keyboard.press("g");
        await page.keyboard.press("e");
        await heading(page, "Events");
        await page.getByLabel("Filter", { exact: true }).fill(`state:dead ${process.env.ORDER}`);
        await page.keyboard.press("Enter");
        await page.getByText("JSON:").first().waitFor();
        assert.equal(await page.locator("table.events tbody tr").count(), 1);
        await page.locator("table.events tbody tr a").first().click();
        await page.getByText("Could not be sent at all").waitFor();
        const id = page.url().match(/events\/([0-9A-Z]{13})/)[1];
        assert.match(JSON.stringify((await api(page, `v1/events/${id}`)).body), new RegExp(process.env.ORDER));
        await page.getByRole("button", { name: "Edit…" }).click();
        const editor = page.getByRole("dialog").getByLabel("New payload");
        await editor.fill("{ this is not JSON");
        await press(page, "Save and replay");
        await page.getByText(/This is not JSON/).waitFor();
        await editor.fill(process.env.WHOLE);
        await press(page, "Save and replay");
        await page.getByText(/Say in a few words why/).waitFor();
        await reason(page, "the shop cut the body off");
        await press(page, "Save and replay");
        await until("delivered", async () => (await api(page, `v1/events/${id}`)).event.state === "delivered");
        await page.locator(".page-head .chip", { hasText: "delivered" }).waitFor();
        await page.getByRole("tab", { name: "Against the original" }).click();
        await page.locator(".diff-add").first().waitFor();
        await go(page, "#/jobs");
        await page.getByRole("cell", { name: "1 picked" }).first().waitFor();
        assert.deepEqual(errors, []);
    },

    /** The graph follows what happens: the warehouse comes back, its connection turns well, what waited drains. */
    async graph(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/flows?show=graph");
        const node = (id) => page.locator(`[data-node="${id}"]`);
        const state = node("connection:warehouse").locator(".node-state");
        await state.filter({ hasText: "does not answer" }).waitFor();
        assert.match(await node("flow:stock-to-warehouse").textContent(), /wait/);
        const place = () => node("connection:warehouse").locator(".box").evaluate((r) => [r.getAttribute("x"), r.getAttribute("y")]);
        const before = await place();
        await node("flow:orders-to-erp").focus();
        await page.keyboard.press("n");
        const problem = await page.evaluate(() => document.activeElement.getAttribute("class"));
        assert.match(problem, /problem/);
        await control(process.env.WAREHOUSE, { status: 503, fail: 0 });
        await state.filter({ hasText: "flowing" }).waitFor({ timeout: 90000 });
        await until("drained", async () => !/wait/.test(await node("flow:stock-to-warehouse").textContent()), 60000);
        assert.deepEqual(await place(), before); // the figures change, nothing jumps
        await node("connection:warehouse").click();
        await page.getByRole("heading", { level: 1, name: /warehouse/ }).waitFor();
        assert.deepEqual(errors, []);
    },

    /** Pause a connection, see it wait, resume it, see it drain. At 390 pixels. */
    async pause(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        await page.getByRole("button", { name: "Menu" }).click();
        await page.getByRole("link", { name: /Connections/ }).click();
        const card = page.getByRole("region", { name: "erp" });
        await card.getByRole("button", { name: "Pause" }).click();
        await press(page, "Pause");
        await page.getByText(/Say in a few words why/).waitFor();
        await reason(page, "the ERP is being upgraded");
        await press(page, "Pause");
        await card.getByText("the ERP is being upgraded").first().waitFor();
        const erp = async () => (await api(page, "v1/status")).connections.find((c) => c.name === "erp");
        assert.equal((await erp()).held, "connection_paused");
        await card.getByRole("button", { name: "Resume" }).click();
        await reason(page, "the upgrade is done");
        await press(page, "Resume");
        await card.getByRole("button", { name: "Pause" }).waitFor();
        await until("resumed", async () => (await erp()).held !== "connection_paused");
        assert.deepEqual(errors, []);
    },

    /** One order must not go out yet: hold it, find it again among the held ones, release it; on a telephone. */
    async hold(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        await go(page, "#/events?q=flow:returns-to-erp state:queued");
        await page.locator("table.events tbody tr a").first().click();
        await page.getByRole("button", { name: "Hold…" }).click();
        const dialog = page.getByRole("dialog");
        await dialog.getByText("They are not sent until somebody releases them").waitFor();
        await press(page, "Hold 1 delivery");
        await dialog.getByText(/Say in a few words why/).waitFor();
        await reason(page, "the customer wants another address");
        await press(page, "Hold 1 delivery");
        await dialog.getByText("1 of 1 held").waitFor();
        await dialog.locator(".dialog-foot").getByRole("button", { name: "Close" }).click();
        const id = page.url().match(/events\/([0-9A-Z]{13})/)[1];
        await page.locator(".page-head .chip", { hasText: "held" }).waitFor();
        await page.getByText("the customer wants another address").first().waitFor();
        await page.getByText(/^Held by /).waitFor();
        assert.equal((await api(page, "v1/status")).flows.find((f) => f.name === "returns-to-erp").counts.held, 1);
        await go(page, "#/events");
        await page.getByRole("button", { name: "held", exact: true }).click();
        await until("only the held one", async () => (await page.locator("table.events tbody tr").count()) === 1);
        await page.getByText("the customer wants another address").first().waitFor();
        assert.equal((await serious(page)).join("\n"), "");
        await page.locator("table.events tbody tr a").first().click();
        await page.getByRole("button", { name: "Release…" }).click();
        await reason(page, "the address is changed");
        await press(page, "Release 1 delivery");
        await page.getByRole("dialog").getByText("1 of 1 released").waitFor();
        await dialog.locator(".dialog-foot").getByRole("button", { name: "Close" }).click();
        await until("released", async () => (await api(page, `v1/events/${id}`)).event.held === "flow_paused");
        await page.getByRole("button", { name: "Hold…" }).waitFor();
        assert.deepEqual(errors, []);
    },

    /** Whatever can hold things up is named on the overview, with the button that ends it on the page that it leads to. */
    async troubles(browser) {
        const { page } = await open(browser);
        const real = await api(page, "v1/status");
        await page.route("**/v1/stream*", (r) => r.abort());
        await page.route("**/v1/status", (r) => {
            const s = structuredClone(real), flow = (n) => s.flows.find((f) => f.name === n);
            Object.assign(flow("orders-to-erp"), { held: null, read_failing_since: real.started_at, read_failure: "no such file" });
            Object.assign(flow("returns-to-erp"), { held: "target_changed", held_reason: "another account" });
            Object.assign(flow("stock-to-warehouse"), { held: "flow_removed", held_reason: "", removed: true });
            Object.assign(flow("customers-to-crm"), { held: null, not_ready: "env SHOP_SECRET" });
            Object.assign(s.connections.find((c) => c.name === "crm"), { held: "identity_changed", held_reason: "another host", breaker: "closed" });
            s.vault = { address: "https://vault:8200", ok: false, waiting: 1, reason: "sealed" };
            return r.fulfill({ json: s });
        });
        await page.reload();
        for (const text of [/cannot read its source: no such file/, /takes nothing in: env SHOP_SECRET/, /does not answer: sealed/, /returns-to-erp: another account/])
            await page.locator(".matters").getByText(text).waitFor();
        await go(page, "#/flows/returns-to-erp");
        await page.getByText("What waits was meant for another account or host").waitFor();
        await page.getByRole("button", { name: "Resume" }).waitFor();
        await go(page, "#/flows/stock-to-warehouse");
        await page.getByRole("button", { name: "Move…" }).click();
        await page.getByRole("dialog").getByLabel("To the flow").selectOption("orders-to-erp");
        await page.getByRole("dialog").getByText("They run under another flow").waitFor();
        await page.getByRole("dialog").getByRole("button", { name: /^Move / }).waitFor();
        await page.keyboard.press("Escape");
        assert.equal((await serious(page)).join("\n"), "");
        await go(page, "#/connections/crm");
        await page.getByRole("button", { name: "Resume" }).waitFor();
        await page.getByText("what was queued for the former one is held").waitFor();
        await go(page, "#/nothing");
        await heading(page, "Not found");
    },

    /** What left the configuration and has nothing left is not on the overview; what is left out, gone or masked is said. */
    async gone(browser) {
        const { page, errors } = await open(browser);
        const real = await api(page, "v1/status"), dead = await api(page, "v1/dead"), month = await api(page, "v1/sla");
        const counts = Object.fromEntries(Object.keys(real.flows[0].counts).map((k) => [k, 0]));
        const gone = (name, more) => ({ ...real.flows[0], name, removed: true, held: "flow_removed", held_reason: "", counts: { ...counts, ...more } });
        await page.route("**/v1/stream*", (r) => r.abort());
        await page.route("**/v1/status", (r) => r.fulfill({ json: {
            ...real, ledger: { ...real.ledger, intake_stopped: true, moved: true }, flows: [...real.flows, gone("long-gone", {}), gone("gone-with-dead", { dead: 3 }), gone("gone-with-waiting", { queued: 2 })],
            connections: [...real.connections, { ...real.connections[0], name: "gone-too", removed: true, waiting: 0 }] } }));
        await page.route("**/v1/dead*", (r) => r.fulfill({ json: { ...dead, more: 7 } }));
        await page.route("**/v1/sla*", (r) => r.fulfill({ json: { ...month, flows: [...month.flows, { ...month.flows[0], flow: "long-gone", removed: true }] } }));
        await page.reload();
        await page.getByRole("alert").getByText("The ledger's files were moved or deleted").waitFor();
        await page.locator("main").getByText("the ledger's files are not where they were").waitFor();
        const flows = page.getByRole("region", { name: "Flows", exact: true });
        await flows.getByRole("link", { name: "gone-with-dead" }).waitFor();
        await flows.getByRole("link", { name: "gone-with-waiting" }).waitFor();
        assert.equal(await page.locator("main").getByText("long-gone").count(), 0);
        assert.equal(await page.locator("main").getByText("gone-too").count(), 0);
        await page.getByText(`${real.flows.length} flows over ${real.connections.length} connections`).waitFor();
        await go(page, "#/dead");
        await page.getByText("7 smaller groups are not shown").waitFor();
        await go(page, "#/flows?show=sla");
        await page.getByRole("rowheader", { name: "long-gone (removed)" }).waitFor();
        assert.deepEqual(await serious(page), []);
        assert.deepEqual(errors.filter((e) => !/ERR_FAILED/.test(e)), []);
    },

    /** A flow that lost one of its targets: what waits for that one is cancelled or moved, and not what goes to the others. */
    async stranded(browser) {
        const { page, errors } = await open(browser);
        const real = await api(page, "v1/status"), { events } = await api(page, "v1/events?flow=returns-to-erp&state=queued&limit=2");
        await page.route("**/v1/stream*", (r) => r.abort());
        await page.route("**/v1/status", (r) => r.fulfill({ json: { ...real, flows: real.flows.map((f) => f.name === "returns-to-erp" ? { ...f, held: "flow_removed", held_reason: "target old" } : f) } }));
        await page.route("**/v1/events?*", (r) => r.fulfill({ json: { events: /state=queued/.test(r.request().url()) ? [{ ...events[0], held: "flow_removed" }, { ...events[1], held: "rate" }] : [], cursor: null } }));
        await page.reload();
        await go(page, "#/flows/returns-to-erp");
        const asked = page.waitForRequest("**/v1/plan");
        await page.getByRole("button", { name: "Cancel…" }).click();
        assert.deepEqual((await asked).postDataJSON().filter, { ids: [events[0].id] });
        await page.getByRole("dialog").getByText("for a target that returns-to-erp has no longer").waitFor();
        await page.keyboard.press("Escape");
        await page.getByRole("button", { name: "Pause" }).waitFor();
        assert.deepEqual(errors.filter((e) => !/ERR_FAILED/.test(e)), []);
    },

    /** Who may not see personal data compares mappings over masked payloads, and is told so. */
    async comparison(browser) {
        const { page, errors } = await open(browser, { token: process.env.OPERATOR_TOKEN });
        await go(page, "#/mapping");
        await page.getByRole("region", { name: "Output" }).getByText(/"orderNumber"/).waitFor();
        await page.getByRole("button", { name: "Run", exact: true }).click();
        await page.getByText("Personal data is masked for you").waitFor();
        assert.deepEqual(await serious(page), []);
        assert.deepEqual(errors, []);
    },

    /** The graph of all flows on a telephone: each flow by itself, as large as on a desk. */
    async graphs(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        await go(page, "#/flows?show=graph");
        await page.getByRole("group", { name: "The path of orders-to-erp" }).waitFor();
        assert.equal(await page.locator(".each-flow > li").count(), 4);
        for (const svg of await page.locator(".each-flow .graph-room > svg").all()) {
            const [shown, drawn] = await svg.evaluate((e) => [e.getBoundingClientRect().width, e.viewBox.baseVal.width]);
            assert.equal(shown, drawn);
            assert.ok(shown <= 370, `${shown} pixels`);
        }
        assert.deepEqual(errors, []);
    },

    /** Three in the morning, on a telephone: one alert says what is wrong and what waits; the file names the new token, its
     *  secret is in the store: reload, test, and it drains. */
    async night(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        const waiting = Number(process.env.WAITING).toLocaleString("en-US");
        await go(page, "#/alerts");
        const alert = page.getByRole("region", { name: /the credentials are refused/ });
        await alert.waitFor();
        assert.equal(await page.locator("section.card.alert").count(), 1);
        const text = await alert.innerText();
        assert.match(text, /INVALID_LOGIN|Invalid login/i); // the cause, in the vendor's words
        assert.match(text, /To do:/);
        assert.match(text, new RegExp(`${waiting} deliveries wait, about [0-9.]+ (s|min|h) to drain`));
        await alert.getByRole("link", { name: "erp", exact: true }).click();
        const card = page.getByRole("region", { name: "erp" });
        await card.getByText("connection auth").or(card.getByText("auth", { exact: true })).first().waitFor();
        if (process.env.PICTURE)
            await page.screenshot({ path: process.env.PICTURE });
        await card.getByRole("button", { name: "Test" }).click();
        await card.getByText("The test failed").waitFor(); // nothing has been mended so far
        console.log("REFUSED");
        await new Promise((resolve) => process.stdin.once("data", resolve));
        await go(page, "#/config");
        await page.getByRole("button", { name: "Compare with the file" }).click();
        await page.getByText("connections.erp.auth").first().waitFor();
        await page.getByRole("button", { name: "Reload…" }).click();
        await reason(page, "NetSuite's token was revoked; this is the new one");
        await press(page, "Reload");
        await page.getByText("Reloaded").waitFor();
        await go(page, "#/connections/erp");
        console.log("TESTING");
        await card.getByRole("button", { name: "Test" }).click();
        await card.getByText("The other side answers").waitFor();
        await until("goes on", async () => (await api(page, "v1/status")).connections.find((c) => c.name === "erp").held !== "connection_auth");
        await card.getByText(/about [0-9.]+ (ms|s|min|h) \(concurrency\)/).waitFor();
        assert.deepEqual(errors, []);
    },

    /** Replay 500 dead letters: the plan counts them, the job does them, none is left. */
    async bulk(browser) {
        const { page, errors } = await open(browser);
        await control(process.env.ERP, { fail: 0 });
        await go(page, "#/dead");
        await page.getByRole("button", { name: /Replay all/ }).click();
        const plan = page.getByRole("dialog").locator("table.plan");
        await plan.getByText("match").waitFor();
        const planned = Number((await plan.locator("tr").first().locator("th").innerText()).replace(",", ""));
        assert.equal(planned, 500);
        await press(page, "Replay 500 deliveries");
        await page.getByText(/Say in a few words why/).waitFor();
        await reason(page, "the ERP is well again");
        await press(page, "Replay 500 deliveries");
        await page.getByRole("dialog").getByText("500 of 500 replayed").waitFor({ timeout: 30000 });
        await page.getByRole("dialog").getByText("Close", { exact: true }).click();
        await until("all delivered", async () => (await api(page, "v1/status")).flows[0].counts.dead === 0 && (await api(page, "v1/status")).flows[0].counts.delivered === 500, 60000);
        await page.getByRole("heading", { name: "Nothing is dead" }).waitFor();
        await go(page, "#/jobs");
        await page.getByText("the ERP is well again").waitFor();
        assert.deepEqual(errors, []);
    },

    /** The table by keyboard: move, pick, open, back; a filter that is wrong says what would be right. */
    async keyboard(browser) {
        const { page, errors } = await open(browser);
        await page.keyboard.press("g");
        await page.keyboard.press("e");
        await heading(page, "Events");
        await page.locator("table.events tbody tr").first().waitFor();
        await page.keyboard.press("/");
        await page.keyboard.type("stat:dead");
        await page.keyboard.press("Enter");
        await page.getByText("did you mean state:").waitFor();
        await page.getByLabel("Filter", { exact: true }).fill("state:dead");
        await page.keyboard.press("Enter");
        await until("the filter in the address", () => page.url().includes("q=state:dead"));
        await page.locator("table.events tbody tr .chip.bad").first().waitFor();
        await page.keyboard.press("Escape");
        await page.keyboard.press("j");
        await page.keyboard.press("j");
        await page.keyboard.press("x");
        assert.equal(await page.locator("tr.at input").isChecked(), true);
        assert.equal(await page.locator("tbody tr").nth(1).getAttribute("aria-current"), "true");
        await page.keyboard.press("r");
        await page.getByRole("dialog").getByText("1 picked delivery").waitFor();
        await page.keyboard.press("Escape");
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { name: "Attempts" }).waitFor();
        await page.keyboard.press("Escape");
        await until("back with the filter", () => /events\?q=state:dead$/.test(page.url()));
        await page.keyboard.press("Control+k");
        await page.keyboard.type("warehouse");
        await page.getByRole("option", { name: /warehouse/ }).first().waitFor();
        await page.keyboard.press("Enter");
        await page.getByRole("heading", { level: 1, name: /warehouse/ }).waitFor();
        assert.deepEqual(errors, []);
    },

    /** An alert says cause and what to do; somebody takes it, and silences it for a while. */
    async alert(browser) {
        const { page, errors } = await open(browser);
        await page.getByRole("link", { name: /Alerts/ }).click();
        const alert = page.getByRole("region", { name: /Connection crm: the credentials are refused/ });
        await alert.getByText("To do:").waitFor();
        await alert.getByRole("button", { name: "Acknowledge…" }).click();
        await reason(page, "calling the CRM's people");
        await press(page, "Acknowledge");
        await alert.getByText("calling the CRM's people").waitFor();
        await alert.getByRole("button", { name: "Silence…", exact: true }).click();
        await page.getByRole("dialog").getByLabel("For").selectOption("8h");
        await reason(page, "they sleep until eight");
        await press(page, "Silence");
        await alert.getByText("they sleep until eight").waitFor();
        await alert.getByRole("button", { name: "End the silence…" }).click();
        await reason(page, "they are awake");
        await press(page, "End the silence");
        await alert.getByRole("button", { name: "Silence…", exact: true }).waitFor();
        await alert.getByText("they sleep until eight").waitFor({ state: "detached" });
        assert.deepEqual(errors, []);
    },

    /** The file says something else than what is in force: what would change is shown first, an error with its place. */
    async config(browser) {
        const { page, errors } = await open(browser);
        const file = process.env.CONFIG, before = readFileSync(file, "utf8");
        await go(page, "#/config");
        await page.getByText("rate: 40/s").waitFor();
        await page.getByRole("button", { name: "Compare with the file" }).click();
        await page.getByText("there is nothing to reload").waitFor();
        writeFileSync(file, before.replace("rate: 40/s", "rat: 45/s"));
        await page.getByRole("button", { name: "Compare with the file" }).click();
        await page.getByText("Did you mean rate?").waitFor();
        writeFileSync(file, before.replace("rate: 40/s", "rate: 45/s"));
        await page.getByRole("button", { name: "Compare with the file" }).click();
        await page.getByText("connections.erp.limits.rate").waitFor();
        await page.getByRole("button", { name: "Reload…" }).click();
        await reason(page, "the ERP has become faster");
        await press(page, "Reload");
        await page.getByText("rate: 45/s").waitFor();
        // The browser notes each answer that is none of 2xx; 422 is how a wrong file is answered.
        assert.deepEqual(errors.filter((e) => !/status of 422/.test(e)), []);
    },

    /** A group of dead letters is taken by somebody; the audit log says who and why, and its chain is whole. */
    async mark(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/dead");
        const group = page.locator("table.groups tbody tr").first();
        await group.getByRole("button", { name: "Mark…" }).click();
        await page.getByRole("dialog").getByLabel("Owner").fill("anna");
        await reason(page, "asked the shop to mend its export");
        await press(page, "Mark");
        await group.getByText("anna: asked the shop").waitFor();
        await page.getByRole("tab", { name: "Acknowledged" }).click();
        await page.getByText("in 1 group by cause").waitFor();
        await go(page, "#/audit");
        await page.getByText("asked the shop to mend its export").first().waitFor();
        await page.getByRole("button", { name: "Verify the chain" }).click();
        await page.getByText("The chain is whole").waitFor();
        assert.deepEqual(errors, []);
    },

    /** A mapping is tried on a real event: its output at once, an error with its place, what would change over the last events. */
    async mapping(browser) {
        const { page, errors } = await open(browser);
        await page.getByRole("link", { name: "Mapping" }).click();
        const output = page.getByRole("region", { name: "Output" });
        await output.getByText(/"orderNumber": "SO-\d+"/).waitFor();
        await output.getByText(/"orderNumber"/).hover();
        await page.getByRole("region", { name: "Input" }).locator(".jline.hot", { hasText: '"id":' }).first().waitFor();
        const source = page.getByRole("textbox", { name: "Mapping" });
        const before = await source.inputValue();
        await source.fill(before.replace('"SO-" & id', '"ORDER-" & '));
        await page.getByText(/^Line \d+, column \d+:/).waitFor();
        await source.fill(before.replace('"SO-" & id', '"ORDER-" & id'));
        await output.getByText(/"orderNumber": "ORDER-\d+"/).waitFor();
        await page.getByLabel("Last").selectOption("20");
        await page.getByRole("button", { name: "Run", exact: true }).click();
        await page.getByText(/^\d+ changed$/).waitFor();
        await page.locator("details summary").first().click();
        await page.locator(".diff-add", { hasText: "ORDER-" }).first().waitFor();
        // What is seen becomes a golden sample beside the mapping; the edited mapping does not give what it expects.
        await source.fill(before);
        await output.getByText(/"orderNumber": "SO-\d+"/).waitFor();
        await page.getByRole("button", { name: "Save as a sample…" }).click();
        await page.getByRole("dialog").getByLabel("What it shows").fill("an order of the shop");
        await page.getByRole("dialog").getByLabel(/Reason/).fill("a golden sample of the tests");
        await press(page, "Show the text");
        await page.getByRole("dialog").getByText(/- name: "an order of the shop"/).waitFor();
        await press(page, "Write into the file");
        await page.getByText(/^\d+ as expected$/).waitFor();
        await source.fill(before.replace('"SO-" & id', '"ORDER-" & id'));
        await output.getByText(/"orderNumber": "ORDER-\d+"/).waitFor();
        await page.getByRole("button", { name: "Run the samples" }).click();
        await page.getByText(/^\d+ not$/).waitFor();
        assert.deepEqual(errors, []);
    },

    /** A payload in three panes: as it came, mapped, as it is sent with its key. */
    async panes(browser) {
        const { page, errors } = await open(browser);
        const { events } = await api(page, "v1/events?state=delivered&flow=orders-to-erp&limit=1");
        await go(page, `#/events/${events[0].id}`);
        await page.getByRole("tab", { name: "Mapped", exact: true }).click();
        await page.getByText(/"SO-\d+"/).first().waitFor();
        await page.getByRole("tab", { name: "Received against mapped" }).click();
        await page.locator(".diff-add").first().waitFor();
        await page.getByRole("tab", { name: "As sent" }).click();
        await page.getByRole("rowheader", { name: /Idempotency-Key/i }).waitFor();
        await page.getByRole("tab", { name: "Side by side" }).click();
        for (const pane of ["Received", "Mapped", "Sent"])
            await page.getByRole("region", { name: `${pane}, side by side` }).getByText(/\d{5}/).first().waitFor();
        assert.deepEqual(await serious(page), []);
        assert.deepEqual(errors, []);
    },

    /** Personal data is masked, for a viewer without a way behind it; an admin sees it for a reason, and the audit log says so. */
    async reveal(browser) {
        const { EVENT, EMAIL } = process.env;
        const { page: p } = await open(browser, { token: process.env.VIEWER_TOKEN });
        await go(p, `#/events/${EVENT}`);
        await p.getByText("Personal data is masked.").waitFor();
        assert.equal(await p.getByRole("button", { name: "Reveal…" }).count(), 0);
        const refused = await p.evaluate(async (id) => {
            const { csrf } = await (await fetch("v1/session")).json();
            return (await fetch(`v1/events/${id}/reveal`, { method: "POST", headers: { "content-type": "application/json", "x-tieline-csrf": csrf }, body: '{"reason":"curious"}' })).status;
        }, EVENT);
        assert.equal(refused, 403);
        const { page, errors } = await open(browser);
        await go(page, `#/events/${EVENT}`);
        await page.getByText("Personal data is masked.").waitFor();
        const whole = () => page.locator("main").innerText();
        assert.ok(!(await whole()).includes(EMAIL));
        await page.getByRole("button", { name: "Reveal…" }).click();
        await press(page, "Show");
        assert.ok(!(await whole()).includes(EMAIL), "not without a reason");
        await reason(page, "the customer asks where the order is");
        assert.deepEqual(await serious(page), []);
        await press(page, "Show");
        await page.getByText(EMAIL).first().waitFor();
        await go(page, "#/events");
        await go(page, `#/events/${EVENT}`);
        await page.getByText("Personal data is masked.").waitFor();
        assert.ok(!(await whole()).includes(EMAIL), "masked again when the page was left");
        await go(page, "#/audit");
        const line = page.locator("tbody tr", { hasText: "the customer asks where the order is" });
        await line.getByText("reveal", { exact: true }).waitFor();
        await line.getByText(`event ${EVENT}`).waitFor();
        assert.deepEqual(errors, []);
    },

    /** Which record of the CRM is this order of the shop? By either id, from the event, and from anywhere. */
    async lookup(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        const { xrefs } = await api(page, "v1/xrefs?limit=1");
        const { from_id, to_id } = xrefs[0];
        await go(page, "#/xrefs");
        const box = page.getByLabel("Id, on either system");
        await box.fill(from_id);
        await page.keyboard.press("Enter");
        const rows = page.locator("table.pairs tbody tr");
        await page.getByRole("heading", { name: "1 record" }).waitFor();
        assert.match(await rows.first().innerText(), new RegExp(`${from_id}[^]*shop[^]*${to_id}[^]*crm`));
        assert.deepEqual(await serious(page), []);
        await page.getByRole("link", { name: to_id }).click();
        await until("the id of the other side", async () => (await box.inputValue()) === to_id);
        assert.equal(await rows.count(), 1);
        await page.getByRole("link", { name: /^Events that hold/ }).click();
        await heading(page, "Events");
        await go(page, "#/overview");
        await heading(page, "Overview");
        await page.keyboard.press("Control+k");
        await page.getByRole("combobox").fill(from_id);
        await page.getByRole("option", { name: /look up the id/ }).click();
        await heading(page, "Cross-references");
        await page.getByRole("heading", { name: "1 record" }).waitFor();
        await go(page, "#/xrefs?id=no-such-order-1");
        await page.getByText("Nothing is known of no-such-order-1").waitFor();
        assert.deepEqual(await serious(page), []);
        const { events } = await api(page, "v1/events?state=delivered&limit=1");
        await go(page, `#/events/${events[0].event}`);
        await page.getByRole("heading", { name: "Cross-references it wrote" }).waitFor();
        await page.getByText("directory").first().waitFor();
        await page.getByText(/answered|from the cache/).first().waitFor();
        assert.ok((await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)) <= 0);
        assert.deepEqual(errors.filter((e) => !/status of 403/.test(e)), []);
    },

    /** What arrives is announced and does not move the table until it is asked for. */
    async tail(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/events");
        const first = page.locator("table.events tbody tr").first();
        await first.waitFor();
        const before = await first.innerText();
        console.log("READY");
        await new Promise((resolve) => process.stdin.once("data", resolve));
        const fresh = page.getByRole("button", { name: /^\d+\+? new$/ });
        await fresh.waitFor();
        assert.equal((await first.innerText()).split(/\s/).includes(before.split(/\s/)[0]), true);
        await fresh.click();
        assert.notEqual(await first.innerText(), before);
        assert.deepEqual(errors, []);
    },

    /** Every delivery that waits says why, in the table and on its page, with what ends it; and so do flow, connection and overview. */
    async reasons(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        const { events } = await api(page, "v1/events?limit=500");
        const waits = new Map(events.filter((r) => r.held).map((r) => [r.held, r]));
        const wanted = {
            flow_tripped: [/Waits: tripped/, /the invoice has no tax code.*mend the cause, then resume the flow/s, "Flow invoices-to-erp"],
            flow_removed: [/Waits: removed/, /Move it to another flow, cancel it, or put the flow back/, "Flow letters-to-books"],
            flow_paused: [/Waits: flow paused/, /stock-taking until Monday/, "Flow returns-to-erp"],
            target_changed: [/Waits: target changed/, /Resume the flow if that is right/, "Flow offers-to-books"],
            identity_changed: [/Waits: identity changed/, /Resume the connection if that is right/, "Connection books"],
            connection_auth: [/Waits: auth/, /HTTP 401.*press Test at the connection/s, "Connection crm"],
            breaker: [/Waits: breaker.*the next one is tried in/s, /It is probed, and goes on by itself/, "Connection warehouse"],
            quota: [/Waits: quota.*the next one goes in .*for all that wait/s, /the allowance comes back/, "Connection courier"],
            key_blocked: [/Waits: key blocked/, /Replay or discard that one/, "The one ahead of it"],
            event_held: [/Held by /, /the customer wants another address/, null],
        };
        for (const [held, [head, text, to]] of Object.entries(wanted)) {
            const r = waits.get(held);
            assert.ok(r, `nothing in the scene is held for ${held}`);
            await go(page, `#/events?q=event:${r.event}`);
            const row = page.locator("table.events tbody tr", { hasText: r.id.replace(/^0+/, "") });
            await row.locator(".waits .chip").waitFor();
            await go(page, `#/events/${r.id}`);
            const notice = page.locator(".waits-for");
            await notice.filter({ hasText: head }).waitFor();
            assert.match(await notice.innerText(), text);
            assert.doesNotMatch(await page.locator(".page-head").innerText(), /Waits for its turn/);
            if (to)
                await notice.getByRole("link", { name: to }).waitFor();
        }
        await go(page, "#/overview");
        const matters = page.locator(".matters");
        for (const name of ["crm", "warehouse", "books", "returns-to-erp", "invoices-to-erp", "offers-to-books", "letters-to-books", "orders-to-erp"])
            await matters.locator("li", { hasText: name }).first().waitFor();
        const crm = page.getByRole("region", { name: "Connections", exact: true }).getByRole("row", { name: /^crm/ });
        await crm.getByRole("cell", { name: "held", exact: true }).waitFor(); // not "drains in so long": nobody knows when we are let in
        await page.locator(".figure-note", { hasText: /held$/ }).waitFor();
        await go(page, "#/flows/customers-to-crm");
        await page.getByText("Waits for crm: auth").waitFor();
        assert.deepEqual(await serious(page), []);
        assert.deepEqual(errors, []);
    },

    /** What is held because another system is meant now: the flow and the connection are resumed from their pages, after it was said what that does. */
    async moved(browser) {
        const { page, errors } = await open(browser, { viewport: NARROW });
        for (const [hash, flow] of [["connections/books", "bookings-to-books"], ["flows/offers-to-books", "offers-to-books"]]) {
            await go(page, "#/" + hash);
            await page.locator(".notice", { hasText: "another account or host" }).first().waitFor();
            await page.locator("main").getByRole("button", { name: "Resume" }).click();
            await page.getByRole("dialog").getByText("is sent to the one that is configured now").waitFor();
            await reason(page, "the books have moved, this is right");
            await press(page, "Resume");
            await until("drained", async () => { const c = (await api(page, "v1/status")).flows.find((f) => f.name === flow).counts; return c.queued + c.retrying === 0; });
            await page.locator("main").getByRole("button", { name: "Pause" }).waitFor();
        }
        assert.deepEqual(errors, []);
    },

    /** An old state must not go over a newer one without a word: the edit of a dead one says so, and asks. */
    async superseded(browser) {
        const { page, errors } = await open(browser);
        const id = process.env.EVENT;
        const state = async () => (await api(page, `v1/events/${id}`)).event;
        await go(page, `#/events/${id}`);
        await page.getByText("Personal data is masked.").waitFor();
        await page.getByRole("button", { name: "Edit…" }).click();
        await reason(page, "to mend it");
        await press(page, "Show");
        const dialog = page.getByRole("dialog");
        await dialog.getByText("Later deliveries of its key have gone on").waitFor();
        assert.deepEqual(await serious(page), []);
        await reason(page, "the first address was wrong");
        await press(page, "Save and replay");
        await dialog.getByText(/say that it is to be sent all the same/).waitFor();
        assert.deepEqual([(await state()).state, (await state()).revision], ["dead", 0]);
        await dialog.getByLabel("Send it all the same").check();
        await press(page, "Save and replay");
        await until("sent", async () => (await state()).revision === 1 && (await state()).attempts > 1);
        assert.deepEqual(errors, []);
    },

    /** What happened while the tab was hidden is there when somebody comes back. */
    async hidden(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/events");
        await page.locator("table.events tbody tr").first().waitFor();
        const hide = (yes) => page.evaluate((y) => {
            Object.defineProperty(document, "hidden", { configurable: true, get: () => y });
            document.dispatchEvent(new Event("visibilitychange"));
        }, yes);
        await page.waitForTimeout(500);
        await hide(true);
        console.log("READY");
        await new Promise((resolve) => process.stdin.once("data", resolve));
        await hide(false);
        await page.getByRole("button", { name: /^\d+\+? new$/ }).waitFor();
        assert.deepEqual(errors, []);
    },

    /** By keyboard alone: what has the focus, and the row that j and k move, are never under the bar at the top. */
    async focus(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/events");
        await page.locator("table.events tbody tr").nth(45).waitFor();
        const under = (selector) => page.evaluate((s) => {
            const e = s ? document.querySelector(s) : document.activeElement, r = e.getBoundingClientRect();
            return e.closest(".top, .side") ? 0 : document.querySelector(".top").getBoundingClientRect().bottom - r.top;
        }, selector);
        await page.evaluate(() => document.querySelectorAll("table.events tbody tr td.c-id a")[44].focus());
        for (let i = 0; i < 80; i++) {
            await page.keyboard.press("Shift+Tab");
            assert.ok((await under("")) <= 0, `press ${i}: ${await under("")} pixels are under the bar`);
        }
        await page.evaluate(() => document.activeElement.blur());
        for (const [key, n] of [["j", 40], ["k", 38]])
            for (let i = 0; i < n; i++)
                await page.keyboard.press(key);
        assert.ok((await under("tr.at")) <= 0);
        assert.deepEqual(errors, []);
    },

    /** Words of the filter are offered, and taken by keyboard. */
    async suggested(browser) {
        const { page, errors } = await open(browser);
        await go(page, "#/events");
        const filter = page.getByRole("combobox", { name: "Filter" });
        await filter.pressSequentially("state:d");
        await page.getByRole("option", { name: "state:dead" }).waitFor();
        await page.keyboard.press("ArrowDown");
        await page.getByRole("option", { name: "state:dead", selected: true }).waitFor();
        assert.deepEqual(await serious(page), []);
        await page.keyboard.press("Enter");
        assert.equal(await filter.inputValue(), "state:dead ");
        await page.keyboard.press("Enter");
        await until("the filter in the address", () => /q=state:dead$/.test(page.url()));
        assert.deepEqual(errors, []);
    },

    /** Looks at the table of events until it is told to stop (bench/watching). */
    async look(browser) {
        const { page } = await open(browser);
        await go(page, "#/events");
        await page.getByRole("heading", { level: 1, name: "Events" }).waitFor();
        console.log("LOOKING");
        await new Promise((resolve) => process.stdin.on("end", resolve).resume());
        const rows = await page.locator("table.events tbody tr").count();
        const fresh = await page.getByRole("button", { name: /^[\d,]+\+? new$/ }).allInnerTexts();
        console.log(`SAW ${rows} rows, ${fresh[0] ?? "nothing new"}`);
    },

    /** Sign in at the identity provider, come back, look around, sign out. */
    async sso(browser) {
        const { page, errors } = await open(browser, { sign: false });
        await page.getByRole("link", { name: /^Sign in with/ }).click();
        await heading(page, "Overview");
        await page.getByText(process.env.WHO).waitFor();
        assert.deepEqual(await serious(page), []);
        await go(page, "#/connections");
        await heading(page, "Connections");
        await page.getByRole("button", { name: /sign out/i }).click();
        await page.getByRole("link", { name: /^Sign in with/ }).waitFor();
        assert.deepEqual(await serious(page), []);
        assert.deepEqual(errors, []);
    },

    /** A viewer sees everything and no button that changes something; a wrong token is told so. */
    async viewer(browser) {
        const { page } = await open(browser, { sign: false });
        await page.getByLabel("Token").fill("tl_wrong");
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("alert").filter({ hasText: /\w/ }).waitFor();
        const { page: p, errors } = await open(browser, { token: process.env.VIEWER_TOKEN });
        await p.getByText("read only").waitFor();
        for (const hash of PAGES) {
            await go(p, "#/" + hash);
            await p.locator("main h1").waitFor();
            await p.waitForTimeout(300);
            assert.equal(await p.locator("main").getByRole("button", { name: /^(Pause|Resume|Replay|Discard|Cancel|Edit|Send first|Retry|Reveal|Forget|Test|Acknowledge|Silence|Reload|Compare|Mark|Stop)/ }).count(), 0, hash);
        }
        assert.deepEqual(errors, []);
    },

    /** axe-core finds nothing serious on any page, light, dark and narrow; nothing is wider than the screen. */
    async accessible(browser) {
        const found = [];
        for (const [theme, viewport] of [["light", undefined], ["light", NARROW], ["dark", undefined]]) {
            const { page, errors, context } = await open(browser, { theme, viewport });
            const dead = await api(page, "v1/events?state=dead&limit=1");
            for (const hash of [...PAGES, "mapping", `events/${dead.events[0].id}`]) {
                await go(page, "#/" + hash);
                await page.locator("main h1").waitFor();
                await page.waitForTimeout(500);
                const where = `${hash} ${theme} ${viewport ? "narrow" : "wide"}`;
                for (const f of await serious(page))
                    found.push(`${where}: ${f}`);
                const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
                if (over > 0)
                    found.push(`${where}: ${over} pixels wider than the screen`);
            }
            await page.keyboard.press("?");
            await page.getByRole("dialog").waitFor();
            found.push(...(await serious(page)).map((f) => `keyboard sheet: ${f}`));
            assert.deepEqual(errors, []);
            await context.close();
        }
        const { page } = await open(browser, { sign: false });
        await page.getByLabel("Token").waitFor();
        found.push(...(await serious(page)).map((f) => `sign-in: ${f}`));
        assert.deepEqual(found, []);
    },

    /** Nothing of the page is refused by its own policy, and nobody can frame it. */
    async policy(browser) {
        const answer = await fetch(BASE);
        assert.match(answer.headers.get("content-security-policy"), /script-src 'self'.*frame-ancestors 'none'/);
        assert.doesNotMatch(answer.headers.get("content-security-policy"), /unsafe/);
        const { page, errors } = await open(browser);
        const hosts = new Set();
        page.on("request", (r) => hosts.add(new URL(r.url()).host));
        for (const hash of PAGES) {
            await go(page, "#/" + hash);
            await page.waitForTimeout(250);
        }
        assert.deepEqual([...hosts], [new URL(BASE).host]);
        assert.deepEqual(errors, []);
    },
};

const name = process.argv[2];
const browser = await launch();
let failed = false;
try {
    await journeys[name](browser);
} catch (e) {
    failed = true;
    console.error(e);
    const pages = browser.contexts().flatMap((c) => c.pages());
    for (const p of pages)
        console.error(p.url(), (await p.locator("body").innerText().catch(() => "")).slice(0, 1500));
} finally {
    await browser.close();
}
process.exit(failed ? 1 : 0);

// SPDX-License-Identifier: Apache-2.0
// browser.mjs - what the journeys and the pictures share: Debian's Chromium, a signed-in page, everything it complains of.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

// The libraries stand in a folder of the build (tests/peers/console_test.py), not beside this file.
const require = createRequire(process.env.CONSOLE_MODULES + "/");
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

export const BASE = process.env.CONSOLE_URL;
export const WIDE = { width: 1280, height: 820 }, NARROW = { width: 390, height: 844 };

export async function launch() {
    return chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
}

/** A page that is signed in with the token; errors collects what the console and the page complain of. */
export async function open(browser, { token = process.env.CONSOLE_TOKEN, viewport = WIDE, theme = "light", sign = true } = {}) {
    const context = await browser.newContext({ viewport, colorScheme: theme, reducedMotion: "reduce" });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    const page = await context.newPage();
    page.setDefaultTimeout(15000);
    const errors = [];
    page.on("pageerror", (e) => errors.push(String(e)));
    page.on("console", (m) => {
        // The first question, who am I, is answered 401 before somebody has signed in: the browser notes that by itself.
        if (m.type() === "error" && !/status of 401/.test(m.text()))
            errors.push(m.text());
    });
    await page.goto(BASE);
    if (sign) {
        await page.getByLabel("Token").fill(token);
        await page.getByRole("button", { name: "Sign in" }).click();
        await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
    }
    return { page, context, errors };
}

export async function go(page, hash) {
    await page.evaluate((h) => (location.hash = h), hash);
}

/** What axe-core finds that is serious or critical, as lines. Run in its own world, past the page's own policy. */
export async function serious(page) {
    const session = await page.context().newCDPSession(page);
    const { frameTree } = await session.send("Page.getFrameTree");
    const { executionContextId } = await session.send("Page.createIsolatedWorld", { frameId: frameTree.frame.id, worldName: "axe" });
    await session.send("Runtime.evaluate", { expression: AXE + ";0", contextId: executionContextId });
    const { result, exceptionDetails } = await session.send("Runtime.evaluate", {
        contextId: executionContextId, awaitPromise: true, returnByValue: true,
        expression: `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((r) => JSON.stringify({
            passed: r.passes.length,
            found: r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).flatMap((v) => v.nodes.map((n) =>
                v.id + ": " + n.target.join(" ") + " - " + (n.failureSummary || "").replace(/\\s+/g, " ").slice(0, 220))) }))`,
    });
    if (exceptionDetails)
        throw new Error(exceptionDetails.text + " " + (exceptionDetails.exception?.description ?? ""));
    await session.detach();
    const { passed, found } = JSON.parse(result.value);
    if (passed < 10)
        throw new Error(`axe-core looked at hardly anything (${passed} rules)`);
    return found;
}

// SPDX-License-Identifier: Apache-2.0
// shots.mjs FOLDER NAME=HASH...: a picture of each page in both themes (and of some at 390 pixels) for the documentation.
import { NARROW, go, launch, open } from "./browser.mjs";

const [folder, ...pages] = process.argv.slice(2);
const browser = await launch();
for (const theme of ["light", "dark"]) {
    for (const viewport of [undefined, NARROW]) {
        const { page, errors, context } = await open(browser, { theme, viewport });
        await page.waitForTimeout(Number(process.env.SETTLE_MS ?? 12000)); // some figures for the charts
        for (const spec of pages) {
            const [, name, narrow, hash, button] = spec.match(/^([a-z-]+)(\+?)=([^@]*)(?:@(.*))?$/); // @BUTTON: pressed, and scrolled to
            if (viewport && !narrow)
                continue;
            await go(page, hash);
            await page.locator("main h1").waitFor();
            if (button) {
                const at = page.getByRole("button", { name: button });
                await at.click();
                await at.evaluate((e) => e.closest(".card").scrollIntoView({ block: "center" }));
            }
            await page.waitForTimeout(900);
            await page.screenshot({ path: `${folder}/console-${name}${viewport ? "-narrow" : ""}-${theme}.png` });
        }
        if (errors.length)
            throw new Error(errors.join("\n"));
        await context.close();
    }
}
await browser.close();

// SPDX-License-Identifier: Apache-2.0
// run.mjs: bundles test/*.test.mjs with what they import from src/ and runs them with node's own runner.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = mkdtempSync(join(tmpdir(), "console-test-"));
try {
    await esbuild.build({
        entryPoints: readdirSync(here).filter((f) => f.endsWith(".test.mjs")).map((f) => join(here, f)),
        outdir: out, bundle: true, format: "esm", platform: "node", outExtension: { ".js": ".mjs" }, logLevel: "warning",
        jsx: "automatic", jsxImportSource: "preact", define: { "import.meta.dirname": JSON.stringify(here) },
        loader: { ".css": "empty" },
    });
    const files = readdirSync(out).map((f) => join(out, f));
    process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status ?? 1;
} finally {
    rmSync(out, { recursive: true, force: true });
}

// SPDX-License-Identifier: Apache-2.0
// build.mjs [--watch] [--out FOLDER]: src/ becomes FOLDER (dist): index.html, one script, one style sheet, both with a
// hash of their content in the name. tools/embed-assets compresses them and puts them into the program.
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const out = process.argv.includes("--out") ? process.argv[process.argv.indexOf("--out") + 1] : join(here, "dist");

const options = {
    absWorkingDir: here,
    entryPoints: { app: "src/main.tsx" },
    outdir: out,
    bundle: true,
    minify: true,
    write: false,
    format: "iife", // a plain script in <head>: the theme stands before anything is painted
    target: ["es2021"],
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    logLevel: "warning",
};

function emit(result) {
    const names = {};
    rmSync(out, { recursive: true, force: true });
    mkdirSync(join(out, "assets"), { recursive: true });
    for (const file of result.outputFiles) {
        const suffix = file.path.endsWith(".css") ? "css" : "js";
        const hash = createHash("sha256").update(file.contents).digest("hex").slice(0, 10);
        names[suffix] = `assets/app.${hash}.${suffix}`;
        writeFileSync(join(out, names[suffix]), file.contents);
    }
    const page = readFileSync(join(here, "src/index.html"), "utf8")
        .replace("app.css", names.css).replace("app.js", names.js)
        .replace(/<!--[^]*?-->\n?/g, "");
    writeFileSync(join(out, "index.html"), page);
}

if (process.argv.includes("--watch")) {
    const plugin = { name: "emit", setup: (b) => b.onEnd((r) => r.errors.length || emit(r)) };
    await (await esbuild.context({ ...options, plugins: [plugin] })).watch();
} else {
    emit(await esbuild.build(options));
}

// SPDX-License-Identifier: Apache-2.0
// dev.mjs CONTROL_SOCKET|http://HOST:PORT [PORT]: builds on every change and serves the console on 127.0.0.1:PORT (5173),
// with /v1 handed on to a running Tieline. For work on the console only.
import { spawn } from "node:child_process";
import { createReadStream, existsSync } from "node:fs";
import http from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const [target, port = "5173"] = process.argv.slice(2);
if (!target) {
    console.error("usage: npm run dev -- DATA/control.sock [PORT]");
    process.exit(2);
}
const upstream = target.startsWith("http:")
    ? { host: new URL(target).hostname, port: new URL(target).port }
    : { socketPath: target };
const types = { html: "text/html; charset=utf-8", js: "text/javascript; charset=utf-8", css: "text/css; charset=utf-8" };
// What the program itself sends with each page (src/admin/web.c).
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

spawn(process.execPath, [join(here, "build.mjs"), "--watch"], { stdio: ["pipe", "inherit", "inherit"] });
http.createServer((req, res) => {
    if (req.url.startsWith("/v1")) {
        const headers = { ...req.headers };
        const up = http.request({ ...upstream, method: req.method, path: req.url, headers }, (answer) => {
            res.writeHead(answer.statusCode, answer.headers);
            answer.pipe(res);
        });
        up.on("error", (e) => res.writeHead(502).end(String(e)));
        res.on("close", () => up.destroy());
        req.pipe(up);
        return;
    }
    const path = join(here, "dist", req.url === "/" ? "index.html" : new URL(req.url, "http://x").pathname);
    if (!existsSync(path)) {
        res.writeHead(404).end();
        return;
    }
    res.writeHead(200, { "content-type": types[path.split(".").pop()], "content-security-policy": policy });
    createReadStream(path).pipe(res);
}).listen(Number(port), "127.0.0.1", () => console.log(`http://127.0.0.1:${port}/`));

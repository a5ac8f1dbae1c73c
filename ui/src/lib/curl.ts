// SPDX-License-Identifier: Apache-2.0
// curl.ts - the request as it came in, for a terminal; what is masked stays masked.
import type { Detail, Request } from "./types";

function quoteShell(s: string): string {
    return `'${s.replace(/'/g, "'\\''")}'`;
}

const HOP = /^(host|content-length|connection|transfer-encoding|accept-encoding)$/i;

/** With its query; that is kept decoded, a name that came twice with its last value. */
export function pathOf(r: Request): string {
    const q = Object.entries(r.query ?? {}).map((kv) => kv.map(encodeURIComponent).join("="));
    return (r.path ?? "/") + (q.length ? "?" + q.join("&") : "");
}

export function curl(d: Pick<Detail, "request" | "body">): string {
    const r = d.request ?? {};
    const host = r.headers?.["host"] ?? "HOST";
    const parts = [`curl -i -X ${r.method ?? "POST"} ${quoteShell(`http://${host}${pathOf(r)}`)}`];
    for (const [k, v] of Object.entries(r.headers ?? {}))
        if (!HOP.test(k))
            parts.push(`-H ${quoteShell(`${k}: ${v}`)}`);
    if (d.body !== undefined)
        parts.push(`--data-binary ${quoteShell(typeof d.body === "string" ? d.body : JSON.stringify(d.body))}`);
    return parts.join(" \\\n  ");
}

// SPDX-License-Identifier: Apache-2.0
// jsonlines.ts - JSON as indented lines, each with the path of what stands in it; places in lists are left out, as lineage has it.

export interface JsonLine {
    text: string;
    path: string;
}

export function lines(value: unknown): JsonLine[] {
    const out: JsonLine[] = [];
    walk(value, "", "", "", "", out);
    return out;
}

function walk(v: unknown, path: string, indent: string, before: string, after: string, out: JsonLine[]): void {
    const list = Array.isArray(v);
    if (v === null || typeof v !== "object" || !Object.keys(v).length) {
        out.push({ text: indent + before + (JSON.stringify(v) ?? "null") + after, path });
        return;
    }
    const entries = Object.entries(v);
    out.push({ text: indent + before + (list ? "[" : "{"), path });
    entries.forEach(([k, x], i) => walk(x, list ? path : path ? `${path}.${k}` : k, indent + "  ", list ? "" : `${JSON.stringify(k)}: `, i < entries.length - 1 ? "," : "", out));
    out.push({ text: indent + (list ? "]" : "}") + after, path });
}

/** Whether a line of path belongs to the field: it is the field, or within it. */
export function linesOf(path: string, field: string): boolean {
    return path === field || path.startsWith(field + ".");
}

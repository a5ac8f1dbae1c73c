// SPDX-License-Identifier: Apache-2.0
// router.ts - the place in the console is the part after # : #/events/0001?q=state:dead. Back, forward and links work, and
// the server needs to know one page only.
import { computed, signal } from "@preact/signals";

export interface Place {
    path: string[];
    params: URLSearchParams;
}

export function parse(hash: string): Place {
    const text = hash.replace(/^#\/?/, "");
    const at = text.indexOf("?");
    const path = (at < 0 ? text : text.slice(0, at)).split("/").filter(Boolean).map((p) => {
        try {
            return decodeURIComponent(p);
        } catch {
            return p;
        }
    });
    return { path, params: new URLSearchParams(at < 0 ? "" : text.slice(at + 1)) };
}

export function link(path: string[], params: Record<string, string | null | undefined> = {}): string {
    const p = new URLSearchParams();
    for (const [k, v] of Object.entries(params))
        if (v)
            p.set(k, v);
    const text = p.toString().replace(/%3A/gi, ":").replace(/%2C/gi, ",");
    return "#/" + path.map(encodeURIComponent).join("/") + (text ? "?" + text : "");
}

const hash = signal(typeof location === "undefined" ? "" : location.hash);
export const place = computed(() => parse(hash.value));

export function go(to: string, replace = false): void {
    if (replace)
        history.replaceState(null, "", to);
    else if (location.hash !== to)
        history.pushState(null, "", to);
    hash.value = to;
    if (!replace)
        scrollTo(0, 0);
}

export function listen(): void {
    addEventListener("hashchange", () => (hash.value = location.hash));
    addEventListener("popstate", () => (hash.value = location.hash));
}

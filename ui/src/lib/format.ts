// SPDX-License-Identifier: Apache-2.0
// format.ts - numbers, times and sizes as people read them. The exact value goes into the title of what shows them.
import type { State } from "./types";

const int = new Intl.NumberFormat("en-US");
export function num(n: number | null | undefined): string {
    return n === null || n === undefined ? "–" : int.format(Math.round(n));
}

/** At most four characters before the unit: 12.3k, 4.5M. */
export function short(n: number | null | undefined): string {
    if (n === null || n === undefined)
        return "–";
    if (Math.abs(n) < 10000)
        return num(n);
    for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]] as const)
        if (Math.abs(n) >= size)
            return (n / size).toFixed(Math.abs(n) >= 100 * size ? 0 : 1) + unit;
    return num(n);
}

export function rate(n: number | null | undefined): string {
    if (n === null || n === undefined)
        return "–";
    return n >= 100 ? num(n) : n >= 10 ? n.toFixed(1) : n.toFixed(n === 0 ? 0 : 2);
}

export function bytes(n: number | null | undefined): string {
    if (n === null || n === undefined)
        return "–";
    if (n < 1000)
        return `${n} B`;
    let i = -1;
    do {
        n /= 1000;
        i++;
    } while (n >= 1000 && i < 3);
    return `${n < 10 ? n.toFixed(1) : Math.round(n)} ${["kB", "MB", "GB", "TB"][i]}`;
}

export function percent(n: number | null | undefined, digits = 1): string {
    return n === null || n === undefined ? "–" : (100 * n).toFixed(digits).replace(/\.0+$/, "") + " %";
}

export function duration(ms: number | null | undefined): string {
    if (ms === null || ms === undefined)
        return "–";
    if (ms < 1000)
        return `${Math.round(ms)} ms`;
    const s = ms / 1000;
    if (s < 10)
        return `${s.toFixed(1)} s`;
    if (s < 90)
        return `${Math.round(s)} s`;
    if (s < 5400)
        return `${Math.round(s / 60)} min`;
    if (s < 48 * 3600)
        return `${(s / 3600).toFixed(s < 36000 ? 1 : 0)} h`;
    return `${Math.round(s / 86400)} d`;
}

export type Zone = "relative" | "local" | "utc";

function pad(n: number, digits = 2): string {
    return String(n).padStart(digits, "0");
}

export function clock(iso: string, zone: Zone, now: number): string {
    const t = new Date(iso);
    if (zone === "relative") {
        const ago = now - t.getTime();
        if (Math.abs(ago) < 1000) // what has just happened may be ahead of our clock, which ticks once a second
            return "now";
        return ago > 0 ? duration(Math.floor(ago / 1000) * 1000).replace(/\.0 s/, " s") + " ago" : "in " + duration(-ago);
    }
    const utc = zone === "utc";
    const same = (utc ? t.toISOString().slice(0, 10) : t.toDateString()) ===
        (utc ? new Date(now).toISOString().slice(0, 10) : new Date(now).toDateString());
    const time = utc ? t.toISOString().slice(11, 23)
        : `${pad(t.getHours())}:${pad(t.getMinutes())}:${pad(t.getSeconds())}.${pad(t.getMilliseconds(), 3)}`;
    const date = utc ? t.toISOString().slice(0, 10) : `${t.getFullYear()}-${pad(t.getMonth() + 1)}-${pad(t.getDate())}`;
    return same ? time : `${date} ${time.slice(0, 8)}`;
}

/** Both zones, for a title. */
export function exact(iso: string): string {
    const t = new Date(iso);
    return `${t.toISOString().replace("T", " ").replace("Z", " UTC")}\n${t.toLocaleString()} here`;
}

export function plural(n: number, one: string, many = one + "s"): string {
    return `${num(n)} ${n === 1 ? one : many}`;
}

/** Where a delivery stands; what a person holds is a state of its own, whatever it was before, and so is what runs. */
export function stateOf(r: { state: State; held: string | null; running?: boolean }): State {
    return r.held === "event_held" ? "held" : r.running ? "running" : r.state;
}

/** Words of the API as people read them: "connection_auth" -> "connection auth". */
export function words(s: string): string {
    return s.replace(/_/g, " ");
}

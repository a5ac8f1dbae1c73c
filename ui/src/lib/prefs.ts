// SPDX-License-Identifier: Apache-2.0
// prefs.ts - what a person sets and this browser keeps: theme, density, how times are shown.
import { effect, signal } from "@preact/signals";
import type { Zone } from "./format";

function kept<T extends string>(name: string, fallback: T, allowed: readonly T[]) {
    let at = fallback;
    try {
        const v = localStorage.getItem("tieline." + name) as T | null;
        if (v && allowed.includes(v))
            at = v;
    } catch { /* storage is off: for this page only */ }
    const s = signal<T>(at);
    s.subscribe((v) => {
        try {
            localStorage.setItem("tieline." + name, v);
        } catch { /* as above */ }
    });
    return s;
}

export const theme = kept("theme", "system", ["system", "light", "dark"] as const);
export const density = kept("density", "compact", ["compact", "comfortable"] as const);
export const zone = kept<Zone>("zone", "relative", ["relative", "local", "utc"]);

/** Counts up whenever the colours change, for what is drawn on a canvas. */
export const painted = signal(0);

export function applyPrefs(): void {
    effect(() => {
        document.documentElement.dataset["theme"] = theme.value;
        document.documentElement.dataset["density"] = density.value;
        painted.value = painted.peek() + 1;
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => painted.value++);
}

// SPDX-License-Identifier: Apache-2.0
// keys.ts - the keyboard: pages register what their keys do; the sheet under ? lists what is registered.
import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

export interface Key {
    keys: string; // "j", "Enter", "g e", "mod+k"
    does: string;
    run: (e: KeyboardEvent) => void;
    anywhere?: boolean; // also while a field has the focus
}

const layers: { current: Key[] }[] = [];
export const registered = signal<Key[]>([]);

function publish(): void {
    registered.value = layers.flatMap((l) => l.current);
}

/** While the caller is on the page. What a key does is what the last rendering said, also between two quick presses. */
export function useKeys(keys: Key[]): void {
    const layer = useRef(keys);
    layer.current = keys;
    useEffect(() => {
        layers.push(layer);
        publish();
        return () => {
            layers.splice(layers.indexOf(layer), 1);
            publish();
        };
    }, []);
}

function typing(t: EventTarget | null): boolean {
    return t instanceof HTMLElement && (t.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(t.tagName));
}

/** Enter and Space on a button or link are the browser's. */
function native(e: KeyboardEvent): boolean {
    return (e.key === "Enter" || e.key === " ") && e.target instanceof HTMLElement && !!e.target.closest("a, button, summary");
}

export function listenKeys(): void {
    let prefix = "", prefixAt = 0;
    document.addEventListener("keydown", (e) => {
        const mod = e.ctrlKey || e.metaKey;
        if (e.defaultPrevented || e.altKey || native(e))
            return;
        const name = (mod ? "mod+" : "") + e.key;
        const chord = prefix && Date.now() - prefixAt < 1200 ? `${prefix} ${name}` : "";
        const modal = document.querySelector("dialog[open]");
        for (let i = layers.length - 1; i >= 0; i--) {
            for (const k of layers[i]!.current) {
                if (k.keys !== name && k.keys !== chord)
                    continue;
                if ((typing(e.target) || modal) && !k.anywhere)
                    continue;
                e.preventDefault();
                prefix = "";
                k.run(e);
                return;
            }
        }
        prefix = !mod && !typing(e.target) && e.key.length === 1 ? e.key : "";
        prefixAt = Date.now();
    });
}

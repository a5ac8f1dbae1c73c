// SPDX-License-Identifier: Apache-2.0
// toast.tsx - short messages at the edge: what was done (status) and what was not (alert; stays until it is closed).
import { signal } from "@preact/signals";
import { Icon } from "./icon";

interface Toast {
    id: number;
    kind: "done" | "error";
    text: string;
}
const list = signal<Toast[]>([]);
let last = 0;

function drop(id: number): void {
    list.value = list.value.filter((t) => t.id !== id);
}

export function toast(text: string, kind: Toast["kind"] = "done"): void {
    const id = ++last;
    list.value = [...list.value.slice(-3), { id, kind, text }];
    if (kind === "done")
        setTimeout(() => drop(id), 6000);
}

export function Toasts() {
    const row = (t: Toast) => (
        <div class={`toast ${t.kind}`} key={t.id}>
            <Icon name={t.kind === "done" ? "delivered" : "warning"} />
            <span>{t.text}</span>
            <button class="ghost icon-button" aria-label="Close the message" onClick={() => drop(t.id)}><Icon name="cross" size={14} /></button>
        </div>
    );
    return (
        <div class="toasts">
            <div role="status">{list.value.filter((t) => t.kind === "done").map(row)}</div>
            <div role="alert">{list.value.filter((t) => t.kind === "error").map(row)}</div>
        </div>
    );
}

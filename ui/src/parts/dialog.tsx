// SPDX-License-Identifier: Apache-2.0
// dialog.tsx - one modal dialog at a time, the browser's own: it traps the focus, closes with Escape, gives the focus back.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Icon } from "./icon";

interface Shown {
    title: string;
    body: ComponentChildren;
    wide?: boolean;
    closed?: () => void;
}
const shown = signal<Shown | null>(null);

export function show(title: string, body: ComponentChildren, o: { wide?: boolean; closed?: () => void } = {}): void {
    shown.value = { title, body, ...o };
}
export function close(): void {
    const was = shown.value;
    shown.value = null;
    was?.closed?.();
}

export function Dialogs() {
    const d = shown.value;
    const ref = useRef<HTMLDialogElement>(null);
    useEffect(() => {
        const el = ref.current;
        if (d && el && !el.open) {
            const before = document.activeElement;
            el.showModal();
            return () => {
                if (before instanceof HTMLElement && before.isConnected)
                    before.focus();
            };
        }
        return undefined;
    }, [d]);
    if (!d)
        return null;
    return (
        <dialog ref={ref} class={d.wide ? "wide" : ""} aria-labelledby="dialog-title" onCancel={(e) => { e.preventDefault(); close(); }}>
            <div class="dialog-head">
                <h2 id="dialog-title">{d.title}</h2>
                <button class="ghost icon-button" aria-label="Close" onClick={close}><Icon name="cross" /></button>
            </div>
            {d.body}
        </dialog>
    );
}

interface Ask {
    title: string;
    body?: ComponentChildren;
    confirm: string;
    reason?: boolean;
    danger?: boolean;
}

function AskForm({ ask, done }: { ask: Ask; done: (reason: string | null) => void }) {
    const [reason, setReason] = useState("");
    const [missing, setMissing] = useState(false);
    const submit = (e: Event) => {
        e.preventDefault();
        if (ask.reason && !reason.trim()) {
            setMissing(true);
            document.getElementById("ask-reason")?.focus();
        } else
            done(reason.trim());
    };
    return (
        <form onSubmit={submit} noValidate>
            <div class="dialog-body">
                {ask.body}
                {ask.reason && (
                    <div class="field">
                        <label for="ask-reason">Reason</label>
                        <input id="ask-reason" value={reason} maxLength={200} autocomplete="off" aria-invalid={missing}
                            aria-describedby="ask-reason-note" onInput={(e) => { setReason(e.currentTarget.value); setMissing(false); }} autofocus />
                        <p id="ask-reason-note" class={missing ? "error" : "faint"}>
                            {missing ? "Say in a few words why: it is kept with the change." : "Kept with the change, under your name."}</p>
                    </div>
                )}
            </div>
            <div class="dialog-foot">
                <button type="button" onClick={() => done(null)}>Cancel</button>
                <button type="submit" class={ask.danger ? "danger" : "primary"}>{ask.confirm}</button>
            </div>
        </form>
    );
}

/** The reason when confirmed ("" if none was asked), null when not. Every change of the API wants one: it is audited. */
export function ask(a: Ask): Promise<string | null> {
    return new Promise((resolve) => {
        let answered = false;
        const done = (reason: string | null) => {
            if (answered)
                return;
            answered = true;
            close();
            resolve(reason);
        };
        show(a.title, <AskForm ask={a} done={done} />, { closed: () => done(null) });
    });
}

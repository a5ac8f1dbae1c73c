// SPDX-License-Identifier: Apache-2.0
// bits.tsx - the small parts that every page is made of.
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import { ApiError, sentence } from "../lib/api";
import { clock, exact, words } from "../lib/format";
import { meaning } from "../lib/held";
import { now } from "../lib/live";
import { zone } from "../lib/prefs";
import type { Flow, State } from "../lib/types";
import { Icon, type IconName } from "./icon";
import { toast } from "./toast";

/** Sentences of the server: what stands between backticks is code. */
export function Prose({ text }: { text: string }) {
    return <>{text.split("`").map((part, i) => (i % 2 ? <code key={i}>{part}</code> : part))}</>;
}

const STATE_ICON: Record<State, IconName> = {
    queued: "queued", running: "running", retrying: "retrying", held: "held", dead: "cross", delivered: "delivered", skipped: "skipped",
    cancelled: "cancelled", discarded: "discarded",
};

export type Tone = "ok" | "bad" | "warn" | "busy" | "held" | "quiet";
const STATE_TONE: Record<State, Tone> = {
    queued: "quiet", running: "busy", retrying: "warn", held: "held", dead: "bad", delivered: "ok", skipped: "quiet", cancelled: "quiet",
    discarded: "quiet",
};

/** Icon, word and colour; never the colour alone. */
export function Chip({ tone, icon, children, title }: { tone: Tone; icon?: IconName; children: ComponentChildren; title?: string }) {
    return <span class={`chip ${tone}`} title={title}>{icon && <Icon name={icon} size={12} />}<span>{children}</span></span>;
}

export function StateChip({ state }: { state: State }) {
    return <Chip tone={STATE_TONE[state] ?? "quiet"} icon={STATE_ICON[state]}>{state}</Chip>;
}

export function HeldChip({ held, reason }: { held: string | null; reason?: string }) {
    if (!held)
        return <Chip tone="ok" icon="delivered">flowing</Chip>;
    const m = meaning(held);
    return <Chip tone={m.tone} icon={m.tone === "held" ? "held" : m.tone === "busy" ? "clock" : "warning"} title={[reason, m.next].filter(Boolean).join("\n")}>{m.tone === "held" ? "paused" : m.word}</Chip>;
}

/** Of a flow: what holds it, else what its source waits for before it reads on. */
export function FlowChip({ f }: { f: Flow }) {
    if (!f.held && (f.not_ready || f.read_failing_since))
        return <Chip tone="bad" icon="warning" title={f.not_ready ?? f.read_failure ?? undefined}>{f.not_ready ? "not ready" : "source fails"}</Chip>;
    return !f.held && f.source_waits ? <Chip tone="busy" icon="clock" title="What was read goes on; the source reads on when its connection lets it.">source waits: {words(f.source_waits)}</Chip>
        : <HeldChip held={f.held} reason={f.held_reason} />;
}

export function Time({ at, empty = "–" }: { at: string | null | undefined; empty?: string }) {
    if (!at)
        return <span class="faint">{empty}</span>;
    return <time dateTime={at} title={exact(at)}>{clock(at, zone.value, now.value)}</time>;
}

export function copyText(text: string, what: string): void {
    navigator.clipboard.writeText(text).then(
        () => toast(`${what} copied`),
        () => toast(`The browser did not let us copy the ${what.toLowerCase()}.`, "error"));
}

export function Copy({ text, what }: { text: string; what: string }) {
    return <button class="ghost icon-button" title={`Copy ${what}`} aria-label={`Copy ${what}`}
        onClick={(e) => { e.stopPropagation(); copyText(text, what); }}><Icon name="copy" size={14} /></button>;
}

export function Loading({ what }: { what: string }) {
    return <p class="loading" role="status">Loading {what}…</p>;
}

/** What to do next, where there is nothing to show. */
export function Empty({ title, children, icon = "info" }: { title: string; children?: ComponentChildren; icon?: IconName }) {
    return <div class="empty"><Icon name={icon} size={24} /><h2>{title}</h2><div class="empty-text">{children}</div></div>;
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
    const e = error as ApiError;
    return (
        <div class="problem" role="alert">
            <Icon name="warning" />
            <div>
                <p>{sentence(error)}</p>
                {e?.code === "forbidden" || e?.status === 403 ? <p class="faint">Ask somebody whose role allows it, or sign in with another token.</p> : null}
            </div>
            {retry && <button onClick={retry}>Try again</button>}
        </div>
    );
}

export function PageHead({ title, sub, children }: { title: ComponentChildren; sub?: ComponentChildren; children?: ComponentChildren }) {
    return (
        <header class="page-head">
            <div class="page-title"><h1>{title}</h1>{sub && <p class="sub">{sub}</p>}</div>
            {children && <div class="actions">{children}</div>}
        </header>
    );
}

export function Card({ title, aside, children, class: cls = "" }: { title?: ComponentChildren; aside?: ComponentChildren; children: ComponentChildren; class?: string }) {
    return (
        <section class={`card ${cls}`}>
            {title && <div class="card-head"><h2>{title}</h2>{aside && <div class="card-aside">{aside}</div>}</div>}
            {children}
        </section>
    );
}

/** A table that scrolls by itself when it is wider than the page; reachable by keyboard then. */
export function Scroll({ children, label }: { children: ComponentChildren; label: string }) {
    return <div class="scroll" role="region" aria-label={label} tabIndex={0}>{children}</div>;
}

export function Tabs<T extends string>({ label, tabs, at, onPick }: { label: string; tabs: [T, ComponentChildren][]; at: T; onPick: (t: T) => void }) {
    const box = useRef<HTMLDivElement>(null);
    const move = (e: KeyboardEvent) => {
        const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
        if (!step)
            return;
        e.preventDefault();
        const i = (tabs.findIndex(([t]) => t === at) + step + tabs.length) % tabs.length;
        onPick(tabs[i]![0]);
        box.current?.querySelectorAll<HTMLElement>("[role=tab]")[i]?.focus();
    };
    return (
        <div class="tabs" role="tablist" aria-label={label} ref={box} onKeyDown={move}>
            {tabs.map(([t, text]) => <button key={t} role="tab" aria-selected={t === at} tabIndex={t === at ? 0 : -1}
                onClick={() => onPick(t)}>{text}</button>)}
        </div>
    );
}

/** A button that shows that its work is on the way and does not start it twice. */
export function Act({ run, children, class: cls = "", title, disabled }: { run: () => Promise<unknown>; children: ComponentChildren; class?: string; title?: string; disabled?: boolean }) {
    const [busy, setBusy] = useState(false);
    const click = async (e: Event) => {
        e.stopPropagation();
        if (busy)
            return;
        setBusy(true);
        try {
            await run();
        } catch (x) {
            toast(sentence(x), "error");
        } finally {
            setBusy(false);
        }
    };
    return <button class={cls} title={title} disabled={disabled} aria-busy={busy} onClick={click}>{children}</button>;
}

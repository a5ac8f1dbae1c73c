// SPDX-License-Identifier: Apache-2.0
// palette.tsx - Ctrl+K: go to a page, a flow, a connection, or straight to an id that was pasted.
import { useState } from "preact/hooks";
import { ID } from "../lib/filter";
import { status } from "../lib/live";
import { go, link } from "../lib/router";
import { PAGES } from "../pages";
import { close, show } from "./dialog";
import { Icon, type IconName } from "./icon";

interface Entry {
    text: string;
    kind: string;
    icon: IconName;
    to: string;
}

function entries(): Entry[] {
    const s = status.value;
    return [
        ...PAGES.filter((p) => p.there?.() ?? true).map((p) => ({ text: p.title, kind: "page", icon: p.icon, to: `#/${p.path}` })),
        ...(s?.flows ?? []).map((f) => ({ text: f.name, kind: "flow", icon: "flows" as IconName, to: link(["flows", f.name]) })),
        ...(s?.connections ?? []).map((c) => ({ text: c.name, kind: "connection", icon: "connections" as IconName, to: link(["connections", c.name]) })),
    ];
}

/** The letters in their order; the earlier and the closer together, the better. */
export function score(text: string, wanted: string): number {
    let at = -1, gaps = 0;
    const t = text.toLowerCase();
    for (const c of wanted.toLowerCase()) {
        const next = t.indexOf(c, at + 1);
        if (next < 0)
            return -1;
        gaps += next - at - 1;
        at = next;
    }
    return 1000 - gaps - text.length / 100;
}

/** Names that fit; and what was typed as an id of another system. */
function fitting(text: string): Entry[] {
    const named = entries().map((e) => [score(e.text, text), e] as const).filter(([n]) => n >= 0).sort((a, b) => b[0] - a[0]).slice(0, 12).map(([, e]) => e);
    return /[0-9]/.test(text) ? [...named, { text, kind: "look up the id", icon: "link", to: link(["xrefs"], { id: text }) }] : named;
}

function Palette() {
    const [text, setText] = useState("");
    const [at, setAt] = useState(0);
    const id = text.trim().toUpperCase();
    const found: Entry[] = ID.test(id) ? [{ text: id, kind: "event", icon: "events", to: link(["events", id]) }]
        : fitting(text.trim());
    const pick = (e: Entry | undefined) => {
        if (e) {
            close();
            go(e.to);
        }
    };
    const key = (e: KeyboardEvent) => {
        const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
        if (step) {
            e.preventDefault();
            setAt((at + step + found.length) % Math.max(1, found.length));
        } else if (e.key === "Enter") {
            e.preventDefault();
            pick(found[at]);
        }
    };
    return (
        <div class="palette">
            <input role="combobox" aria-expanded="true" aria-controls="palette-list" aria-label="Page, flow, connection or id" placeholder="Page, flow, connection, or any id" autofocus
                aria-activedescendant={found[at] ? `palette-${at}` : undefined} value={text} onInput={(e) => { setText(e.currentTarget.value); setAt(0); }} onKeyDown={key} />
            <ul id="palette-list" role="listbox" aria-label="Found">
                {found.map((e, i) => (
                    <li key={e.to} id={`palette-${i}`} role="option" aria-selected={i === at} onClick={() => pick(e)} onMouseMove={() => setAt(i)}>
                        <Icon name={e.icon} /><span>{e.text}</span><span class="faint">{e.kind}</span></li>
                ))}
            </ul>
            {found.length === 0 && <p class="faint pad">Nothing has this name. Paste the id of an event, or of a record of any system.</p>}
        </div>
    );
}

export function openPalette(): void {
    show("Go to", <Palette />);
}

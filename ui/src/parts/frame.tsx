// SPDX-License-Identifier: Apache-2.0
// frame.tsx - menu, header and the page that the address names.
import type { ComponentChildren, FunctionComponent } from "preact";
import { useEffect, useState } from "preact/hooks";
import { session, signOut, unreachable } from "../lib/api";
import { useKeys } from "../lib/keys";
import { broken, heldBadly, paused, problems, status } from "../lib/live";
import { density, theme, zone } from "../lib/prefs";
import { go, place } from "../lib/router";
import { lookForMappings, PAGES, type PageInfo } from "../pages";
import { Chip, Empty, PageHead } from "./bits";
import { Icon } from "./icon";
import { openPalette } from "./palette";
import { openSheet } from "./sheet";

function count(p: PageInfo): ComponentChildren {
    const s = status.value;
    if (!s)
        return null;
    if (p.path === "dead") {
        const n = s.flows.reduce((a, f) => a + f.counts.dead, 0);
        return n ? <span class="badge" title={`${n} dead deliveries`}>{n > 9999 ? "9999+" : n}</span> : null;
    }
    if (p.path === "connections" || p.path === "flows") {
        const n = p.path === "flows" ? s.flows.filter(heldBadly).length : s.connections.filter(broken).length;
        return n ? <span class="badge bad" title={`${n} with a problem`}>{n}</span> : null;
    }
    return p.badge?.() ?? null;
}

function Menu({ at, close }: { at: string; close: () => void }) {
    return (
        <nav aria-label="Pages">
            <ul>{PAGES.filter((p) => p.there?.() ?? true).map((p) => (
                <li key={p.path}><a href={`#/${p.path}`} aria-current={p.path === at ? "page" : undefined} onClick={close}>
                    <Icon name={p.icon} /><span>{p.title}</span>{count(p)}</a></li>
            ))}</ul>
        </nav>
    );
}

function Picker<T extends string>({ label, value, options, onPick }: { label: string; value: T; options: [T, string][]; onPick: (v: T) => void }) {
    return (
        <label class="picker"><span>{label}</span>
            <select value={value} onChange={(e) => onPick(e.currentTarget.value as T)}>{options.map(([v, text]) => <option value={v} key={v}>{text}</option>)}</select>
        </label>
    );
}

function Foot() {
    const s = session.value!;
    return (
        <div class="menu-foot">
            <Picker label="Theme" value={theme.value} options={[["system", "System"], ["light", "Light"], ["dark", "Dark"]]} onPick={(v) => (theme.value = v)} />
            <Picker label="Times" value={zone.value} options={[["relative", "Relative"], ["local", "Local"], ["utc", "UTC"]]} onPick={(v) => (zone.value = v)} />
            <Picker label="Rows" value={density.value} options={[["compact", "Compact"], ["comfortable", "Comfortable"]]} onPick={(v) => (density.value = v)} />
            <div class="who">
                <div><b>{s.who}</b><span class="faint">{s.role}</span></div>
                {s.how === "session" && <button class="ghost icon-button" aria-label="Sign out" title="Sign out" onClick={() => void signOut()}><Icon name="out" /></button>}
            </div>
            <p class="faint version">Tieline {s.version}</p>
        </div>
    );
}

function LiveState() {
    const lost = unreachable.value;
    const p = paused.value;
    return (
        <button class={`live ${lost ? "lost" : p ? "stopped" : ""}`} aria-pressed={!p} onClick={() => (paused.value = !p)}
            title={lost || (p ? "Figures stand still. Press to go on." : "Figures follow the server. Press to stop them.")}>
            <Icon name={lost ? "warning" : p ? "held" : "live"} /><span>{lost ? "Reconnecting" : p ? "Paused" : "Live"}</span>
        </button>
    );
}

function Banner() {
    const s = status.value;
    if (unreachable.value)
        return <div class="banner bad" role="alert"><Icon name="warning" /> {unreachable.value} What you see is what was known before.</div>;
    if (s?.ledger.moved)
        return <div class="banner bad" role="alert"><Icon name="warning" /> The ledger's files were moved or deleted while the server runs: nothing new is taken in. Its log says which, and what to do before it is stopped.</div>;
    if (s?.ledger.intake_stopped)
        return <div class="banner bad" role="alert"><Icon name="warning" /> The disk is nearly full: nothing new is taken in, so that outcomes can still be written. Free some space on the disk of the data folder.</div>;
    return null;
}

export function Frame() {
    const [open, setOpen] = useState(false);
    const at = place.value.path[0] ?? "overview";
    const page = PAGES.find((p) => p.path === at);
    const Shown: FunctionComponent | undefined = page?.page;
    useEffect(() => {
        const n = problems.value;
        document.title = `${n ? `(${n}) ` : ""}${page?.title ?? "Not found"} · Tieline`;
    }, [page, problems.value]);
    useEffect(lookForMappings, []);
    useKeys([
        { keys: "mod+k", does: "Go to a page, a flow or an id", run: openPalette, anywhere: true },
        { keys: "?", does: "This sheet", run: openSheet },
        ...PAGES.filter((p) => p.key).map((p) => ({ keys: `g ${p.key}`, does: `Go to ${p.title}`, run: () => go(`#/${p.path}`) })),
    ]);
    return (
        <div class={`frame${open ? " menu-open" : ""}`}>
            <a class="skip" href="#main" onClick={(e) => { e.preventDefault(); document.getElementById("main")?.focus(); }}>To the page itself</a>
            <aside class="side">
                <a class="brand" href="#/overview"><svg width="22" height="22" viewBox="0 0 16 16" aria-hidden="true"><rect width="16" height="16" rx="3.5" /><path d="M3.5 5.200h9M8 5.200v6.600" /></svg><span>Tieline</span></a>
                <Menu at={at} close={() => setOpen(false)} />
                <Foot />
            </aside>
            <div class="shade" onClick={() => setOpen(false)} />
            <div class="body">
                <div class="top">
                    <button class="ghost icon-button menu-button" aria-label="Menu" aria-expanded={open} onClick={() => setOpen(!open)}><Icon name="menu" /></button>
                    <button class="jump" onClick={openPalette}><Icon name="search" size={14} /><span>Go to a flow, connection or id</span><kbd>Ctrl K</kbd></button>
                    <div class="top-right">
                        {session.value?.role === "viewer" && <Chip tone="quiet" icon="info" title="You may look at everything and change nothing.">read only</Chip>}
                        <LiveState />
                        <button class="ghost icon-button wide-only" aria-label="Keyboard" title="Keyboard (?)" onClick={openSheet}><Icon name="keyboard" /></button>
                    </div>
                </div>
                <Banner />
                <main id="main" tabIndex={-1}>{Shown ? <Shown key={at} /> : <><PageHead title="Not found" /><Empty title="There is no such page" icon="warning"><a href="#/overview">To the overview</a></Empty></>}</main>
            </div>
        </div>
    );
}

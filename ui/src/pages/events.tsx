// SPDX-License-Identifier: Apache-2.0
// events.tsx - the table of deliveries: a filter as text that stands in the address, newest first, older ones as one
// scrolls; what is new is announced and shown when asked for.
import { computed } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { api, may, query } from "../lib/api";
import * as filters from "../lib/filter";
import { bytes, num, plural, stateOf } from "../lib/format";
import { useKeys } from "../lib/keys";
import { paused, status } from "../lib/live";
import { go, link, place } from "../lib/router";
import { openStream } from "../lib/stream";
import type { Action, Page, Row } from "../lib/types";
import { Act, Card, Chip, Empty, Loading, PageHead, Problem, Scroll, StateChip, Time } from "../parts/bits";
import { bulk } from "../parts/bulk";
import { Icon } from "../parts/icon";
import { Waits } from "../parts/waits";
import { EventDetail } from "./event";

const PAGE = 50, MOST_ROWS = 2000, MOST_FRESH = 500, TAIL_MS = 2000;

const QUICK: [string, string][] = [["all", ""], ["dead", "state:dead"], ["retrying", "state:retrying"], ["queued", "state:queued"], ["held", "state:held"], ["delivered", "state:delivered"], ["last hour", "since:1h"]];

function suggestions(text: string): [string, string][] {
    const last = text.split(/\s+/).pop() ?? "";
    const at = last.indexOf(":");
    const before = text.slice(0, text.length - last.length);
    let list: [string, string][];
    if (at < 0) {
        list = Object.entries(filters.KEYS).filter(([k]) => k.startsWith(last)).map(([k, v]) => [`${k}:`, v.hint]);
    } else {
        const key = filters.KEYS[last.slice(0, at)];
        const values = last.startsWith("flow:") ? status.value?.flows.map((f) => f.name) ?? [] : key?.values ?? [];
        list = values.filter((v) => v.startsWith(last.slice(at + 1)) && v !== last.slice(at + 1)).map((v) => [`${last.slice(0, at)}:${v}`, ""]);
    }
    return list.slice(0, 10).map(([t, hint]) => [before + t + (t.endsWith(":") ? "" : " "), hint]);
}

function Suggestions({ list, at, pick }: { list: [string, string][]; at: number; pick: (t: string) => void }) {
    return (
        <ul class="suggestions" id="suggestions" role="listbox" aria-label="Words of the filter">{list.map(([t, hint], i) => (
            <li key={t} id={`suggestion-${i}`} role="option" aria-selected={i === at} onMouseDown={(e) => { e.preventDefault(); pick(t); }}><b>{t.trimEnd().split(/\s+/).pop()}</b><span class="faint">{hint}</span></li>
        ))}</ul>
    );
}

function FilterBar({ text, error, apply }: { text: string; error: string; apply: (t: string) => void }) {
    const [draft, setDraft] = useState(text);
    const [open, setOpen] = useState(false);
    const [at, setAt] = useState(-1);
    useEffect(() => setDraft(text), [text]);
    const offered = open ? suggestions(draft) : [];
    const pick = (t: string) => { setDraft(t); setAt(-1); document.getElementById("filter")?.focus(); };
    const press = (e: KeyboardEvent) => {
        const step = e.key === "ArrowDown" ? 1 : e.key === "ArrowUp" ? -1 : 0;
        if (step && offered.length) {
            e.preventDefault();
            setAt((at + step + (at < 0 && step < 0 ? 1 : 0) + offered.length) % offered.length);
        } else if (e.key === "Enter" && offered[at]) {
            e.preventDefault();
            pick(offered[at]![0]);
        } else if (e.key === "Escape") {
            (e.currentTarget as HTMLElement).blur();
        }
    };
    return (
        <form class="filter" role="search" onSubmit={(e) => { e.preventDefault(); setOpen(false); apply(draft.trim()); }}>
            <div class="filter-field">
                <Icon name="filter" size={14} />
                <input id="filter" type="text" value={draft} spellcheck={false} autocomplete="off" autocapitalize="off" aria-label="Filter" aria-invalid={!!error} aria-describedby="filter-note"
                    placeholder="an order number, an id, or state:dead flow:orders since:1h"
                    role="combobox" aria-expanded={offered.length > 0} aria-controls="suggestions" aria-autocomplete="list" aria-activedescendant={offered[at] ? `suggestion-${at}` : undefined}
                    onFocus={() => setOpen(true)} onBlur={() => { setOpen(false); setAt(-1); }} onInput={(e) => { setDraft(e.currentTarget.value); setAt(-1); setOpen(true); }} onKeyDown={press} />
                {draft && <button type="button" class="ghost icon-button" aria-label="Clear the filter" onClick={() => apply("")}><Icon name="cross" size={14} /></button>}
                <button type="submit">Filter</button>
                {offered.length > 0 && <Suggestions list={offered} at={at} pick={pick} />}
            </div>
            <p id="filter-note" class={error ? "error" : "sr"} role={error ? "alert" : undefined}>{error || "Words such as state:dead or flow:orders, separated by blanks"}</p>
            <div class="quick" role="group" aria-label="Often used filters">{QUICK.map(([name, t]) => (
                <button type="button" class="small" key={name} aria-pressed={text === t} onClick={() => apply(t)}>{name}</button>
            ))}</div>
        </form>
    );
}

/** What holds flows and connections, as one text. */
const holds = computed(() => [...(status.value?.flows ?? []), ...(status.value?.connections ?? [])].map((x) => `${x.held} ${x.held_reason}`).join("\n"));

interface List {
    rows: Row[];
    cursor: string | null;
    fresh: Row[]; // not shown so far
    until: string | null; // how far back was looked
    missed: number; // and so many that were too fast to be named
    error: unknown;
    loading: boolean;
}
const EMPTY: List = { rows: [], cursor: null, fresh: [], until: null, missed: 0, error: null, loading: true };

function useEvents(text: string) {
    const [list, setList] = useState<List>(EMPTY);
    const { terms, error } = filters.parse(text);
    const params = filters.params(terms);
    const key = JSON.stringify(params);
    const at = useRef(key);
    const shown = useRef(0);
    shown.current = list.rows.length;
    const load = async (cursor: string | null) => {
        at.current = key;
        if (!cursor)
            setList({ ...EMPTY });
        else
            setList((l) => ({ ...l, loading: true }));
        try {
            let page = await api<Page>("v1/events" + query({ ...params, limit: PAGE, cursor }));
            // A page looks at a bounded stretch of the ledger and may come back with nothing: a few more for good measure.
            for (let i = 0; i < 8 && !page.events.length && page.cursor; i++)
                page = await api<Page>("v1/events" + query({ ...params, limit: PAGE, cursor: page.cursor }));
            if (at.current === key)
                setList((l) => ({ ...l, rows: cursor ? [...l.rows, ...page.events] : page.events, cursor: page.cursor, until: page.looked_until ?? null, loading: false, error: null }));
        } catch (e) {
            if (at.current === key)
                setList((l) => ({ ...l, loading: false, error: e }));
        }
    };
    useEffect(() => {
        if (error)
            setList({ ...EMPTY, loading: false });
        else
            void load(null);
    }, [key, error]);
    useEffect(() => {
        if (error)
            return undefined;
        const news = (page: Page & { more?: number }, all = false) => at.current === key && setList((l) => {
            const gap = all && !page.events.some((r) => l.rows.some((x) => x.id === r.id) || l.fresh.some((x) => x.id === r.id));
            return merge(l, page.events, (page.more ?? 0) + (gap ? 1 : 0));
        });
        // What came while nobody looked is not in the stream; and why a row waits may change without the row.
        const catchUp = async () => {
            const page = await api<Page>("v1/events" + query({ ...params, limit: Math.min(MOST_FRESH, Math.max(PAGE, shown.current)) })).catch(() => null);
            if (page)
                news({ ...page, more: 0 }, !!page.cursor);
        };
        const stream = paused.value ? null : openStream({ topics: "rows", ...params }, { rows: (d) => news(d as Page) }, () => void catchUp());
        let was = holds.peek();
        const timer = setInterval(() => {
            if (document.hidden || paused.value || (stream?.live() && was === holds.peek()))
                return;
            was = holds.peek();
            void catchUp();
        }, TAIL_MS);
        return () => {
            stream?.close();
            clearInterval(timer);
        };
    }, [key, error, paused.value]);
    return { list, error, params, reload: () => void load(null), more: () => list.cursor && !list.loading && void load(list.cursor), showFresh: () => (list.missed || list.fresh.length >= MOST_FRESH ? void load(null) : setList((l) => ({ ...l, rows: newestFirst([...l.fresh, ...l.rows]), fresh: [] }))) };
}

/** Rows that are shown get their new state in place; new ones wait until they are asked for. */
function merge(l: List, news: Row[], more: number): List {
    if (l.loading && !l.rows.length)
        return l;
    const now = new Map(news.map((r) => [r.id, r]));
    const rows = l.rows.map((r) => now.get(r.id) ?? r);
    const waiting = l.fresh.map((r) => now.get(r.id) ?? r);
    const known = new Set([...rows, ...waiting].map((r) => r.id));
    const oldest = l.cursor ? l.rows[l.rows.length - 1]?.id ?? "" : "";
    const fresh = news.filter((r) => !known.has(r.id) && r.id > oldest);
    return { ...l, rows, fresh: newestFirst([...fresh, ...waiting]).slice(0, MOST_FRESH), missed: l.missed + more };
}

function newestFirst(rows: Row[]): Row[] {
    return rows.sort((a, b) => (a.id < b.id ? 1 : a.id > b.id ? -1 : 0));
}

export function Events() {
    const { path, params } = place.value;
    const text = params.get("q") ?? "";
    if (path[1])
        return <EventDetail id={path[1]} back={text} key={path[1]} />;
    return <EventList text={text} />;
}

function EventList({ text }: { text: string }) {
    const { list, error, params, reload, more, showFresh } = useEvents(text);
    const [at, setAt] = useState(-1);
    const [picked, setPicked] = useState<Set<string>>(new Set());
    const table = useRef<HTMLTableElement>(null);
    const end = useRef<HTMLDivElement>(null);
    const rows = list.rows;
    const keys = rows.some((r) => r.key);
    const apply = (t: string) => { setAt(-1); setPicked(new Set()); go(link(["events"], { q: t })); };
    const move = (step: number) => {
        const to = Math.max(0, Math.min(rows.length - 1, at + step));
        setAt(to);
        table.current?.querySelectorAll<HTMLElement>("tbody tr")[to]?.scrollIntoView({ block: "nearest" });
        if (to > rows.length - 5)
            more();
    };
    const toggle = (id: string) => setPicked((p) => {
        const n = new Set(p);
        if (!n.delete(id))
            n.add(id);
        return n;
    });
    const open = (r: Row | undefined) => r && go(link(["events", r.id], { q: text }));
    const replay = () => {
        const ids = picked.size ? [...picked] : rows[at] ? [rows[at]!.id] : [];
        if (ids.length && may("operator"))
            bulk({ action: "replay", filter: { ids } }, plural(ids.length, "picked delivery", "picked deliveries"), reload);
    };
    useEffect(() => {
        if (!end.current)
            return undefined;
        const watch = new IntersectionObserver((es) => es.some((e) => e.isIntersecting) && rows.length < MOST_ROWS && more(), { rootMargin: "400px" });
        watch.observe(end.current);
        return () => watch.disconnect();
    });
    useKeys([
        { keys: "/", does: "To the filter", run: () => document.getElementById("filter")?.focus() },
        { keys: "j", does: "Next row", run: () => move(1) },
        { keys: "k", does: "Row before", run: () => move(-1) },
        { keys: "Enter", does: "Open the row", run: () => open(rows[at]) },
        { keys: "x", does: "Pick the row", run: () => rows[at] && toggle(rows[at]!.id) },
        { keys: "r", does: "Replay the row, or those picked", run: replay },
        { keys: "n", does: "Show what is new", run: showFresh },
    ]);
    const held = picked.size ? rows.some((r) => picked.has(r.id) && stateOf(r) === "held") : /\bstate:held\b/.test(text);
    const dead = picked.size ? rows.every((r) => !picked.has(r.id) || r.state === "dead") : /\bstate:dead\b/.test(text);
    const filterAction = (action: Action) => bulk({ action, filter: picked.size ? { ids: [...picked] } : params },
        picked.size ? plural(picked.size, "picked delivery", "picked deliveries") : `Everything that matches ${text}`, () => { setPicked(new Set()); reload(); });
    return <>
        <PageHead title="Events" sub="Each row is a delivery: one event on its way to one target.">
            {may("operator") && (picked.size > 0 || (text && rows.length > 0)) && <>
                <span class="faint">{picked.size ? plural(picked.size, "row picked", "rows picked") : "All that match:"}</span>
                <Act run={async () => filterAction("replay")}><Icon name="retrying" />Replay…</Act>
                {dead ? null : held ? <Act run={async () => filterAction("release")}><Icon name="running" />Release…</Act> : <Act run={async () => filterAction("hold")}><Icon name="held" />Hold…</Act>}
                {dead ? <Act run={async () => filterAction("discard")}><Icon name="discarded" />Discard…</Act> : <Act run={async () => filterAction("cancel")}><Icon name="cancelled" />Cancel…</Act>}
            </>}
        </PageHead>
        <FilterBar text={text} error={error} apply={apply} />
        <div class="fresh" role="status">{list.fresh.length > 0 && <button class="primary small" onClick={showFresh}>{num(list.fresh.length)}{list.missed > 0 || list.fresh.length >= MOST_FRESH ? "+" : ""} new</button>}</div>
        {list.error ? <Problem error={list.error} retry={reload} /> : null}
        {!rows.length && !list.loading && !list.error && !error ? (
            <Empty title={list.cursor ? "Nothing so far" : text ? "Nothing matches" : "No event so far"} icon="events">
                {list.cursor ? <p><LookedUntil at={list.until} /> <button class="small" onClick={more}>Look further back</button></p> : text ? <p>Take a word out of the filter, or <button class="link" onClick={() => apply("")}>show all</button>.</p>
                    : <p>Send one: <code>tieline send --flow NAME --file order.json</code>, or point the sender at the address of the flow's webhook.</p>}
            </Empty>
        ) : null}
        {rows.length > 0 && <Card>
            <Scroll label="Deliveries">
                <table class="grid stack events" ref={table}>
                    <thead><tr><th scope="col" class="tick"><span class="sr">Picked</span></th><th scope="col">Received</th><th scope="col">State</th><th scope="col">Id</th><th scope="col">Flow</th>{keys && <th scope="col">Key</th>}
                        <th scope="col" class="n">Attempts</th><th scope="col" class="wide">Last error, or why it waits</th><th scope="col" class="n">Size</th></tr></thead>
                    <tbody>{rows.map((r, i) => <EventRow key={r.id} r={r} at={i === at} picked={picked.has(r.id)} toggle={() => toggle(r.id)} open={() => open(r)} q={text} keys={keys} />)}</tbody>
                </table>
            </Scroll>
            <div class="table-foot" ref={end}>{list.loading ? "Loading…" : rows.length >= MOST_ROWS ? `${num(MOST_ROWS)} rows are shown. Narrow the filter to see older ones.`
                : list.cursor ? <><button class="small" onClick={more}>Older ones</button><LookedUntil at={list.until} /></> : "That is all."}</div>
        </Card>}
        {list.loading && !rows.length && <Loading what="the events" />}
    </>;
}

function LookedUntil({ at }: { at: string | null }) {
    return at ? <span class="faint looked">Looked back to <Time at={at} /></span> : null;
}

export function IdText({ id }: { id: string }) {
    const head = id.replace(/^0+/, "");
    return <span class="id" title={id}><span class="faint">{id.slice(0, id.length - head.length)}</span>{head}</span>;
}

function EventRow({ r, at, picked, toggle, open, q, keys }: { r: Row; at: boolean; picked: boolean; toggle: () => void; open: () => void; q: string; keys: boolean }) {
    return (
        <tr class={`${at ? "at" : ""} ${picked ? "picked" : ""}`} aria-current={at ? "true" : undefined} onClick={open}>
            <td class="tick" onClick={(e) => e.stopPropagation()}><input type="checkbox" aria-label={`Pick ${r.id}`} checked={picked} onChange={toggle} /></td>
            <td class="nowrap c-time"><Time at={r.received_at} /></td>
            <td class="c-state"><StateChip state={stateOf(r)} /></td>
            <td class="c-id nowrap"><a href={link(["events", r.id], { q })} onClick={(e) => e.stopPropagation()}><IdText id={r.id} /></a>{r.revision > 0 && <Chip tone="quiet" icon="edit">edited</Chip>}</td>
            <td class="nowrap c-flow">{r.flow}{r.target && r.target !== r.connection && <span class="faint"> → {r.target}</span>}</td>
            {keys && <td class="nowrap c-key">{r.key ? <a class="mono" href={link(["events"], { q: filters.format([{ key: "flow", value: r.flow }, { key: "key", value: r.key }]) })} onClick={(e) => e.stopPropagation()}>{r.key}</a> : <span class="faint">–</span>}</td>}
            <td class="n c-attempts">{r.attempts}</td>
            <td class="wide"><Waits r={r} />{r.class && <span class="cls">{r.class} </span>}{r.reason && <span class="reason" title={r.reason}>{r.reason}</span>}</td>
            <td class="n nowrap c-size">{bytes(r.bytes)}</td>
        </tr>
    );
}

// SPDX-License-Identifier: Apache-2.0
// event.tsx - one delivery: where it stands and why, its attempts as a timeline, its payload, what can be done about it.
import { useEffect, useState } from "preact/hooks";
import { api, may, query } from "../lib/api";
import { curl, pathOf } from "../lib/curl";
import { format } from "../lib/filter";
import { bytes, duration, plural, stateOf, words } from "../lib/format";
import { meaning, waitsFor } from "../lib/held";
import { useKeys } from "../lib/keys";
import { status } from "../lib/live";
import { go, link } from "../lib/router";
import type { Asked, Attempt, Detail, Payloads, Plan, Row } from "../lib/types";
import { Act, Card, Chip, Copy, Loading, PageHead, Problem, Scroll, StateChip, Tabs, Time, copyText } from "../parts/bits";
import { bulk } from "../parts/bulk";
import { Code, Diff, Editor, bodyText, languageOf } from "../parts/code";
import { ask, close, show } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";
import { Waits, WaitsNotice } from "../parts/waits";
import { IdText } from "./events";
import { Pairs } from "./xrefs";

const LIVE = ["queued", "running", "retrying"];

/** One sentence: where it stands and what comes next. */
function story(d: Detail): string {
    const r = d.event;
    if (r.job)
        return `Runs over there as ${r.job.name || "a long job"}: asked ${duration(Date.now() - Date.parse(r.job.polled_at))} ago, and again by itself.`;
    switch (stateOf(r)) {
        case "held": return "A person holds it: nothing is sent until it is released, and what is behind it in its key waits, too.";
        case "delivered": return `Delivered with ${plural(r.attempts, "attempt")}, ${duration(Date.parse(r.updated_at) - Date.parse(r.received_at))} after it was received.`;
        case "dead": return r.attempts ? `Given up after ${plural(r.attempts, "attempt")}. Mend the cause, then replay.` : "Could not be sent at all: it waits here until somebody mends or discards it.";
        case "retrying": return r.held && r.held !== "backoff" ? "The last attempt failed; the next one waits." : "The last attempt failed; the next one is planned.";
        case "running": return "An attempt is under way.";
        case "queued": return r.expanded ? "Under way in parts: each delivery below has a state of its own." : r.held ? "Waits for its first attempt." : "Is about to be sent.";
        case "skipped": return `Nothing was sent${r.reason ? `: ${words(r.reason)}` : ""}.`;
        case "cancelled": return "Cancelled by a person; nothing more is attempted.";
        default: return "Discarded by a person.";
    }
}

const TONE: Record<string, "ok" | "bad" | "warn" | "busy" | "quiet"> = { delivered: "ok", failed: "bad", running: "busy", pending: "busy", "unknown outcome": "warn" };

/** A question of a step to another system: who was asked, how the answer came, and how old it was. */
function Question({ q }: { q: Asked }) {
    const [tone, icon, how] = q.error ? ["bad" as const, "cross" as const, "no answer"]
        : q.from === "cache" ? ["quiet" as const, "clock" as const, q.age_ms === undefined ? "from the cache" : `from the cache, ${duration(q.age_ms)} old`]
            : q.from === "default" ? ["warn" as const, "info" as const, "the default was taken"] : ["ok" as const, "delivered" as const, "answered"];
    return (
        <li><span class="mono">${q.as}</span><span class="faint">asked</span><a href={link(["connections", q.connection])}>{q.connection}</a><span class="faint">{q.operation}</span>
            <Chip tone={tone} icon={icon}>{how}</Chip>
            {q.status !== undefined && <span class="mono">{q.status}</span>}
            {q.error && <span class="cls">{words(q.error)}</span>}
            <span class="grow" />{q.latency_ms !== undefined && <span class="faint">{duration(q.latency_ms)}</span>}</li>
    );
}

function AttemptRow({ a, before }: { a: Attempt; before: Attempt | undefined }) {
    const wait = before?.ended_at ? Date.parse(a.started_at) - Date.parse(before.ended_at) : null;
    return (
        <li class={`attempt ${TONE[a.outcome] ?? "quiet"}`}>
            {wait !== null && <p class="attempt-wait faint">{duration(wait)} later</p>}
            <div class="attempt-line">
                <b>Attempt {a.attempt}</b>
                <Chip tone={TONE[a.outcome] ?? "quiet"} icon={a.outcome === "delivered" ? "delivered" : a.outcome === "failed" ? "cross" : "info"}>{a.outcome}</Chip>
                {a.status !== null && <span class="mono">{a.status}</span>}
                {a.class && <span class="cls">{words(a.class)}</span>}
                {!a.counted && <span class="faint" title="An outage of the other side: it uses none of the attempts that the flow allows.">not counted</span>}
                <span class="grow" />
                <span class="faint">{a.ended_at ? duration(a.latency_ms) : "since"}</span>
                <Time at={a.started_at} />
            </div>
            {a.reason && <p class="attempt-reason">{a.reason}</p>}
            {a.asked?.length ? <ul class="asked" aria-label={`What the steps of attempt ${a.attempt} asked`}>{a.asked.map((q, i) => <Question key={i} q={q} />)}</ul> : null}
            {a.call && a.call_members! > 1 && <p class="faint">One call for {plural(a.call_members!, "delivery", "deliveries")}</p>}
            {a.answer && <details><summary>What the other side answered</summary><Code text={a.answer} language={/^\s*[[{]/.test(a.answer) ? "json" : "text"} label={`Answer to attempt ${a.attempt}`} what="answer" short /></details>}
        </li>
    );
}

function Timeline({ d }: { d: Detail }) {
    const list = [...d.attempts].reverse();
    return (
        <ol class="timeline">
            {waitsFor(d.event) && <li class="attempt busy"><div class="attempt-line"><b>{d.attempts.length ? "Next attempt" : "First attempt"}</b><span class="grow" />{d.event.held === "backoff" && d.event.next_at ? <Time at={d.event.next_at} /> : <span class="faint">waits: {meaning(d.event.held!).word}</span>}</div></li>}
            {list.map((a) => <AttemptRow key={a.attempt} a={a} before={d.attempts[d.attempts.indexOf(a) - 1]} />)}
            <li class="attempt quiet"><div class="attempt-line"><b>Received</b><span class="grow" /><Time at={d.event.received_at} /></div></li>
        </ol>
    );
}

type View = "body" | "panes" | "mapped" | "sent" | "changes" | "diff" | "request";

function Payload({ d }: { d: Detail }) {
    const [view, setView] = useState<View>("body");
    const [made, setMade] = useState<Payloads | null>(null);
    useEffect(() => void api<Payloads>(`v1/events/${d.event.id}/payloads`).then(setMade, () => setMade(null)), [d.event.id, d.event.revision]);
    const sent = made?.sent;
    const edited = d.original_body !== undefined;
    const tabs: [View, string][] = [["body", edited ? `Revision ${d.event.revision}` : "As received"]];
    if (made?.mapped !== undefined && made?.mapped !== null)
        tabs.push(["mapped", "Mapped"], ["changes", "Received against mapped"]);
    if (sent)
        tabs.push(["sent", "As sent"]);
    if (made?.mapped !== undefined && made?.mapped !== null && sent)
        tabs.push(["panes", "Side by side"]);
    if (edited)
        tabs.push(["diff", "Against the original"]);
    if (d.request)
        tabs.push(["request", "Request"]);
    return (
        <Card title="Payload" aside={<span class="faint">{bytes(d.event.bytes)}</span>}>
            <Tabs label="Payload" tabs={tabs} at={view} onPick={setView} />
            {d.masked && <p class="pad faint">Personal data is masked.</p>}
            {made?.problem && !d.deliveries.length && <p class="pad faint">What would be sent cannot be made: {made.problem}</p>}
            {view === "body" && (d.body === undefined ? <p class="faint pad">The payload is not kept any more (store: keep_events).</p> : <Code text={bodyText(d.body)} language={languageOf(d.body)} label="Payload" what="payload" />)}
            {view === "mapped" && <Code text={bodyText(made?.mapped)} language={languageOf(made?.mapped)} label="Mapped" what="mapped payload" />}
            {view === "changes" && <Diff before={bodyText(d.body)} after={bodyText(made?.mapped)} label="Received against mapped" />}
            {view === "sent" && sent && <Sent sent={sent} />}
            {view === "panes" && sent && <div class="panes">
                <section aria-label="As received"><h3>As received</h3><Code text={bodyText(d.body)} language={languageOf(d.body)} label="Received, side by side" what="payload" /></section>
                <section aria-label="Mapped"><h3>Mapped</h3><Code text={bodyText(made?.mapped)} language={languageOf(made?.mapped)} label="Mapped, side by side" what="mapped payload" /></section>
                <section aria-label="As sent"><h3>As sent</h3><Code text={bodyText(sentBody(sent))} language={languageOf(sentBody(sent))} label="Sent, side by side" what="body" /></section>
            </div>}
            {view === "diff" && <Diff before={bodyText(d.original_body)} after={bodyText(d.body)} label="Original against the newest revision" />}
            {view === "request" && <Scroll label="Request"><table class="plain"><tbody>
                <tr><th scope="row">{d.request!.method}</th><td class="mono">{pathOf(d.request!)}</td></tr>
                {Object.entries(d.request!.headers ?? {}).map(([k, v]) => <tr key={k}><th scope="row">{k}</th><td class="mono">{v}</td></tr>)}
            </tbody></table></Scroll>}
        </Card>
    );
}

function sentBody(sent: NonNullable<Payloads["sent"]>): unknown {
    try {
        return typeof sent.body === "string" ? JSON.parse(sent.body) : sent.body;
    } catch { /* not JSON: as it is */
        return sent.body;
    }
}

function Sent({ sent }: { sent: NonNullable<Payloads["sent"]> }) {
    const body = sentBody(sent);
    return <>
        <p class="faint pad">As the configuration of now makes it; secrets are masked.</p>
        <Scroll label="Request that is sent"><table class="plain"><tbody>
            <tr><th scope="row">{sent.method}</th><td class="mono">{sent.url}</td></tr>
            {Object.entries(sent.headers ?? {}).map(([k, v]) => <tr key={k}><th scope="row">{k}</th><td class="mono">{v}</td></tr>)}
        </tbody></table></Scroll>
        {body !== undefined && body !== null && <Code text={bodyText(body)} language={languageOf(body)} label="Body that is sent" what="body" />}
    </>;
}

/** What a model marks as personal data is shown after a reason was given; the audit log has both. */
async function reveal(d: Detail): Promise<Detail | null> {
    const reason = await ask({ title: "Show personal data", body: <p>Fields that a model marks with <code>pii</code> are masked. Looking at them is noted in the audit log, with your reason.</p>, confirm: "Show", reason: true });
    return reason === null ? null : api<Detail>(`v1/events/${d.event.id}/reveal`, { json: { reason } });
}

function EditForm({ d, done }: { d: Detail; done: () => void }) {
    const action = d.event.state === "dead" ? "replay" : "release";
    const [text, setText] = useState(bodyText(d.body));
    const [reason, setReason] = useState("");
    const [error, setError] = useState("");
    const [plan, setPlan] = useState<Plan | null>(null);
    const [anyway, setAnyway] = useState(false);
    const filter = { ids: [d.event.id] };
    const look = async () => {
        const p = await api<Plan>("v1/plan", { json: { action, filter } });
        setPlan(p);
        return p;
    };
    useEffect(() => void look().catch(() => undefined), []);
    const original = bodyText(d.body);
    const save = async (send: boolean) => {
        try {
            JSON.parse(text);
        } catch (e) {
            setError(`This is not JSON: ${(e as Error).message}`);
            return;
        }
        if (!reason.trim()) {
            setError("Say in a few words why: the reason is kept with the new revision.");
            document.getElementById("edit-reason")?.focus();
            return;
        }
        try {
            const now = send ? await look() : null;
            if (now?.superseded && !anyway) {
                setError("A later delivery of its key may be overwritten: say that it is to be sent all the same, or save only.");
                return;
            }
            await api(`v1/events/${d.event.id}/edit${query({ reason: reason.trim() })}`, { raw: text });
            if (now)
                await api("v1/jobs", { json: { action, filter, last: now.last, include_superseded: anyway, reason: reason.trim() } });
            close();
            toast(send ? "Edited and on its way again" : `Edited; ${action} it when you want`);
            done();
        } catch (e) {
            setError((e as Error).message);
        }
    };
    return <>
        <div class="dialog-body">
            <p>The original stays as it is. The new revision is sent with its own outgoing key.</p>
            <Editor value={text} language="json" label="New payload" onChange={(t) => { setText(t); setError(""); }} class="tall" />
            <details><summary>What changes</summary><Diff before={original} after={text} label="Changes" /></details>
            {plan && plan.superseded > 0 && <div class="notice warn"><Icon name="warning" /><div><b>Later deliveries of its key have gone on</b>
                <p>Sending this one may put an older state over a newer one. {d.order_by && <a href={link(["events"], { q: format([{ key: "flow", value: d.event.flow }, { key: "key", value: d.order_by }]) })} onClick={close}>See those of the key</a>}</p>
                <label class="check"><input type="checkbox" checked={anyway} onChange={(e) => { setAnyway(e.currentTarget.checked); setError(""); }} /> Send it all the same</label></div></div>}
            {plan && plan.unknown_outcome > 0 && <div class="notice warn"><Icon name="info" /><div>An attempt of it has an unknown outcome: the other side may have it already. The new revision has an outgoing key of its own, so it would not be recognised.</div></div>}
            <div class="field"><label for="edit-reason">Reason</label>
                <input id="edit-reason" value={reason} maxLength={200} autocomplete="off" onInput={(e) => { setReason(e.currentTarget.value); setError(""); }} aria-describedby="edit-note" aria-invalid={!!error} />
                <p id="edit-note" class={error ? "error" : "faint"} role={error ? "alert" : undefined}>{error || "Kept with the revision, under your name."}</p></div>
        </div>
        <div class="dialog-foot"><button onClick={close}>Leave it</button><Act run={() => save(false)}>Save only</Act><Act class="primary" run={() => save(true)}>Save and {action}</Act></div>
    </>;
}

function Actions({ d, reload, onReveal }: { d: Detail; reload: () => void; onReveal: () => Promise<Detail | null> }) {
    const edit = async () => {
        const whole = d.masked ? await onReveal() : d; // masks must not be written into the payload
        if (whole)
            show("Edit the payload", <EditForm d={whole} done={reload} />, { wide: true });
    };
    const r = d.event;
    const one = d.deliveries.length ? { event: r.id } : { ids: [r.id] };
    const state = stateOf(r), waits = LIVE.includes(r.state) && !r.running && !r.job;
    const held = state === "held" || d.deliveries.some((x) => stateOf(x) === "held");
    const what = `The delivery ${r.id} of ${r.flow}`;
    const promote = async () => {
        const reason = await ask({ title: r.state === "retrying" ? "Retry now" : "Send this one first", body: <p>{r.state === "retrying" ? "It does not wait for its next attempt any longer: it" : "It"} becomes the next of its flow, within the order of its key.</p>, confirm: r.state === "retrying" ? "Retry" : "Send first", reason: true });
        if (reason !== null) {
            await api(`v1/events/${r.id}/promote`, { json: { reason } });
            toast("It is the next of its flow");
            reload();
        }
    };
    return <>
        <Act run={async () => copyText(curl(d), "Command")}><Icon name="copy" />Copy as curl</Act>
        {may("operator") && <>
            {d.masked && <Act run={onReveal}><Icon name="key" />Reveal…</Act>}
            {waits && !held && !d.ahead && !d.deliveries.length && <Act run={promote}><Icon name={r.state === "retrying" ? "retrying" : "right"} />{r.state === "retrying" ? "Retry now…" : "Send first…"}</Act>}
            {held && <Act class="primary" run={async () => bulk({ action: "release", filter: one }, what, reload)}><Icon name="running" />Release…</Act>}
            {waits && state !== "held" && <Act run={async () => bulk({ action: "hold", filter: one }, what, reload)}><Icon name="held" />Hold…</Act>}
            {LIVE.includes(r.state) && <Act run={async () => bulk({ action: "cancel", filter: one }, what, reload)}><Icon name="cancelled" />Cancel…</Act>}
            {r.state === "dead" && <Act run={async () => bulk({ action: "discard", filter: one }, what, reload)}><Icon name="discarded" />Discard…</Act>}
            {(r.state === "dead" || state === "held") && <Act run={edit}><Icon name="edit" />Edit…</Act>}
            {!LIVE.includes(r.state) && <Act class={r.state === "dead" ? "primary" : ""} run={async () => bulk({ action: "replay", filter: one }, what, reload)}><Icon name="retrying" />Replay…</Act>}
        </>}
    </>;
}

function Facts({ d }: { d: Detail }) {
    const r = d.event;
    const idLink = (id: string) => <a href={link(["events", id])}><IdText id={id} /></a>;
    return (
        <Card title="Facts"><dl class="facts one">
            <div><dt>Flow</dt><dd><a href={link(["flows", r.flow])}>{r.flow}</a></dd></div>
            {r.target && <div><dt>Target</dt><dd>{r.target}</dd></div>}
            <div><dt>Id</dt><dd><IdText id={r.id} /><Copy text={r.id} what="Id" /></dd></div>
            {r.event !== r.id && <div><dt>Event</dt><dd>{idLink(r.event)}</dd></div>}
            <div><dt>Order key</dt><dd>{d.order_by ? <span class="mono">{d.order_by}</span> : <span class="faint">none</span>}</dd></div>
            {d.ahead && <div><dt>Waits behind</dt><dd>{idLink(d.ahead)}</dd></div>}
            <div><dt>Received</dt><dd><Time at={r.received_at} /></dd></div>
            <div><dt>Last change</dt><dd><Time at={r.updated_at} /></dd></div>
            <div><dt>Attempts</dt><dd><span>{r.attempts}{r.attempts !== r.attempts_used && !["delivered", "skipped"].includes(r.state) && <span class="faint">, {r.attempts_used} of them counted</span>}</span></dd></div>
            {r.revision > 0 && <div><dt>Revision</dt><dd>{r.revision}</dd></div>}
            {r.replay_of && <div><dt>Replay of</dt><dd>{idLink(r.replay_of)}</dd></div>}
            {r.cause && <div><dt>Caused by</dt><dd>{idLink(r.cause)}</dd></div>}
            {r.fingerprint && <div><dt>Same error</dt><dd><a href={link(["events"], { q: `state:dead flow:${r.flow} group:${r.fingerprint}` })}>all of this group</a></dd></div>}
            {r.blocks_key && <div><dt>Key</dt><dd><Chip tone="warn" icon="held">blocks later ones</Chip></dd></div>}
        </dl></Card>
    );
}

function Deliveries({ rows }: { rows: Row[] }) {
    return (
        <Card title="Deliveries of this event"><Scroll label="Deliveries"><table class="grid">
            <thead><tr><th scope="col">Id</th><th scope="col">State</th><th scope="col" class="n">Item</th><th scope="col" class="n">Attempts</th><th scope="col" class="wide">Last error, or why it waits</th></tr></thead>
            <tbody>{rows.map((r) => <tr key={r.id}><td><a href={link(["events", r.id])}><IdText id={r.id} /></a></td><td><StateChip state={stateOf(r)} /></td><td class="n">{r.item}</td><td class="n">{r.attempts}</td><td class="wide"><Waits r={r} />{r.reason}</td></tr>)}</tbody>
        </table></Scroll></Card>
    );
}

export function EventDetail({ id, back }: { id: string; back: string }) {
    const [d, setD] = useState<Detail | null>(null);
    const [clear, setClear] = useState<Detail | null>(null); // revealed: until the page is left
    const [error, setError] = useState<unknown>(null);
    const load = () => api<Detail>(`v1/events/${encodeURIComponent(id)}`).then((x) => { setD(x); setError(null); }, setError);
    useEffect(() => { setClear(null); void load(); }, [id]);
    // What moves is asked for again with each fresh status; what is finished stands still.
    const moving = !d || LIVE.includes(d.event.state);
    useEffect(() => {
        if (d && moving)
            void load();
    }, [status.value]);
    useEffect(() => {
        document.title = `${id} · Tieline`;
    }, [id]);
    const list = link(["events"], { q: back });
    useKeys([{ keys: "Escape", does: "Back to the list", run: () => go(list) }]);
    const title = <><a class="crumb" href={list}>Events</a> <IdText id={id} /></>;
    if (!d)
        return <><PageHead title={title} />{error ? <Problem error={error} retry={load} /> : <Loading what="the event" />}</>;
    const r = d.event;
    const seen = clear && clear.event.revision === r.revision ? clear : d;
    const onReveal = async () => {
        const x = await reveal(d);
        if (x)
            setClear(x);
        return x;
    };
    return <>
        <PageHead title={title} sub={<span class="chips"><StateChip state={stateOf(r)} />{r.revision > 0 && <Chip tone="quiet" icon="edit">edited</Chip>}<span>{story(d)}</span></span>}><Actions d={seen} reload={() => setTimeout(load, 250)} onReveal={onReveal} /></PageHead>
        {error ? <Problem error={error} retry={load} /> : null}
        <WaitsNotice r={r} />
        {r.reason && r.state !== "skipped" && <div class={`notice ${r.state === "dead" ? "bad" : r.state === "delivered" ? "quiet" : "warn"}`}><Icon name={r.state === "dead" ? "cross" : "info"} />
            <div><b>{r.class ? words(r.class) : "Reason"}</b><p>{r.reason}</p></div></div>}
        <div class="detail">
            <div class="detail-main">
                <Card title="Attempts" aside={<span class="faint">newest first</span>}><Timeline d={{ ...seen, event: r, attempts: clear ? seen.attempts : d.attempts }} /></Card>
                {d.deliveries.length > 0 && <Deliveries rows={d.deliveries} />}
                {seen.xrefs.length > 0 && <Card title="Cross-references it wrote" aside={<a href={link(["xrefs"])}>look one up</a>}><Pairs rows={seen.xrefs} /></Card>}
                <Payload d={seen} />
            </div>
            <div class="detail-side"><Facts d={d} /></div>
        </div>
    </>;
}

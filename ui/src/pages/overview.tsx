// SPDX-License-Identifier: Apache-2.0
// overview.tsx - what flows, what is broken, what waits: everything that needs a person is in one list at the top.
import type { ComponentChildren } from "preact";
import { bytes, clock, duration, num, percent, plural, rate, short, words } from "../lib/format";
import { drain, forgotten, holdsFlow, live, meaning, resumesConnection } from "../lib/held";
import { isProblem, now, recent, refresh, series, status, statusError, waiting } from "../lib/live";
import { link } from "../lib/router";
import type { Connection, Flow, Status } from "../lib/types";
import { Card, Chip, Empty, FlowChip, HeldChip, Loading, PageHead, Problem, Scroll, Time, type Tone } from "../parts/bits";
import { Gauge, Spark } from "../parts/chart";
import { Icon, type IconName } from "../parts/icon";
import { Traffic } from "../parts/traffic";

function Figure({ label, value, unit, note, spark, tone, to }: { label: string; value: string; unit?: string; note: string; spark: number[]; tone?: string; to: string }) {
    return (
        <a class="figure" href={to}>
            <span class="figure-label">{label}</span>
            <span class="figure-value">{value}{unit && <small>{unit}</small>}</span>
            <Spark values={spark} label={`${label}, the last minutes`} width={120} height={28} tone={tone} />
            <span class="figure-note">{note}</span>
        </a>
    );
}

interface Matter {
    tone: Tone;
    icon: IconName;
    word: string;
    text: ComponentChildren;
    note: string;
    to: string;
    since: string | null;
}

function ofConnection(c: Connection): Matter | null {
    const later = resumesConnection(c.held) ? " once it goes on" : "";
    const takes = c.drain_ms !== null && c.waiting ? `; about ${duration(c.drain_ms)} to drain${later}` : "";
    const held = `${plural(c.waiting, "key")} wait${c.waiting === 1 ? "s" : ""}${takes}`;
    if (c.held === "connection_auth")
        return { tone: "bad", icon: "key", word: "auth", text: <>Connection <b>{c.name}</b> is not let in: {c.held_reason}</>, note: `${held}. Nothing is lost: renew the credential, then resume.`, to: link(["connections", c.name]), since: c.held_since };
    if (c.breaker === "open" || c.breaker === "half_open")
        return { tone: "bad", icon: "warning", word: "down", text: <>Connection <b>{c.name}</b> does not answer{c.held_reason ? `: ${c.held_reason}` : ""}</>, note: `${held}. It is probed and goes on by itself${c.next_try_at ? `; next ${clock(c.next_try_at, "relative", now.value)}` : ""}.`, to: link(["connections", c.name]), since: c.held_since };
    if (isProblem(c.held))
        return { tone: "bad", icon: "warning", word: meaning(c.held!).word, text: <>Connection <b>{c.name}</b> is held{c.held_reason ? `: ${c.held_reason}` : ""}</>, note: `${held}.${c.held === "identity_changed" ? " Resume it if that is right, or change it back." : ""}`, to: link(["connections", c.name]), since: c.held_since };
    if (c.held === "connection_paused")
        return { tone: "held", icon: "held", word: "paused", text: <>Connection <b>{c.name}</b> is paused{c.held_reason ? `: ${c.held_reason}` : ""}</>, note: held, to: link(["connections", c.name]), since: c.held_since };
    return null;
}

function ofFlow(f: Flow): Matter[] {
    const out: Matter[] = [];
    const to = link(["flows", f.name]);
    if (holdsFlow(f.held) && (f.held !== "flow_removed" || live(f)))
        out.push({
            tone: f.held === "flow_paused" ? "held" : "bad", icon: f.held === "flow_paused" ? "held" : "warning", word: f.held === "flow_paused" ? "paused" : meaning(f.held!).word,
            text: <>Flow <b>{f.name}</b>: {f.held_reason || (f.held === "flow_paused" ? "paused" : f.held === "flow_removed" ? "the configuration has it no longer" : meaning(f.held!).word)}</>,
            note: `${plural(waiting(f), "delivery waits", "deliveries wait")}${f.held === "flow_tripped" ? ". Mend what its dead letters died of, then resume it." : f.held === "target_changed" ? ". Resume it if that is right, or change it back." : f.held === "flow_removed" ? ". Move them to another flow, or cancel them." : ""}`, to, since: f.held_since,
        });
    if (f.not_ready)
        out.push({ tone: "bad", icon: "key", word: "not ready", text: <>Flow <b>{f.name}</b> takes nothing in: {f.not_ready}</>, note: "A secret is not here. Its senders are answered 503 and send again.", to, since: null });
    if (f.read_failing_since)
        out.push({ tone: "bad", icon: "warning", word: "source", text: <>Flow <b>{f.name}</b> cannot read its source: {f.read_failure}</>, note: "It is read again by itself from where it stands.", to, since: f.read_failing_since });
    if (f.counts.held)
        out.push({ tone: "held", icon: "held", word: "held", text: <><b>{plural(f.counts.held, "event")}</b> of {f.name} {f.counts.held === 1 ? "is" : "are"} held by a person</>, note: "Neither they nor what is behind them in their key are sent until they are released.", to: link(["events"], { q: `flow:${f.name} state:held` }), since: null });
    if (f.counts.dead)
        out.push({ tone: "bad", icon: "dead", word: "dead", text: <><b>{plural(f.counts.dead, "dead delivery", "dead deliveries")}</b> in {f.name}</>, note: "See the groups, mend the cause, then replay.", to: link(["dead"], { flow: f.name }), since: null });
    if (f.sla && f.sla.met === false)
        out.push({ tone: "warn", icon: "clock", word: "objective", text: <>Flow <b>{f.name}</b> misses its objective</>, note: `${percent(f.sla.success, 2)} of ${percent(f.sla.success_objective, 2)} delivered, p95 ${duration(f.sla.delay_p95_ms)}${f.sla.owner ? `; owner ${f.sla.owner}` : ""}`, to, since: null });
    return out;
}

function matters(s: Status): Matter[] {
    const rank: Record<string, number> = { bad: 0, warn: 1, held: 2 };
    const vault: Matter[] = s.vault && !s.vault.ok ? [{ tone: "bad", icon: "key", word: "vault", text: <>The secrets' store at <b>{s.vault.address}</b> does not answer: {s.vault.reason}</>, note: `What was read of it is in use${s.vault.waiting ? `; ${plural(s.vault.waiting, "secret")} ${s.vault.waiting === 1 ? "is" : "are"} not here yet` : ""}. It is asked again by itself.`, to: "#/config", since: null }] : [];
    const intake: Matter[] = s.ledger.moved || s.ledger.intake_stopped ? [{ tone: "bad", icon: "warning", word: "intake", text: <>Nothing new is taken in: {s.ledger.moved ? "the ledger's files are not where they were" : "the disk is nearly full"}</>, note: "Senders are answered 503 and send again.", to: "#/alerts", since: null }] : [];
    return [...intake, ...vault, ...s.connections.filter((c) => !c.removed).map(ofConnection).filter((m): m is Matter => !!m), ...s.flows.flatMap(ofFlow)]
        .sort((a, b) => (rank[a.tone] ?? 3) - (rank[b.tone] ?? 3));
}

function Matters({ list }: { list: Matter[] }) {
    if (!list.length)
        return <p class="all-well"><Icon name="delivered" /> Nothing needs you: everything flows, nothing is dead.</p>;
    return (
        <ul class="matters">{list.map((m, i) => (
            <li key={i}><a href={m.to}>
                <Chip tone={m.tone} icon={m.icon}>{m.word}</Chip>
                <span class="matter-text"><span>{m.text}</span><span class="faint">{m.note}</span></span>
                <span class="matter-since">{m.since && <Time at={m.since} />}</span>
                <Icon name="right" />
            </a></li>
        ))}</ul>
    );
}

function FlowRows({ s }: { s: Status }) {
    return (
        <Scroll label="Flows">
            <table class="grid">
                <thead><tr><th scope="col">Flow</th><th scope="col">State</th><th scope="col" class="n">Waiting</th><th scope="col" class="n">Dead</th><th scope="col" class="n">Delivered/s</th></tr></thead>
                <tbody>{s.flows.filter((f) => !forgotten(f)).map((f) => (
                    <tr key={f.name}><th scope="row"><a href={link(["flows", f.name])}>{f.name}</a></th><td><FlowChip f={f} /></td>
                        <td class="n">{num(waiting(f))}</td><td class={`n ${f.counts.dead ? "bad-text" : ""}`}>{num(f.counts.dead)}</td><td class="n">{rate(recent("delivered", f.name))}</td></tr>
                ))}</tbody>
            </table>
        </Scroll>
    );
}

function ConnectionRows({ s }: { s: Status }) {
    return (
        <Scroll label="Connections">
            <table class="grid">
                <thead><tr><th scope="col">Connection</th><th scope="col">State</th><th scope="col" class="n">Waiting</th><th scope="col" class="n">Drains in</th><th scope="col">Tightest limit</th></tr></thead>
                <tbody>{s.connections.filter((c) => !c.removed || c.waiting > 0).map((c) => {
                    const b = [...c.budgets].sort((x, y) => x.remaining / x.limit - y.remaining / y.limit)[0];
                    return <tr key={c.name}><th scope="row"><a href={link(["connections", c.name])}>{c.name}</a></th><td><HeldChip held={c.held} reason={c.held_reason} /></td>
                        <td class="n">{num(c.waiting)}</td><td class="n">{!c.waiting ? "–" : resumesConnection(c.held) ? "held" : duration(c.drain_ms)}</td>
                        <td>{b ? <span class="limit" title={words(b.name)}><Gauge used={b.limit - b.remaining} limit={b.limit} label={words(b.name)} /></span> : <span class="faint">none</span>}</td></tr>;
                })}</tbody>
            </table>
        </Scroll>
    );
}

function LedgerCard({ s }: { s: Status }) {
    const l = s.ledger;
    const facts: [string, string][] = [
        ["Live deliveries", num(l.live)], ["In flight", num(l.in_flight)], ["One sync of the disk", `${num(l.sync_us)} µs (${num(l.sync_us_at_start)} at start)`],
        ["Disk free", `${bytes(l.disk_free)}, ${bytes(l.disk_reserve)} kept for outcomes`], ["Configuration", `version ${l.config_version}`],
    ];
    return <Card title="Ledger" aside={<span class="faint">up since <Time at={s.started_at} /></span>}><dl class="facts">{facts.map(([k, v]) => <div key={k}><dt>{k}</dt><dd>{v}</dd></div>)}</dl></Card>;
}

export function Overview() {
    const s = status.value;
    if (!s)
        return <><PageHead title="Overview" />{statusError.value ? <Problem error={statusError.value} retry={() => void refresh()} /> : <Loading what="the overview" />}</>;
    if (!s.flows.length)
        return <><PageHead title="Overview" /><Empty title="No flow so far" icon="flows"><p>Write one into the configuration and reload it: <code>tieline init</code> begins with an example, <code>tieline check</code> says what is wrong with it.</p></Empty></>;
    const into = series("events"), out = series("delivered"), failed = series("failures"), waits = series("waiting");
    const backlog = s.flows.reduce((n, f) => n + waiting(f), 0);
    const dead = s.flows.reduce((n, f) => n + f.counts.dead, 0);
    const { ms, held } = drain(s.connections);
    const backlogNote = [ms ? `about ${duration(ms)} to drain` : "", held.length ? `${held.length === 1 ? held[0]!.name : plural(held.length, "connection")} held` : ""].filter(Boolean).join(", ");
    const list = matters(s);
    return <>
        <PageHead title="Overview" sub={`${plural(s.flows.filter((f) => !f.removed).length, "flow")} over ${plural(s.connections.filter((c) => !c.removed).length, "connection")}`} />
        <div class="figures">
            <Figure label="Received" value={rate(recent("events"))} unit="/s" note={`${short(s.flows.reduce((n, f) => n + f.events, 0))} in all`} spark={into.values} to="#/events" />
            <Figure label="Delivered" value={rate(recent("delivered"))} unit="/s" note={`${short(s.flows.reduce((n, f) => n + f.counts.delivered, 0))} kept`} spark={out.values} to="#/events?q=state:delivered" />
            <Figure label="Failed attempts" value={rate(recent("failures"))} unit="/s" note={dead ? `${num(dead)} dead` : "none dead"} spark={failed.values} tone="warn" to="#/dead" />
            <Figure label="Waiting" value={short(backlog)} note={backlog ? backlogNote : "nothing waits"} spark={waits.values} to="#/events?q=state:queued" />
        </div>
        <Card title="Needs attention" aside={list.length ? <span class="faint">{plural(list.length, "matter")}</span> : null}><Matters list={list} /></Card>
        <Card title="Traffic"><Traffic /></Card>
        <div class="two">
            <Card title="Flows" aside={<a href="#/flows">all</a>}><FlowRows s={s} /></Card>
            <Card title="Connections" aside={<a href="#/connections">all</a>}><ConnectionRows s={s} /></Card>
        </div>
        <LedgerCard s={s} />
    </>;
}

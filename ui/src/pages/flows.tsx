// SPDX-License-Identifier: Apache-2.0
// flows.tsx - all flows as a table, and one flow.
import { useState } from "preact/hooks";
import { api, may, query } from "../lib/api";
import { duration, num, percent, plural, rate, words } from "../lib/format";
import { holdsFlow, keptBy, meaning, resumesConnection } from "../lib/held";
import { recent, refresh, series, status, statusError, waiting } from "../lib/live";
import { go, link, place } from "../lib/router";
import type { Flow, Page, State } from "../lib/types";
import { Act, Card, Chip, Empty, FlowChip, Loading, PageHead, Problem, Scroll, StateChip, Tabs, Time } from "../parts/bits";
import { Spark } from "../parts/chart";
import { bulk } from "../parts/bulk";
import { ask } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";
import { Traffic } from "../parts/traffic";
import { AllFlows, OneFlow } from "./flowgraph";
import { SlaReport } from "./sla";

export async function setPaused(kind: "flows" | "connections", name: string, pause: boolean, held: string | null = null): Promise<void> {
    const what = kind === "flows" ? "flow" : "connection";
    const reason = await ask(pause
        ? { title: `Pause the ${what} ${name}`, body: <p>Events are still taken in and kept. Nothing is sent {kind === "flows" ? "by this flow" : "over this connection, by any flow,"} until it is resumed; what is under way now is finished.</p>, confirm: "Pause", reason: true }
        : { title: `Resume the ${what} ${name}`, body: <p>{held === "identity_changed" || held === "target_changed" ? "What was queued for the former account or host is sent to the one that is configured now, in its order." : "What waits is sent from now on, in its order, at the pace that the limits allow."}</p>, confirm: "Resume", reason: true });
    if (reason === null)
        return;
    const left = await api<{ held: string | null }>(`v1/${kind}/${encodeURIComponent(name)}/${pause ? "pause" : "resume"}`, { json: { why: reason, reason } });
    // It may have been held twice, paused and another host.
    const still = !pause && left.held && (kind === "flows" ? holdsFlow : resumesConnection)(left.held);
    toast(still ? `${name} is resumed, and held still: ${meaning(left.held!).word}` : `${name} is ${pause ? "paused" : "resumed"}`);
    await refresh();
}

const route = (f: Flow) => f.source || f.targets?.length
    ? <span class="route"><span>{f.source ?? "?"}</span><Icon name="right" size={12} /><span>{f.targets?.map((t) => t.connection).join(", ") || "?"}</span></span> : null;

type Sort = "name" | "waiting" | "dead" | "failed";
const failures = (f: Flow) => Object.values(f.failed).reduce((a, b) => a + b, 0);
const SORTS: Record<Sort, (a: Flow, b: Flow) => number> = {
    name: (a, b) => a.name.localeCompare(b.name),
    waiting: (a, b) => waiting(b) - waiting(a),
    dead: (a, b) => b.counts.dead - a.counts.dead,
    failed: (a, b) => failures(b) / (b.attempts || 1) - failures(a) / (a.attempts || 1),
};

function Table({ flows }: { flows: Flow[] }) {
    const [sort, setSort] = useState<Sort>("name");
    const head = (key: Sort, text: string, cls = "n") => (
        <th scope="col" class={cls} aria-sort={sort === key ? (key === "name" ? "ascending" : "descending") : undefined}>
            <button class="sort" onClick={() => setSort(key)}>{text}<Icon name="down" size={10} /></button></th>
    );
    const wide = flows.some((f) => f.source);
    return (
        <Card><Scroll label="All flows">
            <table class="grid stack named flows">
                <thead><tr>{head("name", "Flow", "")}{wide && <th scope="col">From and to</th>}<th scope="col">State</th><th scope="col">Lately</th>
                    <th scope="col" class="n">In/s</th><th scope="col" class="n">Out/s</th>{head("waiting", "Waiting")}{head("dead", "Dead")}{head("failed", "Failed")}
                    <th scope="col" class="n">p95</th><th scope="col">Objective</th></tr></thead>
                <tbody>{[...flows].sort(SORTS[sort]).map((f) => (
                    <tr key={f.name}>
                        <th scope="row"><a href={link(["flows", f.name])}>{f.name}</a>{f.removed && <span class="faint"> (removed)</span>}</th>
                        {wide && <td class="full">{route(f)}</td>}
                        <td class="c-state"><FlowChip f={f} /></td>
                        <td class="spark-cell"><Spark values={series("delivered", f.name).values} label={`Delivered by ${f.name} in the last minutes`} width={80} /></td>
                        <td class="n" data-name="in/s">{rate(recent("events", f.name))}</td><td class="n" data-name="out/s">{rate(recent("delivered", f.name))}</td>
                        <td class="n" data-name="waiting">{waiting(f) ? <a href={link(["events"], { q: `flow:${f.name} state:queued` })}>{num(waiting(f))}</a> : "0"}</td>
                        <td class="n" data-name="dead">{f.counts.dead ? <a class="bad-text" href={link(["dead"], { flow: f.name })}>{num(f.counts.dead)}</a> : "0"}</td>
                        <td class="n" data-name="failed">{f.attempts ? percent(failures(f) / f.attempts) : "–"}</td>
                        <td class="n" data-name="p95">{duration(f.sla?.delay_p95_ms)}</td>
                        <td data-name="objective"><Objective f={f} /></td>
                    </tr>
                ))}</tbody>
            </table>
        </Scroll></Card>
    );
}

const promises = (f: Flow) => !!f.sla && f.sla.met !== null && (f.sla.success_objective !== null || f.sla.delay_p95_objective_ms !== null);

function Objective({ f }: { f: Flow }) {
    if (!promises(f))
        return <span class="faint">none set</span>;
    return f.sla!.met ? <Chip tone="ok" icon="delivered">met</Chip> : <Chip tone="warn" icon="warning">missed</Chip>;
}

export function Flows() {
    const s = status.value;
    const name = place.value.path[1];
    const asked = place.value.params.get("show");
    const view = asked === "graph" || asked === "sla" ? asked : "table";
    if (!s)
        return <><PageHead title="Flows" />{statusError.value ? <Problem error={statusError.value} retry={() => void refresh()} /> : <Loading what="the flows" />}</>;
    if (name !== undefined) {
        const flow = s.flows.find((f) => f.name === name);
        return flow ? <One f={flow} /> : <><PageHead title="Flows" /><Empty title={`There is no flow ${name}`} icon="warning"><a href="#/flows">To all flows</a></Empty></>;
    }
    return <>
        <PageHead title="Flows" sub={`${plural(s.flows.length, "flow")}, ${num(s.flows.filter((f) => !f.held).length)} flowing freely`} />
        {s.flows.length > 0 && <div class="tab-line"><Tabs label="How flows are shown" at={view} onPick={(v) => go(link(["flows"], { show: v === "table" ? "" : v }))} tabs={[["table", "Table"], ["graph", "Graph"], ["sla", "Promises by month"]]} /></div>}
        {view === "sla" ? <SlaReport /> : s.flows.length && view === "graph" ? <Card><AllFlows s={s} /></Card> : s.flows.length ? <Table flows={s.flows} /> : <Empty title="No flow so far" icon="flows"><p>Write one into the configuration, then <code>tieline check</code> and <code>tieline reload</code>.</p></Empty>}
    </>;
}

const STATES: State[] = ["queued", "running", "retrying", "held", "dead", "delivered", "skipped", "cancelled", "discarded"];

function Counts({ f }: { f: Flow }) {
    return (
        <ul class="counts">{STATES.map((state) => (
            <li key={state}>{state === "running" ? <span class="count"><StateChip state={state} /><b>{num(f.counts[state])}</b></span>
                : <a class="count" href={link(["events"], { q: `flow:${f.name} state:${state}` })}><StateChip state={state} /><b>{num(f.counts[state])}</b></a>}</li>
        ))}</ul>
    );
}

function Facts({ f }: { f: Flow }) {
    const failed = Object.entries(f.failed).filter(([, n]) => n);
    return <dl class="facts">
        <div><dt>Received</dt><dd>{num(f.events)}, {plural(f.duplicates, "duplicate")} recognised</dd></div>
        <div><dt>Attempts</dt><dd>{num(f.attempts)}, {num(f.retries)} of them again</dd></div>
        <div><dt>Failed by class</dt><dd>{failed.length ? failed.map(([c, n]) => `${words(c)} ${num(n)}`).join(", ") : "none"}</dd></div>
        {f.sla && <>
            <div><dt>Owner</dt><dd>{f.sla.owner ?? "none"}{f.sla.runbook && <> · <a href={f.sla.runbook} rel="noreferrer">runbook</a></>}</dd></div>
            <div><dt>Delivered, 30 days</dt><dd>{percent(f.sla.success, 2)}{f.sla.success_objective !== null && <> of {percent(f.sla.success_objective, 2)} wanted</>}</dd></div>
            <div><dt>Delay p50, p95</dt><dd>{duration(f.sla.delay_p50_ms)}, {duration(f.sla.delay_p95_ms)}{f.sla.delay_p95_objective_ms !== null && <> (at most {duration(f.sla.delay_p95_objective_ms)} wanted)</>}</dd></div>
            {f.sla.error_budget_left !== null && <div><dt>Error budget left</dt><dd>{percent(f.sla.error_budget_left)}</dd></div>}
        </>}
    </dl>;
}

const MOST = 1000; // at once
/** Acts on what waits for a target that the flow has no longer, not on what goes to those that it has; a filter knows only these. */
async function stranded(action: "move" | "cancel", flow: string): Promise<void> {
    const ids: string[] = [];
    for (const state of ["queued", "retrying"])
        for (let cursor: string | null = "", full = false; cursor !== null && !full; full = ids.length >= MOST) {
            const page: Page = await api<Page>("v1/events" + query({ flow, state, limit: MOST, cursor }));
            ids.push(...page.events.filter((r) => r.held === "flow_removed").map((r) => r.id));
            cursor = page.cursor;
        }
    if (ids.length)
        bulk({ action, filter: { ids: ids.slice(0, MOST) } }, `${ids.length >= MOST ? `${num(MOST)} of what waits` : "What waits"} for a target that ${flow} has no longer`);
    else
        toast("Nothing waits for it any more");
}

function One({ f }: { f: Flow }) {
    const held = holdsFlow(f.held), by = keptBy(f, status.value?.connections ?? []), gone = f.held === "flow_removed";
    const act = (action: "move" | "cancel") => async () => f.removed ? bulk({ action, filter: { flow: f.name } }, `What waits in ${f.name}`) : stranded(action, f.name);
    return <>
        <PageHead title={<><a class="crumb" href="#/flows">Flows</a> {f.name}</>} sub={<span class="chips"><FlowChip f={f} />{promises(f) && <span>objective <Objective f={f} /></span>}{route(f)}</span>}>
            <a class="button" href={link(["events"], { q: `flow:${f.name}` })}><Icon name="events" />Events</a>
            {may("operator") && !f.removed && (held && !gone ? <Act class="primary" run={() => setPaused("flows", f.name, false, f.held)}><Icon name="running" />Resume</Act>
                : <Act run={() => setPaused("flows", f.name, true)}><Icon name="held" />Pause</Act>)}
        </PageHead>
        {held && <div class={`notice ${f.held === "flow_paused" ? "held" : "bad"}`}><Icon name={f.held === "flow_paused" ? "held" : "warning"} />
            <div><b>{f.held === "flow_paused" ? "Paused" : `Held: ${meaning(f.held!).word}`}</b> <Time at={f.held_since} empty="" />{f.held_reason && <p>{f.held_reason}</p>}
                {f.held === "flow_tripped" && <p>The same error again and again: the rest is held so that it does not die, too. <a href={link(["dead"], { flow: f.name })}>See the dead letters</a>, mend the cause, then resume.</p>}
                {gone && <p>{f.removed ? "The configuration has this flow no longer" : "The flow has a target no longer"}; what waited for it is kept. Let another flow take it over, or cancel it{f.removed && "; or put the flow back and reload"}.</p>}
                {gone && may("operator") && <p class="actions"><Act class="primary" run={act("move")}><Icon name="right" />Move…</Act><Act run={act("cancel")}><Icon name="cancelled" />Cancel…</Act></p>}
                {f.held === "target_changed" && <p>What waits was meant for another account or host. Resume to send it to the one that is configured now; if that is wrong, change it back and reload.</p>}
                {f.held === "flow_config" && <p>The configuration of this flow does not work as it is. Correct it and reload; the flow then goes on by itself.</p>}</div></div>}
        {by && <div class={`notice ${meaning(f.held!).tone === "busy" ? "quiet" : meaning(f.held!).tone}`}><Icon name={meaning(f.held!).tone === "bad" ? "warning" : "clock"} />
            <div><b>Waits for <a href={link(["connections", by.name])}>{by.name}</a>: {meaning(f.held!).word}</b>{by.held_reason && <p>{by.held_reason}</p>}<p>{meaning(f.held!).next}</p></div></div>}
        {!held && f.not_ready && <div class="notice bad"><Icon name="key" /><div><b>Its senders wait: a secret is not here</b><p>{f.not_ready}</p><p>They are answered 503 and send again. See to the store that the secret comes from; the flow goes on by itself.</p></div></div>}
        {!held && f.read_failing_since && <div class="notice bad"><Icon name="warning" /><div><b>Its source cannot be read</b> <Time at={f.read_failing_since} /><p>{f.read_failure}</p><p>Nothing comes in meanwhile and nothing is passed over: it is read again by itself from where it stands.</p></div></div>}
        {f.source && <Card title="Path"><OneFlow f={f} connections={status.value?.connections ?? []} /></Card>}
        <Card title="Deliveries by state"><Counts f={f} /></Card>
        <div class="two">
            <Card title="Traffic"><Traffic flow={f.name} /></Card>
            <Card title="Figures"><Facts f={f} /></Card>
        </div>
    </>;
}

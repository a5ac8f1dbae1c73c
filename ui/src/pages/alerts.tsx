// SPDX-License-Identifier: Apache-2.0
// alerts.tsx - what the rules found: cause, what to do, how much is held; acknowledge and silence; the rules themselves.
import { useEffect, useState } from "preact/hooks";
import { alerts, alertsError, refreshAlerts } from "../lib/alerts";
import { api, may, query } from "../lib/api";
import { duration, num, percent, plural } from "../lib/format";
import { go, link, place } from "../lib/router";
import type { Alert, AlertRule, Alerts as List } from "../lib/types";
import { Act, Card, Chip, Empty, Loading, PageHead, Problem, Prose, Scroll, Tabs, Time } from "../parts/bits";
import { ask } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";
import { IdText } from "./events";

function Severity({ a }: { a: Alert }) {
    if (a.state === "resolved")
        return <Chip tone="ok" icon="delivered">resolved</Chip>;
    if (a.state === "pending")
        return <Chip tone="quiet" icon="clock" title="The condition holds; it becomes an alert when it stays.">pending</Chip>;
    return a.severity === "page" ? <Chip tone="bad" icon="alerts">page</Chip> : <Chip tone="warn" icon="warning">ticket</Chip>;
}

function amount(value: number, unit: string): string {
    if (unit === "ratio")
        return percent(value);
    if (unit === "seconds")
        return duration(value * 1000);
    return Number.isInteger(value) ? num(value) : value.toFixed(2);
}

const subject = (a: Alert) => a.kind === "flow" ? link(["flows", a.subject]) : a.kind === "connection" ? link(["connections", a.subject]) : null;

async function acknowledge(a: Alert): Promise<void> {
    const reason = await ask({ title: "Acknowledge", body: <p>{a.summary}. Others see that you are on it; it stays open until its cause is gone.</p>, confirm: "Acknowledge", reason: true });
    if (reason === null)
        return;
    await api(`v1/alerts/${a.id}/acknowledge`, { json: { reason } });
    toast("Acknowledged");
    await refreshAlerts();
}

const SPANS: [string, string][] = [["30m", "30 minutes"], ["2h", "2 hours"], ["8h", "8 hours"], ["24h", "a day"], ["7d", "a week"]];

async function silence(a: Alert): Promise<void> {
    let until = "2h";
    const reason = await ask({
        title: "Silence", confirm: "Silence", reason: true, body: <>
            <p>{a.summary}. Nobody is told of it for as long as you say; it is still shown here.</p>
            <div class="field"><label for="silence-span">For</label><select id="silence-span" onChange={(e) => (until = e.currentTarget.value)}>{SPANS.map(([v, t]) => <option value={v} key={v} selected={v === until}>{t}</option>)}</select></div></>,
    });
    if (reason === null)
        return;
    await api(`v1/alerts/${a.id}/silence`, { json: { reason, until } });
    toast("Silenced");
    await refreshAlerts();
}

async function unsilence(a: Alert): Promise<void> {
    const reason = await ask({ title: "End the silence", body: <p>{a.summary}. Whoever is to be told of it is told from now on.</p>, confirm: "End the silence", reason: true });
    if (reason === null)
        return;
    await api(`v1/alerts/${a.id}/silence${query({ reason })}`, { method: "DELETE" });
    toast("No longer silenced");
    await refreshAlerts();
}

function One({ a, open }: { a: Alert; open?: boolean }) {
    const to = subject(a);
    return (
        <section class={`card alert ${a.state === "firing" ? a.severity : a.state}`} aria-label={a.summary}>
            <div class="alert-head">
                <Severity a={a} />
                <h2>{open ? a.summary : <a href={link(["alerts", a.id])}>{a.summary}</a>}</h2>
                <span class="faint">{a.state === "resolved" ? <>resolved <Time at={a.resolved_at} /></> : <>since <Time at={a.since} /></>}</span>
            </div>
            <div class="alert-body">
                <p><Prose text={a.cause} /></p>
                <p><b>To do:</b> <Prose text={a.fix} /></p>
                <p class="faint">
                    {a.value !== null && a.threshold !== null && <span>{amount(a.value, a.unit)}, alert at {amount(a.threshold, a.unit)}</span>}
                    {a.held > 0 && <span>{plural(a.held, "delivery waits", "deliveries wait")}{a.drain_ms !== null && `, about ${duration(a.drain_ms)} to drain`}</span>}
                    {a.owner && <span>owner {a.owner}</span>}
                    {a.runbook && <a href={a.runbook} rel="noreferrer">runbook</a>}
                    {a.because && <span>explained by <a href={link(["alerts", a.because])}>another alert</a></span>}
                    <span>rule {a.rule}</span>
                </p>
                {a.acknowledged && <p><Chip tone="busy" icon="delivered">acknowledged</Chip> by {a.acknowledged.by}, <Time at={a.acknowledged.at} />: {a.acknowledged.reason}</p>}
                {a.silenced && <p><Chip tone="held" icon="held">silenced</Chip> by {a.silenced.by}, ends <Time at={a.silenced.until} />: {a.silenced.reason}</p>}
                {open && a.notified.length > 0 && <p class="faint">{a.notified.map((n) => <span key={n.event + n.what}>{n.receiver} was told ({n.what}) by <a href={link(["events", n.event])}><IdText id={n.event} /></a></span>)}</p>}
            </div>
            <div class="card-foot">
                {to && <a class="button" href={to}><Icon name={a.kind === "flow" ? "flows" : "connections"} />{a.subject}</a>}
                {may("operator") && a.state !== "resolved" && <>
                    {!a.acknowledged && <Act run={() => acknowledge(a)}>Acknowledge…</Act>}
                    {a.silenced ? <Act run={() => unsilence(a)}>End the silence…</Act> : <Act run={() => silence(a)}>Silence…</Act>}
                </>}
            </div>
        </section>
    );
}

function Rules() {
    const [rules, setRules] = useState<AlertRule[] | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void api<{ rules: AlertRule[] }>("v1/alert-rules").then((r) => setRules(r.rules), setError), []);
    if (error)
        return <Problem error={error} />;
    if (!rules)
        return <Loading what="the rules" />;
    return (
        <Card><Scroll label="Rules"><table class="grid stack named">
            <thead><tr><th scope="col">Rule</th><th scope="col">Of</th><th scope="col">Severity</th><th scope="col" class="n">Alert at</th><th scope="col" class="n">Held for</th><th scope="col" class="wide">Means</th></tr></thead>
            <tbody>{rules.map((r) => (
                <tr key={r.name}><th scope="row" class="nowrap">{r.name}</th><td data-name="of a">{r.kind}</td>
                    <td>{r.off ? <Chip tone="quiet" icon="cancelled">off</Chip> : r.severity === "page" ? <Chip tone="bad" icon="alerts">page</Chip> : <Chip tone="warn" icon="warning">ticket</Chip>}</td>
                    <td class="n nowrap" data-name="at">{r.threshold === null ? "–" : amount(r.threshold, r.unit)}</td><td class="n nowrap" data-name="for">{r.hold_ms ? duration(r.hold_ms) : "at once"}</td><td class="wide"><Prose text={r.doc} /></td></tr>
            ))}</tbody>
        </table></Scroll></Card>
    );
}

function Resolved() {
    const [list, setList] = useState<Alert[] | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void api<List>("v1/alerts?state=resolved&limit=100").then((r) => setList(r.alerts), setError), []);
    if (error)
        return <Problem error={error} />;
    if (!list)
        return <Loading what="the resolved alerts" />;
    return list.length ? <>{list.map((a) => <One key={a.id} a={a} />)}</> : <Empty title="No alert has been resolved so far" icon="alerts"><p>Alerts resolve by themselves when their cause is gone. The last 200 are kept.</p></Empty>;
}

function Detail({ id }: { id: string }) {
    const [a, setA] = useState<Alert | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void api<Alert>(`v1/alerts/${encodeURIComponent(id)}`).then((x) => { setA(x); setError(null); }, setError), [id, alerts.value]);
    return <>
        <PageHead title={<><a class="crumb" href="#/alerts">Alerts</a> {a?.subject || id}</>} />
        {error ? <Problem error={error} /> : a ? <One a={a} open /> : <Loading what="the alert" />}
    </>;
}

type View = "open" | "resolved" | "rules";

export function Alerts() {
    const { path, params } = place.value;
    if (path[1])
        return <Detail id={path[1]} />;
    const view = (params.get("show") ?? "open") as View;
    const list = alerts.value;
    return <>
        <PageHead title="Alerts" sub={list ? `${num(list.counts.firing)} firing, ${num(list.counts.pending)} pending${list.counts.silenced ? `, ${num(list.counts.silenced)} silenced` : ""}` : undefined} />
        <div class="tab-line"><Tabs label="Alerts" at={view} onPick={(v) => go(link(["alerts"], { show: v === "open" ? "" : v }))} tabs={[["open", "Open"], ["resolved", "Resolved"], ["rules", "Rules"]]} /></div>
        {view === "rules" ? <Rules /> : view === "resolved" ? <Resolved /> : alertsError.value ? <Problem error={alertsError.value} retry={() => void refreshAlerts()} />
            : !list ? <Loading what="the alerts" /> : !list.enabled ? <Empty title="Alerts are switched off" icon="alerts"><p>Take <code>off: true</code> from <code>alerts:</code> in the configuration, then reload it.</p></Empty>
                : !list.alerts.length ? <Empty title="Nothing is alarming" icon="delivered"><p>The rules are looked at all the time. <a href={link(["alerts"], { show: "rules" })}>See what they watch</a>; <code>alerts: receivers</code> in the configuration says who is told.</p></Empty>
                    : list.alerts.map((a) => <One key={a.id} a={a} />)}
    </>;
}

export function alertBadge() {
    const c = alerts.value?.counts;
    return c?.firing ? <span class={`badge ${c.page ? "bad" : ""}`} title={`${c.firing} firing`}>{c.firing}</span> : null;
}

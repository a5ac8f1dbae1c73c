// SPDX-License-Identifier: Apache-2.0
// connections.tsx - each connection as a card: state, breaker, limits as gauges, what waits and for how long.
import { may } from "../lib/api";
import { duration, num, plural, words } from "../lib/format";
import { isProblem, now, refresh, status, statusError } from "../lib/live";
import { link, place } from "../lib/router";
import type { Budget, Connection, Credential } from "../lib/types";
import { Act, Chip, Empty, HeldChip, Loading, PageHead, Problem, Time } from "../parts/bits";
import { Gauge } from "../parts/chart";
import { Icon } from "../parts/icon";
import { setPaused } from "./flows";

function Breaker({ state }: { state: string }) {
    if (state === "closed")
        return <Chip tone="ok" icon="delivered">closed</Chip>;
    return state === "open" ? <Chip tone="bad" icon="warning">open</Chip> : <Chip tone="warn" icon="retrying">{words(state)}</Chip>;
}

function Limit({ b }: { b: Budget }) {
    const used = Math.max(0, b.limit - b.remaining);
    return (
        <div class="budget">
            <div class="budget-line"><span>{words(b.name)}</span><span><b>{num(Math.max(0, b.remaining))}</b> of {num(b.limit)} left</span></div>
            <Gauge used={used} limit={b.limit} label={words(b.name)} />
            {b.resets_at && <span class="faint">full again <Time at={b.resets_at} /></span>}
        </div>
    );
}

function Expiry({ c }: { c: Credential }) {
    const left = c.expires_at ? new Date(c.expires_at).getTime() - now.value : null;
    const tone = left === null ? "quiet" : left < 86400_000 ? "bad" : left < 14 * 86400_000 ? "warn" : "ok";
    return <div><dt>{c.name} <span class="faint">{words(c.kind)}</span></dt><dd>{left === null ? <span class="faint">does not expire</span>
        : <Chip tone={tone} icon={tone === "ok" ? "clock" : "warning"} title={c.expires_at!}>{left > 0 ? `${duration(left)} left` : "expired"}</Chip>}</dd></div>;
}

const FIX: Record<string, string> = {
    connection_auth: "Renew the credential (tieline secret set, or where the reference points), then resume. Events and attempts are kept meanwhile.",
    identity: "Its type, account or host has changed: what was queued for the former one is held. Resume if it is the same system.",
};

function CardOf({ c, alone }: { c: Connection; alone?: boolean }) {
    const held = c.held?.startsWith("connection_") || c.held === "identity";
    const failed = Object.entries(c.failed).filter(([, n]) => n);
    return (
        <section class="card connection" aria-label={c.name}>
            <div class="card-head">
                <h2>{alone ? c.name : <a href={link(["connections", c.name])}>{c.name}</a>}{c.type && <span class="faint"> {c.type}</span>}</h2>
                <div class="card-aside"><HeldChip held={c.held} reason={c.held_reason} /></div>
            </div>
            {held && <div class={`notice ${c.held === "connection_paused" ? "held" : "bad"}`}><Icon name={c.held === "connection_paused" ? "held" : "warning"} />
                <div><b>{words(c.held!.replace("connection_", ""))}</b> <Time at={c.held_since} empty="" />{c.held_reason && <p>{c.held_reason}</p>}{FIX[c.held!] && <p>{FIX[c.held!]}</p>}</div></div>}
            <dl class="facts">
                {c.host && <div><dt>Host</dt><dd>{c.host}</dd></div>}
                <div><dt>Breaker</dt><dd><Breaker state={c.breaker} /></dd></div>
                <div><dt>Waiting</dt><dd>{plural(c.waiting, "key")}{c.waiting > 0 && c.drain_ms !== null && <span class="faint">, about {duration(c.drain_ms)} ({words(c.drain_reason)})</span>}</dd></div>
                <div><dt>Calls now</dt><dd>{num(c.running)} of {num(c.concurrency)} allowed</dd></div>
                <div><dt>Calls in all</dt><dd>{num(c.calls)}{failed.length > 0 && <span class="faint">, failed: {failed.map(([k, n]) => `${words(k)} ${num(n)}`).join(", ")}</span>}</dd></div>
                {c.last_success_at !== undefined && <div><dt>Last success</dt><dd><Time at={c.last_success_at} /></dd></div>}
                {c.credentials?.map((x) => <Expiry key={x.name} c={x} />)}
            </dl>
            {c.budgets.length > 0 && <div class="budgets">{c.budgets.map((b) => <Limit key={b.name} b={b} />)}</div>}
            {may("operator") && <div class="card-foot">
                {held ? <Act class="primary" run={() => setPaused("connections", c.name, false)}><Icon name="running" />Resume</Act>
                    : <Act run={() => setPaused("connections", c.name, true)}><Icon name="held" />Pause</Act>}
            </div>}
        </section>
    );
}

/** What needs somebody comes first. */
const rank = (c: Connection) => (isProblem(c.held) || c.breaker !== "closed" ? 0 : c.held === "connection_paused" ? 1 : 2);

export function Connections() {
    const s = status.value;
    const name = place.value.path[1];
    if (!s)
        return <><PageHead title="Connections" />{statusError.value ? <Problem error={statusError.value} retry={() => void refresh()} /> : <Loading what="the connections" />}</>;
    if (name !== undefined) {
        const c = s.connections.find((x) => x.name === name);
        return c ? <><PageHead title={<><a class="crumb" href="#/connections">Connections</a> {c.name}</>} /><CardOf c={c} alone /></>
            : <Empty title={`There is no connection ${name}`} icon="warning"><a href="#/connections">To all connections</a></Empty>;
    }
    return <>
        <PageHead title="Connections" sub="Limits and breakers belong to the connection and are shared by all flows that use it." />
        {s.connections.length ? <div class="cards">{[...s.connections].sort((a, b) => rank(a) - rank(b)).map((c) => <CardOf key={c.name} c={c} />)}</div>
            : <Empty title="No connection so far" icon="connections"><p>Add one under <code>connections:</code> in the configuration, then reload it.</p></Empty>}
    </>;
}

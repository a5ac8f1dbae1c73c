// SPDX-License-Identifier: Apache-2.0
// connections.tsx - each connection as a card: state, breaker, limits as gauges, what waits and for how long.
import { useEffect, useState } from "preact/hooks";
import { api, may, sentence } from "../lib/api";
import { duration, num, plural, words } from "../lib/format";
import { resumesConnection } from "../lib/held";
import { isProblem, now, refresh, status, statusError } from "../lib/live";
import { link, place } from "../lib/router";
import type { Auth, Budget, Connection, Credential, ConnectionDetail, TestResult } from "../lib/types";
import { Act, Chip, Empty, HeldChip, Loading, PageHead, Problem, Prose, Time } from "../parts/bits";
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

const SOON_MS = 14 * 86_400_000; // as the rule credential_expires has it

/** What is left as a countdown; one that renews itself ends quietly. */
function Expiry({ c }: { c: Credential }) {
    if (!c.expires_at)
        return <span class="faint">no end known</span>;
    const left = new Date(c.expires_at).getTime() - now.value;
    if (left <= 0)
        return c.renews ? <Chip tone="quiet" icon="retrying" title={c.expires_at}>is renewed at the next call</Chip>
            : <Chip tone="bad" icon="warning" title={c.expires_at}>ended {duration(-left)} ago</Chip>;
    return <Chip tone={!c.renews && left < SOON_MS ? "warn" : "ok"} icon="clock" title={c.expires_at}>{duration(left)} left</Chip>;
}

function CredentialRow({ c }: { c: Credential }) {
    const age = c.since ? now.value - new Date(c.since).getTime() : null;
    return <div><dt class="as-is">{c.what[0]!.toUpperCase() + c.what.slice(1)}</dt>
        <dd><Expiry c={c} /> <span class="faint">{age !== null && age >= 0 && <>{duration(Math.floor(age / 1000) * 1000)} old</>}{c.renews && <>{age !== null && ", "}renews itself</>}</span></dd></div>;
}

function Credentials({ auth }: { auth: Auth }) {
    return <>
        <div><dt>Signs in by</dt><dd>{words(auth.scheme)}{auth.scopes && <span class="faint"> ({auth.scopes})</span>}</dd></div>
        {auth.needs_person && !auth.has_token && <div><dt>Token</dt><dd><Chip tone="warn" icon="key">wants a person</Chip></dd></div>}
        {auth.refused_in_30_minutes > 0 && <div><dt>Refused</dt><dd class="bad-text">{plural(auth.refused_in_30_minutes, "time")} in 30 minutes</dd></div>}
        {auth.next_probe_at && <div><dt>Tried again</dt><dd><Time at={auth.next_probe_at} /></dd></div>}
    </>;
}

function Tested({ t }: { t: TestResult }) {
    if (!t.ok)
        return <div class="notice bad" role="status"><Icon name="cross" /><div><b>The test failed</b><p><Prose text={sentence(new Error(t.error?.text ?? ""))} /></p>{t.error?.fix && <p><b>To do:</b> <Prose text={t.error.fix} /></p>}</div></div>;
    return <div class="notice ok" role="status"><Icon name="delivered" /><div><b>{t.asked ? "The other side answers" : "Its configuration is whole"}</b>
        <p>{t.asked ? <>{t.who && <>We are {t.who}</>}{t.where && <> at {t.where}</>}{t.details && <>; {t.details}</>}</> : <>This connector has no question to ask without side effects; the next delivery will tell.</>}</p></div></div>;
}

const TITLE: Record<string, string> = { connection_paused: "Paused", connection_auth: "We are not let in", identity_changed: "It is another account or host now" };
const FIX: Record<string, string> = {
    connection_auth: "Renew the credential where its reference points (`tieline secrets set`), then press Test: when it is let in again, what waits goes on. Events and attempts are kept meanwhile.",
    identity_changed: "Its type, account or host has changed: what was queued for the former one is held. Resume to send it to the one that is configured now; if that is wrong, change it back and reload.",
};

function CardOf({ c, alone }: { c: Connection; alone?: boolean }) {
    const [detail, setDetail] = useState<ConnectionDetail | null>(null);
    const [tested, setTested] = useState<TestResult | null>(null);
    useEffect(() => void api<ConnectionDetail>(`v1/connections/${encodeURIComponent(c.name)}`).then(setDetail, () => setDetail(null)), [c.name, c.held, tested]);
    const test = async () => {
        setTested(await api<TestResult>(`v1/connections/${encodeURIComponent(c.name)}/test`, { json: {} }));
        await refresh();
    };
    const held = resumesConnection(c.held);
    const failed = Object.entries(c.failed).filter(([, n]) => n);
    return (
        <section class="card connection" aria-label={c.name}>
            <div class="card-head">
                <h2>{alone ? c.name : <a href={link(["connections", c.name])}>{c.name}</a>}{(c.type ?? detail?.type) && <span class="faint"> {c.type ?? detail?.type}</span>}</h2>
                <div class="card-aside"><HeldChip held={c.held} reason={c.held_reason} /></div>
            </div>
            {held && <div class={`notice ${c.held === "connection_paused" ? "held" : "bad"}`}><Icon name={c.held === "connection_paused" ? "held" : "warning"} />
                <div><b>{TITLE[c.held!]}</b> <Time at={c.held_since} empty="" />{c.held_reason && <p>{c.held_reason}</p>}{FIX[c.held!] && <p><Prose text={FIX[c.held!]!} /></p>}</div></div>}
            {!held && c.breaker !== "closed" && <div class="notice bad"><Icon name="warning" /><div><b>{c.breaker === "open" ? "The other side does not answer" : "The other side is tried again"}</b>{c.held_reason && <p>{c.held_reason}</p>}<p>It is probed, and what waits goes on by itself when it answers; no attempt is used up. <i>Test</i> asks it now. <a href={link(["events"], { q: `connection:${c.name} state:retrying` })}>What it answered last</a></p></div></div>}
            <dl class="facts">
                {c.host && <div><dt>Host</dt><dd>{c.host}</dd></div>}
                <div><dt>Breaker</dt><dd><Breaker state={c.breaker} /></dd></div>
                <div><dt>Waiting</dt><dd>{plural(c.waiting, "key")}{c.waiting > 0 && c.drain_ms !== null && <span class="faint">, about {duration(c.drain_ms)}{resumesConnection(c.held) && " once it goes on"} ({words(c.drain_reason)})</span>}</dd></div>
                <div><dt>Calls now</dt><dd>{num(c.running)} of {num(c.concurrency)} allowed</dd></div>
                <div><dt>Calls in all</dt><dd>{num(c.calls)}{failed.length > 0 && <span class="faint">, failed: {failed.map(([k, n]) => `${words(k)} ${num(n)}`).join(", ")}</span>}</dd></div>
                <div><dt>Last success</dt><dd><Time at={c.last_success_at} empty="none so far" /></dd></div>
                {c.next_try_at && <div><dt>{c.held === "breaker" ? "Probed again" : "The next one goes"}</dt><dd><Time at={c.next_try_at} /></dd></div>}
                {detail?.auth && <Credentials auth={detail.auth} />}
                {c.credentials?.map((x) => <CredentialRow key={x.what} c={x} />)}
            </dl>
            {c.budgets.length > 0 && <div class="budgets">{c.budgets.map((b) => <Limit key={b.name} b={b} />)}</div>}
            {tested && <Tested t={tested} />}
            {may("operator") && <div class="card-foot">
                <Act run={test}><Icon name="connections" />Test</Act>
                {held ? <Act class="primary" run={() => setPaused("connections", c.name, false, c.held)}><Icon name="running" />Resume</Act>
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
            : <><PageHead title="Connections" /><Empty title={`There is no connection ${name}`} icon="warning"><a href="#/connections">To all connections</a></Empty></>;
    }
    return <>
        <PageHead title="Connections" sub="Limits and breakers belong to the connection and are shared by all flows that use it." />
        {s.connections.length ? <div class="cards">{[...s.connections].sort((a, b) => rank(a) - rank(b)).map((c) => <CardOf key={c.name} c={c} />)}</div>
            : <Empty title="No connection so far" icon="connections"><p>Add one under <code>connections:</code> in the configuration, then reload it.</p></Empty>}
    </>;
}

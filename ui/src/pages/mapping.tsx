// SPDX-License-Identifier: Apache-2.0
// mapping.tsx - the playground: a real event pinned, a mapping edited, its output by the server's own engine at once, which
// fields feed which, and what would change over the last events, and the golden samples beside its file. Mappings are files: none is saved here.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useState } from "preact/hooks";
import { api, ApiError, may, query, sentence } from "../lib/api";
import { lines, linesOf } from "../lib/jsonlines";
import { num, plural } from "../lib/format";
import { go, link, place } from "../lib/router";
import type { Detail, Evaluation, MappingInfo, Page, Row, Samples, Shadow } from "../lib/types";
import { Act, Card, Chip, Copy, Empty, Loading, PageHead, Problem, Scroll } from "../parts/bits";
import { bodyText, Diff, Editor } from "../parts/code";
import { close, show } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";
import { IdText } from "./events";

/** Whether the server has the API of this page; asked once after signing in. */
export const mappingsThere = signal(false);
export function lookForMappings(): void {
    api("v1/mappings").then(() => (mappingsThere.value = true), () => (mappingsThere.value = false));
}

const DEBOUNCE_MS = 150, MOST = 1_000_000;

function Lined({ value, hot, hover, label }: { value: unknown; hot: string[]; hover: (path: string | null) => void; label: string }) {
    const list = useMemo(() => lines(value), [value]);
    return (
        <div class="code"><Copy text={bodyText(value)} what={label.toLowerCase()} /><pre tabIndex={0} role="region" aria-label={label} onMouseLeave={() => hover(null)}>
            {list.map((l, i) => <span key={i} class={`jline${hot.some((h) => linesOf(l.path, h)) ? " hot" : ""}`} onMouseEnter={() => hover(l.path)}>{l.text}{"\n"}</span>)}
        </pre></div>
    );
}

function ShadowRun({ m, source }: { m: MappingInfo; source: string }) {
    const [last, setLast] = useState("100");
    const [flow, setFlow] = useState(m.flows[0] ?? "");
    const [r, setR] = useState<Shadow | null>(null);
    useEffect(() => setR(null), [source, m.name]);
    return (
        <Card title="Compare with what is in force" aside={<span class="faint">on real events; nothing is sent</span>}>
            <div class="tool-line">
                {m.flows.length > 1 && <label class="picker"><span>Flow</span><select value={flow} onChange={(e) => setFlow(e.currentTarget.value)}>{m.flows.map((f) => <option key={f}>{f}</option>)}</select></label>}
                <label class="picker"><span>Last</span><select value={last} onChange={(e) => setLast(e.currentTarget.value)}>{["20", "100", "200"].map((n) => <option key={n}>{n}</option>)}</select><span>events</span></label>
                <Act run={async () => setR(await api<Shadow>("v1/mappings/shadow", { json: { name: m.name, source, language: m.language, flow, last: Number(last) } }))}><Icon name="running" />Run</Act>
                {r && <span class="chips"><Chip tone="ok" icon="delivered">{num(r.same)} the same</Chip>{r.changed > 0 && <Chip tone="warn" icon="edit">{num(r.changed)} changed</Chip>}{r.failed.length > 0 && <Chip tone="bad" icon="cross">{num(r.failed.length)} fail</Chip>}<span class="faint">of {plural(r.looked, "event")}</span></span>}
            </div>
            {r?.masked && <p class="pad faint">Personal data is masked for you, and both mappings saw the masks: what they make of the payloads themselves may differ.</p>}
            {r?.failed.map((f) => <p class="pad" key={f.id}><a href={link(["events", f.id])}><IdText id={f.id} /></a> <span class="bad-text">{sentence(new Error(f.error?.text ?? ""))}</span></p>)}
            {r?.different.map((d) => <details class="pad" key={d.id}><summary><IdText id={d.id} /></summary><Diff before={bodyText(d.before)} after={bodyText(d.after)} label={`What changes in ${d.id}`} /></details>)}
        </Card>
    );
}

/** A new case for the file beside the mapping: its text to copy, or written there by an admin. */
function SaveSample({ m, input, output, done }: { m: MappingInfo; input: unknown; output: unknown; done: () => void }) {
    const [name, setName] = useState("");
    const [reason, setReason] = useState("");
    const [made, setMade] = useState<{ file: string; text: string } | null>(null);
    const [error, setError] = useState("");
    const send = async (write: boolean) => {
        if (!name.trim() || (write && !reason.trim())) {
            setError(name.trim() ? "Say in a few words why: the reason is kept in the audit log." : "Say in a few words what it shows.");
            return;
        }
        try {
            const r = await api<{ file: string; text: string }>(`v1/mappings/samples${write ? "" : "/propose"}`, { json: { name: m.name, sample: name.trim(), input, expected: output, reason: reason.trim() } });
            setMade(r);
            setError("");
            if (write) {
                close();
                toast(`Written into ${r.file}`);
                done();
            }
        } catch (e) {
            setError(sentence(e));
        }
    };
    return <>
        <div class="dialog-body">
            <p>The input and the output that you see become a case of <code>tieline test</code>. Masked fields stay masked: the file belongs into Git, personal data does not.</p>
            <div class="field"><label for="sample-name">What it shows</label><input id="sample-name" value={name} maxLength={200} autocomplete="off" onInput={(e) => { setName(e.currentTarget.value); setError(""); setMade(null); }} aria-describedby="sample-note" aria-invalid={!!error} /></div>
            {may("admin") && <div class="field"><label for="sample-reason">Reason, to write it into the file</label><input id="sample-reason" value={reason} maxLength={200} autocomplete="off" onInput={(e) => { setReason(e.currentTarget.value); setError(""); }} /></div>}
            <p id="sample-note" class={error ? "error" : "faint"} role={error ? "alert" : undefined}>{error || (made ? <>Put this at the end of <code>{made.file}</code>:</> : "")}</p>
            {made && <div class="code"><Copy text={made.text} what="case" /><pre tabIndex={0} role="region" aria-label="Case">{made.text}</pre></div>}
        </div>
        <div class="dialog-foot"><button onClick={close}>Leave it</button><Act run={() => send(false)}>Show the text</Act>{may("admin") && <Act class="primary" run={() => send(true)}>Write into the file</Act>}</div>
    </>;
}

function GoldenSamples({ m, source, input, out }: { m: MappingInfo; source: string; input: unknown; out: Evaluation | null }) {
    const [r, setR] = useState<Samples | null>(null);
    useEffect(() => setR(null), [source, m.name]);
    const run = async () => setR(await api<Samples>("v1/mappings/samples/run", { json: { name: m.name, ...(source === (m.source ?? "") ? {} : { source }) } }));
    return (
        <Card title="Golden samples" aside={<span class="faint">the cases beside the mapping, as <code>tieline test</code> runs them</span>}>
            <div class="tool-line">
                <Act run={run}><Icon name="running" />Run the samples</Act>
                <Act disabled={!out || !!out.error} run={async () => show("Save as a sample", <SaveSample m={m} input={input} output={out?.output} done={() => void run()} />, { wide: true })}><Icon name="plus" />Save as a sample…</Act>
                {r && <span class="chips">{r.passed > 0 && <Chip tone="ok" icon="delivered">{num(r.passed)} as expected</Chip>}{r.failed > 0 && <Chip tone="bad" icon="cross">{num(r.failed)} not</Chip>}<span class="faint">{r.there ? r.file : `there is no ${r.file} so far`}</span></span>}
            </div>
            {r?.samples.filter((s) => s.ok !== true).map((s, i) => <details class="pad" key={i}><summary>{s.name}{s.ok === null && <span class="faint"> not run here: {s.why}</span>}</summary>
                {s.ok === false && (s.error ? <p class="bad-text">{sentence(new Error(s.error))}</p> : <Diff before={bodyText(s.expected)} after={bodyText(s.output)} label={`Expected against output of ${s.name}`} />)}</details>)}
        </Card>
    );
}

function Playground({ m }: { m: MappingInfo }) {
    const [source, setSource] = useState(m.source ?? "");
    const [events, setEvents] = useState<Row[]>([]);
    const [text, setText] = useState("{}");
    const [edit, setEdit] = useState(false);
    const [out, setOut] = useState<Evaluation | null>(null);
    const [error, setError] = useState("");
    const [hover, setHover] = useState<{ side: "in" | "out"; path: string } | null>(null);
    const pinned = place.value.params.get("event") ?? "";
    useEffect(() => {
        if (m.flows[0])
            api<Page>("v1/events" + query({ flow: m.flows[0], limit: 20 })).then((p) => {
                setEvents(p.events);
                const first = p.events.find((e) => e.state !== "dead" || e.attempts > 0) ?? p.events[0]; // not one that could not be read
                if (!pinned && first)
                    go(link(["mapping", m.name], { event: first.id }), true);
            }, () => setEvents([]));
    }, [m.name]);
    useEffect(() => {
        if (pinned)
            api<Detail>(`v1/events/${encodeURIComponent(pinned)}`).then((d) => setText(bodyText(d.body)), (e: Error) => setError(e.message));
    }, [pinned]);
    const input = useMemo(() => {
        try {
            return { value: JSON.parse(text) as unknown, error: "" };
        } catch (e) {
            return { value: undefined, error: `The input is not JSON: ${(e as Error).message}` };
        }
    }, [text]);
    useEffect(() => {
        if (input.error || text.length > MOST)
            return undefined;
        const stop = new AbortController();
        const timer = setTimeout(() => api<Evaluation>("v1/mappings/evaluate", { json: { source, language: m.language, input: input.value }, signal: stop.signal })
            .then((e) => { setOut(e); setError(""); }, (e: unknown) => { if (!stop.signal.aborted) setError(e instanceof ApiError ? e.message : String(e)); }), DEBOUNCE_MS);
        return () => {
            clearTimeout(timer);
            stop.abort();
        };
    }, [source, input]);
    const lineage = (out?.lineage ?? []).map((l) => ({ target: l.target.replace(/\[\]/g, ""), sources: l.sources.map((s) => s.replace(/\[\]/g, "")) }));
    const hotIn = hover?.side === "out" ? lineage.filter((l) => linesOf(hover.path, l.target) || linesOf(l.target, hover.path)).flatMap((l) => l.sources) : [];
    const hotOut = hover?.side === "in" ? lineage.filter((l) => l.sources.some((s) => linesOf(hover.path, s))).map((l) => l.target) : [];
    return <>
        <div class="three">
            <Card title="Input" aside={<><label class="picker"><span class="sr">Event</span><select value={pinned} onChange={(e) => go(link(["mapping", m.name], { event: e.currentTarget.value }))}>
                {!events.some((e) => e.id === pinned) && <option value={pinned}>{pinned || "no event so far"}</option>}{events.map((e) => <option value={e.id} key={e.id}>{e.id}</option>)}</select></label>
                <button class="small" aria-pressed={edit} onClick={() => setEdit(!edit)}>Edit</button></>}>
                {edit || input.error ? <Editor value={text} language="json" label="Input" onChange={setText} class="flush" />
                    : <Lined value={input.value} hot={hotIn} hover={(p) => setHover(p === null ? null : { side: "in", path: p })} label="Input" />}
                {input.error && <p class="pad error" role="alert">{input.error}</p>}
            </Card>
            <Card title="Mapping" aside={<><span class="faint">{m.language}</span>{source !== (m.source ?? "") && <button class="small" onClick={() => setSource(m.source ?? "")}>As in force</button>}<Copy text={source} what="mapping" /></>}>
                <Editor value={source} language={m.language === "table" ? "yaml" : "javascript"} label="Mapping" onChange={setSource} class="flush" />
                {out?.error && <p class="pad error" role="alert">{out.error.line ? `Line ${out.error.line}, column ${out.error.column}: ` : ""}{sentence(new Error(out.error.text))}</p>}
            </Card>
            <Card title="Output" aside={out && !out.error ? <span class="faint">{out.us < 1000 ? `${out.us} µs` : `${(out.us / 1000).toFixed(1)} ms`}</span> : null}>
                {error ? <Problem error={new Error(error)} /> : !out ? <Loading what="the output" /> : out.error ? <p class="pad faint">There is none while the mapping does not work.</p>
                    : <Lined value={out.output} hot={hotOut} hover={(p) => setHover(p === null ? null : { side: "out", path: p })} label="Output" />}
            </Card>
        </div>
        {lineage.length > 0 && <Card title="Which fields feed which" aside={<span class="faint">point at a field above or here</span>}><Scroll label="Lineage"><table class="grid">
            <thead><tr><th scope="col">Field</th><th scope="col" class="wide">Comes from</th></tr></thead>
            <tbody>{lineage.map((l) => <tr key={l.target} class={hotOut.includes(l.target) ? "hot" : ""} onMouseEnter={() => setHover({ side: "out", path: l.target })} onMouseLeave={() => setHover(null)}>
                <th scope="row" class="mono">{l.target}</th><td class="wide mono">{l.sources.join(", ") || <span class="faint">nothing of the input</span>}</td></tr>)}</tbody>
        </table></Scroll></Card>}
        {m.file && <GoldenSamples m={m} source={source} input={input.value} out={out} />}
        {m.flows.length > 0 && <ShadowRun m={m} source={source} />}
        <p class="faint">The mapping itself is not saved here. Put what you like into <code>{m.file ?? "the configuration"}</code>, prove it with <code>tieline test</code>, then <a href="#/config">reload</a>.</p>
    </>;
}

export function Mapping() {
    const [list, setList] = useState<MappingInfo[] | null>(null);
    const [error, setError] = useState<unknown>(null);
    useEffect(() => void api<{ mappings: MappingInfo[] }>("v1/mappings").then((r) => setList(r.mappings), setError), []);
    const name = place.value.path[1];
    const m = list?.find((x) => x.name === name) ?? list?.[0];
    return <>
        <PageHead title="Mapping" sub="The server's own engine, on real events, without sending anything.">
            {list && list.length > 1 && <label class="picker"><span>Mapping</span><select value={m?.name} onChange={(e) => go(link(["mapping", e.currentTarget.value]))}>{list.map((x) => <option key={x.name}>{x.name}</option>)}</select></label>}
        </PageHead>
        {error ? <Problem error={error} /> : !list ? <Loading what="the mappings" /> : !m ? <Empty title="No mapping so far" icon="mapping"><p>Write one under <code>mappings:</code> in the configuration and reload it: it can be tried here on real events.</p></Empty>
            : m.source === null ? <Empty title={`${m.name} cannot be tried here`} icon="mapping"><p>Its source is not kept by the server ({m.language}). Use <code>tieline map</code>.</p></Empty> : <Playground key={m.name} m={m} />}
    </>;
}

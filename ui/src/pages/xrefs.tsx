// SPDX-License-Identifier: Apache-2.0
// xrefs.tsx - which record on one system is which on another: looked up by any id, on either side.
import { useEffect, useState } from "preact/hooks";
import { api, may } from "../lib/api";
import { plural } from "../lib/format";
import { status } from "../lib/live";
import { usePages } from "../lib/pages";
import { go, link, place } from "../lib/router";
import type { Pair, Xref } from "../lib/types";
import { Act, Card, Copy, Empty, Loading, PageHead, Problem, Scroll, Time } from "../parts/bits";
import { ask } from "../parts/dialog";
import { Icon } from "../parts/icon";
import { toast } from "../parts/toast";

const MASK = "***"; // a model marks it as personal data

/** One side: the id, its system below it. */
function Side({ connection, id, linked }: { connection: string; id: string; linked: boolean }) {
    return (
        <td class="pair-side"><span class="pair-id">
            {id === MASK ? <span class="faint" title="Personal data is masked.">{id}</span> : linked ? <a class="mono" href={link(["xrefs"], { id })}>{id}</a> : <span class="mono">{id}</span>}
            {id !== MASK && <Copy text={id} what={`id of ${connection}`} />}</span>
            <span class="faint">{connection}</span></td>
    );
}

/** Pairs of ids. forget: what a row's button does; wanted: the id that was looked for. */
export function Pairs<T extends Pair & { at?: string }>({ rows, wanted = "", forget }: { rows: T[]; wanted?: string; forget?: (row: T) => Promise<unknown> }) {
    const dated = rows.some((r) => r.at);
    return (
        <Scroll label="Cross-references"><table class="grid pairs">
            <thead><tr><th scope="col">Model</th><th scope="col">From</th><th scope="col">To</th>{dated && <th scope="col">Written</th>}{forget && <th scope="col"><span class="sr">Action</span></th>}</tr></thead>
            <tbody>{rows.map((r) => (
                <tr key={`${r.model} ${r.from} ${r.from_id} ${r.to} ${r.to_id}`}>
                    <th scope="row">{r.model}</th>
                    <Side connection={r.from} id={r.from_id} linked={r.from_id !== wanted} />
                    <Side connection={r.to} id={r.to_id} linked={r.to_id !== wanted} />
                    {dated && <td class="nowrap"><Time at={r.at} /></td>}
                    {forget && <td>{r.from_id !== MASK && <Act class="small" run={() => forget(r)}>Forget…</Act>}</td>}
                </tr>
            ))}</tbody>
        </table></Scroll>
    );
}

async function forget(x: Xref, done: () => void): Promise<void> {
    const reason = await ask({
        title: "Forget this record", confirm: "Forget", danger: true, reason: true,
        body: <p>Forgets all that is known of the {x.model} <b>{x.from_id}</b> of {x.from}: its ids on every other system, and what our writes made of it. The records themselves stay as they are. The next event of it may make a second one at {x.to}, unless its flow has <code>match_by</code>.</p>,
    });
    if (reason === null)
        return;
    const { forgotten } = await api<{ forgotten: number }>("v1/xrefs/forget", { json: { model: x.model, connection: x.from, id: x.from_id, reason } });
    toast(`${plural(forgotten, "cross-reference")} forgotten`);
    done();
}

function Found({ id, connection, model }: { id: string; connection: string; model: string }) {
    const { rows, error, more, reload } = usePages<Xref>("v1/xrefs", "xrefs", { id, connection, model });
    if (error)
        return <Problem error={error} retry={reload} />;
    if (!rows)
        return <Loading what="cross-references" />;
    if (!rows.length && !more && id)
        return <Empty title={`Nothing is known of ${id}`} icon="search">
            <p>Ids are compared as they stand: no part of one, no other case. Perhaps it was not delivered so far.</p>
            <p><a href={link(["events"], { q: /\s/.test(id) ? `"${id}"` : id })}>Look for events that hold {id}</a>{(connection || model) && <>, or <a href={link(["xrefs"], { id })}>look on every system</a></>}.</p>
        </Empty>;
    if (!rows.length && !more)
        return <Empty title={connection || model ? "No such cross-reference" : "No cross-reference so far"} icon="link">
            <p>A target with <code>xref</code> writes one with each acknowledgement: which id of one system is which of another.</p></Empty>;
    return <Card title={id ? plural(rows.length, "record") : "Newest"}>
        <Pairs rows={rows} wanted={id} {...(may("operator") ? { forget: (x: Xref) => forget(x, reload) } : {})} />
        {more && <div class="table-foot"><button class="small" onClick={more}>{rows.length ? "Older ones" : "Look further back"}</button></div>}
        {id && <p class="pad faint"><a href={link(["events"], { q: /\s/.test(id) ? `"${id}"` : id })}>Events that hold {id}</a></p>}
    </Card>;
}

export function Xrefs() {
    const at = place.value.params;
    const id = at.get("id") ?? "", connection = at.get("connection") ?? "", model = at.get("model") ?? "";
    const [text, setText] = useState(id);
    useEffect(() => setText(id), [id]);
    const look = (more: Record<string, string>) => {
        const to = { id: text.trim(), connection, model, ...more };
        go(link(["xrefs"], Object.fromEntries(Object.entries(to).filter(([, v]) => v))));
    };
    const connections = (status.value?.connections ?? []).filter((c) => !c.removed).map((c) => c.name);
    return <>
        <PageHead title="Cross-references" sub="Which record on one system is which on another: look it up by any id of it." />
        <form class="lookup" role="search" onSubmit={(e) => { e.preventDefault(); look({}); }}>
            <label class="lookup-id"><Icon name="search" />
                <input type="text" aria-label="Id, on either system" placeholder="4711, an id on either system" value={text} autocomplete="off" spellcheck={false} autofocus
                    onInput={(e) => setText(e.currentTarget.value)} /></label>
            <select aria-label="System" value={connection} onChange={(e) => look({ connection: e.currentTarget.value })}>
                <option value="">on any system</option>{[...new Set([...connections, ...(connection ? [connection] : [])])].map((c) => <option key={c} value={c} selected={c === connection}>{c}</option>)}</select>
            <button class="primary" type="submit">Look up</button>
            {(id || connection || model) && <a class="clear" href={link(["xrefs"])}>Show the newest</a>}
        </form>
        <Found id={id} connection={connection} model={model} />
    </>;
}

// SPDX-License-Identifier: Apache-2.0
// code.tsx - texts: a payload with colours and folding of what is long, two payloads as a diff, an editor.
import { useEffect, useMemo, useRef } from "preact/hooks";
import { createEditor, type PrismEditor } from "prism-code-editor";
import { matchBrackets } from "prism-code-editor/match-brackets";
import { defaultKeymap, editHistory, editorCommands } from "prism-code-editor/commands";
import "prism-code-editor/prism/languages/json";
import "prism-code-editor/prism/languages/yaml";
import "prism-code-editor/prism/languages/javascript";
import { highlightText } from "prism-code-editor/prism";
import { diff } from "../lib/diff";
import { Copy } from "./bits";

/** A body as text: JSON indented, anything else as it came. */
export function bodyText(body: unknown): string {
    if (typeof body === "string")
        return body;
    if (body && typeof body === "object" && Object.keys(body).length === 1 && "base64" in body)
        return String((body as { base64: unknown }).base64);
    return JSON.stringify(body, null, 2) ?? "";
}

export function languageOf(body: unknown): string {
    return typeof body === "string" ? "text" : "json";
}

const MOST_COLOURED = 200_000;

export function Code({ text, language = "json", label, what = "text", short = false }: { text: string; language?: string; label: string; what?: string; short?: boolean }) {
    const html = useMemo(() => (language !== "text" && text.length < MOST_COLOURED ? highlightText(text, language) : null), [text, language]);
    return (
        <div class={`code${short ? " short" : ""}`}>
            <Copy text={text} what={what} />
            <pre tabIndex={0} role="region" aria-label={label}>{html === null ? <code>{text}</code>
                : <code class={`language-${language}`} dangerouslySetInnerHTML={{ __html: html }} />}</pre>
        </div>
    );
}

const CONTEXT = 3;

/** Unchanged stretches are cut short; a screen reader hears which lines went and came. */
export function Diff({ before, after, label }: { before: string; after: string; label: string }) {
    const lines = useMemo(() => diff(before, after), [before, after]);
    const near = lines.map((_, i) => lines.slice(Math.max(0, i - CONTEXT), i + CONTEXT + 1).some((l) => l.kind !== "same"));
    if (!near.some(Boolean))
        return <p class="faint pad">The two are the same.</p>;
    const rows: (number | string)[] = [];
    let hidden = 0;
    lines.forEach((_, i) => {
        if (near[i]) {
            if (hidden)
                rows.push(`${hidden} lines alike`);
            hidden = 0;
            rows.push(i);
        } else
            hidden++;
    });
    if (hidden)
        rows.push(`${hidden} lines alike`);
    return (
        <div class="code"><pre tabIndex={0} role="region" aria-label={label}>{rows.map((r) => {
            if (typeof r === "string")
                return <span class="diff-gap" key={r + rows.indexOf(r)}>⋯ {r}{"\n"}</span>;
            const l = lines[r]!;
            const mark = l.kind === "add" ? "+" : l.kind === "del" ? "−" : " ";
            return <span class={`diff-${l.kind}`} key={r}>{l.kind === "add" ? <span class="sr">added: </span> : l.kind === "del" ? <span class="sr">removed: </span> : null}{mark} {l.text}{"\n"}</span>;
        })}</pre></div>
    );
}

// Tab leaves the editor, as it leaves everything else on the page: nobody is trapped.
const { Tab: _tab, "Shift+Tab": _back, ...keymap } = defaultKeymap;

export function Editor({ value, language, label, onChange, readOnly = false, class: cls = "" }: { value: string; language: string; label: string; onChange?: (text: string) => void; readOnly?: boolean; class?: string }) {
    const box = useRef<HTMLDivElement>(null);
    const editor = useRef<PrismEditor | null>(null);
    const changed = useRef(onChange);
    changed.current = onChange;
    useEffect(() => {
        const e = createEditor(box.current!, { value, language, readOnly, tabSize: 2, insertSpaces: true, wordWrap: false },
            matchBrackets(true), editorCommands(keymap), editHistory());
        e.textarea.setAttribute("aria-label", label);
        e.on("update", (text) => changed.current?.(text));
        editor.current = e;
        return () => e.remove();
    }, []);
    useEffect(() => {
        if (editor.current && editor.current.value !== value)
            editor.current.setOptions({ value });
    }, [value]);
    useEffect(() => editor.current?.setOptions({ language, readOnly }), [language, readOnly]);
    return <div class={`editor ${cls}`} ref={box} />;
}

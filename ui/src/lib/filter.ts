// SPDX-License-Identifier: Apache-2.0
// filter.ts - the filter of the events as text, as it stands in the address: state:dead flow:orders since:1h

export interface Term {
    key: string;
    value: string;
}
export interface Filter {
    terms: Term[];
    error: string;
}

/** What the API takes (src/admin): our word -> its parameter. */
export const KEYS: Record<string, { param: string; hint: string; values?: string[] }> = {
    state: {
        param: "state", hint: "state of the delivery",
        values: ["queued", "retrying", "held", "dead", "delivered", "skipped", "cancelled", "discarded"],
    },
    flow: { param: "flow", hint: "name of the flow" },
    class: { param: "class", hint: "class of the error", values: ["transient", "rate_limit", "auth", "config", "data", "bug"] },
    since: { param: "from", hint: "30m, 2h, 1d or a time" },
    until: { param: "until", hint: "30m, 2h, 1d or a time" },
    key: { param: "key", hint: "order key, whole" },
    text: { param: "text", hint: "a word of the payload, such as an order number" },
    error: { param: "error", hint: "a word of the error" },
    target: { param: "target", hint: "name of the target" },
    connection: { param: "connection", hint: "name of the connection" },
    group: { param: "fingerprint", hint: "group of dead letters" },
    event: { param: "event", hint: "an event and its deliveries" },
};

export const ID = /^[0-9A-HJKMNP-TV-Z]{13}$/;

function split(text: string): string[] {
    return text.match(/(?:[^\s"]|"[^"]*")+/g) ?? [];
}

function nearest(word: string, words: string[]): string {
    return words.find((w) => w.startsWith(word.slice(0, 2))) ?? "";
}

export function parse(text: string): Filter {
    const terms: Term[] = [];
    for (const part of split(text)) {
        const at = part.indexOf(":");
        if (at < 0) {
            // A bare word is an id, or what stands in a payload: an order number.
            const word = part.replace(/^"(.*)"$/, "$1");
            terms.push(ID.test(word.toUpperCase()) ? { key: "event", value: word.toUpperCase() } : { key: "text", value: word });
            continue;
        }
        const key = part.slice(0, at);
        const value = part.slice(at + 1).replace(/^"(.*)"$/, "$1");
        const known = KEYS[key];
        if (!known) {
            const near = nearest(key, Object.keys(KEYS));
            return { terms, error: `There is no filter “${key}”${near ? `; did you mean ${near}:?` : ""}` };
        }
        if (!value)
            return { terms, error: `${key}: wants ${known.hint}` };
        if (known.values && !known.values.includes(value))
            return { terms, error: `${key}: is one of ${known.values.join(", ")}` };
        terms.push({ key, value });
    }
    return { terms, error: "" };
}

function quote(value: string): string {
    return /[\s"]/.test(value) ? `"${value.replace(/"/g, "")}"` : value;
}

export function format(terms: Term[]): string {
    return terms.map((t) => `${t.key}:${quote(t.value)}`).join(" ");
}

/** The filter for the API: of the query, and of plans and jobs. */
export function params(terms: Term[]): Record<string, string> {
    const out: Record<string, string> = {};
    for (const t of terms)
        out[KEYS[t.key]!.param] = t.value;
    return out;
}

/** The text with one term set, or taken out when the value is empty. */
export function withTerm(text: string, key: string, value: string): string {
    const { terms } = parse(text);
    const rest = terms.filter((t) => t.key !== key);
    return format(value ? [...rest, { key, value }] : rest);
}

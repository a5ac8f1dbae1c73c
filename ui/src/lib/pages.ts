// SPDX-License-Identifier: Apache-2.0
// pages.ts - a list of the API that comes page by page, newest first.
import { useEffect, useState } from "preact/hooks";
import { api, query } from "./api";

export interface Paged<T> {
    rows: T[] | null;
    error: unknown;
    more: (() => void) | null;
    reload: () => void;
}

/** member: the name of the list in the answer. every: ask for the first page again so often, in ms; 0: never. */
export function usePages<T>(path: string, member: string, params: Record<string, string>, every = 0): Paged<T> {
    const [rows, setRows] = useState<T[] | null>(null);
    const [cursor, setCursor] = useState<string | null>(null);
    const [error, setError] = useState<unknown>(null);
    const [older, setOlder] = useState(false);
    const load = async (at: string | null) => {
        try {
            const page = await api<Record<string, unknown>>(path + query({ ...params, limit: 50, cursor: at }));
            const got = page[member] as T[];
            setRows((r) => (at && r ? [...r, ...got] : got));
            setCursor((page["cursor"] as string | null) ?? null);
            setOlder(!!at);
            setError(null);
        } catch (e) {
            setError(e);
        }
    };
    const key = JSON.stringify(params);
    useEffect(() => void load(null), [path, key]);
    useEffect(() => {
        if (!every || older)
            return undefined;
        const timer = setInterval(() => document.hidden || void load(null), every);
        return () => clearInterval(timer);
    }, [path, key, older]);
    return { rows, error, more: cursor ? () => void load(cursor) : null, reload: () => void load(null) };
}

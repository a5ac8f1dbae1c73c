// SPDX-License-Identifier: Apache-2.0
// stream.ts - server-sent events of the API. While somebody looks there is a stream; when it cannot be had (a proxy that
// keeps answers back, too many streams) whoever uses it asks by itself, and the stream is tried again now and then.
import { query, session } from "./api";

const AGAIN_MS = 30000;

export interface Stream {
    /** Whether news come by themselves now. */
    live: () => boolean;
    close: () => void;
}

/** opened: each time that news begin to come; what happened before that is not among them. */
export function openStream(params: Record<string, string>, on: Record<string, (data: unknown) => void>, opened?: () => void): Stream {
    let source: EventSource | null = null, timer = 0, closed = false;
    const open = () => {
        clearTimeout(timer);
        if (closed || document.hidden || source || !session.peek())
            return;
        source = new EventSource("v1/stream" + query(params));
        for (const [name, run] of Object.entries(on))
            source.addEventListener(name, (e) => run(JSON.parse((e as MessageEvent<string>).data)));
        source.addEventListener("open", () => opened?.());
        source.addEventListener("end", () => shut());
        source.onerror = () => {
            // The browser connects again by itself unless the answer was none of 200.
            if (source?.readyState === EventSource.CLOSED) {
                shut();
                timer = window.setTimeout(open, AGAIN_MS);
            }
        };
    };
    const shut = () => {
        source?.close();
        source = null;
    };
    const look = () => (document.hidden ? shut() : open());
    document.addEventListener("visibilitychange", look);
    open();
    return {
        live: () => source?.readyState === EventSource.OPEN,
        close: () => {
            closed = true;
            clearTimeout(timer);
            document.removeEventListener("visibilitychange", look);
            shut();
        },
    };
}

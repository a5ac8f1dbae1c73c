// SPDX-License-Identifier: Apache-2.0
// sheet.tsx - the keys of the page that is open.
import { registered } from "../lib/keys";
import { show } from "./dialog";

const MAC = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);

export function keyName(keys: string) {
    return keys.split(" ").map((k, i) => <kbd key={i}>{k.replace("mod+", MAC ? "⌘" : "Ctrl ").replace(/k$/, (c) => (k.startsWith("mod") ? c.toUpperCase() : c))}</kbd>);
}

export function openSheet(): void {
    const rows = registered.value;
    show("Keyboard", (
        <div class="dialog-body">
            <table class="keys"><tbody>{rows.map((k) => <tr key={k.keys}><th scope="row">{keyName(k.keys)}</th><td>{k.does}</td></tr>)}</tbody></table>
        </div>
    ));
}

// SPDX-License-Identifier: Apache-2.0
// main.tsx - the frame: who is signed in, where we are, the menu, what is shown on all pages.
import { render } from "preact";
import "prism-code-editor/layout.css";
import "uplot/dist/uPlot.min.css";
import "./style/base.css";
import "./style/parts.css";
import "./style/pages.css";
import { watchAlerts } from "./lib/alerts";
import { session, unreachable, whoAmI } from "./lib/api";
import { listenKeys } from "./lib/keys";
import { start } from "./lib/live";
import { applyPrefs } from "./lib/prefs";
import { listen } from "./lib/router";
import { Loading, Problem } from "./parts/bits";
import { Dialogs } from "./parts/dialog";
import { Frame } from "./parts/frame";
import { Toasts } from "./parts/toast";
import { SignIn } from "./pages/signin";

applyPrefs();

function App() {
    const s = session.value;
    if (s === undefined)
        return <main class="alone">{unreachable.value ? <Problem error={new Error(unreachable.value)} retry={() => void enter()} /> : <Loading what="the console" />}</main>;
    return <>
        {s === null ? <SignIn /> : <Frame />}
        <Dialogs />
        <Toasts />
    </>;
}

async function enter(): Promise<void> {
    await whoAmI().catch(() => setTimeout(enter, 3000));
}

addEventListener("DOMContentLoaded", () => {
    listen();
    listenKeys();
    start();
    watchAlerts();
    render(<App />, document.getElementById("app")!);
    void enter();
});

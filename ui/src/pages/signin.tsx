// SPDX-License-Identifier: Apache-2.0
// signin.tsx - at an identity provider where one is configured (admin: oidc), or with a token (admin: tokens).
import { useState } from "preact/hooks";
import { sentence, signIn, signInElsewhere } from "../lib/api";

export function SignIn() {
    const [token, setToken] = useState("");
    const [error, setError] = useState("");
    const [busy, setBusy] = useState(false);
    const submit = async (e: Event) => {
        e.preventDefault();
        if (!token.trim()) {
            setError("Paste the token that was given to you.");
            return;
        }
        setBusy(true);
        try {
            await signIn(token.trim());
        } catch (x) {
            setError(sentence(x));
        } finally {
            setBusy(false);
        }
    };
    const elsewhere = signInElsewhere.value;
    return (
        <main class="alone">
            <form class="card sign-in" onSubmit={submit} noValidate>
                <h1>Sign in to Tieline</h1>
                {elsewhere && <><a class="button primary elsewhere" href={elsewhere.path.replace(/^\//, "")}>Sign in with {elsewhere.label ?? "single sign-on"}</a><p class="or faint">or with a token</p></>}
                <div class="field">
                    <label for="token">Token</label>
                    <input id="token" type="password" autocomplete="current-password" value={token} autofocus={!elsewhere} aria-invalid={!!error} aria-describedby="token-note"
                        onInput={(e) => { setToken(e.currentTarget.value); setError(""); }} />
                    <p id="token-note" class={error ? "error" : "faint"} role={error ? "alert" : undefined}>
                        {error || "One of those under admin: tokens in the configuration. It is exchanged for a session and not kept by the browser."}</p>
                </div>
                <button class={elsewhere ? "" : "primary"} type="submit" aria-busy={busy}>Sign in</button>
            </form>
        </main>
    );
}

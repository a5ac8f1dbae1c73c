// SPDX-License-Identifier: Apache-2.0
// The CometD project's own client against the simulator: handshake, subscription with a replay id, a change event, the
// same event again from its replay id, and a disconnect.
import { CometD } from "cometd";
import { adapt } from "cometd-nodejs-client";

adapt();
const url = process.argv[2], channel = "/data/AccountChangeEvent";
const form = new URLSearchParams({ grant_type: "client_credentials", client_id: "tieline-demo", client_secret: "demo-secret" });
const token = (await (await fetch(`${url}/services/oauth2/token`, { method: "POST", body: form })).json()).access_token;

function client(from) {
  const c = new CometD();
  c.configure({ url: `${url}/cometd/60.0`, appendMessageTypeToURL: false, requestHeaders: { Authorization: `OAuth ${token}` } });
  c.unregisterTransport("websocket");
  c.registerExtension("replay", {
    incoming: (m) => m,
    outgoing: (m) => {
      if (m.channel === "/meta/handshake") m.ext = { ...m.ext, replay: true };
      if (m.channel === "/meta/subscribe") m.ext = { ...m.ext, replay: { [channel]: from } };
      return m;
    },
  });
  return c;
}
const done = (call) => new Promise((resolve, reject) => call((m) => (m.successful ? resolve(m) : reject(new Error(JSON.stringify(m))))));

async function listen(from, meanwhile) {
  const c = client(from);
  await done((f) => c.handshake(f));
  let got;
  const event = new Promise((resolve) => (got = resolve));
  await done((f) => c.subscribe(channel, got, f));
  await meanwhile?.();
  const m = await event;
  await done((f) => c.disconnect(f));
  return m.data;
}
const made = await listen(-1, () =>
  fetch(`${url}/services/data/v60.0/sobjects/Account`, {
    method: "POST", headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json" },
    body: JSON.stringify({ Name: "of cometd" }) }));
const again = await listen(made.event.replayId - 1);
console.log(JSON.stringify({ name: made.payload.Name, type: made.payload.ChangeEventHeader.changeType, same: again.event.replayId === made.event.replayId }));
process.exit(0);

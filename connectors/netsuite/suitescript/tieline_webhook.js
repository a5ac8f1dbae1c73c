/**
 * SPDX-License-Identifier: Apache-2.0
 *
 * Tells Tieline that a record was created, changed or deleted: a thin event, signed as a Standard Webhook. Tieline reads
 * the record itself.
 *
 * Upload it, make a script record, and a deployment for each record type (status Released, execute as Administrator, all
 * roles). Script parameters: custscript_tieline_url (free text: https://host/hooks/netsuite) and
 * custscript_tieline_user (integer: internal id of the integration's own user; its changes are not told). The secret is an
 * API secret (Setup > Company > API Secrets) with the script id custsecret_tieline: the base64 that follows whsec_ in
 *     verify: { standard_webhooks: { secret: "${env:NETSUITE_WEBHOOK}" } }
 *
 * The call runs within the save of whoever changed the record: it never throws, and costs 10 units. A failed one is
 * written to the script's log; `records:` reads what was missed.
 *
 * @NApiVersion 2.1
 * @NScriptType UserEventScript
 */
define(['N/https', 'N/crypto', 'N/encode', 'N/runtime', 'N/log'], (https, crypto, encode, runtime, log) => {
    const sign = (text) => {
        const key = crypto.createSecretKey({ secret: 'custsecret_tieline', encoding: encode.Encoding.BASE_64 });
        const hmac = crypto.createHmac({ algorithm: crypto.HashAlg.SHA256, key });
        hmac.update({ input: text, inputEncoding: encode.Encoding.UTF_8 });
        return hmac.digest({ outputEncoding: encode.Encoding.BASE_64 });
    };

    // Our own writes come back as events otherwise: two systems would tell each other for ever.
    const isOurs = (script) => {
        const own = script.getParameter({ name: 'custscript_tieline_user' });
        const remote = ['RESTWEBSERVICES', 'REST_WEBSERVICES', 'RESTLET', 'WEBSERVICES'];
        return own && String(runtime.getCurrentUser().id) === String(own) && remote.includes(String(runtime.executionContext).toUpperCase());
    };

    const afterSubmit = (context) => {
        try {
            const script = runtime.getCurrentScript();
            if (isOurs(script)) return;
            const deleted = context.type === context.UserEventType.DELETE;
            const rec = deleted ? context.oldRecord : context.newRecord;
            const at = Date.now();
            const body = JSON.stringify({
                event: String(context.type).toLowerCase(),
                recordType: rec.type,
                id: String(rec.id),
                externalId: rec.getValue({ fieldId: 'externalid' }) || undefined,
                user: runtime.getCurrentUser().id,
                context: runtime.executionContext,
                timestamp: new Date(at).toISOString(),
            });
            const id = `ns_${rec.type}_${rec.id}_${at}`;
            const seconds = String(Math.floor(at / 1000));
            const answer = https.post({
                url: script.getParameter({ name: 'custscript_tieline_url' }),
                headers: {
                    'Content-Type': 'application/json',
                    'webhook-id': id,
                    'webhook-timestamp': seconds,
                    'webhook-signature': `v1,${sign(`${id}.${seconds}.${body}`)}`,
                },
                body,
            });
            if (answer.code >= 300) log.error({ title: 'Tieline', details: `${id}: HTTP ${answer.code}` });
        } catch (e) {
            log.error({ title: 'Tieline', details: e }); // the save goes on
        }
    };

    return { afterSubmit };
});

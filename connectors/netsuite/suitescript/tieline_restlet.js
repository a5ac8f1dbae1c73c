/**
 * SPDX-License-Identifier: Apache-2.0
 *
 * Many records in one request: what `restlet: customscript_tieline` with `batch` talks to. One request is one of the
 * account's few at one time, so this is the way to get more than one record through it.
 *
 * Upload it (Documents > Files > SuiteScripts), make a script record with the id customscript_tieline and a deployment
 * customdeploy_tieline, status Released, for the role of the integration.
 *
 * In:  { records: [{ type: "customer", externalId: "C-1", values: { companyname: "x" }, lines: { item: [{ item: 7 }] } }] }
 * Out: { results: [{ ok: true, id: "12" }, { ok: false, code: "DUP_ENTITY", message: "..." }] }, in the order of `records`.
 * Names are those of SuiteScript (internal ids, lower case); a reference is the internal id.
 *
 * @NApiVersion 2.1
 * @NScriptType Restlet
 */
define(['N/record', 'N/search', 'N/runtime'], (record, search, runtime) => {
    const UNITS_LEFT = 100; // of the 5,000 that a call has: below that, the rest is sent back to be tried again

    const find = (type, externalId) => {
        const found = search
            .create({ type, filters: [['externalid', 'anyof', externalId]], columns: ['internalid'] })
            .run()
            .getRange({ start: 0, end: 1 });
        return found.length > 0 ? found[0].id : null;
    };

    const setLines = (rec, sublistId, lines) => {
        for (let line = rec.getLineCount({ sublistId }) - 1; line >= 0; line--) rec.removeLine({ sublistId, line });
        lines.forEach((values, line) => {
            rec.insertLine({ sublistId, line });
            Object.keys(values).forEach((fieldId) =>
                rec.setSublistValue({ sublistId, fieldId, line, value: values[fieldId] }),
            );
        });
    };

    const upsert = ({ type, externalId, values, lines }) => {
        const id = find(type, externalId);
        const rec = id ? record.load({ type, id }) : record.create({ type });
        if (!id) rec.setValue({ fieldId: 'externalid', value: externalId });
        Object.keys(values || {}).forEach((fieldId) => rec.setValue({ fieldId, value: values[fieldId] }));
        Object.keys(lines || {}).forEach((sublistId) => setLines(rec, sublistId, lines[sublistId]));
        return String(rec.save({ enableSourcing: true, ignoreMandatoryFields: false }));
    };

    const one = (entry) => {
        if (runtime.getCurrentScript().getRemainingUsage() < UNITS_LEFT)
            return { ok: false, code: 'SSS_USAGE_LIMIT_EXCEEDED', message: 'the call has no units left', retry: true };
        try {
            if (!entry.type || !entry.externalId)
                return { ok: false, code: 'MISSING_REQD_ARGUMENT', message: 'type and externalId are needed' };
            return { ok: true, id: upsert(entry) };
        } catch (e) {
            return { ok: false, code: e.name || 'UNEXPECTED_ERROR', message: e.message || String(e) };
        }
    };

    return { post: (body) => ({ results: (body.records || []).map(one) }) };
});

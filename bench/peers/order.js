// SPDX-License-Identifier: Apache-2.0
// The map of the comparison in JavaScript: the same twenty fields as order.jsonata.
'use strict';

module.exports = function mapOrder(o) {
    let total = 0, quantity = 0;
    for (const line of o.lines) {
        total += line.price * line.qty;
        quantity += line.qty;
    }
    return {
        externalId: o.id,
        orderNumber: o.number,
        customer: o.customer.id,
        name: o.customer.first + ' ' + o.customer.last,
        email: o.customer.email.toLowerCase(),
        phone: o.customer.phone.replaceAll(' ', ''),
        currency: o.currency,
        placedAt: o.placed_at.slice(0, 10),
        channel: o.channel.toUpperCase(),
        country: o.ship.country,
        city: o.ship.city,
        zip: o.ship.zip,
        street: o.ship.street,
        express: o.ship.method === 'express',
        lines: o.lines.map((l) => ({ item: l.sku, amount: l.price * l.qty })),
        lineCount: o.lines.length,
        quantity,
        total: Math.round((total - o.discount + o.shipping) * 100) / 100,
        tags: o.tags.join(','),
        note: o.note.slice(0, 40),
    };
};

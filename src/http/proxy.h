/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proxy.h - the PROXY protocol, version 2: who calls, as the proxy in front of us says it before anything else
 * (https://www.haproxy.org/download/3.0/doc/proxy-protocol.txt, 2.2). A pure function; the server reads with it.
 */
#ifndef TL_HTTP_PROXY_H
#define TL_HTTP_PROXY_H

#include "http/url.h"

/* The header that p[0..n) begins with; what follows it does not matter. 0: well formed and complete; > 0: so many bytes
 * are needed in all, more than n and at most 16 + 1024, and no more may be read before they are there; -1: refused.
 * *peer is set for a client over TCP; LOCAL (the proxy speaks for itself) leaves it as it is. Refused: another version,
 * command or family, UNSPEC with PROXY, lengths that do not fit, a wrong CRC-32C. */
int http_proxy_v2(const uint8_t *p, size_t n, struct http_addr *peer);

#endif

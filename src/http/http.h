/* SPDX-License-Identifier: Apache-2.0 */
/* http.h - the umbrella of http/: URLs, the request parser, requests and responses as handlers see them, routes, the
 * server. */
#ifndef TL_HTTP_HTTP_H
#define TL_HTTP_HTTP_H

#include "http/codec.h"
#include "http/message.h"
#include "http/router.h"
#include "http/server.h"
#include "http/tls.h"
#include "http/url.h"

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* base.h - everything of layer 0 at once; see the single headers for their promises. */
#ifndef TL_BASE_BASE_H
#define TL_BASE_BASE_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/csv.h"
#include "base/err.h"
#include "base/id.h"
#include "base/log.h"
#include "base/macros.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/sv.h"
#include "base/utf8.h"

#endif

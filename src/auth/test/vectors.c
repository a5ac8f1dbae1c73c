/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of conformance files is shared with json/test. */
#include "../../json/test/vectors.c"

/* SPDX-License-Identifier: Apache-2.0 */
/* The helper of the folder above, for the tests of this one. */
#include "../../test/vectors.c" /* NOLINT */

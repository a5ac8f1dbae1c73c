/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.h - of the process: that 0 to 2 are nobody else's, and that there are enough. */
#ifndef TL_MAIN_DESCRIPTORS_H
#define TL_MAIN_DESCRIPTORS_H

#include "base/base.h"

/* Before anything else is opened. What the caller closed of standard input, output and error is opened in a way in
 * which it is as useless as before: reading, or writing, fails. false: it cannot be, and there is nowhere to say so. */
bool main_descriptors_standard(void);

/* TL_IO: not n more, with what to do. */
enum tl_rc main_descriptors_enough(unsigned n, struct tl_err *err);

#endif

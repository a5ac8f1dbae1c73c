/* SPDX-License-Identifier: Apache-2.0 */
/* main.h - the commands that wire the parts together; everything else is src/cli. */
#ifndef TL_MAIN_MAIN_H
#define TL_MAIN_MAIN_H

int main_run(int argc, char **argv);
int main_sim(int argc, char **argv);

#endif

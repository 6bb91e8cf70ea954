/* SPDX-License-Identifier: Apache-2.0 */
/* The version that the library was built as. */
#include <fccompose/fccompose.h>

const char *fc_version(void) { return FCCOMPOSE_VERSION; }

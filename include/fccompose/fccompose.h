/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that libfccompose offers. */
#ifndef FCCOMPOSE_FCCOMPOSE_H
#define FCCOMPOSE_FCCOMPOSE_H

#include <fccompose/entry.h>
#include <fccompose/error.h>
#include <fccompose/ext4.h>
#include <fccompose/image.h>
#include <fccompose/label.h>
#include <fccompose/layer.h>
#include <fccompose/progress.h>
#include <fccompose/snapshot.h>
#include <fccompose/stack.h>
#include <fccompose/tree.h>
#include <fccompose/workspace.h>

/** The version of the headers. */
#define FCCOMPOSE_VERSION "0.1.0"

/** The version of the library that the program runs with. */
FC_PUBLIC const char *fc_version(void);

#endif

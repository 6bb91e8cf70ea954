/* SPDX-License-Identifier: Apache-2.0 */
/* Notes for a person from inside the library, without printing: the program installs a sink. */
#ifndef FC_BASE_LOG_H
#define FC_BASE_LOG_H

#include <fccompose/error.h>

/** How much a line matters. */
enum fc_log_level { FC_LOG_DEBUG, FC_LOG_INFO, FC_LOG_WARN };

/** Say something. Dropped unless a sink is installed. Thread-safe if the sink is. */
void fc_log(enum fc_log_level level, const char *fmt, ...) FC_PRINTF(2, 3);
/** Install the sink (cli does, once, before any thread exists). NULL removes it. */
void fc_log_sink(void (*sink)(enum fc_log_level level, const char *line));

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Hand notes for a person to the program's sink. */
#include "base/log.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

/* A mutable global, as few are (hash.c, fuse/serve.c): set once by cli before there are threads. */
static void (*log_sink)(enum fc_log_level level, const char *line);

void fc_log_sink(void (*sink)(enum fc_log_level level, const char *line)) { log_sink = sink; }

void fc_log(enum fc_log_level level, const char *fmt, ...)
{
    char line[1024];
    va_list ap;

    if (!log_sink)
        return;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    log_sink(level, line);
}

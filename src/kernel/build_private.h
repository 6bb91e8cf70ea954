/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a build. Private to the build files of kernel/. */
#ifndef FC_KERNEL_BUILD_PRIVATE_H
#define FC_KERNEL_BUILD_PRIVATE_H

#include <jansson.h>

#include "base/child.h"
#include "kernel/build.h"

/** A build on its way. */
struct fc_building {
    const struct fc_build_request *q;
    const char *srcarch; /**< "x86", "arm64" */
    char *objects;       /**< O= */
    char *log_path;
    int log_fd;
    char *compiler;            /**< its and the linker's first lines */
    char *release;             /**< what goes into the names: "6.1.167-no-acpi" */
    char key[80];              /**< names the result in the cache */
    struct fc_kconfig *config; /**< what olddefconfig made of it */
    json_t *losses;
    unsigned n_base_lost;
    struct fc_buf args; /**< NUL-terminated words: make's variables */
    size_t n_args;
    struct fc_buf first_error;
    unsigned error_lines;
    bool counting; /**< a step of progress is open */
    uint64_t done, total;
    double seconds;
};

/** Find the tools, and say so to make. Returns 0, or -errno with words. */
int fc_building_tools(struct fc_building *b, struct fc_error *err);
/** Add the variables that make the result the same for everybody. After @objects is known. Returns 0 or -ENOMEM. */
int fc_building_variables(struct fc_building *b, struct fc_error *err);
/** Add a variable or an option for make. Returns 0 or -ENOMEM. */
int fc_building_arg(struct fc_building *b, const char *fmt, ...) FC_PRINTF(2, 3);
/** Run make with @words behind the variables; its lines go into the log. Returns 0, -EIO with words, or another -errno. */
int fc_building_make(struct fc_building *b, const char *const *words, const char *what, struct fc_error *err);
/** The prefix of the tools for the architecture: "" on it, "aarch64-linux-gnu-". */
const char *fc_building_cross(const struct fc_building *b);

/** Write .config, olddefconfig, read it back; judge what survived. Returns 0, -EINVAL or another -errno with words. */
int fc_building_configure(struct fc_building *b, struct fc_error *err);
/** Make all that is needed, counting. */
int fc_building_compile(struct fc_building *b, struct fc_error *err);
/** Put the results and the manifest into the new folder @to; names go into @ret. */
int fc_building_collect(struct fc_building *b, const char *to, struct fc_built *ret, struct fc_error *err);
/** Add a name to the list. Returns 0 or -ENOMEM. */
int fc_built_add(struct fc_built *b, const char *name);

#endif

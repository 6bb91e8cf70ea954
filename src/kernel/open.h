/* SPDX-License-Identifier: Apache-2.0 */
/* How the forms of kernels are taken apart. Private to kernel/. */
#ifndef FC_KERNEL_OPEN_H
#define FC_KERNEL_OPEN_H

#include "base/buf.h"
#include "kernel/kernel.h"

/** The largest file, and the largest kernel inside one. */
#define FC_KERNEL_MAX (1024u << 20)

/** A kernel's bytes, layer by layer. */
struct fc_kernel_bytes {
    const char *path;   /**< for messages */
    struct fc_buf file; /**< as it is on disk */
    struct fc_buf core; /**< what was compressed inside; empty: nothing was */
};
/** Free. */
void fc_kernel_bytes_release(struct fc_kernel_bytes *b);
static inline void fc_kernel_bytes_release_auto(struct fc_kernel_bytes *b) { fc_kernel_bytes_release(b); }

/**
 * Read the file, tell its form into @k (format, arch, compression, boots_64, page_kib) and decompress its core. Returns 0 or as
 * fc_kernel_read() does; a text that is no kernel is FC_KERNEL_CONFIG.
 */
int fc_kernel_open(struct fc_kernel_bytes *b, const char *path, struct fc_kernel *k, struct fc_error *err);

/** What the program headers of the ELF file @data say: arch, PVH. Returns 0, or -EBADMSG with words. */
int fc_kernel_read_elf(const struct fc_buf *data, const char *path, struct fc_kernel *k, struct fc_error *err);
/** Look for the banner and the embedded configuration. Returns 0 or -errno with words. */
int fc_kernel_read_core(const struct fc_buf *data, const char *path, struct fc_kernel *k, struct fc_error *err);

#endif

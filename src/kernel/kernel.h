/* SPDX-License-Identifier: Apache-2.0 */
/* Built kernels as files: what they are, what their configuration was, what booting them under Firecracker needs. */
#ifndef FC_KERNEL_KERNEL_H
#define FC_KERNEL_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel/kconfig.h"

/** What a file is. */
enum fc_kernel_format {
    FC_KERNEL_CONFIG,  /**< a .config alone */
    FC_KERNEL_ELF,     /**< vmlinux */
    FC_KERNEL_BZIMAGE, /**< x86, compressed, with the setup header */
    FC_KERNEL_IMAGE,   /**< arm64 Image */
    FC_KERNEL_ZBOOT,   /**< an EFI program that has an arm64 Image (or other) compressed inside */
};

/** What could be read of a kernel. Strings are NULL where nothing says it. */
struct fc_kernel {
    enum fc_kernel_format format;
    const char *arch;          /**< as uname -m has it: "x86_64", "aarch64", or another; NULL: not known */
    char *version;             /**< "6.1.167", with what is appended to it */
    char *banner;              /**< the line "Linux version ..." */
    unsigned major, minor;     /**< of @version; 0: not known */
    const char *compression;   /**< of what is inside: "gzip", "zstd"...; NULL: not compressed */
    bool pvh;                  /**< has the note XEN_ELFNOTE_PHYS32_ENTRY: boots by PVH */
    uint64_t pvh_entry;        /**< what it says */
    bool boots_64;             /**< bzImage: has the 64-bit entry (XLF_KERNEL_64) */
    unsigned page_kib;         /**< Image: size of its pages; 0: not said */
    struct fc_kconfig *config; /**< NULL: none is known */
    char *config_from;         /**< "embedded", or the file's name */
};

/**
 * Read the kernel, or the .config, @path. @config_path may be NULL: the configuration that is embedded (IKCONFIG), else a
 * file beside it named @path + ".config", else "config-VERSION" as distributions have it in /boot.
 *
 * Returns 0 and sets *ret; -ENOENT and the like; -EBADMSG with words for a file that is no kernel or damaged; -EOPNOTSUPP for
 * a compression that cannot be read here. Reads the whole file into memory (at most 1 GiB).
 */
int fc_kernel_read(const char *path, const char *config_path, struct fc_kernel **ret, struct fc_error *err);
/** Free. NULL is allowed. */
void fc_kernel_free(struct fc_kernel *k);
/** Name of a format for a person. */
const char *fc_kernel_format_name(enum fc_kernel_format format);

/**
 * Take out what Firecracker loads: vmlinux out of a bzImage (of a distribution, too), Image out of an EFI zboot or Image.gz.
 * An ELF or Image is returned as it is. Returns 0 and appends it to @ret, or as fc_kernel_read() does.
 */
int fc_kernel_extract(const char *path, struct fc_buf *ret, enum fc_kernel_format *ret_format, struct fc_error *err);

/** What an option is for. */
enum fc_need_kind {
    FC_NEED_BOOT,    /**< without it the guest does not come up from a block device */
    FC_NEED_CONSOLE, /**< no serial console */
    FC_NEED_NO_ACPI, /**< instead of ACPI (x86_64, deprecated) */
    FC_NEED_INITRD,  /**< booting from an initrd */
    FC_NEED_PCI,     /**< --enable-pci */
    FC_NEED_PMEM,    /**< root on virtio-pmem */
    FC_NEED_GUEST,   /**< what user space expects: devtmpfs, tmpfs, scripts... */
    FC_NEED_EXTRA,   /**< shutdown, time, entropy, vsock, network... */
};

/** One option of the boot contract. */
struct fc_need {
    enum fc_need_kind kind;
    const char *arch;   /**< NULL: every one */
    const char *option; /**< without "CONFIG_" */
    const char *why;    /**< what happens without it */
};

/** The boot contract: all needs, the last is all zero. */
extern const struct fc_need fc_needs[];

/** How sure a finding is. */
enum fc_kernel_severity { FC_KERNEL_OK, FC_KERNEL_WARNING, FC_KERNEL_ERROR };

/** A finding about a kernel. Strings are borrowed for the call. */
struct fc_kernel_finding {
    enum fc_kernel_severity severity;
    const char *code; /**< "kernel-pvh", "option-VIRTIO_BLK"... */
    const char *what; /**< the finding, with its evidence */
    const char *fix;  /**< what to do; NULL: nothing */
};

/**
 * Judge a kernel (or a .config) alone. @arch: of the machine that shall run it; NULL: what it is made for. @fn hears of each
 * finding, in the order of the contract. Returns the worst severity.
 */
enum fc_kernel_severity fc_kernel_judge(const struct fc_kernel *k, const char *arch,
                                        void (*fn)(void *arg, const struct fc_kernel_finding *f), void *arg);

/**
 * Whether @option belongs to what the guest cannot boot without for @arch, given @c: with ACPI off what replaces it counts.
 * Returns the need, or NULL.
 */
const struct fc_need *fc_need_for(const struct fc_kconfig *c, const char *arch, const char *option);

FC_DEFINE_AUTO(struct fc_kernel *, fc_kernel_free)

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Tell the forms of kernels apart by their headers, and decompress what is inside. */
#include "kernel/open.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "archive/expand.h"
#include "base/io.h"

void fc_kernel_bytes_release(struct fc_kernel_bytes *b)
{
    fc_buf_release(&b->file);
    fc_buf_release(&b->core);
}

static uint32_t u32_at(const struct fc_buf *b, size_t at)
{
    const unsigned char *p = (const unsigned char *)b->data + at;

    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static unsigned u16_at(const struct fc_buf *b, size_t at) { return u32_at(b, at) & 0xffff; }

static bool has(const struct fc_buf *b, size_t at, const char *magic, size_t len)
{
    return b->len >= at + len && memcmp(b->data + at, magic, len) == 0;
}

/* Decompress @size bytes at @at into the core. */
static int expand(struct fc_kernel_bytes *b, uint64_t at, uint64_t size, struct fc_kernel *k, struct fc_error *err)
{
    const char *data = b->file.data + at;

    if (at > b->file.len || size > b->file.len - at)
        return fc_fail(err, EBADMSG, "%s: its compressed part lies behind its end: the file was cut", b->path);
    k->compression = fc_expand_form(data, size);
    if (!k->compression)
        return fc_fail(err, EOPNOTSUPP, "%s: compressed in a way that is not known", b->path);
    /* All but gzip have the length of what is inside put behind them by the kernel's Makefile (size_append). */
    if (k->format == FC_KERNEL_BZIMAGE && strcmp(k->compression, "gzip") != 0 && size > 4)
        size -= 4;
    return fc_expand(data, size, FC_KERNEL_MAX, b->path, &b->core, err);
}

/* Linux: Documentation/arch/x86/boot.rst, the real-mode kernel header. */
static int open_bzimage(struct fc_kernel_bytes *b, struct fc_kernel *k, struct fc_error *err)
{
    unsigned version, setup_sectors;
    uint64_t at;

    k->format = FC_KERNEL_BZIMAGE;
    if (b->file.len < 0x268)
        return fc_fail(err, EBADMSG, "%s: a bzImage that was cut", b->path);
    version = u16_at(&b->file, 0x206);
    if (version < 0x208)
        return fc_fail(err, EOPNOTSUPP, "%s: a bzImage of boot protocol %u.%02u: 2.08 is the oldest that is read",
                       b->path, version >> 8, version & 0xff);
    k->boots_64 = version >= 0x20c && (u16_at(&b->file, 0x236) & 1);
    k->arch = k->boots_64 ? "x86_64" : "i386";
    setup_sectors = (unsigned char)b->file.data[0x1f1];
    at = ((setup_sectors ? setup_sectors : 4) + 1) * UINT64_C(512) + u32_at(&b->file, 0x248);
    return expand(b, at, u32_at(&b->file, 0x24c), k, err);
}

/* Linux: drivers/firmware/efi/libstub/zboot-header.S. */
static int open_zboot(struct fc_kernel_bytes *b, struct fc_kernel *k, struct fc_error *err)
{
    k->format = FC_KERNEL_ZBOOT;
    if (b->file.len < 64)
        return fc_fail(err, EBADMSG, "%s: an EFI zboot image that was cut", b->path);
    return expand(b, u32_at(&b->file, 8), u32_at(&b->file, 12), k, err);
}

static bool is_elf(const struct fc_buf *b)
{
    return has(b, 0,
               "\x7f"
               "ELF",
               4);
}
static bool is_image(const struct fc_buf *b) { return has(b, 0x38, "ARM\x64", 4); }

/* Linux: Documentation/arch/arm64/booting.rst. */
static void read_image(const struct fc_buf *b, struct fc_kernel *k)
{
    static const unsigned kib[] = {0, 4, 16, 64};

    k->arch = "aarch64";
    k->page_kib = b->len >= 64 ? kib[u32_at(b, 0x18) >> 1 & 3] : 0;
}

static int open_core(struct fc_kernel_bytes *b, struct fc_kernel *k, struct fc_error *err)
{
    if (is_elf(&b->core))
        return fc_kernel_read_elf(&b->core, b->path, k, err);
    if (is_image(&b->core))
        read_image(&b->core, k);
    else if (k->format != FC_KERNEL_ZBOOT)
        return fc_fail(err, EBADMSG, "%s: what is compressed inside is neither ELF nor an arm64 Image", b->path);
    return 0;
}

int fc_kernel_open(struct fc_kernel_bytes *b, const char *path, struct fc_kernel *k, struct fc_error *err)
{
    int r = fc_read_file(AT_FDCWD, path, FC_KERNEL_MAX, &b->file);

    b->path = path;
    if (r < 0)
        return fc_fail_errno(err, -r, "cannot read %s", path);
    if (is_elf(&b->file)) {
        k->format = FC_KERNEL_ELF;
        return fc_kernel_read_elf(&b->file, path, k, err);
    }
    if (has(&b->file, 0x1fe, "\x55\xaa", 2) && has(&b->file, 0x202, "HdrS", 4))
        r = open_bzimage(b, k, err);
    else if (has(&b->file, 0, "MZ", 2) && has(&b->file, 4, "zimg", 4))
        r = open_zboot(b, k, err);
    else if (is_image(&b->file)) {
        k->format = FC_KERNEL_IMAGE;
        read_image(&b->file, k);
        return 0;
    } else if (fc_expand_form(b->file.data, b->file.len)) {
        k->format = FC_KERNEL_IMAGE; /* Image.gz */
        r = expand(b, 0, b->file.len, k, err);
        if (r == 0 && is_elf(&b->core))
            k->format = FC_KERNEL_ELF;
    } else {
        k->format = FC_KERNEL_CONFIG;
        if (b->file.len && !memchr(b->file.data, 0, b->file.len))
            return 0;
        return fc_fail(err, EBADMSG,
                       "%s: neither a kernel (ELF vmlinux, bzImage, arm64 Image, EFI zboot) nor a .config", path);
    }
    return r < 0 ? r : open_core(b, k, err);
}

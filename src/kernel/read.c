/* SPDX-License-Identifier: Apache-2.0 */
/* Read what a kernel says about itself: banner, version, configuration. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "archive/expand.h"
#include "kernel/open.h"

const char *fc_kernel_format_name(enum fc_kernel_format format)
{
    static const char *const names[] = {"configuration", "ELF", "bzImage", "arm64 Image", "EFI zboot"};

    return names[format];
}

void fc_kernel_free(struct fc_kernel *k)
{
    if (!k)
        return;
    free(k->version);
    free(k->banner);
    fc_kconfig_free(k->config);
    free(k->config_from);
    free(k);
}

static void note_version(struct fc_kernel *k, const char *text, size_t len)
{
    free(k->version);
    k->version = strndup(text, len);
    if (k->version && sscanf(k->version, "%u.%u", &k->major, &k->minor) != 2)
        k->major = k->minor = 0;
}

/* "Linux version 6.1.167 (builder@host) ...", and no format string. */
static void read_banner(const struct fc_buf *data, struct fc_kernel *k)
{
    static const char magic[] = "Linux version ";
    const char *p = data->data, *end = data->data + data->len, *stop;

    while (p && p < end && (p = memmem(p, (size_t)(end - p), magic, sizeof(magic) - 1)) != NULL) {
        const char *version = p + sizeof(magic) - 1;

        for (stop = version; stop < end && stop - p < 512 && *stop && *stop != '\n';)
            stop++;
        if (version < end && isdigit((unsigned char)*version) && memchr(version, ' ', (size_t)(stop - version))) {
            k->banner = strndup(p, (size_t)(stop - p));
            note_version(k, version, strcspn(version, " "));
            return;
        }
        p = version;
    }
}

/* kernel/configs.c puts a gzip of .config between these two. */
static int read_embedded(const struct fc_buf *data, const char *path, struct fc_kernel *k, struct fc_error *err)
{
    static const char first[] = "IKCFG_ST", last[] = "IKCFG_ED";
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    const char *begin = data->data, *end = data->data + data->len, *stop;
    int r;

    do {
        begin = begin < end ? memmem(begin, (size_t)(end - begin), first, 8) : NULL;
        if (!begin)
            return 0;
        begin += 8;
    } while (!fc_expand_form(begin, (size_t)(end - begin)));
    stop = memmem(begin, (size_t)(end - begin), last, 8);
    if (!stop)
        return fc_fail(err, EBADMSG, "%s: the embedded configuration has no end", path);
    r = fc_expand(begin, (size_t)(stop - begin), 16u << 20, path, &text, err);
    if (r < 0)
        return r;
    k->config = fc_kconfig_new();
    k->config_from = strdup("embedded");
    if (!k->config || !k->config_from)
        return fc_fail(err, ENOMEM, "out of memory");
    return fc_kconfig_add(k->config, text.data ? text.data : "", text.len, "embedded configuration",
                          &(struct fc_kconfig_add){.base = true}, err);
}

int fc_kernel_read_core(const struct fc_buf *data, const char *path, struct fc_kernel *k, struct fc_error *err)
{
    read_banner(data, k);
    return read_embedded(data, path, k, err);
}

/* The third line of a .config: "# Linux/x86 6.1.167 Kernel Configuration". */
static void read_header(const struct fc_buf *text, struct fc_kernel *k)
{
    static const char *const arches[][2] = {{"x86_64", "x86_64"}, {"x86", "x86_64"}, {"arm64", "aarch64"}};
    const char *p = text->data ? strstr(text->data, "# Linux/") : NULL, *version;

    if (!p || (p != text->data && p[-1] != '\n'))
        return;
    p += 8;
    version = p + strcspn(p, " \n");
    for (size_t i = 0; i < FC_LENGTH(arches); i++)
        if (strlen(arches[i][0]) == (size_t)(version - p) && strncmp(arches[i][0], p, (size_t)(version - p)) == 0)
            k->arch = arches[i][1];
    if (*version == ' ' && isdigit((unsigned char)version[1]))
        note_version(k, version + 1, strcspn(version + 1, " \n"));
}

static const char *arch_of_config(const struct fc_kconfig *c)
{
    return fc_kconfig_is_y(c, "X86_64")   ? "x86_64"
           : fc_kconfig_is_y(c, "ARM64")  ? "aarch64"
           : fc_kconfig_is_y(c, "X86_32") ? "i386"
                                          : NULL;
}

static int take_config(struct fc_kernel *k, const char *path, struct fc_error *err)
{
    int r;

    fc_kconfig_free(k->config);
    free(k->config_from);
    k->config = fc_kconfig_new();
    k->config_from = strdup(path);
    if (!k->config || !k->config_from)
        return fc_fail(err, ENOMEM, "out of memory");
    r = fc_kconfig_add_file(k->config, path, &(struct fc_kconfig_add){.base = true}, err);
    if (r == 0 && !k->arch)
        k->arch = arch_of_config(k->config);
    return r;
}

/* A configuration that lies beside the kernel, as builds leave it; or as distributions do in /boot. */
static int find_config(struct fc_kernel *k, const char *path, struct fc_error *err)
{
    const char *slash = strrchr(path, '/');
    fc_auto(fc_free) char *beside = NULL, *boot = NULL;

    if (asprintf(&beside, "%s.config", path) < 0)
        return beside = NULL, fc_fail(err, ENOMEM, "out of memory");
    if (access(beside, R_OK) == 0)
        return take_config(k, beside, err);
    if (!k->version || strchr(k->version, '/'))
        return 0;
    if (asprintf(&boot, "%.*sconfig-%s", slash ? (int)(slash - path) + 1 : 0, path, k->version) < 0)
        return boot = NULL, fc_fail(err, ENOMEM, "out of memory");
    return access(boot, R_OK) == 0 ? take_config(k, boot, err) : 0;
}

int fc_kernel_read(const char *path, const char *config_path, struct fc_kernel **ret, struct fc_error *err)
{
    fc_auto(fc_kernel_free) struct fc_kernel *k = calloc(1, sizeof(*k));
    __attribute__((cleanup(fc_kernel_bytes_release_auto))) struct fc_kernel_bytes b = {0};
    int r = k ? fc_kernel_open(&b, path, k, err) : fc_fail(err, ENOMEM, "out of memory");

    if (r == 0 && k->format == FC_KERNEL_CONFIG) {
        read_header(&b.file, k);
        r = take_config(k, path, err);
    } else if (r == 0) {
        r = fc_kernel_read_core(b.core.len ? &b.core : &b.file, path, k, err);
        if (r == 0 && config_path)
            r = take_config(k, config_path, err);
        else if (r == 0 && !k->config)
            r = find_config(k, path, err);
    }
    if (r == 0)
        *ret = fc_steal(&k);
    return r;
}

int fc_kernel_extract(const char *path, struct fc_buf *ret, enum fc_kernel_format *ret_format, struct fc_error *err)
{
    fc_auto(fc_kernel_free) struct fc_kernel *k = calloc(1, sizeof(*k));
    __attribute__((cleanup(fc_kernel_bytes_release_auto))) struct fc_kernel_bytes b = {0};
    int r = k ? fc_kernel_open(&b, path, k, err) : fc_fail(err, ENOMEM, "out of memory");
    const struct fc_buf *from = b.core.len ? &b.core : &b.file;

    if (r == 0 && k->format == FC_KERNEL_CONFIG)
        r = fc_fail(err, EBADMSG, "%s: a configuration, not a kernel", path);
    if (r == 0 && fc_buf_add(ret, from->data, from->len) < 0)
        r = fc_fail(err, ENOMEM, "out of memory");
    if (r == 0)
        *ret_format = from->len >= 4 && memcmp(from->data,
                                               "\x7f"
                                               "ELF",
                                               4) == 0
                          ? FC_KERNEL_ELF
                          : FC_KERNEL_IMAGE;
    return r;
}

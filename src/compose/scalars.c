/* SPDX-License-Identifier: Apache-2.0 */
/* The kinds of texts: one line each where a pattern says it all. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/arch.h"
#include "base/base64.h"
#include "catalogue/catalogue.h"
#include "compose/scalar.h"
#include "oci/oci.h"

#define SIZE "[0-9]+([KMGTPEkmgtpe](iB|B)?)?"
#define SYMBOLIC "[ugoa]*([-+=]([rwxXst]*|[ugo]))+"
#define NAME "[A-Za-z0-9_.][A-Za-z0-9_.-]*[$]?"

/* The trap of YAML: 0644 is octal in 1.1 and decimal in 1.2, so what looks like neither is not guessed at. */
static const char *refuse_mode(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits && !text[digits] && text[0] != '0')
        return "write octal digits with a 0 in front, as 0644: without it other readers of YAML take the number as "
               "decimal";
    return NULL;
}

/* "0o755" is how YAML 1.2 writes it; chmod knows "0755". */
static char *convert_mode(struct reader *r, const struct node *n, const char *text)
{
    struct fc_buf out = {0};

    (void)n;
    r->oom |= fc_buf_adds(&out, text[0] == '0' && text[1] == 'o' ? "0" : "") < 0;
    r->oom |= fc_buf_adds(&out, text + (text[0] == '0' && text[1] == 'o' ? 2 : 0)) < 0;
    return out.data;
}

static const char *refuse_id(const char *text)
{
    size_t digits = strspn(text, "0123456789");

    if (digits && (!text[digits] || text[digits] == ':') && (digits > 10 || strtoull(text, NULL, 10) >= UINT32_MAX))
        return "an id is at most 4294967294";
    return NULL;
}

static const char *refuse_owner(const char *text)
{
    const char *colon = strchr(text, ':'), *words = refuse_id(text);

    if (!*text)
        return "expected USER, USER:GROUP or :GROUP";
    return words || !colon ? words : refuse_id(colon + 1);
}

static const char *refuse_path(const char *text)
{
    if (*text && *text != '/')
        return "a path in the tree begins with /";
    return strlen(text) > 4095 ? "longer than 4095 bytes" : NULL;
}

int scalar_decode_base64(const char *text, struct fc_buf *out)
{
    struct fc_buf packed __attribute__((cleanup(fc_buf_release_auto))) = {0};

    for (; *text; text++) {
        if (!isspace((unsigned char)*text) && fc_buf_add(&packed, text, 1) < 0)
            return -ENOMEM;
    }
    return fc_base64_decode(out, packed.data ? packed.data : "", packed.len);
}

static const char *refuse_host(const char *text)
{
    return text[0] == '~' && (!text[1] || text[1] == '/') ? "~ is not filled in here: write the path out" : NULL;
}

static const char *refuse_base64(const char *text)
{
    struct fc_buf out __attribute__((cleanup(fc_buf_release_auto))) = {0};

    return scalar_decode_base64(text, &out) < 0 ? "this is not base64" : NULL;
}

static char *convert_lower(struct reader *r, const struct node *n, const char *text)
{
    char *out = strdup(text);

    (void)n;
    for (char *c = out; c && *c; c++)
        *c = (char)tolower((unsigned char)*c);
    r->oom |= !out;
    return out;
}

static const char *refuse_arch(const char *text)
{
    const struct fc_arch *arch = fc_arch_find(text);

    return arch && arch->machine ? NULL : "no machine has this name; x86_64 and aarch64 are the usual ones";
}

static char *convert_arch(struct reader *r, const struct node *n, const char *text)
{
    char *out = strdup(fc_arch_find(text)->machine);

    (void)n;
    r->oom |= !out;
    return out;
}

static const char *refuse_oci(const char *text)
{
    struct fc_oci_ref ref __attribute__((cleanup(fc_oci_ref_release_auto))) = {0};

    if (strncmp(text, "docker://", 9) == 0)
        return "leave docker:// away: oci: takes the reference alone";
    return fc_oci_ref_parse(text, &ref, NULL) < 0 ? "this is no reference such as docker.io/library/alpine:3.20" : NULL;
}

static const char *refuse_name(const char *text)
{
    return fc_catalogue_knows(text)
               ? NULL
               : "no distribution has this name (fccompose ls-remote lists them); an image in a registry is "
                 "oci: REFERENCE";
}

static char *convert_profile(struct reader *r, const struct node *n, const char *text)
{
    char *out = strdup(strncmp(text, "fc-", 3) == 0 ? text + 3 : text);

    (void)n;
    r->oom |= !out;
    return out;
}

static const char *refuse_label(const char *text) { return strlen(text) > 16 ? "longer than 16 bytes" : NULL; }

const struct scalar scalar_text = {"a text", NULL, NULL, NULL};
const struct scalar scalar_any = {"a text", "", NULL, NULL};
const struct scalar scalar_number = {"a number", "^[0-9]{1,9}$", NULL, NULL};
const struct scalar scalar_size = {"a size such as 512M or 2G", "^" SIZE "$", NULL, NULL};
const struct scalar scalar_image_size = {"auto, min, a size such as 512M, or room to leave such as +256M",
                                         "^(auto|min|[+]?" SIZE ")$", NULL, NULL};
const struct scalar scalar_auto_size = {"auto or a size such as 512M", "^(auto|" SIZE ")$", NULL, NULL};
const struct scalar scalar_auto_number = {"auto or a number", "^(auto|[0-9]{1,10})$", NULL, NULL};
const struct scalar scalar_journal = {"none, auto or a size such as 16M", "^(none|auto|" SIZE ")$", NULL, NULL};
const struct scalar scalar_percent = {"0 to 50 percent", "^([0-4]?[0-9]([.][0-9]*)?|50)$", NULL, NULL};
const struct scalar scalar_mode = {"octal digits such as 0755, or changes such as u+x,go-w",
                                   "^(0|0o?[0-7]{1,4}|" SYMBOLIC "(," SYMBOLIC ")*)$", refuse_mode, convert_mode};
const struct scalar scalar_owner = {"USER, USER:GROUP or :GROUP", "^(" NAME "(:" NAME ")?|:" NAME ")$", refuse_owner,
                                    NULL};
const struct scalar scalar_user = {"USER or USER:GROUP", "^" NAME "(:" NAME ")?$", refuse_owner, NULL};
const struct scalar scalar_ids = {"UID:GID, two numbers", "^[0-9]{1,10}:[0-9]{1,10}$", refuse_owner, NULL};
const struct scalar scalar_path = {"a path in the tree, from / on", "^/", refuse_path, NULL};
const struct scalar scalar_host = {"a path on this machine", NULL, refuse_host, scalar_absolute};
const struct scalar scalar_sha256 = {"64 hexadecimal digits", "^[0-9A-Fa-f]{64}$", NULL, convert_lower};
const struct scalar scalar_sha512 = {"128 hexadecimal digits", "^[0-9A-Fa-f]{128}$", NULL, convert_lower};
const struct scalar scalar_uuid = {
    "auto or a UUID", "^(auto|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12})$", NULL,
    NULL};
const struct scalar scalar_profile = {"5.10, 6.1, 6.18 or compat", "^(fc-)?(5[.]10|6[.]1|6[.]18|compat)$", NULL,
                                      convert_profile};
const struct scalar scalar_inode_size = {"128, 256, 512 or 1024", "^(128|256|512|1024)$", NULL, NULL};
const struct scalar scalar_feature = {"the name of a feature of ext4, with ^ in front to take it away",
                                      "^\\^?[a-z0-9_]+$", NULL, NULL};
const struct scalar scalar_label = {"a text of up to 16 bytes", NULL, refuse_label, NULL};
const struct scalar scalar_id = {"letters, digits, dots, hyphens and underscores", "^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$",
                                 NULL, NULL};
const struct scalar scalar_hostname = {"a host name", "^[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?$", NULL, NULL};
const struct scalar scalar_xattr = {"a name such as user.origin", "^(user|trusted|security|system)[.].+$", NULL, NULL};
const struct scalar scalar_hex = {"pairs of hexadecimal digits", "^(0x)?([0-9A-Fa-f][0-9A-Fa-f])*$", NULL, NULL};
const struct scalar scalar_base64 = {"base64", "", refuse_base64, NULL};
const struct scalar scalar_arch = {"an architecture such as x86_64 or aarch64", NULL, refuse_arch, convert_arch};
const struct scalar scalar_oci = {"a reference such as docker.io/library/alpine:3.20", NULL, refuse_oci, NULL};
const struct scalar scalar_url = {"a URL of http, https or file", "^(http|https|file)://[^/ ]*[^ ]+$", NULL, NULL};
const struct scalar scalar_signature = {"a URL, or + and what to put behind that of the layer, such as +.asc",
                                        "^([+][^ ]+|(http|https|file)://[^ ]+)$", NULL, NULL};
const struct scalar scalar_name = {"a distribution and its version such as alpine:3.20", NULL, refuse_name, NULL};
const struct scalar scalar_builtin = {"busybox", "^busybox$", NULL, NULL};
const struct scalar scalar_kernel = {"a version such as 6.1, or a preset", "^v?[0-9A-Za-z][0-9A-Za-z._-]*$", NULL,
                                     NULL};
const struct scalar scalar_config_line = {"a line such as CONFIG_X=y", "^CONFIG_[A-Za-z0-9_]+=.+$", NULL, NULL};
const struct scalar scalar_address = {"an address such as 172.16.0.2 or 172.16.0.2/30",
                                      "^[0-9]{1,3}([.][0-9]{1,3}){3}(/[0-9]{1,2})?$", NULL, NULL};
const struct scalar scalar_device = {"the name of a network device", "^[^/ ]{1,15}$", NULL, NULL};

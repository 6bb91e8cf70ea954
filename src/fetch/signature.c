/* SPDX-License-Identifier: Apache-2.0 */
/* Check OpenPGP signatures: sqv, else gpgv, with keyring files that the user can see and replace. */
#include "fetch/signature.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/io.h"

#define KEYRING_MAX (4u << 20)

static void add_if_there(struct fc_keyrings *k, const char *path)
{
    if (k->n < FC_LENGTH(k->list) && access(path, R_OK) == 0) {
        k->list[k->n] = strdup(path);
        k->n += k->list[k->n] != NULL;
    }
}

int fc_keyrings_find(const char *name, const char *const *packaged, struct fc_keyrings *ret)
{
    fc_auto(fc_free) char *config = NULL;
    const char *dirs[4] = {NULL, "/etc/fccompose", "/usr/local/share/fccompose", "/usr/share/fccompose"};
    char path[4200];

    *ret = (struct fc_keyrings){0};
    if (fc_dir_config(&config, NULL) == 0)
        dirs[0] = config;
    for (size_t i = 0; i < FC_LENGTH(dirs) && ret->n == 0; i++) {
        for (unsigned k = 0; k < 2 && dirs[i]; k++) {
            snprintf(path, sizeof(path), "%.4000s/keys/%.64s.%s", dirs[i], name, k ? "asc" : "gpg");
            add_if_there(ret, path);
        }
    }
    for (size_t i = 0; packaged && packaged[i] && (ret->n == 0 || i); i++)
        add_if_there(ret, packaged[i]);
    return 0;
}

void fc_keyrings_release(struct fc_keyrings *k)
{
    for (size_t i = 0; i < k->n; i++)
        free(k->list[i]);
    k->n = 0;
}

/* The last line of what a verifier said that is not its status protocol. */
static const char *last_line(struct fc_buf *said)
{
    const char *last = "";

    if (!said->data)
        return last;
    for (char *line = strtok(said->data, "\n"); line; line = strtok(NULL, "\n"))
        if (strncmp(line, "[GNUPG:]", 8) != 0)
            last = line;
    return last;
}

/* The first run of at least 40 hexadecimal digits behind @after. Caller frees; NULL: none. */
static char *fingerprint(const char *text, const char *after)
{
    const char *p = text ? strstr(text, after) : NULL;

    for (p = p ? p + strlen(after) : NULL; p && *p; p++) {
        size_t n = strspn(p, "0123456789ABCDEFabcdef");

        if (n >= 40)
            return strndup(p, n);
        p += n ? n - 1 : 0;
    }
    return NULL;
}

static int judge(int status, struct fc_buf *said, const char *after, const char *label, const char *by,
                 char **ret_signer, struct fc_error *err)
{
    char *signer = status == 0 ? fingerprint(said->data, after) : NULL;

    if (!signer)
        return fc_fail(err, EKEYREJECTED, "the signature of %s is not a good one (%s: %.200s)", label, by,
                       last_line(said));
    *ret_signer = signer;
    return 0;
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

/* The bytes of the armored blocks in @text. */
static int dearmor(const char *text, struct fc_buf *ret)
{
    for (const char *p = text; (p = strstr(p, "-----BEGIN PGP PUBLIC KEY BLOCK-----")) != NULL;) {
        const char *end = strstr(p, "-----END"), *body = strstr(p, "\n\n"), *windows = strstr(p, "\r\n\r\n");
        uint32_t bits = 0;
        unsigned n = 0;

        if (windows && (!body || windows < body))
            body = windows;
        if (!end || !body || body > end)
            return -EBADMSG;
        for (p = body; p < end; p++) {
            int value = base64_value(*p);

            if (*p == '=')
                break; /* padding, or the checksum's line */
            if (value < 0)
                continue;
            bits = bits << 6 | (uint32_t)value;
            n += 6;
            if (n >= 8) {
                char byte = (char)(bits >> (n - 8));

                n -= 8;
                if (fc_buf_add(ret, &byte, 1) < 0)
                    return -ENOMEM;
            }
        }
        p = end;
    }
    return ret->len ? 0 : -EBADMSG;
}

/* gpgv takes binary keyrings alone: all of them as one file. Returns its descriptor, unnamed on disk, or -errno. */
static int merge(const struct fc_keyrings *keys, char path[64])
{
    struct fc_buf all = {0}, one = {0};
    int r = 0, fd = -1;

    for (size_t i = 0; i < keys->n && r == 0; i++) {
        fc_buf_clear(&one);
        r = fc_read_file(AT_FDCWD, keys->list[i], KEYRING_MAX, &one);
        if (r == 0 && one.data && strstr(one.data, "-----BEGIN PGP"))
            r = dearmor(one.data, &all);
        else if (r == 0)
            r = fc_buf_add(&all, one.data, one.len);
    }
    strcpy(path, "/tmp/fccompose-keys-XXXXXX");
    if (r == 0)
        fd = mkostemp(path, O_CLOEXEC);
    if (r == 0 && fd < 0)
        r = -errno;
    if (r == 0)
        r = fc_write_full(fd, all.data, all.len);
    if (r < 0 && fd >= 0) {
        unlink(path);
        close(fd);
    }
    fc_buf_release(&all);
    fc_buf_release(&one);
    return r < 0 ? r : fd;
}

static int by_gpgv(const struct fc_keyrings *keys, const char *signature, const char *data, const char *label,
                   char **ret_signer, struct fc_error *err)
{
    char path[64];
    const char *argv[] = {"gpgv", "--status-fd", "1", "--keyring", path, "--", signature, data, NULL};
    fc_auto(fc_close) int fd = merge(keys, path);
    struct fc_buf said = {0};
    int r;

    if (fd < 0)
        return fc_fail_errno(err, -fd, "cannot read the keyring %s", keys->list[0]);
    r = fc_child_run(argv, &said, err);
    unlink(path);
    if (r >= 0)
        r = judge(r, &said, "[GNUPG:] VALIDSIG ", label, "gpgv", ret_signer, err);
    fc_buf_release(&said);
    return r;
}

const char *fc_signature_verifier(void)
{
    static const char *const names[] = {"sqv", "gpgv"};

    for (size_t i = 0; i < FC_LENGTH(names); i++) {
        const char *argv[] = {names[i], "--version", NULL};
        struct fc_buf said = {0};
        int r = fc_child_run(argv, &said, NULL);

        fc_buf_release(&said);
        if (r == 0)
            return names[i];
    }
    return NULL;
}

int fc_signature_check(const struct fc_keyrings *keys, const char *signature, const char *data, const char *label,
                       char **ret_signer, struct fc_error *err)
{
    const char *argv[2 * FC_LENGTH(keys->list) + 5] = {"sqv"};
    struct fc_buf said = {0};
    size_t n = 1;
    int r;

    for (size_t i = 0; i < keys->n; i++) {
        argv[n++] = "--keyring";
        argv[n++] = keys->list[i];
    }
    argv[n++] = "--";
    argv[n++] = signature;
    argv[n++] = data;
    r = fc_child_run(argv, &said, err);
    if (r == -ENOENT)
        r = by_gpgv(keys, signature, data, label, ret_signer, err);
    else if (r >= 0)
        r = judge(r, &said, "", label, "sqv", ret_signer, err);
    fc_buf_release(&said);
    return r;
}

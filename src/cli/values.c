/* SPDX-License-Identifier: Apache-2.0 */
/* Texts from the command line and the environment to numbers. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cli/cli.h"

/* Digits of @base at the start of @text. Returns what follows them, or NULL if there are none or too many. */
static const char *digits(const char *text, int base, uint64_t *ret)
{
    char *end = NULL;

    if (!isdigit((unsigned char)*text))
        return NULL;
    errno = 0;
    *ret = strtoull(text, &end, base);
    return errno ? NULL : end;
}

int cli_parse_size(const char *what, const char *text, uint64_t *ret, struct fc_error *err)
{
    static const char units[] = "KMGTPE";
    uint64_t value;
    const char *end = digits(text, 10, &value), *unit;
    unsigned shift = 0;

    if (end && *end) {
        unit = strchr(units, toupper((unsigned char)*end));
        if (unit && (end[1] == '\0' || strcmp(end + 1, "iB") == 0 || strcmp(end + 1, "B") == 0)) {
            shift = 10 * (unsigned)(unit - units + 1);
            end = "";
        }
    }
    if (!end || *end || (shift && value > UINT64_MAX >> shift))
        return cli_usage(err, "%s: %s: expected a size such as 512M or 2G", what, text);
    *ret = value << shift;
    return 0;
}

int cli_parse_number(const char *what, const char *text, uint64_t max, uint64_t *ret, struct fc_error *err)
{
    uint64_t value;
    const char *end = digits(text, 10, &value);

    if (!end || *end || value > max)
        return cli_usage(err, "%s: %s: expected a number from 0 to %llu", what, text, (unsigned long long)max);
    *ret = value;
    return 0;
}

int cli_parse_octal(const char *what, const char *text, uint32_t *ret, struct fc_error *err)
{
    uint64_t value;
    const char *end = digits(text, 8, &value);

    if (!end || *end || value > 07777)
        return cli_usage(err, "%s: %s: expected octal permissions such as 0755", what, text);
    *ret = (uint32_t)value;
    return 0;
}

int cli_parse_owner(const char *what, const char *text, bool *ret_have_uid, uint32_t *ret_uid, bool *ret_have_gid,
                    uint32_t *ret_gid, struct fc_error *err)
{
    uint64_t uid = 0, gid = 0;
    const char *p = text, *end;
    bool have_uid = false, have_gid = false;

    end = digits(p, 10, &uid);
    if (end) {
        have_uid = true;
        p = end;
    }
    if (*p == ':') {
        p++;
        end = digits(p, 10, &gid);
        if (end) {
            have_gid = true;
            p = end;
        }
    }
    if (*p || (!have_uid && !have_gid) || uid >= UINT32_MAX || gid >= UINT32_MAX)
        return cli_usage(err, "%s: %s: expected UID:GID in numbers (names belong to the guest, not to this host)", what,
                         text);
    *ret_have_uid = have_uid;
    *ret_have_gid = have_gid;
    *ret_uid = have_uid ? (uint32_t)uid : *ret_uid;
    *ret_gid = have_gid ? (uint32_t)gid : *ret_gid;
    return 0;
}

int cli_parse_full_owner(const char *what, const char *text, uint32_t *ret_uid, uint32_t *ret_gid, struct fc_error *err)
{
    bool have_uid, have_gid;
    int r = cli_parse_owner(what, text, &have_uid, ret_uid, &have_gid, ret_gid, err);

    if (r == 0 && (!have_uid || !have_gid))
        return cli_usage(err, "%s: %s: expected both, UID:GID", what, text);
    return r;
}

int cli_parse_uuid(const char *what, const char *text, uint8_t ret[16], struct fc_error *err)
{
    uint8_t uuid[16] = {0};
    size_t n = 0;

    for (const char *p = text; *p; p++) {
        if (*p == '-' && (p - text == 8 || p - text == 13 || p - text == 18 || p - text == 23))
            continue;
        if (!isxdigit((unsigned char)*p) || n == 32) {
            n = 0;
            break;
        }
        uuid[n / 2] = (uint8_t)(uuid[n / 2] << 4 | (isdigit((unsigned char)*p) ? *p - '0' : (*p | 32) - 'a' + 10));
        n++;
    }
    if (n != 32)
        return cli_usage(err, "%s: %s: expected a UUID", what, text);
    memcpy(ret, uuid, sizeof(uuid));
    return 0;
}

int cli_source_date_epoch(int64_t fallback, int64_t *ret, struct fc_error *err)
{
    const char *text = getenv("SOURCE_DATE_EPOCH");
    uint64_t value;
    const char *end;

    *ret = fallback;
    if (!text || !*text)
        return 0;
    end = digits(text, 10, &value);
    if (!end || *end || value > INT64_MAX)
        return cli_usage(err, "SOURCE_DATE_EPOCH=%s: expected seconds since 1970", text);
    *ret = (int64_t)value;
    return 0;
}

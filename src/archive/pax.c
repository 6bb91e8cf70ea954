/* SPDX-License-Identifier: Apache-2.0 */
/* Parse PAX extended headers: POSIX's records and those of GNU tar, star and libarchive. */
#include "archive/pax.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/path.h"

/* The kernel's XATTR_SIZE_MAX and XATTR_NAME_MAX. */
#define XATTR_VALUE_MAX 65536u
#define XATTR_NAME_LIMIT 255u

/* One record: key (NUL-terminated copy) and value. */
struct record {
    const char *key, *value;
    size_t size;
};

static int bad(const struct record *r, struct fc_error *err)
{
    char show[80];

    return fc_fail(err, EBADMSG, "PAX record \"%s\" has a damaged value",
                   fc_name_show(show, sizeof(show), r->key, strlen(r->key)));
}

static int no_memory(struct fc_error *err) { return fc_fail(err, ENOMEM, "out of memory"); }

static bool parse_u64(const char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;

    if (n == 0)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] < '0' || p[i] > '9' || v > (UINT64_MAX - 9) / 10)
            return false;
        v = v * 10 + (uint64_t)(p[i] - '0');
    }
    *ret = v;
    return true;
}

int fc_pax_time(const char *text, size_t len, struct timespec *ret)
{
    bool negative = len && text[0] == '-', clamped = false;
    size_t i = negative || (len && text[0] == '+');
    uint64_t sec = 0;
    long nsec = 0, unit = 100000000;

    if (i == len)
        return -EBADMSG;
    for (; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
        if (sec > (uint64_t)INT64_MAX / 10 - 1)
            clamped = true;
        else
            sec = sec * 10 + (uint64_t)(text[i] - '0');
    }
    if (i < len && (text[i] == '.' || text[i] == ',')) {
        for (i++; i < len && text[i] >= '0' && text[i] <= '9'; i++, unit /= 10)
            nsec += (text[i] - '0') * unit; /* digits past the ninth add nothing */
    }
    if (i != len)
        return -EBADMSG;
    if (clamped) {
        sec = INT64_MAX / 16;
        nsec = 0;
    }
    ret->tv_sec = negative ? -(int64_t)sec : (int64_t)sec;
    ret->tv_nsec = nsec;
    if (negative && nsec > 0) {
        ret->tv_sec--;
        ret->tv_nsec = 1000000000 - nsec;
    }
    return clamped;
}

static int set_text(struct fc_buf *b, const struct record *r, struct fc_error *err)
{
    fc_buf_clear(b);
    return fc_buf_add(b, r->value, r->size) < 0 ? no_memory(err) : 0;
}

static int set_u64(uint64_t *field, const struct record *r, struct fc_error *err)
{
    return parse_u64(r->value, r->size, field) && *field <= INT64_MAX ? 0 : bad(r, err);
}

static int set_u32(uint32_t *field, const struct record *r, struct fc_error *err)
{
    uint64_t v;

    if (r->size && r->value[0] == '-')
        return fc_fail(err, EOPNOTSUPP, "PAX record \"%s\" is negative", r->key);
    if (!parse_u64(r->value, r->size, &v))
        return bad(r, err);
    if (v > UINT32_MAX)
        return fc_fail(err, EOPNOTSUPP, "PAX record \"%s\" is beyond 32 bits", r->key);
    *field = (uint32_t)v;
    return 0;
}

static int set_mtime(struct fc_pax *pax, const struct record *r, struct fc_error *err)
{
    int n = fc_pax_time(r->value, r->size, &pax->mtime);

    if (n < 0)
        return bad(r, err);
    pax->n_notes += (uint32_t)n;
    return 0;
}

/* Sparse 0.1: "offset,length,offset,length..." */
static int set_sparse_map(struct fc_pax *pax, const struct record *r, struct fc_error *err)
{
    const char *p = r->value, *end = p + r->size;

    pax->map.n = 0;
    while (p < end) {
        uint64_t v[2];
        int e;

        for (int i = 0; i < 2; i++) {
            const char *comma = p < end ? memchr(p, ',', (size_t)(end - p)) : NULL;
            const char *stop = comma ? comma : end;

            if (p >= end || !parse_u64(p, (size_t)(stop - p), &v[i]))
                return bad(r, err);
            p = comma ? comma + 1 : end;
        }
        e = fc_sparse_add(&pax->map, v[0], v[1], err);
        if (e < 0)
            return e;
    }
    return 0;
}

/* Sparse 0.0: records of offset and length in turn. */
static int sparse_0_0(struct fc_pax *pax, const struct record *r, bool is_length, struct fc_error *err)
{
    uint64_t v;

    if (!parse_u64(r->value, r->size, &v) || is_length != pax->have_map_offset)
        return bad(r, err);
    pax->set |= FC_PAX_SPARSE_MAP;
    pax->have_map_offset = !is_length;
    if (is_length)
        return fc_sparse_add(&pax->map, pax->map_offset, v, err);
    pax->map_offset = v;
    return 0;
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/*
 * Append an attribute's name. libarchive encodes any byte as %XX; GNU tar only "%" and "=", and nobody else anything:
 * @all says which. A name that holds NUL cannot be kept.
 */
static int add_name(struct fc_buf *b, const char *p, bool all)
{
    for (; *p; p++) {
        int high = *p == '%' ? hex(p[1]) : -1, low = high >= 0 ? hex(p[2]) : -1;
        char c = *p;

        if (low >= 0 && (all || high * 16 + low == '%' || high * 16 + low == '=')) {
            c = (char)(high * 16 + low);
            p += 2;
        }
        if (c == '\0')
            return -EBADMSG;
        if (fc_buf_add(b, &c, 1) < 0)
            return -ENOMEM;
    }
    return fc_buf_add(b, "", 1);
}

static int base64_digit(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;

    return at ? (int)(at - digits) : -1;
}

static int add_base64(struct fc_buf *b, const char *p, size_t n)
{
    uint32_t bits = 0;
    unsigned have = 0;

    while (n && p[n - 1] == '=')
        n--;
    for (; n > 0; p++, n--) {
        int d = base64_digit(*p);
        char c;

        if (d < 0)
            return -EBADMSG;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have < 8)
            continue;
        have -= 8;
        c = (char)(bits >> have);
        if (fc_buf_add(b, &c, 1) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* An attribute, the last one of a name wins (when they are sorted). */
static int add_xattr(struct fc_pax *pax, const char *name, bool encoded, const struct record *r, struct fc_error *err)
{
    struct fc_pax_xattr x = {.name = pax->bytes.len};
    int e = add_name(&pax->bytes, name, encoded);

    if (e == 0) {
        x.value = pax->bytes.len;
        e = encoded ? add_base64(&pax->bytes, r->value, r->size) : fc_buf_add(&pax->bytes, r->value, r->size);
    }
    if (e == 0)
        e = fc_grow(&pax->xattrs, &pax->xattrs_cap, pax->n_xattrs + 1, sizeof(x));
    if (e < 0)
        return e == -ENOMEM ? no_memory(err) : bad(r, err);
    x.size = pax->bytes.len - x.value;
    if (x.value - x.name - 1 == 0 || x.value - x.name - 1 > XATTR_NAME_LIMIT || x.size > XATTR_VALUE_MAX)
        return fc_fail(err, EOPNOTSUPP, "extended attribute beyond the limits (name %u, value %u bytes)",
                       XATTR_NAME_LIMIT, XATTR_VALUE_MAX);
    pax->xattrs[pax->n_xattrs++] = x;
    return 0;
}

/* What to do with a record. */
enum kind {
    PATH,
    LINK,
    SIZE,
    UID,
    GID,
    MTIME,
    MAJOR,
    MINOR,
    REALSIZE,
    SPARSE_NAME,
    SPARSE_MAP,
    SPARSE_MAJOR,
    SPARSE_MINOR,
    SPARSE_OFFSET,
    SPARSE_NUMBYTES,
    ACL_ACCESS,
    ACL_DEFAULT,
    FILETYPE,
    UNKNOWN
};

static const struct {
    const char *key;
    enum kind kind;
    unsigned bit;
} keys[] = {
    {"path", PATH, FC_PAX_PATH},
    {"linkpath", LINK, FC_PAX_LINK},
    {"size", SIZE, FC_PAX_SIZE},
    {"uid", UID, FC_PAX_UID},
    {"gid", GID, FC_PAX_GID},
    {"mtime", MTIME, FC_PAX_MTIME},
    {"SCHILY.devmajor", MAJOR, FC_PAX_MAJOR},
    {"SCHILY.devminor", MINOR, FC_PAX_MINOR},
    {"GNU.sparse.realsize", REALSIZE, FC_PAX_REALSIZE},
    {"GNU.sparse.size", REALSIZE, FC_PAX_REALSIZE},
    {"GNU.sparse.name", SPARSE_NAME, FC_PAX_SPARSE_NAME},
    {"GNU.sparse.map", SPARSE_MAP, FC_PAX_SPARSE_MAP},
    {"GNU.sparse.major", SPARSE_MAJOR, 0},
    {"GNU.sparse.minor", SPARSE_MINOR, 0},
    {"GNU.sparse.offset", SPARSE_OFFSET, 0},
    {"GNU.sparse.numbytes", SPARSE_NUMBYTES, 0},
    {"SCHILY.acl.access", ACL_ACCESS, FC_PAX_ACL_ACCESS},
    {"SCHILY.acl.default", ACL_DEFAULT, FC_PAX_ACL_DEFAULT},
    {"SCHILY.filetype", FILETYPE, 0},
};

static int apply(struct fc_pax *pax, enum kind kind, const struct record *r, struct fc_error *err)
{
    switch (kind) {
    case PATH:
        return set_text(&pax->path, r, err);
    case LINK:
        return set_text(&pax->link, r, err);
    case SIZE:
        return set_u64(&pax->size, r, err);
    case UID:
        return set_u32(&pax->uid, r, err);
    case GID:
        return set_u32(&pax->gid, r, err);
    case MTIME:
        return set_mtime(pax, r, err);
    case MAJOR:
        return set_u32(&pax->major, r, err);
    case MINOR:
        return set_u32(&pax->minor, r, err);
    case REALSIZE:
        return set_u64(&pax->realsize, r, err);
    case SPARSE_NAME:
        return set_text(&pax->sparse_name, r, err);
    case SPARSE_MAP:
        return set_sparse_map(pax, r, err);
    case SPARSE_MAJOR:
        return set_u32(&pax->sparse_major, r, err);
    case SPARSE_MINOR:
        return set_u32(&pax->sparse_minor, r, err);
    case SPARSE_OFFSET:
    case SPARSE_NUMBYTES:
        return sparse_0_0(pax, r, kind == SPARSE_NUMBYTES, err);
    case ACL_ACCESS:
        return set_text(&pax->acl_access, r, err);
    case ACL_DEFAULT:
        return set_text(&pax->acl_default, r, err);
    case FILETYPE:
        if (r->size == 6 && memcmp(r->value, "socket", 6) == 0)
            pax->set |= FC_PAX_SOCKET;
        return 0;
    case UNKNOWN:
        break;
    }
    return 0;
}

static int take_record(struct fc_pax *pax, const struct record *r, struct fc_error *err)
{
    int e;

    if (strncmp(r->key, "SCHILY.xattr.", 13) == 0)
        return add_xattr(pax, r->key + 13, false, r, err);
    if (strncmp(r->key, "LIBARCHIVE.xattr.", 17) == 0)
        return add_xattr(pax, r->key + 17, true, r, err);
    if (strcmp(r->key, "RHT.security.selinux") == 0) /* tar --selinux */
        return add_xattr(pax, r->key + 4, false, r, err);
    for (size_t i = 0; i < FC_LENGTH(keys); i++) {
        if (strcmp(r->key, keys[i].key) != 0)
            continue;
        /* An empty value takes back what was said before (POSIX pax, "Extended Header"). */
        if (r->size == 0 && keys[i].bit && keys[i].kind != SPARSE_MAP) {
            pax->set &= ~keys[i].bit;
            return 0;
        }
        e = apply(pax, keys[i].kind, r, err);
        if (e == 0)
            pax->set |= keys[i].bit;
        return e;
    }
    return 0; /* comments, access times, names of owners, other programs' records: not for us */
}

/* The length in front of a record: sets *ret_len and *ret_digits. */
static bool record_length(const char *p, size_t left, size_t *ret_len, size_t *ret_digits)
{
    size_t len = 0, i = 0;

    while (i < left && i < 10 && p[i] >= '0' && p[i] <= '9')
        len = len * 10 + (size_t)(p[i++] - '0');
    if (i == 0 || i == left || p[i] != ' ' || len > left || len < i + 4)
        return false;
    *ret_len = len;
    *ret_digits = i;
    return true;
}

int fc_pax_parse(struct fc_pax *pax, const char *data, size_t size, struct fc_error *err)
{
    fc_auto(fc_buf_release) struct fc_buf key = {0};
    size_t at = 0, len, digits;

    while (at < size) {
        const char *start, *equals;
        struct record rec;
        int r;

        if (!record_length(data + at, size - at, &len, &digits) || data[at + len - 1] != '\n')
            return fc_fail(err, EBADMSG, "damaged PAX record at byte %zu of its header", at);
        start = data + at + digits + 1;
        equals = memchr(start, '=', len - digits - 2);
        if (!equals || equals == start || memchr(start, '\0', (size_t)(equals - start)))
            return fc_fail(err, EBADMSG, "PAX record without a key at byte %zu of its header", at);
        fc_buf_clear(&key);
        if (fc_buf_add(&key, start, (size_t)(equals - start)) < 0)
            return no_memory(err);
        rec = (struct record){key.data, equals + 1, (size_t)(data + at + len - 1 - (equals + 1))};
        r = take_record(pax, &rec, err);
        if (r < 0)
            return r;
        at += len;
    }
    if (pax->have_map_offset)
        return fc_fail(err, EBADMSG, "sparse map that ends with an offset");
    return 0;
}

/* Forget all but the memory. */
static void clear(struct fc_pax *pax)
{
    struct fc_pax old = *pax;

    *pax = (struct fc_pax){.path = old.path,
                           .link = old.link,
                           .sparse_name = old.sparse_name,
                           .acl_access = old.acl_access,
                           .acl_default = old.acl_default,
                           .bytes = old.bytes,
                           .xattrs = old.xattrs,
                           .xattrs_cap = old.xattrs_cap,
                           .map = {.runs = old.map.runs, .cap = old.map.cap}};
    fc_buf_clear(&pax->bytes);
}

int fc_pax_inherit(struct fc_pax *pax, const struct fc_pax *global)
{
    clear(pax);
    pax->set = global->set & (FC_PAX_UID | FC_PAX_GID | FC_PAX_MTIME);
    pax->uid = global->uid;
    pax->gid = global->gid;
    pax->mtime = global->mtime;
    if (global->n_xattrs == 0)
        return 0;
    if (fc_buf_add(&pax->bytes, global->bytes.data, global->bytes.len) < 0 ||
        fc_grow(&pax->xattrs, &pax->xattrs_cap, global->n_xattrs, sizeof(*pax->xattrs)) < 0)
        return -ENOMEM;
    memcpy(pax->xattrs, global->xattrs, global->n_xattrs * sizeof(*pax->xattrs));
    pax->n_xattrs = global->n_xattrs;
    return 0;
}

void fc_pax_release(struct fc_pax *pax)
{
    fc_buf_release(&pax->path);
    fc_buf_release(&pax->link);
    fc_buf_release(&pax->sparse_name);
    fc_buf_release(&pax->acl_access);
    fc_buf_release(&pax->acl_default);
    fc_buf_release(&pax->bytes);
    free(pax->xattrs);
    free(pax->map.runs);
    *pax = (struct fc_pax){0};
}

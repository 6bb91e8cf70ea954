/* SPDX-License-Identifier: Apache-2.0 */
/* References, platforms, and the JSON of images: what is taken, what is refused, in which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "oci/oci.h"

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

/* What a reference becomes; NULL: refused. From the grammar of distribution-spec and what docker and skopeo do. */
static const struct {
    const char *text, *complete;
} refs[] = {
    {"alpine", "docker.io/library/alpine:latest"},
    {"alpine:3.20", "docker.io/library/alpine:3.20"},
    {"library/alpine", "docker.io/library/alpine:latest"},
    {"docker.io/alpine", "docker.io/library/alpine:latest"},
    {"index.docker.io/a/b", "docker.io/a/b:latest"},
    {"a/b:c", "docker.io/a/b:c"},
    {"ghcr.io/a/b/c:V1.0_x-y", "ghcr.io/a/b/c:V1.0_x-y"},
    {"localhost/a", "localhost/a:latest"},
    {"localhost:5000/a", "localhost:5000/a:latest"},
    {"127.0.0.1:5000/a:t", "127.0.0.1:5000/a:t"},
    {"[::1]:5000/a", "[::1]:5000/a:latest"},
    {"h.example/a__b/c--d.e_f", "h.example/a__b/c--d.e_f:latest"},
    {"alpine@" DIGEST, "docker.io/library/alpine@" DIGEST},
    {"alpine:3.20@" DIGEST, "docker.io/library/alpine:3.20@" DIGEST},
    {"", NULL},
    {"Alpine", NULL},
    {"a//b", NULL},
    {"a/b/", NULL},
    {"/a", NULL},
    {"a..b", NULL},
    {"a___b", NULL},
    {"a-", NULL},
    {"a._b", NULL},
    {"a:", NULL},
    {"a:-x", NULL},
    {"a:.x", NULL},
    {"a:x y", NULL},
    {"a@sha256:abc", NULL},
    {"a@md5:0123", NULL},
    {"a@sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", NULL},
    {"h.example:99999/a", NULL},
    {"h.example:/a", NULL},
    {"-h.example/a", NULL},
    {"[::1/a", NULL},
    {"a b", NULL},
    {"h.example/a:t@" DIGEST "@" DIGEST, NULL},
};

static void references(void **state)
{
    (void)state;
    for (size_t i = 0; i < FC_LENGTH(refs); i++) {
        fc_auto(fc_oci_ref_release) struct fc_oci_ref ref = {0};
        struct fc_error err = {0};
        int r = fc_oci_ref_parse(refs[i].text, &ref, &err);

        if (!refs[i].complete) {
            if (r != -EINVAL)
                fail_msg("\"%s\": returned %d", refs[i].text, r);
            assert_true(err.msg[0] != '\0');
            assert_null(ref.host);
            continue;
        }
        if (r < 0)
            fail_msg("\"%s\": %s", refs[i].text, err.msg);
        fc_auto(fc_free) char *text = fc_oci_ref_format(&ref);
        assert_string_equal(text, refs[i].complete);
    }
}

static void long_references(void **state)
{
    char text[400];
    fc_auto(fc_oci_ref_release) struct fc_oci_ref ref = {0};

    (void)state;
    memset(text, 'a', sizeof(text));
    text[256] = '\0';
    assert_int_equal(fc_oci_ref_parse(text, &ref, NULL), -EINVAL);
    text[255] = '\0';
    assert_int_equal(fc_oci_ref_parse(text, &ref, NULL), 0);
    fc_oci_ref_release(&ref);
    memcpy(text, "a:", 2);
    text[2 + 129] = '\0';
    assert_int_equal(fc_oci_ref_parse(text, &ref, NULL), -EINVAL);
    text[2 + 128] = '\0';
    assert_int_equal(fc_oci_ref_parse(text, &ref, NULL), 0);
}

static const struct {
    const char *text, *complete;
} platforms[] = {
    {"x86_64", "linux/amd64"},
    {"amd64", "linux/amd64"},
    {"linux/amd64/v3", "linux/amd64/v3"},
    {"aarch64", "linux/arm64"},
    {"arm64/v8", "linux/arm64"},
    {"linux/arm64/v8", "linux/arm64"},
    {"armhf", "linux/arm/v7"},
    {"armel", "linux/arm/v6"}, /* as other container tools have it; a distribution's armel is for ARMv5 */
    {"arm32v5", "linux/arm/v5"},
    {"linux/X64", "linux/amd64"},
    {"mipsel", "linux/mipsle"},
    {"VAX", "linux/VAX"},
    {"arm/v6", "linux/arm/v6"},
    {"armv7l", "linux/arm/v7"},
    {"i686", "linux/386"},
    {"freebsd/x86_64", "freebsd/amd64"},
    {"riscv64", "linux/riscv64"},
    {"ppc64el", "linux/ppc64le"},
    {"", NULL},
    {"linux/", NULL},
    {"a/b/c/d", NULL},
    {"a b", NULL},
    {"/amd64", NULL},
};

static void platform_names(void **state)
{
    char text[72];

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(platforms); i++) {
        struct fc_oci_platform p;
        int r = fc_oci_platform_parse(platforms[i].text, &p, NULL);

        if (r != (platforms[i].complete ? 0 : -EINVAL))
            fail_msg("\"%s\": returned %d", platforms[i].text, r);
        if (r == 0)
            assert_string_equal(fc_oci_platform_format(&p, text), platforms[i].complete);
    }
}

static unsigned match(const char *want, const char *have)
{
    struct fc_oci_platform w, h;

    assert_int_equal(fc_oci_platform_parse(want, &w, NULL), 0);
    assert_int_equal(fc_oci_platform_parse(have, &h, NULL), 0);
    return fc_oci_platform_match(&w, &h);
}

static void platform_choice(void **state)
{
    (void)state;
    assert_int_equal(match("amd64", "arm64"), 0);
    assert_int_equal(match("linux/amd64", "freebsd/amd64"), 0);
    assert_true(match("amd64", "amd64") > match("amd64", "amd64/v2"));
    assert_true(match("amd64", "amd64/v2") > match("amd64", "amd64/v3"));
    assert_true(match("amd64/v3", "amd64/v3") > match("amd64/v3", "amd64/v2"));
    assert_true(match("amd64/v3", "amd64") > 0);
    assert_int_equal(match("amd64/v2", "amd64/v3"), 0);
    assert_true(match("arm64", "arm64/v8") == 100);
    assert_true(match("arm", "arm/v7") > match("arm", "arm/v6"));
    assert_true(match("arm/v7", "arm/v6") > 0);
    assert_int_equal(match("arm/v6", "arm/v7"), 0);
}

#define DESC(type) "{\"mediaType\":\"" type "\",\"digest\":\"" DIGEST "\",\"size\":7}"
#define MANIFEST(before, layers)                                                                                       \
    "{\"schemaVersion\":2," before "\"config\":" DESC(FC_OCI_TYPE_CONFIG) ",\"layers\":[" layers "]}"

static int parse(const char *json, const char *type, struct fc_oci_document *ret, struct fc_error *err)
{
    return fc_oci_document_parse(json, strlen(json), type, "test", ret, err);
}

static void documents(void **state)
{
    fc_auto(fc_oci_document_release) struct fc_oci_document d = {0};
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(parse(MANIFEST("", DESC(FC_OCI_TYPE_LAYER_GZIP)), FC_OCI_TYPE_MANIFEST, &d, &err), 0);
    assert_int_equal(d.kind, FC_OCI_MANIFEST);
    assert_int_equal(d.n_items, 1);
    assert_int_equal(d.items[0].size, 7);
    assert_string_equal(d.items[0].digest, DIGEST);
    assert_string_equal(d.config.media_type, FC_OCI_TYPE_CONFIG);
    fc_oci_document_release(&d);
    assert_int_equal(
        parse("{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"" DIGEST "\",\"size\":1,\"platform\":"
              "{\"os\":\"unknown\",\"architecture\":\"unknown\"}},{\"digest\":\"" DIGEST
              "\",\"size\":9007199254740993,\"annotations\":{\"org.opencontainers.image.ref.name\":\"v1\"},"
              "\"platform\":{\"os\":\"linux\",\"architecture\":\"arm\",\"variant\":\"v7\"}}]}",
              NULL, &d, &err),
        0);
    assert_int_equal(d.kind, FC_OCI_INDEX);
    assert_true(d.items[0].attestation);
    assert_false(d.items[1].attestation);
    assert_string_equal(d.items[1].ref_name, "v1");
    assert_true(d.items[1].size == 9007199254740993ull);
    assert_string_equal(d.items[1].platform.variant, "v7");
}

/* Each is refused with these words. */
static const struct {
    const char *json, *type, *words;
    int code;
} bad[] = {
    {"{", NULL, "not JSON", EBADMSG},
    {"[]", NULL, "not a JSON object", EBADMSG},
    {"{\"schemaVersion\":2}", NULL, "neither", EBADMSG},
    {"{\"schemaVersion\":3,\"manifests\":[]}", NULL, "schemaVersion", EBADMSG},
    {"{\"schemaVersion\":1,\"fsLayers\":[]}", NULL, "first schema", EOPNOTSUPP},
    {MANIFEST("\"manifests\":[],", ""), NULL, "both", EBADMSG},
    {MANIFEST("\"mediaType\":\"" FC_OCI_TYPE_INDEX "\",", ""), NULL, "media type", EBADMSG},
    {MANIFEST("", ""), FC_OCI_TYPE_INDEX, "media type", EBADMSG},
    {MANIFEST("\"mediaType\":\"" FC_OCI_TYPE_MANIFEST "\",", ""),
     "application/vnd.docker.distribution.manifest.v2+json", "served as", EBADMSG},
    {MANIFEST("\"mediaType\":\"a\",\"mediaType\":\"a\",", ""), NULL, "not JSON", EBADMSG},
    {MANIFEST("", "{\"digest\":\"sha256:12\",\"size\":1}"), NULL, "digest", EBADMSG},
    {MANIFEST("", "{\"digest\":\"" DIGEST "\",\"size\":-1}"), NULL, "size", EBADMSG},
    {MANIFEST("", "{\"digest\":\"" DIGEST "\",\"size\":\"1\"}"), NULL, "size", EBADMSG},
    {MANIFEST("", "{\"digest\":\"" DIGEST "\"}"), NULL, "size", EBADMSG},
    {MANIFEST("", "7"), NULL, "not an object", EBADMSG},
    {"{\"schemaVersion\":2,\"layers\":[]}", NULL, "config", EBADMSG},
};

static void bad_documents(void **state)
{
    (void)state;
    for (size_t i = 0; i < FC_LENGTH(bad); i++) {
        fc_auto(fc_oci_document_release) struct fc_oci_document d = {0};
        struct fc_error err = {0};
        int r = parse(bad[i].json, bad[i].type, &d, &err);

        if (r != -bad[i].code || !strstr(err.msg, bad[i].words))
            fail_msg("%s: returned %d, \"%s\"", bad[i].json, r, err.msg);
        assert_null(d.items);
    }
}

static void too_long(void **state)
{
    fc_auto(fc_free) char *big = malloc(FC_OCI_DOCUMENT_MAX + 2);
    fc_auto(fc_oci_document_release) struct fc_oci_document d = {0};

    (void)state;
    memset(big, ' ', FC_OCI_DOCUMENT_MAX + 2);
    memcpy(big, "{}", 2);
    assert_int_equal(fc_oci_document_parse(big, FC_OCI_DOCUMENT_MAX + 1, NULL, "big", &d, NULL), -EBADMSG);
}

static void configurations(void **state)
{
    static const char good[] = "{\"architecture\":\"arm64\",\"os\":\"linux\",\"rootfs\":{\"type\":\"layers\","
                               "\"diff_ids\":[\"" DIGEST "\"]},\"config\":{}}",
                      odd[] = "{\"rootfs\":{\"diff_ids\":[\"sha256:x\"]}}", none[] = "{\"rootfs\":{}}";
    fc_auto(fc_oci_config_release) struct fc_oci_config c = {0};

    (void)state;
    assert_int_equal(fc_oci_config_parse(good, strlen(good), "c", &c, NULL), 0);
    assert_int_equal(c.n_diff_ids, 1);
    assert_string_equal(c.diff_ids[0], DIGEST);
    assert_string_equal(c.platform.arch, "arm64");
    fc_oci_config_release(&c);
    assert_int_equal(fc_oci_config_parse(odd, strlen(odd), "c", &c, NULL), -EBADMSG);
    assert_int_equal(fc_oci_config_parse(none, strlen(none), "c", &c, NULL), -EBADMSG);
}

static void layer_types(void **state)
{
    const char *why = NULL;

    (void)state;
    assert_true(fc_oci_is_layer(FC_OCI_TYPE_LAYER_ZSTD, &why));
    assert_true(fc_oci_is_layer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", &why));
    assert_false(fc_oci_is_layer("application/vnd.erofs.layer.v1", &why));
    assert_non_null(strstr(why, "EROFS"));
    assert_false(fc_oci_is_layer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", &why));
    assert_non_null(strstr(why, "encrypted"));
    assert_false(fc_oci_is_layer("text/plain", &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references),      cmocka_unit_test(long_references), cmocka_unit_test(platform_names),
        cmocka_unit_test(platform_choice), cmocka_unit_test(documents),       cmocka_unit_test(bad_documents),
        cmocka_unit_test(too_long),        cmocka_unit_test(configurations),  cmocka_unit_test(layer_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

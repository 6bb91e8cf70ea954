/* SPDX-License-Identifier: Apache-2.0 */
/* catalogue: names, architectures, the forms of indexes, and each distribution as recorded in its published form. */
#include "fetch_help.h"

#include "catalogue/catalogue.h"
#include "catalogue/distro.h"
#include "yaml/yaml.h"

static struct fc_catalogue_answer answer;
static char made[96];
static struct fc_fetch_rule rules[16];
static size_t n_rules;

static void run(const char *command) { assert_int_equal(system(command), 0); }

/* A copy of the distributions as served, and rules that lead there. */
static void publish(void)
{
    char command[400], line[300];
    FILE *f;

    snprintf(command, sizeof(command), "cp -r %s/www/. %s/", made, served);
    run(command);
    if (n_rules)
        return;
    snprintf(line, sizeof(line), "%s/rules", made);
    f = fopen(line, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        char prefix[200], folder[64], to[200];

        assert_int_equal(sscanf(line, "%199s %63s", prefix, folder), 2);
        snprintf(to, sizeof(to), "%s/%s", base_url, folder);
        rules[n_rules++] = (struct fc_fetch_rule){strdup(prefix), strdup(to), true};
    }
    fclose(f);
}

static int enter_catalogue_group(void **state)
{
    char command[200];

    if (enter_group(state) < 0)
        return -1;
    snprintf(made, sizeof(made), "%s/made", work);
    snprintf(command, sizeof(command), "tests/lib/make-catalogue %s", made);
    return system(command) == 0 ? 0 : -1;
}

static void open_with(bool offline)
{
    open_fetcher(&(struct fc_fetch_options){.rules = rules, .n_rules = n_rules, .offline = offline, .attempts = 2});
}

static int enter_catalogue(void **state)
{
    char path[120];

    enter(state);
    publish();
    open_with(false);
    snprintf(path, sizeof(path), "%s/config", made);
    setenv("XDG_CONFIG_HOME", path, 1);
    return 0;
}

static int leave_catalogue(void **state)
{
    fc_catalogue_answer_release(&answer);
    return leave(state);
}

static int resolve(const char *name)
{
    fc_catalogue_answer_release(&answer);
    memset(&err, 0, sizeof(err));
    return fc_catalogue_resolve(fetcher, name, NULL, &answer, &err);
}

static void test_names(void **state)
{
    static const char *const good[] = {"alpine:3.20", "alpine:edge", "ubuntu:24.04/arm64", "debian:12-slim",
                                       "freebsd:14.3"};
    static const char *const bad[] = {"alpine",        "alpine:",   "alpine:3.20/",  "alpine:../x",
                                      "alpine:3/../x", "fedora:42", "alpine/x86_64", "x/alpine:3.2",
                                      "alpine:a b",    "alpine:.x", "Alpine:3.20"};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(good); i++)
        assert_true(fc_catalogue_knows(good[i]));
    for (size_t i = 0; i < FC_LENGTH(bad); i++)
        if (fc_catalogue_knows(bad[i]))
            fail_msg("%s", bad[i]);
}

static void test_forms(void **state)
{
    static const char sums[] = "# a comment\n"
                               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad *one.tar.gz\n"
                               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  ./two words.tar\r\n"
                               "not a digest  three\n"
                               "SHA256 (four) = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"
                               "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  five";
    static const char *const names[] = {"one.tar.gz", "two words.tar", "four", "five"};
    static const char page[] =
        "<a href=\"../\">up</a><A HREF='v3.20/'>v3.20/</A> <a href=\"?C=N;O=D\">sort</a>"
        "<a href=\"/abs\">x</a><a href=\"a%20b\">a b</a><a href=\"http://other/\">x</a><a href=\"%2e%2e%2fx\">x</a>"
        "<a href=\"./last.txt\">last</a><a href=\"cut";
    static const char *const links[] = {"v3.20/", "a b", "last.txt"};
    struct fc_sum sum;
    char name[256];
    const char *at = sums;

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(names); i++) {
        assert_true(fc_sums_next(&at, &sum, name));
        assert_string_equal(name, names[i]);
    }
    assert_false(fc_sums_next(&at, &sum, name));
    at = page;
    for (size_t i = 0; i < FC_LENGTH(links); i++) {
        assert_true(fc_listing_next(&at, name));
        assert_string_equal(name, links[i]);
    }
    assert_true(!fc_listing_next(&at, name) || strcmp(name, "cut") == 0);
    assert_true(fc_is_version("3.20", 1));
    assert_false(fc_is_version("3.20.1", 1));
    assert_false(fc_is_version("3.", 1));
    assert_false(fc_is_version("v3.20", 1));
}

static void test_yaml(void **state)
{
    static const char text[] = "a: [1, two]\nb: {c: \"x\\ty\", c: last}\n";
    struct fc_yaml *y = NULL;
    char deep[200];
    const char *key;
    int root;

    (void)state;
    assert_int_equal(fc_yaml_parse(text, strlen(text), "text", &y, &err), 0);
    root = fc_yaml_root(y);
    assert_int_equal(fc_yaml_count(y, root), 2);
    assert_string_equal(fc_yaml_text(y, fc_yaml_item(y, fc_yaml_get(y, root, "a"), 1, NULL)), "two");
    assert_string_equal(fc_yaml_get_text(y, fc_yaml_item(y, root, 1, &key), "c"), "last");
    assert_string_equal(key, "b");
    assert_int_equal(fc_yaml_line(y, fc_yaml_get(y, root, "b")), 2);
    assert_int_equal(fc_yaml_get(y, root, "none"), 0);
    assert_null(fc_yaml_text(y, 0));
    fc_yaml_free(y);
    assert_int_equal(fc_yaml_parse("", 0, "text", &y, &err), 0);
    assert_int_equal(fc_yaml_root(y), 0);
    fc_yaml_free(y);
    assert_int_equal(fc_yaml_parse("a: [", 4, "text", &y, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "line"));
    memset(deep, '[', sizeof(deep));
    assert_int_equal(fc_yaml_parse(deep, sizeof(deep), "text", &y, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "levels"));
}

/* Every name leads to the tar that says that it is it. */
static void test_resolvers(void **state)
{
    static const struct {
        const char *name, *version, *says;
    } cases[] = {
        {"alpine:3.20/x86_64", "3.20.8", "alpine 3.20.8 x86_64"},
        {"alpine:3.20.1/amd64", "3.20.1", "alpine 3.20.1 x86_64"},
        {"alpine:v3.19/arm64", "3.19.9", "alpine 3.19.9 aarch64"},
        {"alpine:latest/armv7l", "3.20.8", "alpine 3.20.8 armv7"},
        {"alpine:3.20/armhf", "3.20.8", "alpine 3.20.8 armhf"}, /* its own name before what others call so */
        {"alpine:edge/x86_64", "20251016", "alpine 20251016 x86_64"},
        {"ubuntu:24.04/x86_64", "24.04.10", "ubuntu 24.04.10 amd64"},
        {"ubuntu:24.04.9/aarch64", "24.04.9", "ubuntu 24.04.9 arm64"},
        {"ubuntu:24.04/armv7", "24.04.10", "ubuntu 24.04.10 armhf"},
        {"ubuntu:latest/amd64", "24.04.10", "ubuntu 24.04.10 amd64"},
        {"ubuntu:24.04-cloud/amd64", "24.04", "ubuntu cloud"},
        {"debian:12/amd64", "bookworm of 2025-11-03", "debian bookworm amd64"},
        {"debian:12-slim/arm64", "bookworm-slim of 2025-11-03", "debian bookworm/slim arm64v8"},
        {"debian:latest/armhf", "stable of 2025-11-03", "debian stable arm32v7"},
        {"debian:latest/X86-64", "stable of 2025-11-03", "debian stable amd64"},
        {"amazonlinux:2023/x86_64", "2023.9.20251117.0", "amazonlinux al2023-container x86_64"},
        {"amazonlinux:2023.9.20251117.0/arm64", "2023.9.20251117.0", "amazonlinux al2023-container arm64"},
        {"amazonlinux:2023-minimal/x86_64", "2023.9.20251117.0", "amazonlinux al2023-container-minimal x86_64"},
        {"freebsd:14/amd64", "14.3", "freebsd 14.3-RELEASE amd64/amd64"},
        {"freebsd:13.5/aarch64", "13.5", "freebsd 13.5-RELEASE arm64/aarch64"},
        {"freebsd:latest/amd64", "14.3", "freebsd 14.3-RELEASE amd64/amd64"},
    };
    char command[400], wrote[128];

    (void)state;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < FC_LENGTH(cases); i++) {
            struct fc_fetch_want want;
            fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
            fc_auto(fc_free) char *path = NULL;
            struct fc_fetch_info info;
            FILE *p;

            if (resolve(cases[i].name) < 0)
                fail_msg("%s: %s", cases[i].name, err.msg);
            assert_string_equal(answer.version, cases[i].version);
            want = (struct fc_fetch_want){
                .request = {.url = answer.url}, .sum = answer.sum, .have_size = answer.have_size, .size = answer.size};
            if (fc_fetch_start(fetcher, &want, &t, &err) < 0 || fc_fetch_wait(t, &err) < 0)
                fail_msg("%s: %s", cases[i].name, err.msg);
            fc_fetch_info(t, &info);
            assert_true(info.cached || round == 0);
            path = fc_fetch_blob_path(fetcher, &info.digest);
            snprintf(command, sizeof(command), "tar -xOf %s etc/made", path);
            p = popen(command, "r");
            assert_non_null(p);
            assert_non_null(fgets(wrote, sizeof(wrote), p));
            pclose(p);
            wrote[strcspn(wrote, "\n")] = '\0';
            assert_string_equal(wrote, cases[i].says);
        }
        open_with(true); /* the second time with no network at all */
    }
}

static void test_what_is_not(void **state)
{
    (void)state;
    assert_int_equal(resolve("alpine:9.9/x86_64"), -ENOENT);
    assert_non_null(strstr(err.msg, "there is edge 3.19 3.20"));
    assert_int_equal(resolve("alpine:3.20/vax"), -ENOENT);
    assert_non_null(strstr(err.msg, "only for x86_64 aarch64"));
    assert_int_equal(resolve("alpine:3.20.77/x86_64"), -ENOENT);
    assert_int_equal(resolve("ubuntu:24.04/s390x"), -ENOENT);
    assert_non_null(strstr(err.msg, "none for s390x"));
    assert_int_equal(resolve("ubuntu:11.11/amd64"), -ENOENT);
    assert_non_null(strstr(err.msg, "22.04 24.04 25.10"));
    assert_int_equal(resolve("debian:lenny/amd64"), -ENOENT);
    assert_int_equal(resolve("debian:latest/armel"), -ENOENT);
    assert_non_null(strstr(err.msg, "for arm32v5"));
    assert_int_equal(resolve("amazonlinux:2022/x86_64"), -ENOENT);
    assert_int_equal(resolve("freebsd:12/amd64"), -ENOENT);
    assert_non_null(strstr(err.msg, "13.5 14.2 14.3"));
    /* Offline it is the cache that lacks it. */
    open_with(true);
    assert_int_equal(resolve("alpine:3.18/x86_64"), -ENOENT);
    assert_non_null(strstr(err.msg, "--offline"));
}

/* The tag moved: today's answer is today's index. And servers that are down are stood in for by the cache. */
static void test_moved_and_down(void **state)
{
    char command[500];

    (void)state;
    assert_int_equal(resolve("alpine:latest/x86_64"), 0);
    assert_string_equal(answer.version, "3.20.8");
    snprintf(command, sizeof(command),
             "cp %s/alpine/v3.19/releases/x86_64/latest-releases.yaml %s/alpine/latest-stable/releases/x86_64/", served,
             served);
    run(command);
    assert_int_equal(resolve("alpine:latest/x86_64"), 0);
    assert_string_equal(answer.version, "3.19.9");
    behave("alpine/latest-stable/releases/x86_64/latest-releases.yaml", "{\"status\": 503}");
    assert_int_equal(resolve("alpine:latest/x86_64"), 0);
    assert_string_equal(answer.version, "3.19.9");
    behave("alpine/v3.20/releases/x86_64/latest-releases.yaml", "{\"status\": 503}");
    assert_int_equal(resolve("alpine:3.20/x86_64"), -EBUSY);
}

static void test_malformed(void **state)
{
    static const char *const index = "alpine/edge/releases/x86_64/latest-releases.yaml";

    (void)state;
    put(index, "- flavor: [", 11);
    assert_int_equal(resolve("alpine:edge/x86_64"), -EBADMSG);
    put(index, "- flavor: alpine-minirootfs\n  file: ../x\n  version: 1\n", 53);
    assert_int_equal(resolve("alpine:edge/x86_64"), -EBADMSG);
    put(index, "a\0b", 3);
    assert_int_equal(resolve("alpine:edge/x86_64"), -EBADMSG);
    put(index, "", 0);
    assert_int_equal(resolve("alpine:edge/x86_64"), -ENOENT);
    put("freebsd/releases/amd64/amd64/14.3-RELEASE/MANIFEST", "base.txz\tnone\n", 14);
    assert_int_equal(resolve("freebsd:14.3/amd64"), -EBADMSG);
    put("debian/dist-amd64/bookworm/oci/index.json", "{\"manifests\":[]}", 16);
    assert_int_equal(resolve("debian:12/amd64"), -EBADMSG);
    put("debian/dist-amd64/trixie/oci/blobs/image-manifest.json", "{\"layers\":[]}", 13); /* not what the index names */
    assert_int_equal(resolve("debian:13/amd64"), -EBADMSG);
}

static int check_alpine(bool require)
{
    const struct fc_catalogue_options o = {.require_signature = require};
    const struct fc_fetch_want want = {.request = {.url = answer.url}, .sum = answer.sum};
    fc_auto(fc_fetch_free) struct fc_fetch *t = NULL;
    int r = fc_fetch_start(fetcher, &want, &t, &err);

    return r < 0 ? r : fc_catalogue_check_file(fetcher, &answer, &o, t, &err);
}

static void test_signatures(void **state)
{
    const struct fc_catalogue_options require = {.require_signature = true};
    char command[400];

    (void)state;
    assert_int_equal(resolve("ubuntu:24.04/amd64"), 0);
    assert_non_null(answer.signer);
    assert_int_equal(strlen(answer.signer), 40);
    assert_int_equal(resolve("alpine:3.20/x86_64"), 0);
    assert_int_equal(check_alpine(true), 0);
    /* Of other bytes. */
    put("ubuntu/releases/25.10/release/SHA256SUMS", "", 0);
    assert_int_equal(resolve("ubuntu:25.10/amd64"), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, "not a good one"));
    snprintf(command, sizeof(command),
             "cp %s/alpine/v3.19/releases/x86_64/*.asc "
             "%s/alpine/v3.20/releases/x86_64/alpine-minirootfs-3.20.8-x86_64.tar.gz.asc",
             served, served);
    run(command);
    assert_int_equal(resolve("alpine:3.20/x86_64"), 0);
    assert_int_equal(check_alpine(false), -EKEYREJECTED);
    /* None at all, though there is a key. */
    snprintf(command, sizeof(command), "rm %s/ubuntu/releases/22.04/release/SHA256SUMS.gpg", served);
    run(command);
    assert_int_equal(resolve("ubuntu:22.04/amd64"), -EKEYREJECTED);
    /* Without a key: a warning, or a refusal. */
    setenv("XDG_CONFIG_HOME", served, 1);
    assert_int_equal(resolve("ubuntu:22.04/amd64"), 0);
    assert_null(answer.signer);
    assert_int_equal(fc_catalogue_resolve(fetcher, "ubuntu:22.04/amd64", &require, &answer, &err), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, "keys/ubuntu.gpg"));
    assert_int_equal(resolve("alpine:3.20/x86_64"), 0);
    assert_int_equal(check_alpine(false), 0);
    assert_int_equal(check_alpine(true), -EKEYREJECTED);
    assert_int_equal(fc_catalogue_resolve(fetcher, "freebsd:14/amd64", &require, &answer, &err), -EKEYREJECTED);
}

/* The verifier that is there when sqv is not; it needs its keyrings without armor. */
static void test_gpgv(void **state)
{
    char command[400], dir[96], path[400];
    const char *was = getenv("PATH");

    (void)state;
    snprintf(dir, sizeof(dir), "%s/bin", work);
    snprintf(command, sizeof(command), "mkdir -p %s && ln -sf $(command -v gpgv) %s/", dir, dir);
    if (system("command -v gpgv >/dev/null") != 0)
        skip();
    run(command);
    snprintf(path, sizeof(path), "%s", was);
    setenv("PATH", dir, 1);
    assert_int_equal(resolve("ubuntu:24.04/amd64"), 0);
    assert_non_null(answer.signer);
    assert_int_equal(resolve("alpine:3.20/x86_64"), 0);
    assert_int_equal(check_alpine(true), 0);
    put("ubuntu/releases/24.04/release/SHA256SUMS", "other\n", 6);
    assert_int_equal(resolve("ubuntu:24.04/amd64"), -EKEYREJECTED);
    setenv("PATH", "/nowhere", 1);
    assert_int_equal(resolve("ubuntu:22.04/amd64"), 0); /* with a warning: there is no verifier */
    assert_null(answer.signer);
    setenv("PATH", path, 1);
}

struct seen {
    char text[1000];
    size_t n;
};

static int see(void *arg, const struct fc_catalogue_release *r)
{
    struct seen *s = arg;
    size_t at = strlen(s->text);

    s->n++;
    assert_true(r->have_size && r->size > 50);
    assert_non_null(r->date);
    snprintf(s->text + at, sizeof(s->text) - at, "%s=%s ", r->version, r->full);
    return 0;
}

static void test_lists(void **state)
{
    static const char *const lists[][2] = {
        {"alpine", "edge=20251016 3.20=3.20.8 3.19=3.19.9 "},
        {"ubuntu", "25.10=25.10 24.04=24.04.10 22.04=22.04.5 "},
        {"debian", "13=trixie stable=stable 12=bookworm "},
        {"freebsd", "14.3=14.3 14.2=14.2 13.5=13.5 "},
    };
    const struct fc_catalogue_options o = {.arch = "arm64"};

    (void)state;
    for (size_t i = 0; i < FC_LENGTH(lists); i++) {
        struct seen seen = {0};

        if (fc_catalogue_list(fetcher, lists[i][0], &o, see, &seen, &err) < 0)
            fail_msg("%s: %s", lists[i][0], err.msg);
        assert_string_equal(seen.text, lists[i][1]);
    }
    assert_int_equal(fc_catalogue_list(fetcher, "fedora", &o, see, NULL, &err), -EINVAL);
    assert_int_equal(fc_catalogue_list(fetcher, "alpine:3.20", &o, see, NULL, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_yaml),
        cmocka_unit_test_setup_teardown(test_resolvers, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_what_is_not, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_moved_and_down, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_malformed, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_signatures, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_gpgv, enter_catalogue, leave_catalogue),
        cmocka_unit_test_setup_teardown(test_lists, enter_catalogue, leave_catalogue),
    };

    return cmocka_run_group_tests(tests, enter_catalogue_group, leave_group);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* fetch: downloads into the cache, whatever the server does. */
#include "fetch_help.h"

/* Download and compare with @size bytes @data, read in uneven pieces. Returns what the first failure was, or 0. */
static int download(const struct fc_fetch_want *want, const char *data, size_t size)
{
    static const size_t pieces[] = {1, 4096, 70000, 13};
    struct fc_fetch *t = NULL;
    char buffer[70000];
    size_t at = 0;
    ssize_t n = 0;
    int r = fc_fetch_start(fetcher, want, &t, &err);

    for (unsigned i = 0; r == 0 && (n = fc_fetch_read(t, buffer, pieces[i % 4], &err)) > 0; i++) {
        assert_true(at + (size_t)n <= size);
        assert_memory_equal(buffer, data + at, (size_t)n);
        at += (size_t)n;
    }
    fc_fetch_free(t);
    if (r == 0 && n == 0)
        assert_int_equal(at, size);
    return r < 0 ? r : (int)n;
}

static struct fc_fetch_want want(const char *name, const char *data, size_t size)
{
    struct fc_fetch_want w = {.request = {.url = url_of(name)}};

    if (data) {
        w.sum = sum_of(data, size, false);
        w.size = size;
        w.have_size = true;
    }
    return w;
}

static void test_plain(void **state)
{
    size_t size = 3000000;
    char *data = noise(size, 1);
    struct fc_fetch_want w;

    (void)state;
    put("a", data, size);
    w = want("a", data, size);
    assert_int_equal(download(&w, data, size), 0);
    assert_int_equal(files_in("blobs/sha256"), 1);
    assert_int_equal(files_in(".parts"), 0);
    assert_int_equal(requests("\"GET\""), 1);
    /* The second time nobody is asked. */
    assert_int_equal(download(&w, data, size), 0);
    assert_int_equal(requests("\"GET\""), 1);
    /* Another URL with the same digest is the same. */
    w.request.url = "http://127.0.0.1:1/b";
    assert_int_equal(download(&w, data, size), 0);
    free(data);
}

static void test_empty(void **state)
{
    struct fc_fetch_want w = want("empty", "", 0);

    (void)state;
    put("empty", "", 0);
    assert_int_equal(download(&w, "", 0), 0);
    w = want("empty", NULL, 0);
    assert_int_equal(download(&w, "", 0), 0);
}

static void test_sha512(void **state)
{
    char *data = noise(100000, 2);
    struct fc_fetch_want w = {.request = {.url = url_of("a")}, .sum = sum_of(data, 100000, true)};

    (void)state;
    put("a", data, 100000);
    assert_int_equal(download(&w, data, 100000), 0);
    assert_int_equal(download(&w, data, 100000), 0);
    assert_int_equal(requests("\"GET\""), 1);
    w.sum.bytes[63] ^= 1;
    assert_int_equal(download(&w, data, 100000), -EBADMSG);
    free(data);
}

static void test_wrong_digest(void **state)
{
    char *data = noise(100000, 3), is[FC_SUM_TEXT], should[FC_SUM_TEXT];
    struct fc_fetch_want w = want("a", data, 100000);
    struct fc_sum sum;

    (void)state;
    data[5] ^= 1;
    sum = sum_of(data, 100000, false);
    put("a", data, 100000);
    assert_int_equal(download(&w, data, 100000), -EBADMSG);
    assert_non_null(strstr(err.msg, fc_sum_format(&sum, is)));
    assert_non_null(strstr(err.msg, fc_sum_format(&w.sum, should)));
    assert_int_equal(files_in(""), 3); /* oci-layout, index.json, .lock */
    free(data);
}

static void test_wrong_length(void **state)
{
    char *data = noise(100000, 4);
    struct fc_fetch_want w = want("a", data, 100000);

    (void)state;
    put("a", data, 100000);
    behave("a", "{\"truncate\": 10}");
    assert_int_equal(download(&w, data, 100000), -EBADMSG);
    w.size = 50000;
    behave("a", "{}");
    assert_int_equal(download(&w, data, 100000), -EBADMSG);
    assert_non_null(strstr(err.msg, "longer than the 50000 bytes"));
    assert_int_equal(files_in(""), 3);
    w.have_size = false;
    w.request.max_bytes = 99999;
    assert_int_equal(download(&w, data, 100000), -EFBIG);
    free(data);
}

/* Cut again and again: each attempt goes on where the last one ended. */
static void test_cut(void **state)
{
    char *data = noise(1000000, 5);
    struct fc_fetch_want w = want("a", data, 1000000);

    (void)state;
    put("a", data, 1000000);
    behave("a", "{\"cut\": 300000, \"times\": 3}");
    assert_int_equal(download(&w, data, 1000000), 0);
    assert_int_equal(requests("\"GET\""), 4);
    assert_int_equal(requests("bytes=300000-"), 1);
    assert_int_equal(requests("bytes=900000-"), 1);
    /* The same when nobody says what the bytes should be: then the server must say that they are still the same. */
    w = want("a", NULL, 0);
    fc_remove_all(AT_FDCWD, cache_dir);
    open_fetcher(NULL);
    behave("a", "{\"cut\": 300000, \"times\": 4}");
    assert_int_equal(download(&w, data, 1000000), 0);
    assert_true(requests("If-Range") >= 1);
    free(data);
}

static void test_cut_for_good(void **state)
{
    char *data = noise(1000000, 6);
    struct fc_fetch_want w = want("a", data, 1000000);

    (void)state;
    put("a", data, 1000000);
    behave("a", "{\"cut\": 100000}");
    assert_int_equal(download(&w, data, 1000000), -ECONNRESET);
    assert_non_null(strstr(err.msg, "after 5 attempts"));
    assert_int_equal(requests("\"GET\""), 5);
    assert_int_equal(files_in("blobs"), 0);
    assert_int_equal(files_in(".parts"), 2);
    /* Another process later. */
    behave("a", "{}");
    open_fetcher(NULL);
    assert_int_equal(download(&w, data, 1000000), 0);
    assert_int_equal(requests("bytes=500000-"), 1);
    assert_int_equal(files_in(".parts"), 0);
    free(data);
}

/* Somebody spoilt the part: the whole is digested, and fetched again. */
static void test_part_damaged(void **state)
{
    char *data = noise(1000000, 7), command[300];
    struct fc_fetch_want w = want("a", data, 1000000);
    struct fc_fetch *t = NULL;

    (void)state;
    put("a", data, 1000000);
    behave("a", "{\"cut\": 100000}");
    assert_int_equal(download(&w, data, 1000000), -ECONNRESET);
    snprintf(command, sizeof(command),
             "for f in %s/oci/.parts/*; do case $f in *.from) ;; *) printf XXXX | dd of=$f bs=1 seek=5000 conv=notrunc "
             "status=none ;; esac; done",
             cache_dir);
    assert_int_equal(system(command), 0);
    behave("a", "{}");
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_int_equal(fc_fetch_wait(t, &err), 0);
    fc_fetch_free(t);
    assert_int_equal(download(&w, data, 1000000), 0);
    free(data);
}

/* It changed between two attempts: with no digest the new one, whole. */
static void test_changed(void **state)
{
    char *old = noise(1000000, 8), *new = noise(900000, 9);
    struct fc_fetch_want w = want("a", NULL, 0);
    struct fc_fetch *t = NULL;
    int fd;

    (void)state;
    put("a", old, 1000000);
    behave("a", "{\"cut\": 100000}");
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_int_equal(fc_fetch_wait(t, &err), -ECONNRESET);
    fc_fetch_free(t);
    behave("a", "{}");
    put("a", new, 900000);
    open_fetcher(NULL);
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    fd = fc_fetch_open(t, &err);
    assert_true(fd >= 0);
    assert_int_equal(fc_pread_full(fd, old, 1000000, 0), 900000);
    assert_memory_equal(old, new, 900000);
    close(fd);
    fc_fetch_free(t);
    free(old);
    free(new);
}

static void test_ranges_refused(void **state)
{
    static const char *const rules[] = {"{\"ranges\": false}", "{\"ranges\": \"wrong\"}"};
    char *data = noise(1000000, 10);
    struct fc_fetch_want w = want("a", data, 1000000);
    struct fc_fetch *t = NULL;

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        fc_remove_all(AT_FDCWD, cache_dir);
        open_fetcher(NULL);
        put("a", data, 1000000);
        behave("a", "{\"cut\": 100000}");
        assert_int_equal(download(&w, data, 1000000), -ECONNRESET);
        behave("a", rules[i]);
        open_fetcher(NULL);
        assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
        assert_int_equal(fc_fetch_wait(t, &err), 0);
        fc_fetch_free(t);
        assert_int_equal(download(&w, data, 1000000), 0);
    }
    free(data);
}

static void test_busy(void **state)
{
    char *data = noise(5000, 11);
    struct fc_fetch_want w = want("a", data, 5000);

    (void)state;
    put("a", data, 5000);
    behave("a", "{\"status\": 429, \"times\": 2, \"headers\": {\"Retry-After\": \"0\"}}");
    assert_int_equal(download(&w, data, 5000), 0);
    assert_int_equal(requests("\"GET\""), 3);
    w = want("b", data, 5000);
    w.sum.kind = FC_SUM_NONE;
    put("b", data, 5000);
    behave("b", "{\"status\": 503, \"times\": 4}");
    assert_int_equal(download(&w, data, 5000), 0);
    /* Longer than a minute is not waited for. */
    w.request.url = url_of("c");
    behave("c", "{\"status\": 429, \"headers\": {\"Retry-After\": \"3600\"}}");
    assert_int_equal(download(&w, data, 5000), -EBUSY);
    assert_non_null(strstr(err.msg, "3600 seconds"));
    free(data);
}

static void test_refusals(void **state)
{
    struct fc_fetch_want w = want("none", NULL, 0);

    (void)state;
    assert_int_equal(download(&w, "", 0), -ENOENT);
    behave("none", "{\"status\": 403}");
    assert_int_equal(download(&w, "", 0), -EACCES);
    behave("none", "{\"status\": 418}");
    assert_int_equal(download(&w, "", 0), -EPROTO);
    w.request.url = "http://127.0.0.1:1/none";
    assert_int_equal(download(&w, "", 0), -ECONNREFUSED);
    w.request.url = "ftp://127.0.0.1/none";
    assert_int_equal(download(&w, "", 0), -EINVAL);
    assert_int_equal(files_in(""), 3);
}

/* What has no digest is asked for anew, and comes only when it changed; offline it is what it was. */
static void test_conditional(void **state)
{
    struct fc_fetch_want w = want("index", NULL, 0);

    (void)state;
    put("index", "one", 3);
    assert_int_equal(download(&w, "one", 3), 0);
    assert_int_equal(download(&w, "one", 3), 0);
    assert_int_equal(requests("If-None-Match"), 1);
    put("index", "three", 5);
    assert_int_equal(download(&w, "three", 5), 0);
    open_fetcher(&(struct fc_fetch_options){.offline = true});
    assert_int_equal(requests("\"GET\""), 3);
    w = want("index", NULL, 0);
    assert_int_equal(download(&w, "three", 5), 0);
    assert_int_equal(requests("\"GET\""), 3);
    w.request.url = url_of("other");
    assert_int_equal(download(&w, "", 0), -ENOENT);
    assert_non_null(strstr(err.msg, "--offline"));
}

static void test_stale(void **state)
{
    struct fc_fetch_want w = {.request = {.url = url_of("index")}};
    struct fc_fetch_info info;
    struct fc_buf text = {0};

    (void)state;
    put("index", "one", 3);
    assert_int_equal(fc_fetch_document(fetcher, &w, 100, &text, &info, &err), 0);
    assert_false(info.stale);
    behave("index", "{\"status\": 503}");
    assert_int_equal(fc_fetch_document(fetcher, &w, 100, &text, &info, &err), -EBUSY);
    w.stale_ok = true;
    assert_int_equal(fc_fetch_document(fetcher, &w, 100, &text, &info, &err), 0);
    assert_true(info.stale);
    assert_string_equal(text.data, "one");
    behave("index", "{\"status\": 404}");
    assert_int_equal(fc_fetch_document(fetcher, &w, 100, &text, &info, &err), -ENOENT);
    behave("index", "{}");
    put("index", "much too long", 13);
    assert_int_equal(fc_fetch_document(fetcher, &w, 10, &text, &info, &err), -EFBIG);
    fc_buf_release(&text);
}

static void test_cache_damaged(void **state)
{
    char *data = noise(100000, 12), command[300];
    struct fc_fetch_want w = want("a", data, 100000);

    (void)state;
    put("a", data, 100000);
    assert_int_equal(download(&w, data, 100000), 0);
    snprintf(command, sizeof(command),
             "printf XXXX | dd of=$(echo %s/oci/blobs/sha256/*) bs=1 seek=500 conv=notrunc status=none", cache_dir);
    assert_int_equal(system(command), 0);
    open_fetcher(&(struct fc_fetch_options){.offline = true});
    assert_int_equal(download(&w, data, 100000), -ENOENT);
    assert_int_equal(files_in(".damaged"), 1);
    open_fetcher(NULL);
    assert_int_equal(download(&w, data, 100000), 0);
    assert_int_equal(files_in("blobs"), 1);
    free(data);
}

static void test_mirrors(void **state)
{
    char *data = noise(5000, 13), original[80], mirror[80], bad[80];
    struct fc_fetch_want w = want("a", data, 5000);
    struct fc_fetch_rule rules[3];
    struct fc_fetch *t = NULL;
    char buffer[6000];
    int fd;

    (void)state;
    snprintf(original, sizeof(original), "http://127.0.0.1:1/");
    snprintf(bad, sizeof(bad), "%s/bad/", base_url);
    snprintf(mirror, sizeof(mirror), "%s/good/", base_url);
    snprintf(cache_dir, sizeof(cache_dir), "%s/cache", work);
    w.request.url = "http://127.0.0.1:1/a";
    {
        char path[128];
        snprintf(path, sizeof(path), "%s/good", served);
        mkdir(path, 0777);
        snprintf(path, sizeof(path), "%s/bad", served);
        mkdir(path, 0777);
    }
    put("good/a", data, 5000);
    data[9] ^= 1;
    put("bad/a", data, 5000);
    data[9] ^= 1;
    rules[0] = (struct fc_fetch_rule){original, bad, false};
    rules[1] = (struct fc_fetch_rule){original, mirror, false};
    /* Who reads while the wrong bytes arrive is told, and finds the right ones behind them. */
    behave("bad/a", "{\"bytes_per_s\": 20000}");
    open_fetcher(&(struct fc_fetch_options){.rules = rules, .n_rules = 2});
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_true(fc_fetch_read(t, buffer, 10, &err) > 0);
    assert_int_equal(fc_fetch_wait(t, &err), 0);
    assert_int_equal(fc_fetch_read(t, buffer, 10, &err), -ESTALE);
    fd = fc_fetch_open(t, &err);
    assert_int_equal(fc_pread_full(fd, buffer, sizeof(buffer), 0), 5000);
    assert_memory_equal(buffer, data, 5000);
    close(fd);
    fc_fetch_free(t);
    assert_int_equal(download(&w, data, 5000), 0);
    assert_int_equal(requests("/bad/a"), 1);
    assert_int_equal(requests("/good/a"), 1);
    /* The original is never asked. */
    fc_remove_all(AT_FDCWD, cache_dir);
    rules[0].only = true;
    open_fetcher(&(struct fc_fetch_options){.rules = rules, .n_rules = 1});
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_int_equal(fc_fetch_wait(t, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "digest"));
    fc_fetch_free(t);
    free(data);
}

/* Two readers of one blob at once are one transfer. */
static void test_shared(void **state)
{
    char *data = noise(200000, 14);
    struct fc_fetch_want w = want("a", data, 200000);
    struct fc_fetch *one = NULL, *two = NULL;
    int fd;

    (void)state;
    put("a", data, 200000);
    behave("a", "{\"bytes_per_s\": 2000000}");
    assert_int_equal(fc_fetch_start(fetcher, &w, &one, &err), 0);
    assert_int_equal(fc_fetch_start(fetcher, &w, &two, &err), 0);
    assert_int_equal(fc_fetch_wait(one, &err), 0);
    fc_fetch_free(one);
    fd = fc_fetch_open(two, &err);
    assert_true(fd >= 0);
    close(fd);
    fc_fetch_free(two);
    assert_int_equal(requests("\"GET\""), 1);
    free(data);
}

/* Canceled in the middle: a part that is gone on with, and nothing else. */
static void test_cancel(void **state)
{
    char *data = noise(1000000, 15), buffer[4096];
    struct fc_fetch_want w = want("a", data, 1000000);
    struct fc_fetch *t = NULL;

    (void)state;
    put("a", data, 1000000);
    behave("a", "{\"hang\": 30, \"hang_after\": 200000}");
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    for (size_t at = 0; at < 200000;) {
        ssize_t n = fc_fetch_read(t, buffer, sizeof(buffer), &err);

        assert_true(n > 0);
        at += (size_t)n;
    }
    fc_fetcher_cancel(fetcher);
    assert_int_equal(fc_fetch_read(t, buffer, sizeof(buffer), &err), -ECANCELED);
    fc_fetch_free(t);
    assert_int_equal(files_in(""), 5); /* layout, index, lock, the part and whose it is */
    behave("a", "{}");
    open_fetcher(NULL);
    assert_int_equal(download(&w, data, 1000000), 0);
    assert_int_equal(requests("bytes=200000-"), 1);
    free(data);
}

static void test_stall(void **state)
{
    char *data = noise(100000, 16);
    struct fc_fetch_want w = want("a", data, 100000);

    (void)state;
    put("a", data, 100000);
    behave("a", "{\"hang\": 30, \"hang_after\": 1000}");
    open_fetcher(&(struct fc_fetch_options){.stall_s = 1, .attempts = 1});
    assert_int_equal(download(&w, data, 100000), -ETIMEDOUT);
    free(data);
}

/* A file: URL, which has no status. */
static void test_file_url(void **state)
{
    char url[200];
    struct fc_fetch_want w = {.request = {.url = url}};

    (void)state;
    put("a", "some bytes", 10);
    snprintf(url, sizeof(url), "file://%s/a", served);
    assert_int_equal(download(&w, "some bytes", 10), 0);
    snprintf(url, sizeof(url), "file://%s/b", served);
    assert_int_equal(download(&w, "some bytes", 10), -ENOENT);
}

struct bar {
    struct fc_fetch_watch watch;
    uint64_t calls, most, total, over;
};

static void on_update(struct fc_fetch_watch *watch, const struct fc_fetch_item *items, size_t n)
{
    struct bar *bar = (struct bar *)watch;

    bar->calls++;
    bar->over += n == 0;
    for (size_t i = 0; i < n; i++) {
        bar->most = items[i].done > bar->most ? items[i].done : bar->most;
        bar->total = items[i].total;
    }
}

static void test_watch(void **state)
{
    struct bar bar = {.watch = {.update = on_update}};
    char *data = noise(100000, 17);
    struct fc_fetch_want w = want("a", NULL, 0);

    (void)state;
    put("a", data, 100000);
    behave("a", "{\"bytes_per_s\": 200000}");
    open_fetcher(&(struct fc_fetch_options){.watch = &bar.watch});
    assert_int_equal(download(&w, data, 100000), 0);
    fc_fetcher_free(fetcher);
    fetcher = NULL;
    assert_true(bar.calls >= 2);
    assert_int_equal(bar.total, 100000);
    assert_true(bar.most > 0);
    assert_int_equal(bar.over, 1);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, enter, leave),
        cmocka_unit_test_setup_teardown(test_empty, enter, leave),
        cmocka_unit_test_setup_teardown(test_sha512, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_digest, enter, leave),
        cmocka_unit_test_setup_teardown(test_wrong_length, enter, leave),
        cmocka_unit_test_setup_teardown(test_cut, enter, leave),
        cmocka_unit_test_setup_teardown(test_cut_for_good, enter, leave),
        cmocka_unit_test_setup_teardown(test_part_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_changed, enter, leave),
        cmocka_unit_test_setup_teardown(test_ranges_refused, enter, leave),
        cmocka_unit_test_setup_teardown(test_busy, enter, leave),
        cmocka_unit_test_setup_teardown(test_refusals, enter, leave),
        cmocka_unit_test_setup_teardown(test_conditional, enter, leave),
        cmocka_unit_test_setup_teardown(test_stale, enter, leave),
        cmocka_unit_test_setup_teardown(test_cache_damaged, enter, leave),
        cmocka_unit_test_setup_teardown(test_mirrors, enter, leave),
        cmocka_unit_test_setup_teardown(test_shared, enter, leave),
        cmocka_unit_test_setup_teardown(test_cancel, enter, leave),
        cmocka_unit_test_setup_teardown(test_stall, enter, leave),
        cmocka_unit_test_setup_teardown(test_file_url, enter, leave),
        cmocka_unit_test_setup_teardown(test_watch, enter, leave),
    };

    return cmocka_run_group_tests(tests, enter_group, leave_group);
}

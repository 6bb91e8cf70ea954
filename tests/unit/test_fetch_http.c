/* SPDX-License-Identifier: Apache-2.0 */
/* fetch: exchanges in memory: methods and bodies, redirects, and whom credentials go to. */
#include "fetch_help.h"

static struct fc_http_response response;

static int ask(const struct fc_http_request *request)
{
    fc_http_response_release(&response);
    memset(&response, 0, sizeof(response));
    return fc_http_exchange(fetcher, request, &response, &err);
}

static int leave_http(void **state)
{
    fc_http_response_release(&response);
    memset(&response, 0, sizeof(response));
    return leave(state);
}

static void test_get(void **state)
{
    static const char *const headers[] = {"Accept: text/x-one", "Accept: text/x-two", "X-Here: yes"};
    struct fc_buf value = {0};

    (void)state;
    put("a", "hello", 5);
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .headers = headers, .n_headers = 3}), 0);
    assert_int_equal(response.status, 200);
    assert_string_equal(response.body.data, "hello");
    assert_string_equal(response.url, url_of("a"));
    assert_int_equal(fc_http_header(&response, "content-LENGTH", 0, &value), 1);
    assert_string_equal(value.data, "5");
    assert_int_equal(fc_http_header(&response, "content-length", 1, &value), 0);
    assert_int_equal(requests("\"X-Here\": \"yes\""), 1);
    /* A status is an answer. */
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("none")}), 0);
    assert_int_equal(response.status, 404);
    assert_string_equal(response.body.data, "no such file\n");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .max_bytes = 4}), -EFBIG);
    assert_int_equal(ask(&(struct fc_http_request){.url = "http://127.0.0.1:1/"}), -ECONNREFUSED);
    assert_int_equal(ask(&(struct fc_http_request){.url = "http://no-such-host.invalid/"}), -EHOSTUNREACH);
    fc_buf_release(&value);
}

static void test_head(void **state)
{
    struct fc_buf value = {0};

    (void)state;
    put("a", "hello", 5);
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .method = "HEAD"}), 0);
    assert_int_equal(response.body.len, 0);
    assert_int_equal(fc_http_header(&response, "Content-Length", 0, &value), 1);
    assert_string_equal(value.data, "5");
    fc_buf_release(&value);
}

static ssize_t give(void *arg, uint64_t offset, void *buffer, size_t size, struct fc_error *e)
{
    (void)e;
    memcpy(buffer, (const char *)arg + offset, size);
    return (ssize_t)size;
}

static void test_bodies(void **state)
{
    static const char *const methods[] = {"PUT", "POST", "PATCH"};
    char *data = noise(300000, 1), path[128];
    const struct fc_http_source source = {give, data, 300000};
    struct fc_buf uploaded = {0}, value = {0};

    (void)state;
    snprintf(path, sizeof(path), "%s/uploaded", served);
    for (size_t i = 0; i < 3; i++) {
        struct fc_http_request q = {.url = url_of("up"), .method = methods[i], .body = data, .body_size = 300000};

        assert_int_equal(ask(&q), 0);
        assert_int_equal(response.status, 201);
        q.body = NULL;
        q.source = &source;
        assert_int_equal(ask(&q), 0);
        assert_int_equal(fc_read_file(AT_FDCWD, path, 1 << 20, &uploaded), 0);
        assert_int_equal(uploaded.len, 600000);
        assert_memory_equal(uploaded.data, data, 300000);
        assert_memory_equal(uploaded.data + 300000, data, 300000);
        fc_buf_clear(&uploaded);
        unlink(path);
    }
    /* A POST of nothing says so, and its relative Location is the user's to resolve. */
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("up"), .method = "POST"}), 0);
    assert_int_equal(requests("\"Content-Length\": \"0\""), 1);
    assert_int_equal(fc_http_header(&response, "Location", 0, &value), 1);
    assert_string_equal(value.data, "/up/next?state=1");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("up"), .method = "DELETE"}), 0);
    assert_int_equal(requests("\"DELETE\""), 1);
    fc_buf_release(&uploaded);
    fc_buf_release(&value);
    free(data);
}

/* What is sent again, and what not. */
static void test_again(void **state)
{
    (void)state;
    put("a", "hello", 5);
    behave("a", "{\"status\": 502, \"times\": 2}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .method = "PUT", .body = "x", .body_size = 1}),
                     0);
    assert_int_equal(response.status, 201);
    assert_int_equal(requests("\"PUT\""), 3);
    /* A POST that reached a server may have done its work; one that was sent away has not. */
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .method = "POST", .body = "x", .body_size = 1}),
                     0);
    behave("a", "{\"status\": 502}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .method = "POST", .body = "x", .body_size = 1}),
                     0);
    assert_int_equal(response.status, 502);
    assert_int_equal(requests("\"POST\""), 2);
    behave("a", "{\"status\": 429, \"times\": 1}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a"), .method = "POST", .body = "x", .body_size = 1}),
                     0);
    assert_int_equal(response.status, 201);
    behave("a", "{\"cut\": 2, \"times\": 1}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a")}), 0);
    assert_string_equal(response.body.data, "hello");
    behave("a", "{\"status\": 503}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a")}), 0);
    assert_int_equal(response.status, 503);
}

/* "localhost" and 127.0.0.1 are two hosts; a password is for one of them. */
static void test_redirects(void **state)
{
    char rule[200], with_user[160], elsewhere[96];

    (void)state;
    snprintf(elsewhere, sizeof(elsewhere), "http://localhost%s", strrchr(base_url, ':'));
    put("to", "hello", 5);
    behave("near", "{\"redirect\": \"/to?a=1\"}");
    snprintf(rule, sizeof(rule), "{\"redirect\": \"%s/to\", \"status\": 307}", elsewhere);
    behave("far", rule);
    snprintf(rule, sizeof(rule), "{\"redirect\": \"%s/near\"}", elsewhere);
    behave("back", rule);
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("near"), .authorization = "Bearer SECRET"}), 0);
    assert_string_equal(response.body.data, "hello");
    assert_int_equal(requests("Bearer SECRET"), 2);
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("far"), .authorization = "Bearer HIDDEN"}), 0);
    assert_int_equal(response.status, 200);
    assert_int_equal(requests("Bearer HIDDEN"), 1);
    assert_int_equal(requests("\"host\": \"localhost"), 1);
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("back"), .authorization = "Bearer THIRD"}), 0);
    assert_int_equal(requests("Bearer THIRD"), 1);
    /* The same for a password in the URL, and it is in no message. */
    snprintf(with_user, sizeof(with_user), "http://me:PASSWORD@%s/far", base_url + 7);
    assert_int_equal(ask(&(struct fc_http_request){.url = with_user}), 0);
    assert_int_equal(requests("Basic bWU6UEFTU1dPUkQ="), 1);
    assert_null(strstr(response.url, "PASSWORD"));
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("far"), .no_redirects = true}), 0);
    assert_int_equal(response.status, 307);
    behave("round", "{\"redirect\": \"/round\"}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("round")}), -ELOOP);
    behave("file", "{\"redirect\": \"file:///etc/passwd\"}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("file")}), -EPROTO);
    behave("bad", "{\"redirect\": \"http://me:PASSWORD@127.0.0.1:1/x?sig=QUERY\"}");
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("bad")}), -ECONNREFUSED);
    assert_null(strstr(err.msg, "PASSWORD"));
    assert_null(strstr(err.msg, "QUERY"));
}

static int renew(void *arg, const char *challenge, char **ret, struct fc_error *e)
{
    (void)e;
    assert_string_equal(challenge, "Bearer realm=\"x\"\n");
    ++*(unsigned *)arg;
    *ret = strdup(*(unsigned *)arg == 1 ? "Bearer old" : "Bearer good");
    return 0;
}

static void test_renew(void **state)
{
    unsigned renewals = 0;
    struct fc_fetch_want w = {
        .request = {.url = url_of("a")}, .sum = sum_of("hello", 5, false), .renew = renew, .arg = &renewals};
    struct fc_fetch *t = NULL;
    char text[16];

    (void)state;
    put("a", "hello", 5);
    behave("a", "{\"auth\": \"Bearer good\", \"challenge\": \"Bearer realm=\\\"x\\\"\"}");
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_int_equal(fc_fetch_read(t, text, sizeof(text), &err), 5);
    assert_int_equal(renewals, 2);
    fc_fetch_free(t);
    /* Who cannot renew is told. */
    fc_remove_all(AT_FDCWD, cache_dir);
    open_fetcher(NULL);
    w.renew = NULL;
    assert_int_equal(fc_fetch_start(fetcher, &w, &t, &err), 0);
    assert_int_equal(fc_fetch_wait(t, &err), -EACCES);
    fc_fetch_free(t);
}

static void test_offline(void **state)
{
    (void)state;
    open_fetcher(&(struct fc_fetch_options){.offline = true});
    assert_int_equal(ask(&(struct fc_http_request){.url = url_of("a")}), -ENETDOWN);
    assert_int_equal(requests("GET"), 0);
}

static void test_store(void **state)
{
    struct fc_digest digest;
    struct fc_fetch_want w = {.request = {.url = "http://127.0.0.1:1/x"}, .sum = sum_of("{}", 2, false)};
    struct fc_buf text = {0};

    (void)state;
    assert_int_equal(fc_fetch_store(fetcher, "{}", 2, &digest, &err), 0);
    assert_int_equal(fc_fetch_document(fetcher, &w, 100, &text, NULL, &err), 0);
    assert_string_equal(text.data, "{}");
    assert_int_equal(files_in("blobs"), 1);
    fc_buf_release(&text);
}

static void test_words(void **state)
{
    char out[100];

    (void)state;
    assert_string_equal(fc_url_show(out, sizeof(out), "https://me:pw@h.example:8/a/b?token=1#x"),
                        "https://h.example:8/a/b");
    assert_null(strstr(fc_url_show(out, sizeof(out), "https://me:pw@h example/"), "pw"));
    open_fetcher(
        &(struct fc_fetch_options){.insecure = (const char *const[]){"a.example", "b.example:5000"}, .n_insecure = 2});
    assert_true(fc_fetcher_trusts_plain(fetcher, "http://localhost:5000/v2/"));
    assert_true(fc_fetcher_trusts_plain(fetcher, "http://127.0.0.1/"));
    assert_true(fc_fetcher_trusts_plain(fetcher, "http://[::1]:5/"));
    assert_true(fc_fetcher_trusts_plain(fetcher, "http://a.example:99/"));
    assert_true(fc_fetcher_trusts_plain(fetcher, "http://b.example:5000/"));
    assert_false(fc_fetcher_trusts_plain(fetcher, "http://b.example/"));
    assert_false(fc_fetcher_trusts_plain(fetcher, "http://127.0.0.1.example/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_head, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_bodies, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_again, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_redirects, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_renew, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_offline, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_store, enter, leave_http),
        cmocka_unit_test_setup_teardown(test_words, enter, leave_http),
    };

    return cmocka_run_group_tests(tests, enter_group, leave_group);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* One attempt of a transfer: the request as libcurl wants it, and its answer as it comes in. In the fetcher's thread. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "fetch/internal.h"

/* Of one answer; beyond it somebody is playing. */
#define HEADERS_MAX (256u * 1024)

int fc_headers_find(const struct fc_buf *headers, const char *name, size_t nth, struct fc_buf *ret)
{
    size_t len = strlen(name);

    fc_buf_clear(ret);
    for (const char *line = headers->len ? headers->data : ""; *line;) {
        size_t n = strcspn(line, "\n");

        if (n > len && line[len] == ':' && strncasecmp(line, name, len) == 0 && nth-- == 0) {
            const char *value = line + len + 1;
            size_t size = n - len - 1;

            while (size && (*value == ' ' || *value == '\t'))
                value++, size--;
            while (size && strchr(" \t\r", value[size - 1]))
                size--;
            return fc_buf_add(ret, value, size) < 0 ? -ENOMEM : 1;
        }
        line += n + (line[n] == '\n');
    }
    return 0;
}

static size_t on_header(char *data, size_t one, size_t size, void *arg)
{
    struct fc_transfer *t = arg;
    size_t n = size;

    (void)one;
    while (n && (data[n - 1] == '\n' || data[n - 1] == '\r'))
        n--;
    if (n >= 5 && strncmp(data, "HTTP/", 5) == 0) { /* of the proxy, of a 100, or at last of the answer */
        fc_buf_clear(&t->headers);
        return size;
    }
    if (n == 0)
        return size;
    if (t->headers.len + n > HEADERS_MAX) {
        fc_fail(&t->err, EBADMSG, "the server sends more than %u bytes of headers", HEADERS_MAX);
        return 0;
    }
    if (memchr(data, '\0', n) || fc_buf_add(&t->headers, data, n) < 0 || fc_buf_add(&t->headers, "\n", 1) < 0) {
        fc_fail(&t->err, EBADMSG, "the server sends headers that are none");
        return 0;
    }
    return size;
}

int fc_transfer_judge(struct fc_transfer *t)
{
    curl_off_t after;
    long status = 0;

    if (t->judged)
        return 0;
    t->judged = true;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    t->status = fc_url_is(t->url, "file") ? 200 : (int)status;
    t->wanted = !fc_transfer_is_redirect(t) && !fc_transfer_wants_again(t, &after);
    return t->wanted ? t->ops->answer(t) : 0;
}

static size_t on_data(char *data, size_t one, size_t size, void *arg)
{
    struct fc_transfer *t = arg;
    int r = fc_transfer_judge(t);

    (void)one;
    if (r == 0 && t->wanted)
        r = t->ops->data(t, data, size);
    return r < 0 ? 0 : size;
}

static size_t on_body(char *buffer, size_t one, size_t size, void *arg)
{
    struct fc_transfer *t = arg;
    const struct fc_http_request *q = t->request;
    ssize_t n;

    size *= one;
    if (!q->source) {
        size = size < q->body_size - t->sent ? size : (size_t)(q->body_size - t->sent);
        memcpy(buffer, (const char *)q->body + t->sent, size);
        t->sent += size;
        return size;
    }
    if (t->sent >= q->source->size)
        return 0;
    size = size < q->source->size - t->sent ? size : (size_t)(q->source->size - t->sent);
    n = q->source->read(q->source->arg, t->sent, buffer, size, &t->err);
    if (n <= 0)
        return CURL_READFUNC_ABORT;
    t->sent += (uint64_t)n;
    return (size_t)n;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct fc_transfer *t = arg;

    if (origin != SEEK_SET || offset < 0)
        return CURL_SEEKFUNC_FAIL;
    t->sent = (uint64_t)offset;
    return CURL_SEEKFUNC_OK;
}

static int add_header(struct fc_transfer *t, const char *line)
{
    struct curl_slist *longer = curl_slist_append(t->list, line);

    if (!longer)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    t->list = longer;
    return 0;
}

/* Credentials: only for whom they are. */
static int add_credentials(struct fc_transfer *t, const char *user, const char *password)
{
    const char *given = t->urls[t->at_url];
    struct fc_buf line = {0};
    int r = 0;

    if (t->authorization && fc_url_same_origin(t->url, t->request->url)) {
        r = fc_buf_addf(&line, "Authorization: %s", t->authorization);
        r = r < 0 ? fc_fail(&t->err, ENOMEM, "out of memory") : add_header(t, line.data);
        fc_buf_release(&line);
    } else if (user && fc_url_same_origin(t->url, given)) {
        curl_easy_setopt(t->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(t->easy, CURLOPT_USERNAME, user);
        curl_easy_setopt(t->easy, CURLOPT_PASSWORD, password ? password : "");
    }
    return r;
}

static int set_url(struct fc_transfer *t)
{
    fc_auto(fc_free) char *bare = NULL;
    fc_auto(fc_free) char *user = NULL;
    fc_auto(fc_free) char *password = NULL;
    fc_auto(fc_free) char *of_given = NULL;
    fc_auto(fc_free) char *given_user = NULL;
    fc_auto(fc_free) char *given_password = NULL;
    char shown[200];

    if (fc_url_split(t->url, &bare, &user, &password) < 0 ||
        fc_url_split(t->urls[t->at_url], &of_given, &given_user, &given_password) < 0)
        return fc_fail(&t->err, EINVAL, "%s is no URL", fc_url_show(shown, sizeof(shown), t->url));
    curl_easy_setopt(t->easy, CURLOPT_URL, bare);
    return add_credentials(t, given_user, given_password);
}

static void set_method(struct fc_transfer *t)
{
    const struct fc_http_request *q = t->request;
    const char *method = q->method ? q->method : "GET";
    bool body = !t->as_get && (q->body || q->source);

    if (t->as_get)
        method = "GET";
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(t->easy, CURLOPT_NOBODY, 1L);
    } else if (body) {
        curl_easy_setopt(t->easy, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(t->easy, CURLOPT_READFUNCTION, on_body);
        curl_easy_setopt(t->easy, CURLOPT_READDATA, t);
        curl_easy_setopt(t->easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(t->easy, CURLOPT_SEEKDATA, t);
        curl_easy_setopt(t->easy, CURLOPT_INFILESIZE_LARGE,
                         (curl_off_t)(q->source ? q->source->size : (uint64_t)q->body_size));
    } else if (strcmp(method, "GET") != 0) { /* such as a POST that begins an upload: a body of no bytes */
        curl_easy_setopt(t->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE, 0L);
    }
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        curl_easy_setopt(t->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_manners(struct fc_transfer *t)
{
    const struct fc_fetcher *f = t->f;

    curl_easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https,file");
    curl_easy_setopt(t->easy, CURLOPT_FOLLOWLOCATION, 0L); /* by hand: whom the credentials go to is ours to say */
    curl_easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* Where the cache can stand in there is no point in long waits for a network that is not there. */
    curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT, (long)(t->hasty && f->connect_s > 5 ? 5 : f->connect_s));
    curl_easy_setopt(t->easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(t->easy, CURLOPT_USERAGENT, "fccompose");
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->words);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_data);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    if (f->ca_file)
        curl_easy_setopt(t->easy, CURLOPT_CAINFO, f->ca_file);
    if (f->ca_dir)
        curl_easy_setopt(t->easy, CURLOPT_CAPATH, f->ca_dir);
    if (fc_url_insecure(f, t->url)) {
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

int fc_transfer_begin(struct fc_transfer *t)
{
    const struct fc_http_request *q = t->request;
    int r = 0;

    t->err = (struct fc_error){0};
    t->words[0] = '\0';
    t->status = 0;
    t->moved = 0;
    t->moved_at = fc_fetch_now();
    t->judged = t->wanted = false;
    t->sent = 0;
    fc_buf_clear(&t->headers);
    t->easy = curl_easy_init();
    if (!t->easy)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    if (!t->url)
        t->url = strdup(t->urls[t->at_url]);
    if (!t->url)
        return fc_fail(&t->err, ENOMEM, "out of memory");
    set_manners(t);
    r = set_url(t);
    for (size_t i = 0; i < q->n_headers && r == 0; i++)
        r = add_header(t, q->headers[i]);
    if (r == 0)
        r = add_header(t, "Expect:"); /* no waiting for a 100, which many servers never send */
    set_method(t);
    if (r == 0)
        r = t->ops->begin(t);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->list);
    return r;
}

bool fc_transfer_stalls(struct fc_transfer *t)
{
    curl_off_t down = 0, up = 0;

    /* By hand: libcurl's own limit looks at averages, and takes many seconds to see that nothing moves. */
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &down);
    curl_easy_getinfo(t->easy, CURLINFO_SIZE_UPLOAD_T, &up);
    if (t->moved != down + up) {
        t->moved = down + up;
        t->moved_at = fc_fetch_now();
    }
    if (fc_fetch_now() - t->moved_at < t->f->stall_s)
        return false;
    snprintf(t->words, sizeof(t->words), "nothing came for %u seconds", t->f->stall_s);
    return true;
}

void fc_transfer_close(struct fc_transfer *t)
{
    if (t->easy)
        curl_easy_cleanup(t->easy);
    t->easy = NULL;
    if (t->list)
        curl_slist_free_all(t->list);
    t->list = NULL;
}

void fc_transfer_release(struct fc_transfer *t)
{
    fc_transfer_close(t);
    fc_buf_release(&t->headers);
    free(t->url);
    for (size_t i = 0; i < t->n_urls; i++)
        free(t->urls[i]);
    free(t->urls);
    t->url = NULL;
    t->urls = NULL;
    t->n_urls = 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of fetch: a web server that misbehaves as told, a cache, and a fetcher that is quick to try again. */
#ifndef FC_TEST_FETCH_HELP_H
#define FC_TEST_FETCH_HELP_H

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/digest.h"
#include "base/io.h"
#include "fetch/fetch.h"

static char work[64], served[96], cache_dir[96], base_url[64];
static pid_t server;
static int server_in;
static struct fc_fetcher *fetcher;
static struct fc_error err;

/* Start the server of @served. Returns false when there is no Python. */
static bool serve(void)
{
    int to[2], from[2];
    char port[16] = "";

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0)
        return false;
    server = fork();
    if (server == 0) {
        dup2(to[0], 0);
        dup2(from[1], 1);
        execlp("python3", "python3", "tests/lib/http-server", served, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    server_in = to[1];
    for (size_t n = 0; n + 1 < sizeof(port) && read(from[0], port + n, 1) == 1 && port[n] != '\n'; n++)
        port[n + 1] = '\0';
    close(from[0]);
    snprintf(base_url, sizeof(base_url), "http://127.0.0.1:%d", atoi(port));
    return atoi(port) > 0;
}

static void open_fetcher(const struct fc_fetch_options *options)
{
    struct fc_fetch_options o = options ? *options : (struct fc_fetch_options){0};

    o.cache = cache_dir;
    o.retry_ms = 5;
    fc_fetcher_free(fetcher);
    fetcher = NULL;
    assert_int_equal(fc_fetcher_new(&o, &fetcher, &err), 0);
}

static int enter_group(void **state)
{
    (void)state;
    unsetenv("http_proxy");
    strcpy(work, "/tmp/fc-fetch-XXXXXX");
    if (!mkdtemp(work))
        return -1;
    snprintf(served, sizeof(served), "%s/www", work);
    snprintf(cache_dir, sizeof(cache_dir), "%s/cache", work);
    mkdir(served, 0777);
    return serve() ? 0 : -1;
}

static int leave_group(void **state)
{
    (void)state;
    close(server_in);
    waitpid(server, NULL, 0);
    return fc_remove_all(AT_FDCWD, work);
}

static int enter(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    fc_remove_all(AT_FDCWD, served);
    fc_remove_all(AT_FDCWD, cache_dir);
    mkdir(served, 0777);
    open_fetcher(NULL);
    return 0;
}

static int leave(void **state)
{
    (void)state;
    fc_fetcher_free(fetcher);
    fetcher = NULL;
    return 0;
}

/* Put @size bytes @data at @name of what is served. */
static inline void put(const char *name, const void *data, size_t size)
{
    char path[512];
    int fd;

    snprintf(path, sizeof(path), "%s/%s", served, name);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    assert_true(fd >= 0);
    assert_int_equal(fc_write_full(fd, data, size), 0);
    close(fd);
}

static inline void behave(const char *name, const char *json)
{
    char file[200];

    snprintf(file, sizeof(file), "%s.behave", name);
    put(file, json, strlen(json));
}

/* @size bytes that no two seeds have in common. Caller frees. */
static inline char *noise(size_t size, unsigned seed)
{
    char *data = malloc(size);
    uint64_t x = seed * 2654435761u + 1;

    for (size_t i = 0; i < size; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        data[i] = (char)(x >> 56);
    }
    return data;
}

static inline struct fc_sum sum_of(const void *data, size_t size, bool sha512)
{
    struct fc_hasher *h = sha512 ? fc_hasher_new_sha512() : fc_hasher_new();
    struct fc_sum sum;

    fc_hasher_add(h, data, size);
    fc_hasher_finish_sum(h, &sum);
    fc_hasher_free(h);
    return sum;
}

static inline const char *url_of(const char *name)
{
    static char url[200];

    snprintf(url, sizeof(url), "%s/%s", base_url, name);
    return url;
}

/* How many requests the server saw whose line of JSON contains @text. */
static inline unsigned requests(const char *text)
{
    struct fc_buf all = {0};
    char path[128];
    unsigned n = 0;

    snprintf(path, sizeof(path), "%s/requests", served);
    if (fc_read_file(AT_FDCWD, path, 1 << 24, &all) < 0)
        return 0;
    for (char *line = strtok(all.data, "\n"); line; line = strtok(NULL, "\n"))
        n += strstr(line, text) != NULL;
    fc_buf_release(&all);
    return n;
}

/* How many files the folder @name of the layout has. */
static inline unsigned files_in(const char *name)
{
    char command[256];
    unsigned n = 0;
    FILE *p;

    snprintf(command, sizeof(command), "find %s/oci/%s -type f 2>/dev/null | wc -l", cache_dir, name);
    p = popen(command, "r");
    assert_non_null(p);
    assert_int_equal(fscanf(p, "%u", &n), 1);
    pclose(p);
    return n;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Talk to credential helpers: programs that keep secrets (the protocol of docker-credential-helpers). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/child.h"
#include "oci/helper.h"

static void wipe(struct fc_buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    fc_buf_release(b);
}

/* A helper's name becomes a program's: nothing but a plain word. */
static bool is_plain(const char *helper)
{
    return *helper &&
           helper[strspn(helper, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")] == '\0';
}

/* Run "docker-credential-HELPER VERB" with @input. Returns its exit status, or -errno with words. */
static int talk(const char *helper, const char *verb, const char *input, struct fc_buf *ret_output,
                struct fc_error *err)
{
    char program[128];
    const char *const argv[] = {program, verb, NULL};
    int r;

    if (!is_plain(helper) || snprintf(program, sizeof(program), "docker-credential-%s", helper) >= (int)sizeof(program))
        return fc_fail(err, EBADMSG, "\"%.80s\" is not the name of a credential helper", helper);
    r = fc_child_ask(argv, input, strlen(input), ret_output, err);
    if (r == -ENOENT)
        return fc_fail(err, ENOENT, "the credential helper %s is not installed", program);
    return r;
}

/* What a helper says, on its standard output, when it simply has nothing. */
static bool says_none(const struct fc_buf *output) { return output->data && strstr(output->data, "not found"); }

static int failed(const char *helper, const char *server, const struct fc_buf *output, struct fc_error *err)
{
    int len = output->data ? (int)strcspn(output->data, "\r\n") : 0;

    return fc_fail(err, EACCES, "docker-credential-%s failed for %s%s%.*s", helper, server, len ? ": " : "",
                   len > 200 ? 200 : len, output->data ? output->data : "");
}

static int read_answer(const char *helper, const struct fc_buf *output, struct fc_oci_credentials *ret,
                       struct fc_error *err)
{
    json_t *json = json_loadb(output->data ? output->data : "", output->len, 0, NULL);
    const char *user = json_string_value(json_object_get(json, "Username"));
    const char *secret = json_string_value(json_object_get(json, "Secret"));
    int r = 1;

    if (!user || !secret)
        r = fc_fail(err, EBADMSG, "docker-credential-%s: its answer has no Username and Secret", helper);
    else if (!*user && !*secret)
        r = 0;
    else if (strcmp(user, "<token>") == 0)
        ret->identity_token = strdup(secret);
    else {
        ret->user = strdup(user);
        ret->password = strdup(secret);
    }
    json_decref(json);
    if (r == 1 && !ret->identity_token && !(ret->user && ret->password))
        r = fc_fail_errno(err, ENOMEM, "docker-credential-%s", helper);
    return r;
}

int fc_oci_helper_get(const char *helper, const char *server, struct fc_oci_credentials *ret, struct fc_error *err)
{
    struct fc_buf output __attribute__((cleanup(wipe))) = {0};
    int r = talk(helper, "get", server, &output, err);

    if (r < 0)
        return r;
    if (r > 0)
        return says_none(&output) ? 0 : failed(helper, server, &output, err);
    return read_answer(helper, &output, ret, err);
}

int fc_oci_helper_store(const char *helper, const char *server, const char *user, const char *password,
                        struct fc_error *err)
{
    struct fc_buf output __attribute__((cleanup(wipe))) = {0};
    json_t *json = json_pack("{s:s, s:s, s:s}", "ServerURL", server, "Username", user, "Secret", password);
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    int r = text ? talk(helper, "store", text, &output, err) : fc_fail(err, EINVAL, "user or password is not UTF-8");

    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    json_decref(json);
    return r > 0 ? failed(helper, server, &output, err) : r;
}

int fc_oci_helper_erase(const char *helper, const char *server, struct fc_error *err)
{
    struct fc_buf output __attribute__((cleanup(wipe))) = {0};
    int r = talk(helper, "erase", server, &output, err);

    if (r > 0 && says_none(&output))
        return fc_fail(err, ENOENT, "docker-credential-%s has nothing for %s", helper, server);
    return r > 0 ? failed(helper, server, &output, err) : r;
}

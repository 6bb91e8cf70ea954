/* SPDX-License-Identifier: Apache-2.0 */
/* What is installed here, and by which command the distribution installs what is not. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "cli/doctor.h"

/* The value of @key in os-release(5), quotes left out, into @ret. */
static void os_release(const char *text, const char *key, char *ret, size_t size)
{
    const char *at = text;
    size_t len = strlen(key), n;

    ret[0] = '\0';
    while (at && (strncmp(at, key, len) != 0 || at[len] != '='))
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL;
    if (!at)
        return;
    at += len + 1;
    at += *at == '"' || *at == '\'';
    n = strcspn(at, "\"'\n");
    if (n >= size)
        n = size - 1;
    memcpy(ret, at, n);
    ret[n] = '\0';
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *at = words; (at = strstr(at, word)); at += len)
        if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
            return true;
    return false;
}

/* Families by ID and ID_LIKE; in the order of struct doctor_package. */
static const struct {
    const char *ids[4], *command;
} families[] = {
    {{"debian", "ubuntu"}, "apt-get install"},
    {{"fedora", "rhel", "centos", "suse"}, "dnf install"},
    {{"alpine"}, "apk add"},
    {{"arch"}, "pacman -S"},
};

/* Which of the families this is; the first if nobody knows. */
static size_t family(bool *ret_known)
{
    struct fc_buf text __attribute__((cleanup(fc_buf_release_auto))) = {0};
    char id[64], like[128];

    *ret_known = true;
    if (fc_read_file(AT_FDCWD, "/etc/os-release", 1 << 16, &text) == 0 && text.data) {
        os_release(text.data, "ID", id, sizeof(id));
        os_release(text.data, "ID_LIKE", like, sizeof(like));
        for (size_t i = 0; i < FC_LENGTH(families); i++)
            for (size_t j = 0; j < FC_LENGTH(families[i].ids) && families[i].ids[j]; j++)
                if (has_word(id, families[i].ids[j]) || has_word(like, families[i].ids[j]))
                    return i;
    }
    *ret_known = false;
    return 0;
}

const char *doctor_install(struct fc_buf *ret, const struct doctor_package *packages, size_t n)
{
    bool known;
    size_t which = family(&known);
    int r = known ? fc_buf_addf(ret, "%s%s", geteuid() == 0 ? "" : "as root: ", families[which].command)
                  : fc_buf_adds(ret, "install what Debian calls");

    for (size_t i = 0; i < n && r == 0; i++) {
        const char *const names[] = {packages[i].debian, packages[i].fedora, packages[i].alpine, packages[i].arch};
        size_t k = which;

        while (k > 0 && !names[k])
            k--;
        if (names[k])
            r = fc_buf_addf(ret, " %s", names[k]);
    }
    return ret->data ? ret->data : "";
}

char *doctor_find(const char *program) { return fc_child_find(program, "/usr/sbin:/sbin:/usr/local/sbin"); }

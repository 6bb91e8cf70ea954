/* SPDX-License-Identifier: Apache-2.0 */
/* Texts, messages and small files for the guest's init. */
#include "sys.h"

/* What compilers call by themselves. */
void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

void *memcpy(void *to, const void *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

void *memset(void *to, int c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        ((char *)to)[i] = (char)c;
    return to;
}

size_t text_length(const char *s)
{
    size_t n = 0;

    while (s[n])
        n++;
    return n;
}

bool text_same(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}

bool text_begins(const char *s, const char *with)
{
    while (*with && *s == *with)
        s++, with++;
    return !*with;
}

void text_add(char *to, size_t size, const char *s)
{
    size_t at = text_length(to);

    while (*s && at + 1 < size)
        to[at++] = *s++;
    to[at] = '\0';
}

void text_add_number(char *to, size_t size, long n)
{
    char digits[24], *p = digits + sizeof(digits) - 1;
    unsigned long left = n < 0 ? 0ul - (unsigned long)n : (unsigned long)n;

    *p = '\0';
    do
        *--p = (char)('0' + left % 10);
    while (left /= 10);
    if (n < 0)
        *--p = '-';
    text_add(to, size, p);
}

static void add_reason(char *line, size_t size, long error)
{
    error = error < 0 ? -error : error;
    text_add(line, size, ": ");
    switch (error) {
    case NO_ENTRY:
        text_add(line, size, "there is no such file");
        break;
    case NO_EXEC:
        text_add(line, size, "it is no program for this machine");
        break;
    case NO_ACCESS:
        text_add(line, size, "permission denied");
        break;
    case NO_DIRECTORY:
        text_add(line, size, "a part of the path is no directory");
        break;
    default:
        text_add(line, size, "error ");
        text_add_number(line, size, error);
    }
}

void say(const char *a, const char *b, long error)
{
    char line[1024] = "fccompose-init: ";
    size_t room = sizeof(line) - 1;

    text_add(line, room, a);
    if (b)
        text_add(line, room, b);
    if (error)
        add_reason(line, room, error);
    text_add(line, sizeof(line), "\n");
    sys_write(2, line, text_length(line));
}

long read_text(const char *path, char *to, size_t size)
{
    long fd = sys_open(path, OPEN_READ), n = 0;
    size_t at = 0;

    if (fd < 0)
        return fd;
    while (at < size && (n = sys_read((int)fd, to + at, size - at)) > 0)
        at += (size_t)n;
    sys_close((int)fd);
    if (n < 0)
        return n;
    if (at == size)
        return -27;
    to[at] = '\0';
    return (long)at;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Why a program of the tree cannot be executed: what it needs, and for which machine it was built. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/io.h"
#include "run/internal.h"

/* By what uname(2) and qemu-user call them. */
static const struct {
    uint16_t machine;
    const char *name, *qemu;
} machines[] = {
    {EM_X86_64, "x86_64", "x86_64"}, {EM_386, "i386", "i386"},         {EM_AARCH64, "aarch64", "aarch64"},
    {EM_ARM, "arm", "arm"},          {EM_RISCV, "riscv64", "riscv64"}, {EM_PPC64, "ppc64", "ppc64le"},
    {EM_S390, "s390x", "s390x"},     {EM_MIPS, "mips", "mips64el"},    {258, "loongarch64", "loongarch64"},
};

/* The beginning of a file. */
struct head {
    char data[256];
    size_t size;
};

static bool read_head(const char *path, struct head *ret)
{
    fc_auto(fc_close) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : fc_read_full(fd, ret->data, sizeof(ret->data) - 1);

    ret->size = n > 0 ? (size_t)n : 0;
    ret->data[ret->size] = '\0';
    return n >= 0;
}

static bool is_elf(const struct head *h) { return h->size >= 20 && memcmp(h->data, ELFMAG, SELFMAG) == 0; }

static uint16_t machine_of(const struct head *h)
{
    const unsigned char *p = (const unsigned char *)h->data + 18;

    return h->data[EI_DATA] == ELFDATA2MSB ? (uint16_t)(p[0] << 8 | p[1]) : (uint16_t)(p[1] << 8 | p[0]);
}

/* Words for an ELF file of another machine. Returns whether it is one. */
static bool explain_foreign(const char *path, const struct head *h, struct fc_error *err)
{
    struct head own;
    struct utsname u;
    uint16_t machine = machine_of(h);
    const char *name = "another machine", *qemu = "that machine";

    /* What this kernel runs by itself is known of one program, this one. */
    if (!read_head("/proc/self/exe", &own) || !is_elf(&own) || uname(&u) < 0 || machine_of(&own) == machine)
        return false;
    for (size_t i = 0; i < FC_LENGTH(machines); i++)
        if (machines[i].machine == machine) {
            name = machines[i].name;
            qemu = machines[i].qemu;
        }
    fc_fail(err, ENOEXEC,
            "%s is for %s, this machine is %s, and there is no handler for it in binfmt_misc: install qemu-user "
            "(Debian, Ubuntu: apt-get install qemu-user-static; others: docker run --privileged tonistiigi/binfmt "
            "--install %s)",
            path, name, u.machine, qemu);
    return true;
}

/* "#! /bin/sh -e": what is missing then is the interpreter. */
static bool explain_script(const char *path, const struct head *h, struct fc_error *err)
{
    const char *at = h->data + 2;
    size_t len;

    if (h->size < 3 || memcmp(h->data, "#!", 2) != 0)
        return false;
    at += strspn(at, " \t");
    len = strcspn(at, " \t\r\n");
    if (at[len] == '\r')
        fc_fail(err, ENOENT, "%s: its first line ends as on Windows (CR LF), so there is no interpreter %.*s\\r", path,
                (int)len, at);
    else
        fc_fail(err, ENOENT, "%s: its interpreter %.*s is not in the tree, or cannot be run itself", path, (int)len,
                at);
    return true;
}

void run_explain_exec(const char *path, int code, struct fc_error *err)
{
    struct head h;
    struct stat st;

    if (code == EACCES && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        fc_fail(err, code, "%s: is a directory", path);
        return;
    }
    if (read_head(path, &h)) {
        if (is_elf(&h) && explain_foreign(path, &h, err))
            return;
        if (code == ENOENT && explain_script(path, &h, err))
            return;
        if (code == ENOENT && is_elf(&h)) {
            fc_fail(err, code, "%s: its dynamic loader is not in the tree (it was built for another libc?)", path);
            return;
        }
    }
    if (code == ENOEXEC)
        fc_fail(err, code, "%s: not a program: neither ELF nor a script that begins with #!", path);
    else if (code == E2BIG)
        fc_fail(err, code, "%s: arguments and environment are too long for the kernel", path);
    else
        fc_fail_errno(err, code, "cannot run %s", path);
}

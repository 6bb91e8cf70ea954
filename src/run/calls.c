/* SPDX-License-Identifier: Apache-2.0 */
/* Know the numbers of the supervised calls, and write the seccomp filter for them. */
#include "run/calls.h"

#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sys/stat.h>

#include "base/cleanup.h"

/* A process of x32 has this bit in its calls, and the architecture of x86-64. */
#define X32 0x40000000u
#define NONE UINT32_MAX

/*
 * Rows as in struct fc_call: number, kind, dir, path, first, at_flags, no_follow, packed, ids_of_16bit. setxattrat and
 * removexattrat (Linux 6.13) have the same numbers everywhere.
 */
#define MKNOD(nr)                                                                                                      \
    {                                                                                                                  \
        nr, FC_CALL_NODE, -1, 0, 1, -1, false, false, false                                                            \
    }
#define MKNODAT(nr)                                                                                                    \
    {                                                                                                                  \
        nr, FC_CALL_NODE, 0, 1, 2, -1, false, false, false                                                             \
    }
#define THREE(kind, by_path, by_link, by_fd, narrow)                                                                   \
    {by_path, kind, -1, 0, 1, -1, false, false, narrow}, {by_link, kind, -1, 0, 1, -1, true, false, narrow},           \
    {                                                                                                                  \
        by_fd, kind, 0, -1, 1, -1, false, false, narrow                                                                \
    }
#define XATTRS(set, lset, fset, remove, lremove, fremove)                                                              \
    THREE(FC_CALL_XATTR, set, lset, fset, false), THREE(FC_CALL_REMOVE_XATTR, remove, lremove, fremove, false),        \
        {463, FC_CALL_XATTR, 0, 1, 3, 2, false, true, false},                                                          \
    {                                                                                                                  \
        466, FC_CALL_REMOVE_XATTR, 0, 1, 3, 2, false, false, false                                                     \
    }
#define CHOWNS(by_path, by_link, by_fd) THREE(FC_CALL_OWNER, by_path, by_link, by_fd, false)
#define CHOWNS_16BIT THREE(FC_CALL_OWNER, 182, 16, 95, true)
#define FCHOWN(nr)                                                                                                     \
    {                                                                                                                  \
        nr, FC_CALL_OWNER, 0, -1, 1, -1, false, false, false                                                           \
    }
#define FCHOWNAT(nr)                                                                                                   \
    {                                                                                                                  \
        nr, FC_CALL_OWNER, 0, 1, 2, 4, false, false, false                                                             \
    }

/* A call by which a process becomes somebody else: setuid(2) and its like have @n ids, setgroups(2) is told by 0. */
struct become {
    uint16_t number;
    uint8_t n;
    bool ids_of_16bit;
};
/* setuid, setgid, setreuid, setregid, setresuid, setresgid, setfsuid, setfsgid, setgroups */
#define BECOME(u, g, ru, rg, su, sg, fu, fg, gs)                                                                       \
    {u, 1, false}, {g, 1, false}, {ru, 2, false}, {rg, 2, false}, {su, 3, false}, {sg, 3, false}, {fu, 1, false},      \
        {fg, 1, false},                                                                                                \
    {                                                                                                                  \
        gs, 0, false                                                                                                   \
    }
#define BECOME_16BIT                                                                                                   \
    {23, 1, true}, {46, 1, true}, {70, 2, true}, {71, 2, true}, {164, 3, true}, {170, 3, true}, {138, 1, true},        \
        {139, 1, true},                                                                                                \
    {                                                                                                                  \
        81, 0, true                                                                                                    \
    }

#if defined(__x86_64__) || defined(__i386__)
static const struct fc_call calls_i386[] = {
    MKNOD(14), MKNODAT(297), XATTRS(226, 227, 228, 235, 236, 237), CHOWNS(212, 198, 207), CHOWNS_16BIT, FCHOWNAT(298)};
#endif
#if defined(__arm__) || defined(__aarch64__)
static const struct fc_call calls_arm[] = {
    MKNOD(14), MKNODAT(324), XATTRS(226, 227, 228, 235, 236, 237), CHOWNS(212, 198, 207), CHOWNS_16BIT, FCHOWNAT(325)};
#endif
#if defined(__x86_64__) || defined(__i386__) || defined(__arm__) || defined(__aarch64__)
static const struct become becomes_32bit[] = {BECOME(213, 214, 203, 204, 208, 210, 215, 216, 206), BECOME_16BIT};
#endif
#ifdef __x86_64__
static const struct fc_call calls_x86_64[] = {MKNOD(133), MKNODAT(259), XATTRS(188, 189, 190, 197, 198, 199),
                                              CHOWNS(92, 94, 93), FCHOWNAT(260)};
static const struct become becomes_x86_64[] = {BECOME(105, 106, 113, 114, 117, 119, 122, 123, 116)};
#endif
#if defined(__aarch64__) || (defined(__riscv) && __riscv_xlen == 64)
static const struct fc_call calls_generic[] = {MKNODAT(33), XATTRS(5, 6, 7, 14, 15, 16), FCHOWN(55), FCHOWNAT(54)};
static const struct become becomes_generic[] = {BECOME(146, 144, 145, 143, 147, 149, 151, 152, 159)};
#endif

static const struct machine {
    uint32_t arch, ignored; /* bits of the number that do not matter */
    const struct fc_call *calls;
    size_t n_calls;
    const struct become *becomes;
    size_t n_becomes;
} machines[] = {
#define MACHINE(audit, bits, c, b)                                                                                     \
    {                                                                                                                  \
        audit, bits, c, FC_LENGTH(c), b, FC_LENGTH(b)                                                                  \
    }
#ifdef __x86_64__
    MACHINE(AUDIT_ARCH_X86_64, X32, calls_x86_64, becomes_x86_64),
#endif
#if defined(__x86_64__) || defined(__i386__)
    MACHINE(AUDIT_ARCH_I386, 0, calls_i386, becomes_32bit),
#endif
#ifdef __aarch64__
    MACHINE(AUDIT_ARCH_AARCH64, 0, calls_generic, becomes_generic),
#endif
#if defined(__arm__) || defined(__aarch64__)
    MACHINE(AUDIT_ARCH_ARM, 0, calls_arm, becomes_32bit),
#endif
#if defined(__riscv) && __riscv_xlen == 64
    MACHINE(AUDIT_ARCH_RISCV64, 0, calls_generic, becomes_generic),
#endif
    {0},
};

const struct fc_call *fc_call_find(uint32_t arch, int number)
{
    for (const struct machine *m = machines; m->calls; m++) {
        uint32_t nr = (uint32_t)number & ~m->ignored;

        for (size_t i = 0; m->arch == arch && i < m->n_calls; i++)
            if (m->calls[i].number == nr)
                return &m->calls[i];
    }
    return NULL;
}

/* A program under way. */
struct program {
    struct sock_filter *code;
    size_t n;
};

static void put(struct program *p, uint16_t code, uint8_t jump_true, uint8_t jump_false, uint32_t k)
{
    if (p->n < FC_CALL_FILTER_MAX)
        p->code[p->n++] = (struct sock_filter){code, jump_true, jump_false, k};
}

static void put_return(struct program *p, uint32_t action) { put(p, BPF_RET | BPF_K, 0, 0, action); }

/* The low half of an argument; the upper one says nothing in calls of int. */
static void put_load(struct program *p, int argument)
{
    bool big = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__;

    put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0,
        (uint32_t)offsetof(struct seccomp_data, args) + 8 * (uint32_t)argument + (big ? 4 : 0));
}

/* Return @action if @n ids from argument @first on have one that the namespace has no number for; -1 is none. */
static void put_ids(struct program *p, int first, int n, bool ids_of_16bit, uint32_t n_ids, uint32_t action)
{
    for (int i = 0; i < n; i++) {
        put_load(p, first + i);
        if (ids_of_16bit)
            put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, UINT16_MAX);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, ids_of_16bit ? UINT16_MAX : NONE);
        put(p, BPF_JMP | BPF_JGE | BPF_K, 0, 1, n_ids);
        put_return(p, action);
    }
    put_return(p, SECCOMP_RET_ALLOW);
}

static void put_call(struct program *p, const struct fc_call *call, uint32_t n_ids)
{
    switch ((enum fc_call_kind)call->kind) {
    case FC_CALL_NODE:
        put_load(p, call->first);
        put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, S_IFMT);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, S_IFCHR);
        put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, S_IFBLK);
        put_return(p, SECCOMP_RET_USER_NOTIF);
        put_return(p, SECCOMP_RET_ALLOW);
        break;
    case FC_CALL_OWNER:
        put_ids(p, call->first, 2, call->ids_of_16bit, n_ids, SECCOMP_RET_USER_NOTIF);
        break;
    default:
        put_return(p, SECCOMP_RET_USER_NOTIF);
    }
}

/* A test for @number whose jump over what follows is set by put_end(). */
static size_t put_test(struct program *p, uint32_t number)
{
    put(p, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, number);
    return p->n - 1;
}
static void put_end(struct program *p, size_t test) { p->code[test].jf = (uint8_t)(p->n - test - 1); }

static void put_machine(struct program *p, const struct machine *m, const struct fc_call_filter *f)
{
    size_t test;

    put(p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    if (m->ignored)
        put(p, BPF_ALU | BPF_AND | BPF_K, 0, 0, ~m->ignored);
    for (size_t i = 0; f->notify && i < m->n_calls; i++) {
        test = put_test(p, m->calls[i].number);
        put_call(p, &m->calls[i], f->n_ids);
        put_end(p, test);
    }
    for (size_t i = 0; f->n_ids == 1 && i < m->n_becomes; i++) {
        const struct become *b = &m->becomes[i];

        test = put_test(p, b->number);
        if (b->n)
            put_ids(p, 0, b->n, b->ids_of_16bit, f->n_ids, SECCOMP_RET_ERRNO | 0);
        else
            put_return(p, SECCOMP_RET_ERRNO | 0);
        put_end(p, test);
    }
    put_return(p, SECCOMP_RET_ALLOW);
}

size_t fc_call_filter(const struct fc_call_filter *filter, struct sock_filter *ret)
{
    struct program p = {.code = ret};

    for (const struct machine *m = machines; m->calls; m++) {
        size_t other;

        put(&p, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
        put(&p, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, m->arch);
        put(&p, BPF_JMP | BPF_JA, 0, 0, 0);
        other = p.n - 1;
        put_machine(&p, m, filter);
        p.code[other].k = (uint32_t)(p.n - other - 1);
    }
    put_return(&p, SECCOMP_RET_ALLOW);
    return p.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a program of the tree can be run: permissions, format, architecture, interpreter, libraries. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "check/internal.h"

/* Scripts that are run by scripts, as deep as the kernel goes; and how many programs are counted. */
enum { SCRIPTS_MAX = 4, COUNT_MAX = 2000 };

/* Whether a program for @arch runs on the guest's machine. */
static bool runs(const struct fc_preflight *c, const char *arch)
{
    static const char *const older[][3] = {{"x86_64", "i386", "IA32_EMULATION"}, {"aarch64", "arm", "COMPAT"}};
    const struct fc_kconfig *config = c->in->kernel ? c->in->kernel->config : NULL;

    if (!c->arch || strcmp(arch, c->arch) == 0)
        return true;
    for (size_t i = 0; i < FC_LENGTH(older); i++)
        if (strcmp(c->arch, older[i][0]) == 0 && strcmp(arch, older[i][1]) == 0)
            return !config || fc_kconfig_is_y(config, older[i][2]);
    return false;
}

static void judge_interpreter(struct fc_preflight *c, const struct preflight_place *at, const struct preflight_elf *e)
{
    struct preflight_place to = preflight_find(c, e->interp);
    struct preflight_elf loader;
    const char *why = NULL;
    int r;

    if (!S_ISREG(to.mode)) {
        preflight_say(c, FC_PREFLIGHT_ELF_INTERPRETER, at->path, "its loader %s is not there%s%s", e->interp,
                      strcmp(to.path, e->interp) ? ": it leads to " : "", strcmp(to.path, e->interp) ? to.path : "");
        return;
    }
    r = preflight_elf_read(c, &to, &loader, &why);
    if (r < 0)
        preflight_say(c, FC_PREFLIGHT_ELF_DAMAGED, to.path, "the loader of %s: %s", at->path, why);
    else if (r == 0 || loader.machine != e->machine || loader.wide != e->wide)
        preflight_say(c, FC_PREFLIGHT_ELF_INTERPRETER, at->path, "its loader %s is no loader for its machine",
                      e->interp);
    else if (!(to.mode & 0111))
        preflight_say(c, FC_PREFLIGHT_NOT_EXECUTABLE, to.path, "the loader of %s has mode %04o", at->path,
                      to.mode & 07777);
    else
        preflight_libraries(c, at, e);
}

static void judge_elf(struct fc_preflight *c, const struct preflight_place *at, const struct preflight_elf *e)
{
    const char *arch = preflight_elf_arch(e);

    if (!arch || !runs(c, arch))
        preflight_say(c, FC_PREFLIGHT_PROGRAM_ARCH, at->path, "it is for %s, the guest is %s",
                      arch ? arch : "another machine", c->arch ? c->arch : "not known");
    else if (e->interp)
        judge_interpreter(c, at, e);
}

static void judge(struct fc_preflight *c, const struct preflight_place *at, int depth);

/* Behind "#!": the interpreter, and perhaps one argument. Only the first 256 bytes count (binfmt_script.c). */
static void judge_script(struct fc_preflight *c, const struct preflight_place *at, char *line, int depth)
{
    struct preflight_place to;

    line += strspn(line, " \t");
    line[strcspn(line, " \t\n\r")] = '\0';
    if (!*line) {
        preflight_say(c, FC_PREFLIGHT_PROGRAM_FORMAT, at->path, "nothing stands behind its #!");
        return;
    }
    to = preflight_find(c, line);
    if (!S_ISREG(to.mode))
        preflight_say(c, FC_PREFLIGHT_SCRIPT_INTERPRETER, at->path, "its interpreter %s is not there%s%s", line,
                      strcmp(to.path, line) ? ": it leads to " : "", strcmp(to.path, line) ? to.path : "");
    else if (depth >= SCRIPTS_MAX)
        preflight_say(c, FC_PREFLIGHT_SCRIPT_INTERPRETER, at->path, "its interpreters are scripts without end");
    else
        judge(c, &to, depth + 1);
}

static void judge(struct fc_preflight *c, const struct preflight_place *at, int depth)
{
    char start[257] = {0};
    struct preflight_elf e;
    const char *why = NULL;
    int r;

    if (!(at->mode & 0111))
        preflight_say(c, FC_PREFLIGHT_NOT_EXECUTABLE, at->path, "its mode is %04o", at->mode & 07777);
    preflight_read(c, at->inode, start, sizeof(start) - 1, 0);
    if (start[0] == '#' && start[1] == '!') {
        judge_script(c, at, start + 2, depth);
        return;
    }
    r = preflight_elf_read(c, at, &e, &why);
    if (r < 0)
        preflight_say(c, FC_PREFLIGHT_ELF_DAMAGED, at->path, "%s", why);
    else if (r == 0)
        preflight_say(c, FC_PREFLIGHT_PROGRAM_FORMAT, at->path, "%s",
                      at->size ? "it is neither an ELF file nor a script with #!" : "it is empty");
    else
        judge_elf(c, at, &e);
}

void preflight_program(struct fc_preflight *c, const char *path)
{
    struct preflight_place at = preflight_find(c, path);

    if (!S_ISREG(at.mode) || fc_map_get(&c->programs, at.inode, NULL))
        return;
    if (fc_map_set(&c->programs, at.inode, 1) < 0)
        preflight_fail(c, ENOMEM, path);
    else
        judge(c, &at, 0);
}

const char *preflight_majority(struct fc_preflight *c)
{
    static const char *const folders[] = {"/sbin", "/bin", "/usr/bin", "/usr/sbin"};
    static const char *const arches[] = {"x86_64", "aarch64", "i386", "arm", "riscv64", "ppc64le", "s390x"};
    unsigned counts[FC_LENGTH(arches)] = {0}, best = 0;

    for (size_t f = 0; f < FC_LENGTH(folders); f++) {
        uint32_t n;
        const struct fc_snap_dentry *e = preflight_list(c, folders[f], &n);

        for (uint32_t i = 0; i < n && i < COUNT_MAX; i++) {
            const struct fc_snap_inode *o = &fc_snapshot_inodes(c->s, NULL)[e[i].inode];
            unsigned char h[20];
            struct preflight_elf elf;
            const char *arch;

            if (!S_ISREG(o->mode) || preflight_read(c, e[i].inode, h, sizeof(h), 0) != sizeof(h) ||
                memcmp(h, "\177ELF", 4) != 0)
                continue;
            elf.wide = h[4] == 2;
            elf.big = h[5] == 2;
            elf.machine = (uint16_t)(elf.big ? h[18] << 8 | h[19] : h[19] << 8 | h[18]);
            arch = preflight_elf_arch(&elf);
            for (size_t k = 0; arch && k < FC_LENGTH(arches); k++)
                counts[k] += strcmp(arch, arches[k]) == 0;
        }
    }
    for (unsigned k = 1; k < FC_LENGTH(arches); k++)
        best = counts[k] > counts[best] ? k : best;
    return counts[best] ? arches[best] : NULL;
}

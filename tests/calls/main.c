/* SPDX-License-Identifier: Apache-2.0 */
/*
 * same-calls --seed N --ops M [--procs P] [--threads T] [--from F] [--trace] LEFT RIGHT
 *
 * P processes of T threads each make M random system calls (from number F on, default 1), the same in both trees, each in
 * a directory of its own, and compare. Meanwhile the directories are moved about, the kernel's caches dropped (as root),
 * and all append records to one file of LEFT. At the end times are made equal. With LEFT and RIGHT the same there is
 * nothing to compare: that makes a random tree. Exit 3 when something differs.
 */
#include "calls.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECORD = 32, RECORDS = 50, MAX_THREADS = 16 };

struct plan {
    uint64_t seed, ops, from;
    unsigned procs, threads;
    bool trace;
    const char *left, *right;
    atomic_uint *ready; /* workers that have their directories open, in all processes */
};

struct thread {
    pthread_t id;
    const struct plan *plan;
    unsigned number;
    int log; /* -1: none */
};

static void append(const struct thread *t, unsigned n)
{
    char record[RECORD + 1];

    snprintf(record, sizeof(record), "%08u %021u\n", t->number, n);
    if (write(t->log, record, RECORD) != RECORD) {
        printf("worker %u: cannot append: %s\n", t->number, strerror(errno));
        fflush(stdout);
        _exit(3);
    }
}

static void *work(void *arg)
{
    struct thread *t = arg;
    const struct plan *p = t->plan;
    struct worker *w = calloc(1, sizeof(*w));
    uint64_t pause = p->ops / RECORDS + 1;

    w->trace = p->trace;
    worker_init(w, p->seed, t->number, p->left, p->right);
    atomic_fetch_add(p->ready, 1);
    for (uint64_t i = 0; i < p->ops; i++) {
        worker_step(w, p->from + i);
        if (t->log >= 0 && i % pause == 0)
            append(t, (unsigned)(i / pause));
    }
    worker_calm(w);
    worker_free(w);
    free(w);
    return NULL;
}

static void process(const struct plan *p, unsigned number, int log)
{
    struct thread threads[MAX_THREADS];

    umask(number % 2 ? 022 : 0);
    for (unsigned i = 0; i < p->threads; i++) {
        threads[i] = (struct thread){.plan = p, .number = number * p->threads + i, .log = log};
        if (pthread_create(&threads[i].id, NULL, work, &threads[i]))
            abort();
    }
    for (unsigned i = 0; i < p->threads; i++)
        pthread_join(threads[i].id, NULL);
    fflush(stdout);
    _exit(0);
}

/* Meanwhile */

static void move_about(const struct plan *p, struct dice *d)
{
    const char *const trees[] = {p->left, p->right};
    unsigned n = roll(d, p->procs * p->threads);
    char here[4200], there[4200];

    for (int s = 0; s < 2 && strcmp(p->left, p->right) != 0; s++) {
        snprintf(here, sizeof(here), "%s/w%u", trees[s], n);
        snprintf(there, sizeof(there), "%s/away", trees[s]);
        mkdir(there, 0755);
        snprintf(there, sizeof(there), "%s/away/w%u", trees[s], n);
        if (rename(here, there) < 0 && rename(there, here) < 0) {
            printf("cannot move %s: %s\n", here, strerror(errno));
            exit(3);
        }
    }
}

static void bring_back(const struct plan *p)
{
    const char *const trees[] = {p->left, p->right};
    char here[4200], there[4200];

    for (int s = 0; s < 2; s++) {
        for (unsigned n = 0; n < p->procs * p->threads; n++) {
            snprintf(here, sizeof(here), "%s/w%u", trees[s], n);
            snprintf(there, sizeof(there), "%s/away/w%u", trees[s], n);
            rename(there, here);
        }
        snprintf(there, sizeof(there), "%s/away", trees[s]);
        rmdir(there);
        utimensat(AT_FDCWD, trees[s], (struct timespec[2]){{1000000000, 1}, {1000000000, 2}}, 0);
    }
}

static void drop_caches(void)
{
    int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

    if (fd < 0)
        return;
    (void)!write(fd, "2", 1);
    close(fd);
}

/* Every record of every worker is there once, and a worker's in order. */
static int check_log(const struct plan *p, const char *path)
{
    unsigned next[256] = {0}, n = p->procs * p->threads;
    char record[RECORD + 1] = "";
    FILE *f = fopen(path, "r");
    uint64_t pause = p->ops / RECORDS + 1, want = (p->ops + pause - 1) / pause;

    while (f && fread(record, RECORD, 1, f) == 1) {
        unsigned who, what;

        if (sscanf(record, "%u %u", &who, &what) != 2 || who >= n || who >= 256 || what != next[who]++) {
            printf("appended: \"%.*s\" is not the next of its worker\n", RECORD - 1, record);
            return 3;
        }
    }
    if (f)
        fclose(f);
    for (unsigned i = 0; i < n && i < 256; i++) {
        if (next[i] != want) {
            printf("worker %u appended %llu records; %u are there\n", i, (unsigned long long)want, next[i]);
            return 3;
        }
    }
    return 0;
}

static int watch(const struct plan *p, const pid_t *pids)
{
    struct dice d = {p->seed + p->from};
    unsigned left = p->procs;
    int status = 0, result = 0;

    while (left > 0) {
        pid_t pid = waitpid(-1, &status, WNOHANG);

        if (pid > 0) {
            left--;
            if (status != 0 && !result) {
                result = WIFEXITED(status) ? WEXITSTATUS(status) : 3;
                if (WIFSIGNALED(status))
                    printf("a process was killed by signal %d\n", WTERMSIG(status));
                for (unsigned i = 0; i < p->procs; i++)
                    if (pids[i] != pid)
                        kill(pids[i], SIGKILL);
            }
            continue;
        }
        usleep(20000);
        if (atomic_load(p->ready) == p->procs * p->threads && one_in(&d, 3))
            move_about(p, &d);
        if (one_in(&d, 20))
            drop_caches();
    }
    return result;
}

static int run(const struct plan *p)
{
    pid_t *pids = calloc(p->procs, sizeof(*pids));
    bool two = strcmp(p->left, p->right) != 0;
    char log[4200];
    int fd = -1, result;

    snprintf(log, sizeof(log), "%s/appended", p->left);
    if (two)
        fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0644);
    fflush(stdout);
    for (unsigned i = 0; i < p->procs; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            process(p, i, two ? open(log, O_WRONLY | O_APPEND | O_CLOEXEC) : -1);
    }
    result = watch(p, pids);
    bring_back(p);
    if (result == 0 && two)
        result = check_log(p, log);
    if (fd >= 0)
        close(fd);
    if (two)
        unlink(log);
    bring_back(p);
    free(pids);
    return result;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"seed", 1, NULL, 's'},    {"ops", 1, NULL, 'n'},  {"procs", 1, NULL, 'p'},
                                            {"threads", 1, NULL, 't'}, {"from", 1, NULL, 'f'}, {"trace", 0, NULL, 'v'},
                                            {NULL, 0, NULL, 0}};
    struct plan p = {.seed = 1, .ops = 1000, .from = 1, .procs = 1, .threads = 1};
    int c, result;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 's':
            p.seed = strtoull(optarg, NULL, 10);
            break;
        case 'n':
            p.ops = strtoull(optarg, NULL, 10);
            break;
        case 'f':
            p.from = strtoull(optarg, NULL, 10);
            break;
        case 'p':
            p.procs = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 't':
            p.threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'v':
            p.trace = true;
            break;
        default:
            return 2;
        }
    }
    if (argc != optind + 2 || p.threads < 1 || p.threads > MAX_THREADS || p.procs < 1)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    p.left = argv[optind];
    p.right = argv[optind + 1];
    p.ready = mmap(NULL, sizeof(*p.ready), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (p.ready == MAP_FAILED)
        return 2;
    result = run(&p);
    if (result)
        printf("repeat it with: same-calls --seed %llu --ops %llu --procs %u --threads %u --from %llu LEFT RIGHT\n",
               (unsigned long long)p.seed, (unsigned long long)p.ops, p.procs, p.threads, (unsigned long long)p.from);
    return result;
}

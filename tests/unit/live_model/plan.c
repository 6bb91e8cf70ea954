/* SPDX-License-Identifier: Apache-2.0 */
/* Run a plan alone or with threads, watch it from outside, and shorten it. */
#include "plan.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "race.h"

enum { MAX_THREADS = 12, ROUND = 1500 };

static void run_alone(const struct plan *p, volatile uint64_t *progress)
{
    struct part part = {.prefix = ""};
    struct stage stage = {.no_writer = p->seed % 2};
    struct run *r;

    stage_open(&stage, p->seed, &part, 1);
    r = run_new(&stage, &part, p->seed, true);
    r->trace = p->trace;
    r->progress = progress;
    for (uint64_t i = 1; i <= p->ops; i++)
        if (!p->skip || !p->skip[i])
            step(r, i);
    *progress = 0;
    run_reopen(r);
    run_free(r);
    stage_free(&stage);
}

/* Threads */

struct worker {
    pthread_t thread;
    struct run *run;
    struct racer racer;
    uint64_t from, to;
};

static void *work(void *arg)
{
    struct worker *w = arg;

    for (uint64_t i = w->from; i < w->to; i++) {
        struct dice d = dice_for(w->run->seed ^ UINT64_C(0x5eed), i);

        if (one_in(&d, 2)) {
            w->run->number = i;
            race_step(&w->racer, &d);
        } else {
            step(w->run, i);
        }
    }
    return NULL;
}

static void run_round(struct stage *s, struct worker *w, unsigned n, struct race *race)
{
    struct racer racers[MAX_THREADS];

    for (unsigned i = 0; i < n; i++)
        if (pthread_create(&w[i].thread, NULL, work, &w[i]))
            abort();
    for (unsigned i = 0; i < n; i++)
        pthread_join(w[i].thread, NULL);
    for (unsigned i = 0; i < n; i++) {
        racers[i] = w[i].racer;
        run_forget(w[i].run);
    }
    race_check(race, racers);
    check_space(w[0].run);
    stage_close_store(s);
    stage_open_store(s);
    for (unsigned i = 0; i < n; i++)
        run_reopened(w[i].run);
    race_check(race, racers);
    check_space(w[0].run);
}

static void run_threads(const struct plan *p, volatile uint64_t *progress)
{
    unsigned n = p->threads < MAX_THREADS ? p->threads : MAX_THREADS;
    struct stage stage = {.no_writer = false};
    struct part parts[MAX_THREADS] = {0};
    struct worker workers[MAX_THREADS] = {0};
    struct race race;

    for (unsigned i = 0; i < n; i++)
        snprintf(parts[i].prefix, sizeof(parts[i].prefix), "t%u/", i);
    stage_open(&stage, p->seed, parts, n);
    race_init(&race, &stage, n);
    for (unsigned i = 0; i < n; i++) {
        workers[i].run = run_new(&stage, &parts[i], p->seed * MAX_THREADS + i, false);
        workers[i].run->trace = p->trace;
        racer_init(&workers[i].racer, &race, workers[i].run, i);
    }
    for (uint64_t at = 0; at < p->ops; at += ROUND) {
        for (unsigned i = 0; i < n; i++) {
            workers[i].from = at + 1;
            workers[i].to = 1 + (at + ROUND < p->ops ? at + ROUND : p->ops);
        }
        *progress = at;
        run_round(&stage, workers, n, &race);
    }
    for (unsigned i = 0; i < n; i++)
        run_free(workers[i].run);
    stage_free(&stage);
}

void plan_run(const struct plan *p, volatile uint64_t *progress)
{
    if (p->threads > 1)
        run_threads(p, progress);
    else
        run_alone(p, progress);
}

/* From outside */

bool plan_try(const struct plan *p, bool quiet, uint64_t *ret_last)
{
    const char *tmp = getenv("TMPDIR");
    char dir[128];
    uint64_t *progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0;
    pid_t pid;

    snprintf(dir, sizeof(dir), "%s/fc-random.XXXXXX", tmp ? tmp : "/tmp");
    if (progress == MAP_FAILED || !mkdtemp(dir))
        abort();
    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        if (quiet)
            dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
        if (quiet)
            dup2(STDOUT_FILENO, STDERR_FILENO);
        setenv("TMPDIR", dir, 1);
        plan_run(p, progress);
        fflush(stdout);
        exit(0);
    }
    waitpid(pid, &status, 0);
    fc_remove_all(AT_FDCWD, dir);
    *ret_last = *progress;
    munmap(progress, sizeof(*progress));
    if (status != 0 && !quiet && WIFSIGNALED(status))
        printf("operation %llu: killed by signal %d\n", (unsigned long long)*ret_last, WTERMSIG(status));
    return status == 0;
}

/* Whether it still fails without operations [from, to); if so they stay out. */
static bool without(struct plan *p, uint64_t from, uint64_t to)
{
    bool *old = malloc(to - from);
    bool any = false;
    uint64_t last;

    memcpy(old, p->skip + from, to - from);
    for (uint64_t i = from; i < to; i++) {
        any |= !p->skip[i];
        p->skip[i] = true;
    }
    if (any && plan_try(p, true, &last))
        memcpy(p->skip + from, old, to - from);
    else
        old[0] = true;
    any = old[0] && p->skip[from];
    free(old);
    return any;
}

void plan_shrink(struct plan *p, uint64_t last, unsigned seconds)
{
    time_t end = time(NULL) + seconds;

    if (last > 0 && last < p->ops)
        p->ops = last;
    if (!p->skip)
        p->skip = calloc(p->ops + 2, sizeof(*p->skip));
    for (uint64_t size = p->ops / 2; size > 0 && time(NULL) < end; size /= 2)
        for (uint64_t at = 1; at <= p->ops && time(NULL) < end; at += size)
            without(p, at, at + size <= p->ops ? at + size : p->ops + 1);
}

void plan_print(const struct plan *p, const char *program)
{
    const char *between = " --keep ";

    printf("repeat it with: %s --seed %llu --ops %llu --threads %u", program, (unsigned long long)p->seed,
           (unsigned long long)p->ops, p->threads);
    for (uint64_t i = 1; p->skip && i <= p->ops; i++) {
        uint64_t first = i;

        if (p->skip[i])
            continue;
        while (i < p->ops && !p->skip[i + 1])
            i++;
        printf("%s%llu", between, (unsigned long long)first);
        if (i > first)
            printf("-%llu", (unsigned long long)i);
        between = ",";
    }
    printf("\n");
    fflush(stdout);
}

void plan_keep(struct plan *p, const char *list)
{
    p->skip = malloc((p->ops + 2) * sizeof(*p->skip));
    memset(p->skip, true, (p->ops + 2) * sizeof(*p->skip));
    while (*list) {
        char *end;
        uint64_t first = strtoull(list, &end, 10), last = first;

        if (*end == '-')
            last = strtoull(end + 1, &end, 10);
        for (; first <= last && first <= p->ops; first++)
            p->skip[first] = false;
        list = *end ? end + 1 : end;
    }
}

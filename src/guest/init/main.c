/* SPDX-License-Identifier: Apache-2.0 */
/* The first process of a guest that runs one program: start it, pass signals on, reap, print its status, power off. */
#include "boot.h"
#include "config.h"
#include "sys.h"

/* Statuses of shells for what cannot be run. */
enum { CANNOT_RUN = 126, NOT_FOUND = 127 };
/* How long what the program left behind may take after SIGTERM. */
enum { REST_SECONDS = 2 };

#define BIT(signal) (1ull << ((signal)-1))
static const uint64_t stops = BIT(SIG_INT) | BIT(SIG_TERM) | BIT(SIG_PWR) | BIT(SIG_USR1) | BIT(SIG_USR2);

void begin(long *stack) __attribute__((noreturn, used));

static struct config config;

/* The kernel's console: the last word of its list is the one that is /dev/console. */
static void find_console(const char *wanted, char *path, size_t size)
{
    char active[128];
    long n = *wanted ? -1 : read_text("/sys/class/tty/console/active", active, sizeof(active));

    path[0] = '\0';
    text_add(path, size, "/dev/");
    if (n < 1) {
        text_add(path, size, *wanted ? wanted : "console");
        return;
    }
    if (active[n - 1] == '\n')
        active[--n] = '\0';
    while (n > 0 && active[n - 1] != ' ')
        n--;
    text_add(path, size, active[n] ? active + n : "console");
}

/* Put the three standard descriptors on the console. Those that the kernel gave stay when it cannot be opened. */
static void open_console(const struct config *c)
{
    char path[128];
    long fd, r;

    if (text_same(c->console, "none"))
        return;
    find_console(c->console, path, sizeof(path));
    fd = r = sys_open(path, OPEN_BOTH | OPEN_NO_TTY);
    if (fd < 0)
        fd = sys_open("/dev/console", OPEN_BOTH | OPEN_NO_TTY);
    if (fd < 0) {
        say("cannot open ", path, r);
        return;
    }
    for (int i = 0; i < 3; i++)
        sys_dup_to((int)fd, i);
    if (fd > 2)
        sys_close((int)fd);
    if (r < 0)
        say("cannot open ", path, r);
}

/* The value of "NAME=" in the environment, or "". */
static const char *value_of(char *const *env, const char *name)
{
    for (; *env; env++)
        if (text_begins(*env, name))
            return *env + text_length(name);
    return "";
}

/* Try each folder of PATH, as a shell does. Returns the error that tells most. */
static long exec_in_path(const struct config *c)
{
    const char *path = value_of(c->env, "PATH=");
    long worst = -NO_ENTRY;

    while (*path) {
        char name[4096] = "";
        size_t n = 0;
        long r;

        while (path[n] && path[n] != ':' && n + 1 < sizeof(name)) {
            name[n] = path[n];
            n++;
        }
        name[n] = '\0';
        path += n + (path[n] == ':');
        text_add(name, sizeof(name), n ? "/" : "./");
        text_add(name, sizeof(name), c->args[0]);
        r = sys_exec(name, c->args, c->env);
        if (r != -NO_ENTRY && r != -NO_DIRECTORY)
            worst = r;
    }
    return worst;
}

static bool has_slash(const char *s)
{
    while (*s && *s != '/')
        s++;
    return *s;
}

/* In the child: become what the configuration says and run the program. */
static void run(const struct config *c) __attribute__((noreturn));
static void run(const struct config *c)
{
    long r;

    sys_new_session();
    if (!text_same(c->console, "none") && sys_ioctl(0, TTY_CONTROL, 1) >= 0)
        sys_own(0, c->uid, (unsigned)-1);
    sys_block(0);
    r = sys_groups(c->n_groups, c->groups);
    if (r >= 0)
        r = sys_become(c->uid, c->gid);
    if (r < 0) {
        say("cannot become the program's user", NULL, r);
        sys_exit(CANNOT_RUN);
    }
    r = sys_enter(*c->dir ? c->dir : "/");
    if (r < 0) {
        say("cannot enter ", c->dir, r);
        sys_exit(CANNOT_RUN);
    }
    r = has_slash(c->args[0]) ? sys_exec(c->args[0], c->args, c->env) : exec_in_path(c);
    say("cannot run ", c->args[0], r);
    sys_exit(r == -NO_ENTRY || r == -NO_DIRECTORY ? NOT_FOUND : CANNOT_RUN);
}

/* Reap all that has ended. Returns true, and the status as shells have it, when @main was among them. */
static bool reap(long main, int *ret_status)
{
    bool ended = false;
    long pid;
    int s;

    while ((pid = sys_wait(&s, false)) > 0)
        if (pid == main) {
            ended = true;
            *ret_status = s & 0x7f ? 128 + (s & 0x7f) : s >> 8 & 0xff;
        }
    return ended;
}

/* Until the program ends: reap, and stop it when somebody wants the machine to stop. */
static int watch(const struct config *c, long main)
{
    static const struct sys_time second = {1, 0};
    int64_t kill_at = INT64_MAX;
    int status = CANNOT_RUN;

    while (!reap(main, &status)) {
        long s = sys_signal(stops | BIT(SIG_CHLD), kill_at < INT64_MAX ? &second : NULL);

        if (s > 0 && (stops & BIT(s))) {
            sys_kill((int)main, (int)c->stop_signal);
            kill_at = sys_uptime() + c->stop_seconds;
        }
        if (kill_at < INT64_MAX && sys_uptime() >= kill_at) {
            say("the program does not stop; killed", NULL, 0);
            sys_kill((int)main, SIG_KILL);
            kill_at = INT64_MAX - 1; /* once is enough */
        }
    }
    return status;
}

/* What the program left running ends, too. */
static void end_the_rest(void)
{
    static const struct sys_time tenth = {0, 100000000};
    int ignored;

    sys_kill(-1, SIG_TERM);
    for (int i = 0; i < REST_SECONDS * 10; i++) {
        reap(-1, &ignored);
        if (sys_kill(-1, 0) < 0)
            return;
        sys_signal(BIT(SIG_CHLD), &tenth);
    }
    sys_kill(-1, SIG_KILL);
    while (sys_wait(&ignored, true) > 0)
        ;
}

/*
 * Firecracker's x86 guests have no power switch; "reboot=k", which it puts on the command line, says that a reset ends the
 * machine (its FAQ). Everything else powers off.
 */
static unsigned how_to_end(void)
{
    char line[4097];

    if (read_text("/proc/cmdline", line, sizeof(line)) < 0)
        return REBOOT_POWER_OFF;
    for (const char *p = line; *p; p++)
        if ((p == line || p[-1] == ' ') && text_begins(p, "reboot=k"))
            return REBOOT_NOW;
    return REBOOT_POWER_OFF;
}

static void end(int status) __attribute__((noreturn));
static void end(int status)
{
    char line[32] = "exit status ";
    unsigned how = how_to_end();

    end_the_rest();
    open_console(&config); /* it was hung up when the leader of its session ended */
    sys_sync();
    sys_mount(NULL, "/", NULL, MOUNT_AGAIN | MOUNT_READ_ONLY, NULL);
    text_add_number(line, sizeof(line), status);
    say(line, NULL, 0);
    sys_ioctl(2, TTY_DRAIN, 1);
    sys_reboot(how);
    for (;;) /* the kernel panics when its first process ends */
        sys_signal(stops, NULL);
}

/* `fccompose-init --check FILE`: whether the file can be understood. */
static void check(char *const *argv) __attribute__((noreturn));
static void check(char *const *argv)
{
    if (!argv[0] || !argv[1] || !text_same(argv[1], "--check") || !argv[2]) {
        say("is for a machine's first process; --check FILE reads a configuration", NULL, 0);
        sys_exit(2);
    }
    sys_exit(config_read(argv[2], &config) ? 0 : 1);
}

void begin(long *stack)
{
    char **argv = (char **)(stack + 1), **env = argv + stack[0] + 1;
    const char *term = value_of(env, "TERM=");
    long main;

    if (sys_pid() != 1)
        check(argv);
    sys_mask(022);
    sys_reboot(REBOOT_NO_KEYS);
    sys_block(stops | BIT(SIG_CHLD));
    mount_all();
    config.console = "";
    if (sys_write(2, "", 0) < 0) /* the kernel found no /dev/console in the image */
        open_console(&config);
    if (!config_read(CONFIG_PATH, &config))
        end(CANNOT_RUN);
    open_console(&config);
    set_host_name();
    set_network(config.address_from_mac);
    if (*term && !*value_of(config.env, "TERM=")) {
        config.env[config.n_env++] = (char *)(uintptr_t)(term - sizeof("TERM"));
        config.env[config.n_env] = NULL;
    }
    main = sys_fork();
    if (main == 0)
        run(&config);
    if (main < 0)
        say("cannot start a process", NULL, main);
    end(main < 0 ? CANNOT_RUN : watch(&config, main));
}

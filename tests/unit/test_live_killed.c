/* SPDX-License-Identifier: Apache-2.0 */
/* Random operations by a process that is killed: what is found then is a state of a simple model, not older than the last fsync. */
#include "live_world.h"

#include <errno.h>
#include <linux/fs.h>
#include <signal.h>
#include <sys/wait.h>

enum { MAX_NODES = 256, MAX_NAMES = 96, MAX_DATA = 80000, OPS = 4000 };

/** An object of the model, by its inode number. */
struct node {
    uint64_t ino;
    uint32_t mode, nlink;
    uint64_t size;
    unsigned char *data;
    char xattr[16];
    int parent; /* directory */
};

/** A name of the model. */
struct name {
    int dir, node; /* indices; node -1: unused */
    char text[32];
};

struct model {
    struct node nodes[MAX_NODES];
    struct name names[MAX_NAMES];
    uint64_t seed;
};

static unsigned roll(struct model *m, unsigned n)
{
    m->seed = m->seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(m->seed >> 33) % n;
}

static bool is_dir(const struct model *m, int node) { return S_ISDIR(m->nodes[node].mode); }

static int new_node(struct model *m)
{
    for (int i = 0; i < MAX_NODES; i++)
        if (!m->nodes[i].mode)
            return i;
    return -1;
}

static int find(const struct model *m, int dir, const char *text)
{
    for (int i = 0; i < MAX_NAMES; i++)
        if (m->names[i].node >= 0 && m->names[i].dir == dir && strcmp(m->names[i].text, text) == 0)
            return i;
    return -1;
}

static int add_name(struct model *m, int dir, const char *text, int node)
{
    for (int i = 0; i < MAX_NAMES; i++) {
        if (m->names[i].node >= 0)
            continue;
        m->names[i] = (struct name){.dir = dir, .node = node};
        snprintf(m->names[i].text, sizeof(m->names[i].text), "%s", text);
        return i;
    }
    return -1;
}

static bool full(const struct model *m)
{
    int n = 0;

    for (int i = 0; i < MAX_NAMES; i++)
        n += m->names[i].node < 0;
    return n < 2;
}

static bool is_empty(const struct model *m, int dir)
{
    for (int i = 0; i < MAX_NAMES; i++)
        if (m->names[i].node >= 0 && m->names[i].dir == dir)
            return false;
    return true;
}

static void lose(struct model *m, int node)
{
    struct node *n = &m->nodes[node < 0 ? 0 : node];

    n->nlink = is_dir(m, node) ? 0 : n->nlink - 1;
    if (n->nlink == 0) {
        free(n->data);
        memset(n, 0, sizeof(*n));
    }
}

static bool above(const struct model *m, int node, int dir)
{
    for (;; dir = m->nodes[dir].parent) {
        if (dir == node)
            return true;
        if (dir == 0)
            return false;
    }
}

/* Reading the live tree into a model */

struct reader {
    struct world *w;
    struct model *m;
    int dir;
    struct {
        char text[32];
        uint64_t ino;
    } found[MAX_NAMES];
    int n;
};

static int found(void *arg, const char *name, size_t len, uint64_t next, const struct fc_attr *attr)
{
    struct reader *r = arg;

    (void)next;
    if (name[0] == '.')
        return 0;
    assert_true(r->n < MAX_NAMES);
    snprintf(r->found[r->n].text, sizeof(r->found[0].text), "%.*s", (int)len, name);
    r->found[r->n++].ino = attr->ino;
    return 0;
}

static int read_node(struct world *w, struct model *m, uint64_t ino)
{
    struct fc_attr a;
    int i, r;

    for (i = 0; i < MAX_NODES; i++)
        if (m->nodes[i].mode && m->nodes[i].ino == ino)
            return i;
    i = new_node(m);
    assert_int_equal(fc_live_getattr(w->live, ino, &a), 0);
    m->nodes[i] = (struct node){.ino = ino, .mode = a.mode, .nlink = a.nlink, .size = S_ISREG(a.mode) ? a.size : 0};
    if (S_ISREG(a.mode)) {
        assert_true(a.size <= MAX_DATA);
        m->nodes[i].data = calloc(1, MAX_DATA);
        assert_int_equal(fc_live_read(w->live, ino, m->nodes[i].data, MAX_DATA, 0), a.size);
    }
    r = (int)fc_live_getxattr(w->live, ino, "trusted.x", m->nodes[i].xattr, 15);
    assert_true(r >= 0 || r == -ENODATA);
    return i;
}

static void read_dir(struct world *w, struct model *m, int dir)
{
    struct reader r = {.w = w, .m = m, .dir = dir};

    assert_int_equal(fc_live_readdir(w->live, m->nodes[dir].ino, 0, false, found, &r), 0);
    for (int i = 0; i < r.n; i++) {
        int node = read_node(w, m, r.found[i].ino);

        assert_true(add_name(m, dir, r.found[i].text, node) >= 0);
        if (is_dir(m, node)) {
            m->nodes[node].parent = dir;
            assert_int_equal(fc_live_parent(w->live, m->nodes[node].ino), m->nodes[dir].ino);
            read_dir(w, m, node);
        }
    }
}

static struct model *read_model(struct world *w)
{
    struct model *m = calloc(1, sizeof(*m));

    for (int i = 0; i < MAX_NAMES; i++)
        m->names[i].node = -1;
    assert_int_equal(read_node(w, m, 1), 0);
    read_dir(w, m, 0);
    return m;
}

static void free_model(struct model *m)
{
    for (int i = 0; i < MAX_NODES; i++)
        free(m->nodes[i].data);
    free(m);
}

/* A number for all names, types, modes, link counts, sizes and xattrs, whatever the order. */
static uint64_t digest(const struct model *m)
{
    uint64_t sum = 0;

    for (int i = 0; i < MAX_NAMES; i++) {
        const struct name *e = &m->names[i];
        const struct node *n;
        char line[128];
        uint64_t h = 14695981039346656037u;

        if (e->node < 0)
            continue;
        n = &m->nodes[e->node];
        snprintf(line, sizeof(line), "%d %s %llu %o %u %llu %s", (int)m->nodes[e->dir].ino, e->text,
                 (unsigned long long)n->ino, n->mode, n->nlink, (unsigned long long)n->size, n->xattr);
        for (const char *p = line; *p; p++)
            h = (h ^ (unsigned char)*p) * 1099511628211u;
        sum += h;
    }
    return sum;
}

static int random_dir(struct model *m)
{
    for (;;) {
        int i = (int)roll(m, MAX_NODES);

        if (m->nodes[i].mode && is_dir(m, i))
            return i;
    }
}

static int random_name(struct model *m)
{
    for (int tries = 0; tries < 1000; tries++) {
        int i = (int)roll(m, MAX_NAMES);

        if (m->names[i].node >= 0)
            return i;
    }
    return -1;
}

static int random_file(struct model *m)
{
    for (int tries = 0; tries < 50; tries++) {
        int i = (int)roll(m, MAX_NODES);

        if (S_ISREG(m->nodes[i].mode))
            return i;
    }
    return -1;
}

static void random_text(struct model *m, char *text) { snprintf(text, 32, "n%u", roll(m, 30)); }

static void op_create(struct world *w, struct model *m)
{
    int dir = random_dir(m), node = new_node(m), r;
    uint32_t mode = roll(m, 3) == 0 ? S_IFDIR | 0755 : S_IFREG | 0644;
    struct fc_attr a;
    char text[32];

    random_text(m, text);
    if (full(m) || node < 0)
        return;
    r = fc_live_mknod(w->live, m->nodes[dir].ino, NAME(text), mode, 0, 0, 0, &root_cred, &a);
    assert_int_equal(r, find(m, dir, text) >= 0 ? -EEXIST : 0);
    if (r < 0)
        return;
    if (S_ISDIR(mode))
        mode |= m->nodes[dir].mode & S_ISGID;
    m->nodes[node] = (struct node){.ino = a.ino, .mode = mode, .nlink = S_ISDIR(mode) ? 2 : 1, .parent = dir};
    if (S_ISREG(mode))
        m->nodes[node].data = calloc(1, MAX_DATA);
    m->nodes[dir].nlink += S_ISDIR(mode);
    add_name(m, dir, text, node);
}

static void op_remove(struct world *w, struct model *m)
{
    int i = random_name(m), r;
    struct name *e = &m->names[i];
    uint64_t dir = m->nodes[e->dir].ino;

    if (is_dir(m, e->node)) {
        r = fc_live_rmdir(w->live, dir, NAME(e->text));
        assert_int_equal(r, is_empty(m, e->node) ? 0 : -ENOTEMPTY);
        if (r == 0)
            m->nodes[e->dir].nlink--;
    } else {
        r = fc_live_unlink(w->live, dir, NAME(e->text));
        assert_int_equal(r, 0);
    }
    if (r < 0)
        return;
    lose(m, e->node);
    e->node = -1;
}

static void op_link(struct world *w, struct model *m)
{
    int node = random_file(m), dir = random_dir(m), r;
    struct fc_attr a;
    char text[32];

    random_text(m, text);
    if (full(m) || node < 0)
        return;
    r = fc_live_link(w->live, m->nodes[node].ino, m->nodes[dir].ino, NAME(text), &a);
    assert_int_equal(r, find(m, dir, text) >= 0 ? -EEXIST : 0);
    if (r < 0)
        return;
    m->nodes[node].nlink++;
    add_name(m, dir, text, node);
}

static int rename_result(const struct model *m, const struct name *from, int dir, int to, unsigned flags)
{
    int old = to < 0 ? -1 : m->names[to].node;

    if (to >= 0 && flags == RENAME_NOREPLACE)
        return -EEXIST;
    if (to < 0 && flags == RENAME_EXCHANGE)
        return -ENOENT;
    if (is_dir(m, from->node) && above(m, from->node, dir))
        return -EINVAL;
    if (old >= 0 && is_dir(m, old) && above(m, old, from->dir))
        return flags == RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
    if (old < 0 || old == from->node || flags == RENAME_EXCHANGE)
        return 0;
    if (is_dir(m, from->node) != is_dir(m, old))
        return is_dir(m, old) ? -EISDIR : -ENOTDIR;
    return is_dir(m, old) && !is_empty(m, old) ? -ENOTEMPTY : 0;
}

static void move_dir(struct model *m, int node, int from, int to)
{
    if (!is_dir(m, node))
        return;
    m->nodes[from].nlink--;
    m->nodes[to].nlink++;
    m->nodes[node].parent = to;
}

static void op_rename(struct world *w, struct model *m)
{
    static const unsigned kinds[] = {0, 0, RENAME_NOREPLACE, RENAME_EXCHANGE};
    struct name *from = &m->names[random_name(m)];
    unsigned flags = kinds[roll(m, 4)];
    int dir = random_dir(m), to, r, old;
    char text[32];

    random_text(m, text);
    if (roll(m, 2)) {
        struct name *other = &m->names[random_name(m)];

        dir = other->dir;
        snprintf(text, sizeof(text), "%s", other->text);
    }
    to = find(m, dir, text);
    r = fc_live_rename(w->live, m->nodes[from->dir].ino, NAME(from->text), m->nodes[dir].ino, NAME(text), flags);
    assert_int_equal(r, rename_result(m, from, dir, to, flags));
    old = to < 0 ? -1 : m->names[to].node;
    if (r < 0 || old == from->node)
        return;
    move_dir(m, from->node, from->dir, dir);
    if (flags == RENAME_EXCHANGE) {
        move_dir(m, old, dir, from->dir);
        m->names[to].node = from->node;
        from->node = old;
        return;
    }
    if (old >= 0) {
        m->nodes[dir].nlink -= is_dir(m, old);
        lose(m, old);
        m->names[to].node = -1;
    }
    add_name(m, dir, text, from->node);
    from->node = -1;
}

static void op_write(struct world *w, struct model *m)
{
    int node = random_file(m);
    struct node *n = &m->nodes[node < 0 ? 0 : node];
    unsigned char buffer[20000];
    size_t size = roll(m, 2) ? roll(m, 100) + 1 : roll(m, sizeof(buffer)) + 1;
    uint64_t offset = roll(m, 3) && node >= 0 ? n->size : roll(m, 50000);

    if (node < 0 || offset + size > MAX_DATA)
        return;
    memset(buffer, (int)roll(m, 255) + 1, sizeof(buffer));
    assert_int_equal(fc_live_write(w->live, n->ino, buffer, size, offset, 0), size);
    memcpy(n->data + offset, buffer, size);
    if (offset + size > n->size)
        n->size = offset + size;
}

static void op_truncate(struct world *w, struct model *m)
{
    int node = random_file(m);
    struct node *n = &m->nodes[node < 0 ? 0 : node];
    struct fc_attr a = {.size = roll(m, 2) ? roll(m, MAX_DATA) : roll(m, 20) * 4096};

    if (node < 0 || a.size > MAX_DATA)
        return;
    assert_int_equal(fc_live_setattr(w->live, n->ino, &a, FC_SET_SIZE, NULL), 0);
    if (a.size < n->size)
        memset(n->data + a.size, 0, n->size - a.size);
    n->size = a.size;
}

static void op_attributes(struct world *w, struct model *m)
{
    int node = m->names[random_name(m)].node;
    struct node *n = &m->nodes[node < 0 ? 0 : node];
    struct fc_attr a = {.mode = roll(m, 0777)};

    if (roll(m, 2)) {
        if (S_ISLNK(n->mode))
            return;
        assert_int_equal(fc_live_setattr(w->live, n->ino, &a, FC_SET_MODE, NULL), 0);
        n->mode = (n->mode & S_IFMT) | a.mode;
    } else if (roll(m, 3)) {
        snprintf(n->xattr, sizeof(n->xattr), "%u", roll(m, 1000));
        assert_int_equal(fc_live_setxattr(w->live, n->ino, "trusted.x", n->xattr, strlen(n->xattr), 0), 0);
    } else {
        int r = fc_live_removexattr(w->live, n->ino, "trusted.x");

        assert_int_equal(r, n->xattr[0] ? 0 : -ENODATA);
        memset(n->xattr, 0, sizeof(n->xattr));
    }
}

static void step(struct world *w, struct model *m)
{
    static void (*const ops[])(struct world *, struct model *) = {op_create, op_create,     op_remove,   op_link,
                                                                  op_rename, op_rename,     op_write,    op_write,
                                                                  op_write,  op_attributes, op_truncate, op_remove};

    ops[roll(m, sizeof(ops) / sizeof(*ops))](w, m);
}

/* Large files of the lower tree would make the model slow. */
static struct model *start(struct world *w, uint64_t seed)
{
    struct model *m;

    if (ino_at(w, "big"))
        assert_int_equal(fc_live_unlink(w->live, 1, NAME("big")), 0);
    m = read_model(w);
    m->seed = seed;
    return m;
}

/* A child works and is killed; what is found then must be a state that the model had, not older than the last fsync. */
static void child_works(struct world *w, int fd, uint64_t seed)
{
    struct model *m = start(w, seed);

    for (int i = 1; i <= OPS; i++) {
        step(w, m);
        if (i % 37 == 0) {
            if (fc_live_fsync(w->live, 1) < 0)
                _exit(1);
            if (write(fd, &i, sizeof(i)) != sizeof(i))
                _exit(1);
        }
    }
    pause();
}

/* The latest operation after which the model looked like @want, or -1; not looked for before @least. */
static int find_state(uint64_t seed, uint64_t want, int least)
{
    struct world *w;
    struct model *m;
    int found_at = -1;

    world_setup((void **)&w);
    m = start(w, seed);
    for (int i = 0; i <= OPS && found_at < 0; i++) {
        if (i >= least && digest(m) == want)
            found_at = i;
        step(w, m);
    }
    free_model(m);
    world_teardown((void **)&w);
    return found_at;
}

static void kill_once(uint64_t seed, useconds_t delay)
{
    struct world *w;
    struct model *after;
    int fds[2], synced = 0, n;
    uint64_t want;
    pid_t pid;

    world_setup((void **)&w);
    free_model(start(w, seed));
    world_close(w);
    assert_int_equal(pipe(fds), 0);
    pid = fork();
    if (pid == 0) {
        world_open(w);
        child_works(w, fds[1], seed);
    }
    close(fds[1]);
    usleep(delay);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    while (read(fds[0], &n, sizeof(n)) == sizeof(n))
        synced = n;
    close(fds[0]);
    world_open(w);
    after = read_model(w);
    want = digest(after);
    free_model(after);
    world_teardown((void **)&w);
    if (find_state(seed, want, synced) < 0)
        fail_msg("seed %d: the state is none that was after the fsync at %d", (int)seed, synced);
}

static void killed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 6; i++)
        kill_once(i + 10, 15000 + 21000 * i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(killed)};

    return cmocka_run_group_tests_name("live killed", tests, NULL, NULL);
}

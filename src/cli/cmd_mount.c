/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose mount: the live tree, or a stack of layers to look at, as a directory. */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/child.h"
#include "base/io.h"
#include "cli/background.h"
#include "cli/commands.h"
#include "cli/fetch.h"
#include "cli/disk.h"
#include "cli/freeze.h"
#include "cli/view.h"
#include "fuse/fuse.h"
#include "layer/layer.h"
#include "workspace/workspace.h"

enum { OPT_OWN_AS = CLI_LONG_ONLY, OPT_ME_AS, OPT_OPEN, OPT_DISK_FREE, OPT_DISK_SIZE };

static const struct cli_option options[] = {
    {'f', 'f', "foreground", NULL, "stay in the foreground until it is unmounted or interrupted", 0},
    {'o', 'o', "options", "OPTION,...", "ro; allow_other (other users may look, too)", 0},
    {'l', 'l', "layer", "LAYER", "mount these layers read-only, with no workspace; may be repeated", CLI_WORD_FILE},
    {OPT_OWN_AS, 0, "own-as", "UID:GID", "owner of new files (default 0:0; as root: who makes them)", 0},
    {OPT_ME_AS, 0, "me-as", "UID:GID",
     "show what belongs to UID:GID as yours, and record what is yours as UID:GID: for programs that insist on owning "
     "their files",
     0},
    {OPT_OPEN, 0, "open", NULL, "let the kernel announce opens and closes (slower; for programs that need it)", 0},
    {OPT_DISK_FREE, 0, "disk-free", "N[KMGT]", "room for the guest in the virtual disk (default none)", 0},
    {OPT_DISK_SIZE, 0, "disk-size", "auto|N[KMGT]", "size of the virtual disk (default auto, as for freeze)", 0},
    CLI_FETCH_OPTIONS,
    {0, 0, NULL, NULL, NULL, 0},
};

/* What is to be served where. */
struct job {
    struct cli *cli;
    struct fc_mount_options mount;
    char *dir;            /* mount point, absolute */
    char *workspace;      /* its directory, or NULL with -l */
    struct cli_view view; /* with -l */
    struct cli_disk disk; /* of a workspace */
    bool foreground;
};

static void job_release(struct job *j)
{
    cli_view_release(&j->view);
    free(j->dir);
    free(j->workspace);
}

static int take_o(struct job *j, const char *text, struct fc_error *err)
{
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, ",");

        if (len == 2 && memcmp(p, "ro", 2) == 0)
            j->mount.read_only = true;
        else if (len == 11 && memcmp(p, "allow_other", 11) == 0)
            j->mount.allow_other = true;
        else if (len == 5 && memcmp(p, "debug", 5) == 0)
            j->mount.debug = true;
        else if (len && !(len == 2 && memcmp(p, "rw", 2) == 0))
            return cli_usage(err, "-o %.*s: expected ro, rw or allow_other", (int)len, p);
        p += len + (p[len] == ',');
    }
    return 0;
}

static int take_disk(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    const char *room = cli_value(args, OPT_DISK_FREE), *size = cli_value(args, OPT_DISK_SIZE);
    int r = freeze_default_ext4(&j->disk.ext4, err);

    if (r == 0 && (room || size) && cli_has(args, 'l'))
        r = cli_usage(err,
                      "mount: there is a virtual disk of a workspace only; of layers: fccompose freeze --virtual -l");
    if (r == 0 && room)
        r = cli_parse_size("--disk-free", room, &j->disk.ext4.free_bytes, err);
    if (r == 0 && size && strcmp(size, "auto") != 0)
        r = cli_parse_size("--disk-size", size, &j->disk.ext4.size, err);
    j->disk.allow_other = j->mount.allow_other;
    return r;
}

static int take_options(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    const char *own = cli_value(args, OPT_OWN_AS), *me = cli_value(args, OPT_ME_AS);
    int r = 0;

    j->foreground = cli_has(args, 'f');
    j->mount.classic_open = cli_has(args, OPT_OPEN);
    for (size_t i = 0; i < args->n && r == 0; i++)
        if (args->args[i].id == 'o')
            r = take_o(j, args->args[i].value, err);
    if (r == 0 && own) {
        j->mount.own_as_set = true;
        r = cli_parse_full_owner("--own-as", own, &j->mount.own_uid, &j->mount.own_gid, err);
    }
    if (r == 0 && me) {
        if (geteuid() == 0)
            return cli_usage(err, "mount --me-as: is for ordinary users; root sees owners as they are");
        j->mount.me_as_set = true;
        r = cli_parse_full_owner("--me-as", me, &j->mount.me_uid, &j->mount.me_gid, err);
    }
    return r < 0 ? r : take_disk(j, args, err);
}

/* A second mount of a workspace is refused before anything is started. */
static int refuse_second(struct cli *cli, const char *workspace, struct fc_error *err)
{
    fc_auto(fc_free) char *socket = fc_workspace_socket(workspace);
    fc_auto(fc_close) int fd = socket ? fc_control_connect(socket, NULL) : -1;
    fc_auto(fc_control_info_release) struct fc_control_info info = {0};

    if (fd < 0 || fc_control_info(fd, &info, NULL) < 0)
        return 0;
    if (!*info.mountpoint && !*info.disk) {
        cli_hint(cli, "next: mount before a command runs, then both work in one tree; or wait for it");
        return fc_fail(err, EBUSY, "%s: in use by fccompose run (process %d)", workspace, info.pid);
    }
    cli_hint(cli, *info.mountpoint ? "next: work in it, or fccompose umount" : "next: fccompose umount");
    if (!*info.mountpoint)
        return fc_fail(err, EBUSY, "%s: not mounted, but offered as %s (process %d)", workspace,
                       *info.disk ? info.disk : "a virtual disk", info.pid);
    return fc_fail(err, EBUSY, "%s: mounted on %s already (process %d)", workspace, info.mountpoint, info.pid);
}

static int prepare_dir(struct job *j, struct fc_error *err)
{
    int r, state = fc_mount_probe(j->dir);

    if (state == 1) {
        cli_hint(j->cli, "next: fccompose umount %s", j->dir);
        return fc_fail(err, EBUSY, "%s: something of fccompose is mounted there already", j->dir);
    }
    if (state == 2) {
        r = fc_mount_undo(j->dir, true, err);
        if (r < 0)
            return fc_wrap(err, "%s: a dead mount is in the way", j->dir);
        cli_say(j->cli, "%s: cleaned up a dead mount (its process has ended)", j->dir);
    }
    return fc_mkdir_all(j->dir, err);
}

static int prepare_layers(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    size_t n = 0;
    fc_auto(fc_free) const char **layers = cli_layers_of(args, 'l', true, &n);

    if (!layers)
        return fc_fail_errno(err, ENOMEM, "mount");
    if (!args->n_operands)
        return cli_usage(err, "mount: with -l the directory has to be named");
    j->mount.read_only = true;
    j->dir = fc_abspath(args->operands[args->n_operands - 1]);
    if (!j->dir)
        return fc_fail_errno(err, ENOMEM, "mount");
    return cli_view_open(j->cli, layers, n, &j->view, err);
}

static int prepare_workspace(struct job *j, const struct cli_args *args, struct fc_error *err)
{
    int r;

    if (args->n_operands > 1)
        return cli_usage(err, "mount: unexpected argument %s (layers to look at are given with -l)", args->operands[1]);
    r = fc_workspace_find(NULL, &j->workspace, err);
    if (r < 0)
        return r;
    /* root's mount has suid and dev, and everybody may look into it. */
    if (geteuid() == 0 && fc_workspace_check_owner(j->workspace, err) < 0) {
        cli_hint(j->cli, "next: mount it as that user, or, if you trust what is in it, chown it to root");
        return fc_wrap(
            err, "root does not mount the workspace of somebody else, whose set-user-id programs would then work");
    }
    if (args->n_operands)
        j->dir = fc_abspath(args->operands[0]);
    else if (asprintf(&j->dir, "%s/rootfs", j->workspace) < 0)
        j->dir = NULL;
    if (!j->dir)
        return fc_fail_errno(err, ENOMEM, "mount");
    return refuse_second(j->cli, j->workspace, err);
}

/* The mount is worth something without its virtual disk, too. */
static void start_disk(struct job *j, struct fc_live *live, struct fc_mount *m)
{
    fc_auto(fc_free) char *dir = cli_disk_dir(j->workspace);
    struct fc_error err = {0};

    j->disk.live = live;
    j->disk.mount = m;
    if (dir && cli_disk_start(&j->disk, dir, &err) == 0)
        return;
    cli_disk_stop(&j->disk);
    cli_warn("no virtual disk: %s", dir ? err.msg : "out of memory");
}

/* Serve @live until the end. @ready_fd (-1: in the foreground) is used up when the mount is live. */
static int serve(struct job *j, struct fc_live *live, const char *socket, int *ready_fd, struct fc_error *err)
{
    fc_auto(fc_mount_free) struct fc_mount *m = NULL;
    struct fc_control *control = NULL;
    int r;

    j->mount.live = live;
    j->mount.mountpoint = j->dir;
    r = fc_mount_new(&j->mount, &m, err);
    if (r == 0 && socket)
        start_disk(j, live, m);
    if (r == 0 && socket)
        r = fc_control_new(&(struct fc_control_options){socket, live, m, j->disk.disk}, &control, err);
    if (r < 0) {
        cli_disk_stop(&j->disk);
        return r;
    }
    if (*ready_fd >= 0)
        fc_child_say_ready(fc_steal_fd(ready_fd), NULL);
    else
        cli_say(j->cli, "mounted on %s; Ctrl-C unmounts", j->dir);
    r = fc_mount_serve(m, err);
    fc_control_free(control);
    cli_disk_stop(&j->disk);
    return r;
}

static int serve_layers(struct job *j, int *ready_fd, struct fc_error *err)
{
    struct fc_live_options o = {.tree = j->view.tree, .read_only = true, .count_refs = true};
    fc_auto(fc_live_free) struct fc_live *live = NULL;
    int r = fc_live_open(&o, &live, err);

    return r < 0 ? r : serve(j, live, NULL, ready_fd, err);
}

static int serve_workspace(struct job *j, int *ready_fd, struct fc_error *err)
{
    struct fc_workspace_options o = {.mode = FC_WORKSPACE_WRITE, .for_mount = true, .read_only = j->mount.read_only};
    fc_auto(fc_cache_free) struct fc_cache *cache = NULL;
    fc_auto(fc_workspace_free) struct fc_workspace *ws = NULL;
    fc_auto(fc_free) char *socket = fc_workspace_socket(j->workspace);
    struct fc_error late = {0};
    int r = socket ? fc_cache_open(NULL, &cache, err) : fc_fail_errno(err, ENOMEM, "mount"), r2;

    if (r == 0)
        r = fc_workspace_open_with(j->workspace, cache, &o, &ws, err);
    if (r < 0)
        return r;
    r = serve(j, fc_workspace_live(ws), socket, ready_fd, err);
    r2 = fc_workspace_sync(ws, &late);
    if (r == 0 && r2 < 0)
        *err = late;
    return r < 0 ? r : r2;
}

/*
 * A descriptor for each layer, client and open of the virtual disk: as many as we may have. The usual soft limit is low for
 * the sake of programs that use select(2); what we start (sync, fusermount3) does not.
 */
static void raise_limit(void)
{
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
}

static int serve_job(void *arg, int *ready_fd, struct fc_error *err)
{
    struct job *j = arg;

    raise_limit();
    return j->workspace ? serve_workspace(j, ready_fd, err) : serve_layers(j, ready_fd, err);
}

/* What the mount process says of itself. */
static void say_disk(const struct job *j)
{
    fc_auto(fc_free) char *socket = j->workspace ? fc_workspace_socket(j->workspace) : NULL;
    fc_auto(fc_close) int fd = socket ? fc_control_connect(socket, NULL) : -1;
    fc_auto(fc_control_info_release) struct fc_control_info info = {0};

    if (fd < 0 || fc_control_info(fd, &info, NULL) < 0)
        return;
    if (*info.disk)
        cli_say(j->cli, "its image, whenever it is opened: %s", info.disk);
    else
        cli_say(j->cli, "without a virtual disk: see %s/" FC_WORKSPACE_FOLDER "/mount.log", j->workspace);
}

static int start(struct job *j, struct fc_error *err)
{
    struct cli_background b = {.workspace = j->workspace, .work = serve_job, .arg = j};
    int pid = cli_background(j->cli, &b, err);

    if (pid < 0)
        return pid;
    cli_say(j->cli, "mounted on %s (process %d)", j->dir, pid);
    say_disk(j);
    return 0;
}

static int run(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct job j __attribute__((cleanup(job_release))) = {.cli = cli};
    int none = -1;
    int r = take_options(&j, args, err);

    if (r == 0)
        r = cli_has(args, 'l') ? prepare_layers(&j, args, err) : prepare_workspace(&j, args, err);
    if (r == 0)
        r = prepare_dir(&j, err);
    if (r < 0)
        return r;
    return j.foreground ? serve_job(&j, &none, err) : start(&j, err);
}

static const struct cli_example examples[] = {
    {"Mount, edit, unmount", "fccompose mount && echo web > rootfs/etc/hostname && fccompose umount"},
    {"Install a program as yourself", "fccompose mount --me-as 0:0 && make install DESTDIR=$PWD/rootfs"},
    {"Look into tarballs", "fccompose mount -l base.tar.gz -l app.tar.zst look"},
    {0},
};

const struct cli_command cmd_mount = {
    .name = "mount",
    .group = CLI_GROUP_LIVE,
    .summary = "Mount the live tree as a directory",
    .usage = "[OPTIONS] [DIR]\n[OPTIONS] -l LAYER... DIR",
    .options = options,
    .about =
        "Mounts the workspace's tree on DIR (default: rootfs in the workspace; made if missing) and returns; a process "
        "in "
        "the background serves it until `fccompose umount` and logs to .fccompose/mount.log. The file "
        ".fccompose/disk/disk.ext4 is then the image that freeze would write, each time that it is opened. Needs "
        "/dev/fuse, and "
        "fusermount3 unless run as root. Root mounts workspaces of its own, or under sudo of who calls it.\n\n"
        "For an ordinary user the mounting user may do everything in the mount, whatever owners and permissions say: "
        "they are data for the guest. What the kernel refuses there (device nodes, trusted attributes, ACLs, "
        "capabilities) the commands mknod, xattr and their like do. It also refuses to let cp -p and install set the "
        "permissions of a file that is not the user's, and git distrusts such a folder: with --me-as 0:0 what belongs "
        "to root in the tree is shown as the user's, and these work.",
    .examples = examples,
    .min_operands = 0,
    .max_operands = -1,
    .completes = CLI_WORD_DIR,
    .run = run,
};

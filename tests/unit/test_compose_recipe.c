/* SPDX-License-Identifier: Apache-2.0 */
/* Every form that a recipe may take, and what the program makes of it. */
#include "compose_help.h"

#include "guest/guest.h"

static const char example[] =
    "version: 1\n"
    "name: web\n"
    "arch: x86_64                      # or [x86_64, aarch64]; default: the host\n"
    "args: { ALPINE: \"3.22\", APP: \"./build/app\" }\n"
    "\n"
    "layers:                           # bottom first\n"
    "  - oci: docker.io/library/alpine:${ALPINE}        # digest goes to the lock file\n"
    "  - tar: ./vendor/tools.tar.zst\n"
    "    to: /opt/tools\n"
    "    owner: \"0:0\"                                   # force owner (mke2fs asks for this since 2022)\n"
    "  - dir: ./overlay                                 # numeric owners from disk, or:\n"
    "    owner: \"0:0\"\n"
    "    exclude: [\"**/.git\", \"*.swp\"]\n"
    "\n"
    "steps:                            # in order; each is a cache boundary\n"
    "  - run: |\n"
    "      apk add --no-cache openrc util-linux openssh\n"
    "      for s in devfs procfs sysfs; do rc-update add $s boot; done\n"
    "    net: host                     # none (default) | host\n"
    "    cache: [/var/cache/apk]       # kept between builds, not in the image\n"
    "    secret: { id: npm, file: ./token }   # only visible during this step\n"
    "  - symlink: { path: /etc/init.d/agetty.ttyS0, target: agetty }\n"
    "  - copy:    { from: \"${APP}\", to: /usr/local/bin/app, mode: 0755, owner: \"0:0\" }\n"
    "  - write:   { path: /etc/securetty, text: \"ttyS0\\n\" }\n"
    "  - write:   { path: /etc/resolv.conf, text: \"nameserver 172.16.0.1\\n\", mode: 0644 }\n"
    "  - mkdir:   { path: /data, mode: 0750, owner: \"app:app\", parents: true }\n"
    "  - chmod:   { path: /root, mode: 0700 }\n"
    "  - chown:   { path: /srv, owner: \"1000:1000\", recursive: true }\n"
    "  - xattr:   { path: /usr/local/bin/app, caps: cap_net_bind_service=ep }\n"
    "  - rm:      { path: [/var/cache/apk/*, /etc/motd], recursive: true }\n"
    "  - when: { profile: debug }\n"
    "    run: apk add --no-cache strace\n"
    "\n"
    "init:\n"
    "  mode: openrc                    # openrc | systemd | oci | none\n"
    "  console: ttyS0\n"
    "  ssh_authorized_keys: [./id_ed25519.pub]\n"
    "  network: kernel                 # kernel (ip=) | dhcp | mac (fcnet scheme) | none\n"
    "  hygiene: true                   # empty machine-id, no host keys, no random seed: safe to clone\n"
    "\n"
    "image:\n"
    "  output: web.ext4\n"
    "  size: auto                      # auto | 512M | +256M (free space) | min\n"
    "  free: 64M\n"
    "  label: rootfs\n"
    "  uuid: auto                      # derived; or fixed\n"
    "  profile: fc-5.10                # feature set the oldest guest kernel can mount\n"
    "  features: [^metadata_csum_seed] # on top of the profile\n"
    "  journal: auto                   # none for read-only, 4M..64M else\n"
    "  inodes: auto                    # from the file count + headroom\n"
    "  reserved: 0\n"
    "  align: 2M                       # virtio-pmem/DAX\n"
    "  verity: append                  # off | append | file\n"
    "\n"
    "kernel:\n"
    "  base: \"6.1\"                     # 5.10 | 6.1 | 6.18 from Firecracker's guest_configs\n"
    "  source: { git: https://github.com/amazonlinux/linux, tag: \"microvm-kernel-6.1.*.amzn2023\" }\n"
    "  fragments: [ci, verity, ./kernel/my.config]\n"
    "  output: vmlinux\n"
    "\n"
    "vm:                               # optional: writes vm.json for `firecracker --config-file`\n"
    "  vcpus: 2\n"
    "  memory: 512M\n"
    "  boot_args: \"console=ttyS0 reboot=k panic=1\"\n"
    "  net: { tap: tap0, ip: 172.16.0.2/30, gateway: 172.16.0.1 }\n";

static void put_key(void)
{
    static const char key[] = "# mine\nssh-ed25519 AAAA me@here\n\n";

    put_file("id_ed25519.pub", key, strlen(key));
}

/* The layers, steps and sections of the manual's example. */
static void the_example_is_read_whole(void **state)
{
    const struct fc_recipe_step *s;
    struct fc_recipe *r;

    (void)state;
    put_key();
    r = good(example);
    assert_string_equal(r->name, "web");
    assert_string_equal(r->arch, "x86_64");
    assert_string_equal(r->file, in_work("r.yaml"));
    assert_string_equal(r->dir, work);
    assert_int_equal(r->args.n, 2);
    assert_string_equal(r->args.items[0], "ALPINE=3.22");
    assert_int_equal(r->n_layers, 3);
    assert_string_equal(r->layers[0].locator, "docker://docker.io/library/alpine:3.22");
    assert_false(r->layers[0].force_owner);
    assert_string_equal(r->layers[0].place.file, "r.yaml");
    assert_int_equal(r->layers[0].place.line, 7);
    assert_int_equal(r->layers[0].place.column, 5);
    assert_true(strncmp(r->layers[1].locator, "file:/", 6) == 0);
    assert_string_equal(r->layers[1].locator + 5, in_work("vendor/tools.tar.zst"));
    assert_string_equal(r->layers[1].to, "/opt/tools");
    assert_true(r->layers[1].force_owner);
    assert_string_equal(r->layers[2].locator + 4, in_work("overlay"));
    assert_int_equal(r->layers[2].exclude.n, 2);
    assert_string_equal(r->layers[2].exclude.items[1], "*.swp");

    assert_int_equal(r->n_steps, 11);
    s = r->steps;
    assert_int_equal(s->verb, FC_STEP_RUN);
    assert_non_null(strstr(s->text, "add $s boot; done\n"));
    assert_int_equal(s->size, strlen(s->text));
    assert_int_equal(s->net, FC_RECIPE_NET_HOST);
    assert_string_equal(s->cache.items[0], "/var/cache/apk");
    assert_int_equal(s->n_secrets, 1);
    assert_string_equal(s->secrets[0].id, "npm");
    assert_string_equal(s->secrets[0].file, in_work("token"));
    s++;
    assert_int_equal(s->verb, FC_STEP_SYMLINK);
    assert_string_equal(s->path.items[0], "/etc/init.d/agetty.ttyS0");
    assert_string_equal(s->text, "agetty");
    s++;
    assert_int_equal(s->verb, FC_STEP_COPY);
    assert_string_equal(s->from.items[0], in_work("build/app"));
    assert_string_equal(s->path.items[0], "/usr/local/bin/app");
    assert_string_equal(s->mode, "0755");
    assert_string_equal(s->owner, "0:0");
    s++;
    assert_int_equal(s->verb, FC_STEP_WRITE);
    assert_string_equal(s->text, "ttyS0\n");
    assert_null(s->mode);
    s += 2;
    assert_int_equal(s->verb, FC_STEP_MKDIR);
    assert_string_equal(s->owner, "app:app");
    assert_true(s->parents);
    s++;
    assert_int_equal(s->verb, FC_STEP_CHMOD);
    assert_string_equal(s->mode, "0700");
    s++;
    assert_int_equal(s->verb, FC_STEP_CHOWN);
    assert_true(s->recursive);
    s++;
    assert_int_equal(s->verb, FC_STEP_XATTR);
    assert_string_equal(s->xattrs[0].name, "security.capability");
    assert_int_equal(s->xattrs[0].size, 20);
    assert_memory_equal(s->xattrs[0].value, "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    s++;
    assert_int_equal(s->verb, FC_STEP_RM);
    assert_int_equal(s->path.n, 2);
    s++;
    assert_int_equal(s->verb, FC_STEP_GUEST);
    assert_int_equal(s->guest->init, FC_GUEST_OPENRC);
    assert_int_equal(s->guest->net, FC_GUEST_NET_KERNEL);
    assert_string_equal(s->guest->ssh_keys[0], "ssh-ed25519 AAAA me@here");
    assert_null(s->guest->ssh_keys[1]);
    assert_true(s->guest->hygiene);

    assert_string_equal(r->image.output, in_work("web.ext4"));
    assert_string_equal(r->image.size, "auto");
    assert_string_equal(r->image.profile, "5.10");
    assert_null(r->image.uuid);
    assert_string_equal(r->image.features.items[0], "^metadata_csum_seed");
    assert_string_equal(r->image.reserved, "0");
    assert_string_equal(r->image.verity, "append");
    assert_int_equal(r->image.place.line, 42);
    assert_string_equal(r->kernel.source, "git:https://github.com/amazonlinux/linux#microvm-kernel-6.1.*.amzn2023");
    assert_string_equal(r->kernel.fragments.items[0], "ci");
    assert_string_equal(r->kernel.fragments.items[2], in_work("kernel/my.config"));
    assert_string_equal(r->vm.ip, "172.16.0.2/30");
    assert_string_equal(r->vm.boot_args, "console=ttyS0 reboot=k panic=1");
    fc_recipe_free(r);
}

/* The first layer of a recipe whose only layer is @text. */
static char *locator_of(const char *text)
{
    char recipe[1024], *locator;
    struct fc_recipe *r;

    snprintf(recipe, sizeof(recipe), "layers:\n  - %s\n", text);
    r = good(recipe);
    assert_int_equal(r->n_layers, 1);
    locator = strdup(r->layers[0].locator);
    fc_recipe_free(r);
    return locator;
}

/* "PREFIX" + the work folder + "REST". */
static void locator_is(const char *text, const char *prefix, const char *rest)
{
    char *is = locator_of(text), wanted[1024];

    snprintf(wanted, sizeof(wanted), "%s%s%s", prefix, *rest ? work : "", rest);
    assert_string_equal(is, wanted);
    free(is);
}

static void every_kind_of_layer_becomes_a_locator(void **state)
{
    (void)state;
    locator_is("oci: alpine", "docker://alpine", "");
    locator_is("oci: ghcr.io/a/b:v1", "docker://ghcr.io/a/b:v1", "");
    locator_is("url: https://example.org/a.tar.gz", "https://example.org/a.tar.gz", "");
    locator_is("archive: ./image.tar", "docker-archive:", "/image.tar");
    locator_is("archive: image.tar#app:1", "docker-archive:", "/image.tar:app:1");
    locator_is("archive: image.tar#v1", "oci-archive:", "/image.tar:v1");
    locator_is("layout: ./oci#v1", "oci:", "/oci:v1");
    locator_is("layout: oci", "oci:", "/oci");
    locator_is("layout: oci#sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
               "oci:", "/oci@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    locator_is("tar: a.tar", "file:", "/a.tar");
    locator_is("tar: /abs/a.tar", "file:/abs/a.tar", "");
    locator_is("tar: ../a.tar", "file:", "/../a.tar");
    locator_is("dir: .//d", "dir:", "/d");
    locator_is("name: alpine:3.20", "alpine:3.20", "");
    locator_is("builtin: busybox", "builtin:busybox", "");
    /* As the command line takes them. */
    locator_is("alpine:3.20", "alpine:3.20", "");
    locator_is("./app.tar.gz", "file:", "/app.tar.gz");
    locator_is("app", "file:", "/app");
    locator_is("\"dir:d\"", "dir:", "/d");
    locator_is("\"oci:d:v1\"", "oci:", "/d:v1");
    locator_is("docker://alpine", "docker://alpine", "");
    locator_is("locator: builtin:busybox", "builtin:busybox", "");
}

static void what_layers_need_besides_is_kept(void **state)
{
    struct fc_recipe *r = good("layers:\n"
                               "  - url: https://example.org/a.tar\n"
                               "    sha256: 0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\n"
                               "    verify: {openpgp: keys/a.asc}\n"
                               "    to: /opt\n"
                               "  - url: https://example.org/b.tar\n"
                               "    verify: {openpgp: /k, signature: https://example.org/sums.gpg}\n"
                               "  - dir: d\n"
                               "    owner: 1000:4294967294\n"
                               "    exclude: '*.o'\n");

    (void)state;
    assert_string_equal(r->layers[0].sha256, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
    assert_string_equal(r->layers[0].keyring, in_work("keys/a.asc"));
    assert_string_equal(r->layers[0].signature, "https://example.org/a.tar.asc");
    assert_string_equal(r->layers[0].to, "/opt");
    assert_string_equal(r->layers[1].keyring, "/k");
    assert_string_equal(r->layers[1].signature, "https://example.org/sums.gpg");
    assert_true(r->layers[2].force_owner);
    assert_int_equal(r->layers[2].uid, 1000);
    assert_int_equal(r->layers[2].gid, 4294967294u);
    assert_string_equal(r->layers[2].exclude.items[0], "*.o");
    fc_recipe_free(r);
}

/* The only step of a recipe; *ret_recipe owns it. */
static struct fc_recipe_step *step_of(const char *text, struct fc_recipe **ret_recipe)
{
    char recipe[2048];

    snprintf(recipe, sizeof(recipe), "steps:\n  - %s\n", text);
    *ret_recipe = good(recipe);
    assert_int_equal((*ret_recipe)->n_steps, 1);
    return (*ret_recipe)->steps;
}

static void modes_cannot_be_misread(void **state)
{
    static const char *const modes[][2] = {
        {"0644", "0644"},    {"\"0644\"", "0644"}, {"0o644", "0644"}, {"04755", "04755"},
        {"0o4755", "04755"}, {"0", "0"},           {"u+x", "u+x"},    {"u+x,go-w", "u+x,go-w"},
        {"a=rX", "a=rX"},    {"g=u", "g=u"},       {"+x", "+x"},      {"u-s+x", "u-s+x"}};
    static const char *const wrong[] = {"644",    "\"644\"", "4755", "0o",   "0x1ff", "00o7",
                                        "017777", "u",       "rw",   "u+x,", "0755 ", "-1"};
    char text[256];

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct fc_recipe *r;
        struct fc_recipe_step *s;

        snprintf(text, sizeof(text), "chmod:\n      path: /a\n      mode: %s", modes[i][0]);
        s = step_of(text, &r);
        assert_string_equal(s->mode, modes[i][1]);
        fc_recipe_free(r);
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fc_recipe *r = NULL;
        struct fc_error err;

        snprintf(text, sizeof(text), "steps:\n- chmod:\n    path: /a\n    mode: '%s'\n", wrong[i]);
        if (wrong[i][0] == '"')
            snprintf(text, sizeof(text), "steps:\n- chmod:\n    path: /a\n    mode: %s\n", wrong[i]);
        assert_int_equal(read_with(text, NULL, &r, &err), -EBADMSG);
        assert_true(strncmp(err.msg, "r.yaml:4:11: mode: ", 19) == 0);
    }
}

static void run_takes_a_script_or_a_command(void **state)
{
    struct fc_recipe *r;
    struct fc_recipe_step *s = step_of("run: [echo, \"\", 'a b', \"$x $$y\"]\n"
                                       "    env: {A: 1, B: \"\", C: \"x y\"}\n"
                                       "    user: app:app\n"
                                       "    workdir: /srv\n"
                                       "    cache: /var/cache\n"
                                       "    secrets: [{id: a, file: b}, {id: c, file: /d}]",
                                       &r);

    (void)state;
    assert_null(s->text);
    assert_int_equal(s->argv.n, 4);
    assert_string_equal(s->argv.items[1], "");
    assert_string_equal(s->argv.items[3], "$x $y");
    assert_null(s->argv.items[4]);
    assert_int_equal(s->env.n, 3);
    assert_string_equal(s->env.items[0], "A=1");
    assert_string_equal(s->env.items[1], "B=");
    assert_string_equal(s->user, "app:app");
    assert_string_equal(s->workdir, "/srv");
    assert_int_equal(s->cache.n, 1);
    assert_int_equal(s->net, FC_RECIPE_NET_NONE);
    assert_int_equal(s->n_secrets, 2);
    assert_string_equal(s->secrets[1].file, "/d");
    fc_recipe_free(r);
    s = step_of("run: \"true\"\n    env: [A=1, B_2=x=y]", &r);
    assert_string_equal(s->text, "true");
    assert_string_equal(s->env.items[1], "B_2=x=y");
    fc_recipe_free(r);
}

static void files_are_copied_and_written(void **state)
{
    struct fc_recipe *r;
    struct fc_recipe_step *s =
        step_of("copy: {from: [a/*, /b], to: /c/, parents: true, exclude: '*.o', keep_owner: yes, no_clobber: on}", &r);

    (void)state;
    assert_int_equal(s->from.n, 2);
    assert_string_equal(s->from.items[0], in_work("a/*"));
    assert_string_equal(s->path.items[0], "/c/");
    assert_true(s->recursive && s->parents && s->keep_owner && s->no_clobber);
    fc_recipe_free(r);
    s = step_of("write: {path: /a, text: \"x\\0y$$\", append: true, owner: \":5\"}", &r);
    assert_int_equal(s->size, 4);
    assert_memory_equal(s->text, "x\0y$", 5);
    assert_true(s->append);
    assert_string_equal(s->owner, ":5");
    fc_recipe_free(r);
    s = step_of("write: {path: /a, text: \"\"}", &r);
    assert_int_equal(s->size, 0);
    assert_non_null(s->text);
    fc_recipe_free(r);
    s = step_of("write: {path: /a, base64: \"AAEC\\n /w==\"}", &r);
    assert_int_equal(s->size, 4);
    assert_memory_equal(s->text, "\0\1\2\xff", 4);
    fc_recipe_free(r);
    s = step_of("write: {path: /a, file: f}", &r);
    assert_null(s->text);
    assert_string_equal(s->from.items[0], in_work("f"));
    fc_recipe_free(r);
}

static void the_other_verbs_are_those_of_the_commands(void **state)
{
    struct fc_recipe *r;
    struct fc_recipe_step *s = step_of("mkdir: [/a, /b]", &r);

    (void)state;
    assert_int_equal(s->verb, FC_STEP_MKDIR);
    assert_int_equal(s->path.n, 2);
    fc_recipe_free(r);
    s = step_of("mv: {path: [/a, /b], to: /c, no_clobber: true}", &r);
    assert_int_equal(s->verb, FC_STEP_MV);
    assert_string_equal(s->to, "/c");
    assert_true(s->no_clobber);
    fc_recipe_free(r);
    s = step_of("ln: {path: /a, target: /b, force: true}", &r);
    assert_int_equal(s->verb, FC_STEP_LN);
    assert_string_equal(s->text, "/b");
    assert_true(s->force);
    fc_recipe_free(r);
    s = step_of("mknod: {path: /dev/ttyS0, type: c, major: 4, minor: 64, mode: 0620, owner: root:tty}", &r);
    assert_int_equal(s->verb, FC_STEP_MKNOD);
    assert_int_equal(s->type, 'c');
    assert_int_equal(s->major, 4);
    assert_int_equal(s->minor, 64);
    fc_recipe_free(r);
    s = step_of("rm: /etc/motd", &r);
    assert_int_equal(s->verb, FC_STEP_RM);
    assert_string_equal(s->path.items[0], "/etc/motd");
    assert_false(s->recursive);
    fc_recipe_free(r);
    s = step_of("chown: {path: /a, owner: \"65534\", no_follow: true}", &r);
    assert_string_equal(s->owner, "65534");
    assert_true(s->no_follow);
    fc_recipe_free(r);
}

static void attributes_come_as_text_hex_base64_or_capabilities(void **state)
{
    struct fc_recipe *r;
    struct fc_recipe_step *s = step_of("xattr: {path: [/a, /b], name: user.x, value: \"\"}", &r);

    (void)state;
    assert_int_equal(s->n_xattrs, 1);
    assert_string_equal(s->xattrs[0].name, "user.x");
    assert_non_null(s->xattrs[0].value);
    assert_int_equal(s->xattrs[0].size, 0);
    fc_recipe_free(r);
    s = step_of("xattr: {path: /a, hex: 0x00FFa0, name: trusted.y}", &r);
    assert_string_equal(s->xattrs[0].name, "trusted.y");
    assert_int_equal(s->xattrs[0].size, 3);
    assert_memory_equal(s->xattrs[0].value, "\0\xff\xa0", 3);
    fc_recipe_free(r);
    s = step_of("xattr: {path: /a, base64: AP8=, name: user.z}", &r);
    assert_memory_equal(s->xattrs[0].value, "\0\xff", 2);
    fc_recipe_free(r);
    s = step_of("xattr: {path: /a, remove: true, name: user.z, recursive: true}", &r);
    assert_null(s->xattrs[0].value);
    assert_true(s->recursive);
    fc_recipe_free(r);
    s = step_of("xattr: {path: /a, caps: \"cap_net_raw,cap_bpf+ip\"}", &r);
    /* No effective bit; cap_net_raw is 13, cap_bpf 39. */
    assert_memory_equal(s->xattrs[0].value, "\0\0\0\2\0\x20\0\0\0\x20\0\0\x80\0\0\0\x80\0\0\0", 20);
    fc_recipe_free(r);
}

static void variables_are_filled_in(void **state)
{
    static const char *const set[] = {"B=two", "E=", NULL};
    struct fc_recipe_options o = {.set = set};
    struct fc_recipe *r =
        good_with("args: {A: one, B: , C: \"\", D: , E: x, F: \"${A}$\"}\n"
                  "steps:\n"
                  "  - run: a${A} ${B}${C}x ${C:-c} ${D:-d:-e} ${E:-empty} $x $$y $${A} $$$$ $ ${F}$\n",
                  &o);

    (void)state;
    assert_string_equal(r->steps[0].text, "aone twox c d:-e empty $x $y ${A} $$ $ ${A}$$");
    assert_int_equal(r->args.n, 5);
    assert_string_equal(r->args.items[1], "B=two");
    assert_string_equal(r->args.items[3], "E=");
    fc_recipe_free(r);
}

static void conditions_leave_out(void **state)
{
    static const char text[] = "arch: [x86_64, aarch64]\n"
                               "layers:\n"
                               "  - {tar: a, when: {arch: amd64}}\n"
                               "  - {tar: b, when: {arch: [arm64, riscv64]}}\n"
                               "steps:\n"
                               "  - {run: a, when: {profile: debug}}\n"
                               "  - {run: b, when: {profile: [debug, test], arch: aarch64}}\n"
                               "  - {run: c}\n"
                               "  - {run: d, when: {}}\n";
    struct fc_recipe_options o = {.profile = "test", .arch = "arm64"};
    struct fc_recipe *r = good(text);

    (void)state;
    assert_string_equal(r->arch, "x86_64");
    assert_int_equal(r->archs.n, 2);
    assert_int_equal(r->n_layers, 1);
    assert_string_equal(r->layers[0].locator + 5, in_work("a"));
    assert_int_equal(r->n_steps, 2);
    fc_recipe_free(r);
    r = good_with(text, &o);
    assert_string_equal(r->arch, "aarch64");
    assert_string_equal(r->layers[0].locator + 5, in_work("b"));
    assert_int_equal(r->n_steps, 3);
    assert_string_equal(r->steps[0].text, "b");
    fc_recipe_free(r);
    o = (struct fc_recipe_options){.profile = "debug"};
    r = good_with(text, &o);
    assert_int_equal(r->n_steps, 3);
    assert_string_equal(r->steps[0].text, "a");
    fc_recipe_free(r);
}

static void includes_merge(void **state)
{
    static const char base[] = "args: {A: a, B: b}\n"
                               "layers: [./base.tar]\n"
                               "steps: [{run: one}, {copy: {from: here, to: /x}}]\n"
                               "image: {size: 1G, label: base, features: [a, b]}\n"
                               "kernel: {base: 6.1, set: [CONFIG_A=y]}\n"
                               "vm: {vcpus: 1}\n";
    static const char more[] = "layers: [more.tar]\nargs: {A: c}\n";
    struct fc_recipe *r;

    (void)state;
    assert_int_equal(system("mkdir -p sub"), 0);
    put_file("sub/base.yaml", base, sizeof(base) - 1);
    put_file("more.yaml", more, sizeof(more) - 1);
    r = good("include: [sub/base.yaml, more.yaml]\n"
             "args: {B: d}\n"
             "layers: [own.tar]\n"
             "steps: [{run: \"${A}${B}\"}]\n"
             "image: {label: own, features: !reset [c], size: !reset }\n"
             "kernel: !reset\n"
             "vm:\n");
    assert_int_equal(r->included.n, 2);
    assert_string_equal(r->included.items[0], in_work("sub/base.yaml"));
    assert_int_equal(r->n_layers, 3);
    /* Relative to the file that names it. */
    assert_string_equal(r->layers[0].locator + 5, in_work("sub/base.tar"));
    assert_string_equal(r->layers[0].place.file, "sub/base.yaml");
    assert_int_equal(r->layers[0].place.line, 2);
    assert_string_equal(r->layers[1].locator + 5, in_work("more.tar"));
    assert_string_equal(r->layers[2].locator + 5, in_work("own.tar"));
    assert_int_equal(r->n_steps, 3);
    assert_string_equal(r->steps[1].from.items[0], in_work("sub/here"));
    assert_string_equal(r->steps[2].text, "cd");
    assert_string_equal(r->image.label, "own");
    assert_null(r->image.size);
    assert_int_equal(r->image.features.n, 1);
    assert_string_equal(r->image.features.items[0], "c");
    assert_null(r->kernel.place.file);
    assert_string_equal(r->vm.vcpus, "1");
    fc_recipe_free(r);
}

static void sections_speak_the_commands_language(void **state)
{
    struct fc_recipe *r =
        good("image: {output: o.ext4, size: +256M, verity: file, uuid: 01234567-89ab-cdef-0123-456789abcdef, "
             "profile: compat, read_only: no, compact: true}\n"
             "kernel: {source: linux.tar.xz, config: my.config, set: CONFIG_X=m, fragments: ci}\n"
             "guest: {init: systemd, autologin: true, password: \"\", hostname: web, console: none,\n"
             "  ssh_authorized_keys: ssh-ed25519 AAAA x, network: none}\n");
    const struct fc_guest_options *g = r->steps[0].guest;

    (void)state;
    assert_null(r->image.size);
    assert_string_equal(r->image.free, "256M");
    assert_string_equal(r->image.verity, in_work("o.ext4.verity"));
    assert_string_equal(r->image.uuid, "01234567-89ab-cdef-0123-456789abcdef");
    assert_false(r->image.read_only);
    assert_true(r->image.compact);
    assert_string_equal(r->kernel.source, in_work("linux.tar.xz"));
    assert_string_equal(r->kernel.config, in_work("my.config"));
    assert_string_equal(r->kernel.fragments.items[0], "ci");
    assert_int_equal(g->init, FC_GUEST_SYSTEMD);
    assert_int_equal(g->net, FC_GUEST_NET_NONE);
    assert_true(g->autologin);
    assert_string_equal(g->password, "");
    assert_string_equal(g->ssh_keys[0], "ssh-ed25519 AAAA x");
    fc_recipe_free(r);
    r = good("image: {size: min, verity: off}\nkernel: {config: firecracker, source: \"git:https://x/y#v6\"}\n"
             "steps: [{guest: {}}]\nx-mine: {anything: [goes]}\n");
    assert_null(r->image.size);
    assert_null(r->image.verity);
    assert_string_equal(r->kernel.config, "firecracker");
    assert_string_equal(r->kernel.source, "git:https://x/y#v6");
    assert_int_equal(r->steps[0].guest->init, FC_GUEST_AUTO);
    assert_int_equal(r->steps[0].guest->net, FC_GUEST_NET_DEFAULT);
    assert_null(r->steps[0].guest->ssh_keys);
    assert_null(r->vm.place.file);
    fc_recipe_free(r);
}

/* Programs write JSON; aliases save people from repeating themselves; empty sections are nothing. */
static void json_aliases_and_empty_sections_are_fine(void **state)
{
    struct fc_recipe *r = good("{\n\t\"layers\": [{\"tar\": \"a\\u0062\"}],\n\t\"steps\": [{\"run\": [\"x\"]}]\n}\n");

    (void)state;
    assert_string_equal(r->layers[0].locator + 5, in_work("ab"));
    fc_recipe_free(r);
    r = good(
        "x-env: &e {A: b}\nsteps:\n  - run: a\n    env: *e\n  - run: b\n    env: *e\nlayers:\nimage:\nargs:\nguest:\n");
    assert_string_equal(r->steps[1].env.items[0], "A=b");
    assert_int_equal(r->n_layers, 0);
    assert_int_equal(r->n_steps, 2);
    fc_recipe_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read_whole),
        cmocka_unit_test(every_kind_of_layer_becomes_a_locator),
        cmocka_unit_test(what_layers_need_besides_is_kept),
        cmocka_unit_test(modes_cannot_be_misread),
        cmocka_unit_test(run_takes_a_script_or_a_command),
        cmocka_unit_test(files_are_copied_and_written),
        cmocka_unit_test(the_other_verbs_are_those_of_the_commands),
        cmocka_unit_test(attributes_come_as_text_hex_base64_or_capabilities),
        cmocka_unit_test(variables_are_filled_in),
        cmocka_unit_test(conditions_leave_out),
        cmocka_unit_test(includes_merge),
        cmocka_unit_test(sections_speak_the_commands_language),
        cmocka_unit_test(json_aliases_and_empty_sections_are_fine),
    };

    return cmocka_run_group_tests(tests, enter_work, leave_work);
}

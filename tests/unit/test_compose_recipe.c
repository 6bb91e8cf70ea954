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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_is_read_whole),
    };

    return cmocka_run_group_tests(tests, enter_work, leave_work);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Say what `fccompose freeze` did. */
#include <string.h>

#include "cli/freeze.h"
#include "cli/json.h"

static void uuid_text(const uint8_t uuid[16], char out[37])
{
    for (int i = 0, at = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            out[at++] = '-';
        snprintf(out + at, 3, "%02x", uuid[i]);
        at += 2;
    }
}

static char *hex(char *to, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        snprintf(to + 2 * i, 3, "%02x", bytes[i]);
    return to;
}

/*
 * What the kernel's command line says for a verified root: Documentation/admin-guide/device-mapper/dm-init.rst. The image
 * is the first drive; a tree of its own the second.
 */
static void verity_argument(const struct freeze_request *f, const struct fc_image_verity_result *v, char to[512])
{
    char root[65], salt[65];
    unsigned long long blocks = v->data_blocks;

    snprintf(to, 512,
             "dm-mod.create=\"verity,,,ro,0 %llu verity 1 /dev/vda /dev/vd%c 4096 4096 %llu %llu sha256 %s %s\" "
             "root=/dev/dm-0 ro",
             blocks * 8, f->write.verity.append ? 'a' : 'b', blocks, (unsigned long long)v->offset / 4096 + 1,
             hex(root, v->root.bytes, sizeof(v->root.bytes)), hex(salt, f->write.verity.salt, 32));
}

static json_t *verity_json(const struct freeze_request *f, const struct fc_image_verity_result *v)
{
    json_t *o = json_object();
    char text[512];

    json_object_set_new(o, "root_hash", json_string(hex(text, v->root.bytes, sizeof(v->root.bytes))));
    json_object_set_new(o, "salt", json_string(hex(text, f->write.verity.salt, sizeof(f->write.verity.salt))));
    if (f->write.verity.path)
        cli_json_name(o, "path", f->write.verity.path, strlen(f->write.verity.path));
    json_object_set_new(o, "offset", json_integer((json_int_t)v->offset));
    json_object_set_new(o, "bytes", json_integer((json_int_t)v->bytes));
    json_object_set_new(o, "data_blocks", json_integer((json_int_t)v->data_blocks));
    verity_argument(f, v, text);
    json_object_set_new(o, "kernel_argument", json_string(text));
    return o;
}

static void sums_json(json_t *o, const struct freeze_request *f, const struct fc_image_write_result *r)
{
    char text[FC_DIGEST_TEXT];

    if (f->write.sha256)
        json_object_set_new(o, "sha256", json_string(hex(text, r->sha256.bytes, sizeof(r->sha256.bytes))));
    if (r->verity.data_blocks)
        json_object_set_new(o, "verity", verity_json(f, &r->verity));
    if (f->write.chunks)
        cli_json_name(o, "chunks", f->write.chunks, strlen(f->write.chunks));
}

static void sums_words(const struct cli *cli, const struct freeze_request *f, const struct fc_image_write_result *r)
{
    char text[512];

    if (f->write.sha256)
        cli_say(cli, "%s", fc_digest_format(&r->sha256, text));
    if (r->verity.data_blocks) {
        hex(text, r->verity.root.bytes, sizeof(r->verity.root.bytes));
        if (f->write.verity.append)
            cli_say(cli, "verity: root hash %s, tree at byte %llu", text, (unsigned long long)r->verity.offset);
        else
            cli_say(cli, "verity: root hash %s, tree in %s", text, f->write.verity.path);
        verity_argument(f, &r->verity, text);
        cli_say(cli, "kernel argument: %s", text);
    }
}

/* How much of the image is the one that it replaced. */
static double fraction(const struct freeze_report *r)
{
    return r->summary.size ? (double)r->result.kept / (double)r->summary.size : 1;
}

static int print_json(const struct freeze_request *f, const struct freeze_report *r, struct fc_error *err)
{
    const struct fc_ext4_summary *s = &r->summary;
    char uuid[37];
    json_t *o = json_object();

    uuid_text(s->uuid, uuid);
    cli_json_name(o, "path", f->out, strlen(f->out));
    json_object_set_new(o, "size", json_integer((json_int_t)s->size));
    json_object_set_new(o, "uuid", json_string(uuid));
    json_object_set_new(o, "needed", json_integer((json_int_t)s->needed));
    json_object_set_new(o, "free_bytes", json_integer((json_int_t)(s->free_blocks * 4096)));
    json_object_set_new(o, "inodes", json_integer((json_int_t)s->inodes));
    json_object_set_new(o, "free_inodes", json_integer((json_int_t)s->free_inodes));
    json_object_set_new(o, "groups", json_integer(s->groups));
    json_object_set_new(o, "journal_bytes", json_integer((json_int_t)s->journal_bytes));
    json_object_set_new(o, "data_bytes", json_integer((json_int_t)s->data_bytes));
    json_object_set_new(o, "cloned_bytes", json_integer((json_int_t)r->result.cloned));
    json_object_set_new(o, "copied_bytes", json_integer((json_int_t)r->result.copied));
    if (r->result.compared)
        json_object_set_new(o, "unchanged_bytes", json_integer((json_int_t)r->result.kept));
    if (r->result.compared)
        json_object_set_new(o, "unchanged_fraction", json_real(fraction(r)));
    json_object_set_new(o, "planned", json_string(r->over ? "changes" : "whole"));
    sums_json(o, f, &r->result);
    json_object_set_new(o, "seconds", json_real(r->seconds));
    return cli_json_print(o, err);
}

static void print_words(const struct cli *cli, const struct freeze_request *f, const struct freeze_report *r)
{
    const struct fc_ext4_summary *s = &r->summary;
    char uuid[37], size[32], room[32], cloned[32], copied[32];

    uuid_text(s->uuid, uuid);
    cli_say(cli, "%s: ext4, %s, %u objects, %s free, UUID %s", f->out, cli_size(size, s->size), r->n_objects,
            cli_size(room, s->free_blocks * 4096), uuid);
    cli_say(cli, "%s shared with the cache, %s copied, %.2f s", cli_size(cloned, r->result.cloned),
            cli_size(copied, r->result.copied), r->seconds);
    if (r->result.compared)
        cli_say(cli, "%.2f %% as in the image before, %s other", 100 * fraction(r),
                cli_size(room, s->size - r->result.kept));
    sums_words(cli, f, &r->result);
    if (s->free_blocks == 0 && !f->ext4.read_only)
        cli_say(cli, "full to the last block: --free N leaves the guest room to write");
    if (s->n_clamped_times)
        cli_warn("%u times are none that ext4 can hold; the nearest were taken", s->n_clamped_times);
    if (s->n_split_links)
        cli_warn("%u files have more than 65000 names; ext4 holds each as several files", s->n_split_links);
}

int freeze_print(const struct cli *cli, const struct freeze_request *f, const struct freeze_report *r,
                 struct fc_error *err)
{
    if (cli->json)
        return print_json(f, r, err);
    print_words(cli, f, r);
    return 0;
}

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

/* SPDX-License-Identifier: Apache-2.0 */
/* fccompose xattr: extended attributes in the tree, privileged ones too. */
#include <ctype.h>
#include <errno.h>
#include <string.h>

#include <jansson.h>

#include "base/base64.h"
#include "base/path.h"
#include "cli/commands.h"
#include "cli/editor.h"
#include "cli/json.h"
#include "cli/view.h"

static int hex_digit(int c) { return isdigit(c) ? c - '0' : isxdigit(c) ? (c | 32) - 'a' + 10 : -1; }

static int decode_hex(const char *text, struct fc_buf *ret)
{
    for (size_t i = 0; text[i]; i += 2) {
        int high = hex_digit((unsigned char)text[i]), low = text[i + 1] ? hex_digit((unsigned char)text[i + 1]) : -1;
        char byte = (char)(high * 16 + low);

        if (high < 0 || low < 0)
            return -EINVAL;
        if (fc_buf_add(ret, &byte, 1) < 0)
            return -ENOMEM;
    }
    return 0;
}

/* As setfattr(1) does, with or without the padding. */
static int decode_base64(const char *text, struct fc_buf *ret)
{
    struct fc_buf whole __attribute__((cleanup(fc_buf_release_auto))) = {0};
    size_t len = strcspn(text, "=");
    int r;

    if (strspn(text + len, "=") != strlen(text + len) || strlen(text + len) > 2 || len % 4 == 1)
        return -EINVAL;
    r = fc_buf_add(&whole, text, len);
    while (r == 0 && whole.len % 4)
        r = fc_buf_adds(&whole, "=");
    return r < 0 ? r : fc_base64_decode(ret, whole.data ? whole.data : "", whole.len);
}

/* A value as setfattr(1) takes it: 0x hexadecimal, 0s base64, else the text itself. */
static int decode(const char *text, struct fc_buf *ret, struct fc_error *err)
{
    int r;

    if (text[0] == '0' && (text[1] | 32) == 'x')
        r = decode_hex(text + 2, ret);
    else if (text[0] == '0' && (text[1] | 32) == 's')
        r = decode_base64(text + 2, ret);
    else
        r = fc_buf_adds(ret, text);
    return r == -EINVAL ? cli_usage(err, "xattr: %s: not a value in hexadecimal (0x) or base64 (0s)", text) : r;
}

static const struct cli_option change_options[] = {
    {'h', 'h', "no-dereference", NULL, "a symbolic link itself", 0},
    {'R', 'R', "recursive", NULL, "directories and all that is in them", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static unsigned flags_of(const struct cli_args *args)
{
    return (cli_has(args, 'h') ? FC_VERB_NO_FOLLOW : 0u) | (cli_has(args, 'R') ? FC_VERB_RECURSIVE : 0u);
}

static int run_set(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_XATTR, .fd = -1, .flags = flags_of(args), .name = args->operands[1]};
    struct fc_buf value __attribute__((cleanup(fc_buf_release_auto))) = {0};
    int r = decode(args->operands[2], &value, err);

    if (r < 0)
        return r;
    verb.data = value.data ? value.data : "";
    verb.size = value.len;
    return cli_edit_each(cli, &verb, args->operands, 1, err);
}

static int run_rm(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct fc_verb verb = {.kind = FC_VERB_XATTR, .fd = -1, .name = args->operands[1]};

    verb.flags = flags_of(args) | FC_VERB_REMOVE;
    return cli_edit_each(cli, &verb, args->operands, 1, err);
}

/* Text as it is when it is printable, else hexadecimal: what `xattr set` takes. */
static void put_value(FILE *to, const void *value, size_t size)
{
    const unsigned char *p = value;
    bool text = size > 0 && !(size >= 2 && p[0] == '0' && strchr("xXsS", p[1]));

    for (size_t i = 0; i < size && text; i++)
        text = p[i] >= 0x20 && p[i] < 0x7f;
    if (text)
        fprintf(to, "%.*s", (int)size, (const char *)value);
    else
        fputs(size ? "0x" : "", to);
    for (size_t i = 0; i < size && !text; i++)
        fprintf(to, "%02x", p[i]);
}

/* A name is bytes, a key of JSON is not: other names are escaped as in lines. */
static void add_json(json_t *o, const char *name, const char *hex)
{
    struct fc_buf quoted __attribute__((cleanup(fc_buf_release_auto))) = {0};

    if (json_object_set_new(o, name, json_string(hex)) < 0 && fc_name_quote(&quoted, name, strlen(name)) == 0)
        json_object_set_new(o, quoted.data, json_string(hex));
}

static int list(struct cli *cli, const struct cli_view *v, uint32_t inode, struct fc_error *err)
{
    const struct fc_snap_inode *i = &cli_inodes(v->snapshot)[inode];
    const struct fc_xattr *x = cli_xattrs(v->snapshot) + i->first_xattr;
    json_t *o = cli->json ? json_object() : NULL;

    for (uint32_t n = 0; n < i->n_xattrs; n++) {
        struct fc_buf hex __attribute__((cleanup(fc_buf_release_auto))) = {0};

        if (!o) {
            cli_put_name(x[n].name, strlen(x[n].name), false);
            putchar('=');
            put_value(stdout, x[n].value, x[n].size);
            putchar('\n');
            continue;
        }
        for (size_t at = 0; at < x[n].size; at++)
            if (fc_buf_addf(&hex, "%02x", ((const unsigned char *)x[n].value)[at]) < 0)
                break;
        add_json(o, x[n].name, hex.data ? hex.data : "");
    }
    return o ? cli_json_print(o, err) : cli_flush(err);
}

static int run_ls(struct cli *cli, const struct cli_args *args, struct fc_error *err)
{
    struct cli_view v = {0};
    uint32_t inode;
    int r = cli_view_open(cli, NULL, 0, &v, err);

    if (r == 0)
        r = cli_view_find(&v, args->operands[0], !cli_has(args, 'h'), &inode, err);
    if (r == 0)
        r = list(cli, &v, inode, err);
    cli_view_release(&v);
    return r;
}

static const struct cli_example set_examples[] = {
    {"A text", "fccompose xattr set /srv/www user.note 'made by hand'"},
    {"The capability cap_net_bind_service+ep, as getfattr -e hex shows it",
     "fccompose xattr set /usr/bin/web security.capability 0x0100000200040000000000000000000000000000"},
    {0},
};

static const struct cli_command cmd_xattr_set = {
    .name = "xattr set",
    .group = CLI_GROUP_EDIT,
    .summary = "Set an extended attribute",
    .usage = "[OPTIONS] PATH NAME VALUE",
    .options = change_options,
    .about = "VALUE is text, 0x and hexadecimal digits, or 0s and base64, as setfattr takes it. security.* and "
             "trusted.* need "
             "no privilege here.",
    .examples = set_examples,
    .min_operands = 3,
    .max_operands = 3,
    .run = run_set,
};

static const struct cli_example xattr_rm_examples[] = {
    {"A capability", "fccompose xattr rm /usr/bin/ping security.capability"},
    {0},
};

static const struct cli_command cmd_xattr_rm = {
    .name = "xattr rm",
    .group = CLI_GROUP_EDIT,
    .summary = "Remove an extended attribute",
    .usage = "[OPTIONS] PATH NAME",
    .options = change_options,
    .examples = xattr_rm_examples,
    .min_operands = 2,
    .max_operands = 2,
    .run = run_rm,
};

static const struct cli_option ls_options[] = {
    {'h', 'h', "no-dereference", NULL, "a symbolic link itself", 0},
    {0, 0, NULL, NULL, NULL, 0},
};

static const struct cli_example xattr_ls_examples[] = {
    {"What is on a program", "fccompose xattr ls /usr/bin/ping"},
    {0},
};

static const struct cli_command cmd_xattr_ls = {
    .name = "xattr ls",
    .group = CLI_GROUP_EDIT,
    .summary = "List the extended attributes of an object",
    .usage = "[-h] [--json] PATH",
    .options = ls_options,
    .about =
        "One line each, NAME=VALUE; a value that is not plain text is in hexadecimal after 0x. JSON has all values in "
        "hexadecimal.",
    .examples = xattr_ls_examples,
    .min_operands = 1,
    .max_operands = 1,
    .run = run_ls,
};

static const struct cli_command *const subs[] = {&cmd_xattr_set, &cmd_xattr_rm, &cmd_xattr_ls, NULL};

const struct cli_command cmd_xattr = {
    .name = "xattr",
    .group = CLI_GROUP_EDIT,
    .summary = "Set, remove and list extended attributes in the tree",
    .usage = "set|rm|ls ...",
    .subs = subs,
};

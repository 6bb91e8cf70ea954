/* SPDX-License-Identifier: Apache-2.0 */
/* The sections image, kernel and vm of a recipe. */
#include <string.h>

#include <jansson.h>

#include "compose/shape.h"

/* "off" and the like as they are, else a path on this machine. */
static char *word_or_path(struct reader *r, const struct node *n, const char *text, bool is_word)
{
    char *out = is_word ? strdup(text) : scalar_absolute(r, n, text);

    r->oom |= !out;
    return out;
}

static char *convert_verity(struct reader *r, const struct node *n, const char *text)
{
    return word_or_path(r, n, text,
                        strcmp(text, "off") == 0 || strcmp(text, "append") == 0 || strcmp(text, "file") == 0);
}

static char *convert_config(struct reader *r, const struct node *n, const char *text)
{
    return word_or_path(r, n, text, strcmp(text, "firecracker") == 0 || strcmp(text, "minimal") == 0);
}

static char *convert_fragment(struct reader *r, const struct node *n, const char *text)
{
    return word_or_path(r, n, text, !strchr(text, '/'));
}

static char *convert_source(struct reader *r, const struct node *n, const char *text)
{
    return word_or_path(r, n, text, strstr(text, "://") || strncmp(text, "git:", 4) == 0);
}

static const struct scalar scalar_verity = {"off, append, file, or a path", NULL, NULL, convert_verity};
static const struct scalar scalar_config = {"firecracker, minimal, or a path", NULL, NULL, convert_config};
static const struct scalar scalar_fragment = {"a fragment's name, or a path with a slash", NULL, NULL,
                                              convert_fragment};
static const struct scalar scalar_source = {"a path, a URL, or git:URL#REF", NULL, NULL, convert_source};

#define I(member) AT(struct fc_recipe_image, member)
static const struct field image_fields[] = {
    {"output", "the file that is written", &kind_scalar, I(output), &scalar_host, 0, 0, NULL},
    {"size", "auto (as small as content and free allow), min, a size, or room to leave such as +256M", &kind_scalar,
     I(size), &scalar_image_size, 0, 0, NULL},
    {"free", "room for the guest to write", &kind_scalar, I(free), &scalar_size, 0, 0, NULL},
    {"label", "volume label, at most 16 bytes (default rootfs)", &kind_scalar, I(label), &scalar_label, 0, 0, NULL},
    {"uuid", "auto (derived from the lowest layer and the label), or a UUID", &kind_scalar, I(uuid), &scalar_uuid, 0, 0,
     NULL},
    {"profile", "the oldest guest kernel: 5.10, 6.1, 6.18 or compat", &kind_scalar, I(profile), &scalar_profile, 0, 0,
     NULL},
    {"features", "features of ext4 on top of the profile, with ^ in front to take one away", &kind_list, I(features),
     &scalar_feature, 0, 0, NULL},
    {"journal", "none, auto or a size", &kind_scalar, I(journal), &scalar_journal, 0, 0, NULL},
    {"inodes", "auto, or at least so many", &kind_scalar, I(inodes), &scalar_auto_number, 0, 0, NULL},
    {"inode_size", "bytes of an inode: 128, 256, 512 or 1024", &kind_scalar, I(inode_size), &scalar_inode_size, 0, 0,
     NULL},
    {"reserved", "percent of the blocks that only the guest's root may use", &kind_scalar, I(reserved), &scalar_percent,
     0, 0, NULL},
    {"align", "put large contents, and the end, on multiples of this: 2M for pmem", &kind_scalar, I(align),
     &scalar_size, 0, 0, NULL},
    {"verity", "a dm-verity hash tree: off, append, file (OUTPUT.verity) or a path", &kind_scalar, I(verity),
     &scalar_verity, 0, 0, NULL},
    {"read_only", "the smallest image, which nobody can write to", &kind_bool, I(read_only), NULL, 0, 0, NULL},
    {"compact", "place everything anew: smaller after deletions", &kind_bool, I(compact), NULL, 0, 0, NULL},
    {"inline_data", "small files stand in their inodes", &kind_bool, I(inline_data), NULL, 0, 0, NULL},
    {0},
};
#undef I

static void drop(char **text, const char *if_it_is)
{
    if (*text && strcmp(*text, if_it_is) == 0)
        free(fc_steal(text));
}

/* In freeze's own terms: "+256M" is free, "min" is auto with nothing free. */
static void take_size(struct reader *r, const struct node *n, struct fc_recipe_image *i)
{
    bool plus = i->size && *i->size == '+', min = i->size && strcmp(i->size, "min") == 0;

    if ((plus || min) && i->free) {
        reader_problem(r, node_get(n, "free"), "image: size: %s already says what is free", i->size);
        return;
    }
    if (plus) {
        i->free = strdup(i->size + 1);
        r->oom |= !i->free;
    }
    if (plus || min)
        free(fc_steal(&i->size));
}

static void image_check(struct reader *r, const struct node *n, void *into)
{
    struct fc_recipe_image *i = into;
    struct fc_buf path = {0};

    take_size(r, n, i);
    drop(&i->uuid, "auto");
    drop(&i->verity, "off");
    if (!i->verity || strcmp(i->verity, "file") != 0)
        return;
    if (!i->output) {
        reader_problem(r, node_get(n, "verity"), "image: verity: file goes with output only; give a path");
        return;
    }
    r->oom |= fc_buf_addf(&path, "%s.verity", i->output) < 0;
    free(i->verity);
    i->verity = path.data;
}

const struct shape shape_image = {"image", "The disk image, as fccompose freeze makes it", image_fields, NULL,
                                  image_check};

/* A source as two keys. */
struct git {
    char *url, *tag;
};

static const struct field git_fields[] = {
    {"git", "URL of the repository", &kind_scalar, AT(struct git, url), &scalar_text, FIELD_REQUIRED, 0, NULL},
    {"tag", "tag, branch or commit; of tags with * the newest", &kind_scalar, AT(struct git, tag), &scalar_text, 0, 0,
     NULL},
    {0},
};
static const struct shape shape_git = {"git", "A repository of git", git_fields, NULL, NULL};

static void read_source(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    char **source = MEMBER(char *, into, f);
    struct fc_buf out = {0};
    struct git git = {0};

    if (n->kind != FC_YAML_MAP) {
        *source = scalar_read(r, n, f->name, &scalar_source);
        return;
    }
    shape_read(r, n, &shape_git, &git);
    if (git.url && fc_buf_addf(&out, "git:%s%s%s", git.url, git.tag ? "#" : "", git.tag ? git.tag : "") < 0)
        r->oom = true;
    free(git.url);
    free(git.tag);
    *source = out.data;
}

static json_t *schema_source(const struct field *f, json_t *defs)
{
    (void)f;
    return schema_either(schema_scalar(&scalar_source), schema_shape(&shape_git, defs));
}

static const struct kind kind_source = {read_source, schema_source};

#define K(member) AT(struct fc_recipe_kernel, member)
static const struct field kernel_fields[] = {
    {"base", "version or preset: 5.10, 6.1, 6.18, latest...", &kind_scalar, K(base), &scalar_kernel, 0, 0, NULL},
    {"source", "where the sources are: a directory, a tarball, a URL, git:URL#REF, or {git:, tag:}", &kind_source,
     K(source), NULL, 0, 0, NULL},
    {"config", "firecracker, minimal, or a file", &kind_scalar, K(config), &scalar_config, 0, 0, NULL},
    {"fragments", "names of fragments, or files (with a slash)", &kind_list, K(fragments), &scalar_fragment, 0, 0,
     NULL},
    {"set", "single options, as CONFIG_X=y", &kind_list, K(set), &scalar_config_line, 0, 0, NULL},
    {"output", "the file that is written", &kind_scalar, K(output), &scalar_host, 0, 0, NULL},
    {0},
};
#undef K

const struct shape shape_kernel = {"kernel", "The guest's kernel, as fccompose kernel build makes it", kernel_fields,
                                   NULL, NULL};

#define V(member) AT(struct fc_recipe_vm, member)
static const struct field net_fields[] = {
    {"tap", "the tap device of the host", &kind_scalar, V(tap), &scalar_device, FIELD_REQUIRED, 0, NULL},
    {"ip", "the guest's address, with the length of its prefix", &kind_scalar, V(ip), &scalar_address, 0, 0, NULL},
    {"gateway", "the host's address on the tap device", &kind_scalar, V(gateway), &scalar_address, 0, 0, "ip"},
    {0},
};
static const struct shape shape_net = {"net", "The network of the machine", net_fields, NULL, NULL};

static const struct field vm_fields[] = {
    {"vcpus", "how many processors", &kind_scalar, V(vcpus), &scalar_number, 0, 0, NULL},
    {"memory", "its memory, such as 512M", &kind_scalar, V(memory), &scalar_size, 0, 0, NULL},
    {"boot_args", "the kernel's command line", &kind_scalar, V(boot_args), &scalar_text, 0, 0, NULL},
    {"net", "its network", &kind_shape, 0, &shape_net, 0, 0, NULL},
    {"output", "the file that is written (Firecracker's --config-file)", &kind_scalar, V(output), &scalar_host, 0, 0,
     NULL},
    {0},
};
#undef V

const struct shape shape_vm = {"vm", "The machine, as fccompose vm describes it to Firecracker", vm_fields, NULL, NULL};

/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a recipe: one verb each, and the keys that it knows. */
#include <string.h>

#include <jansson.h>

#include "compose/step.h"

#define S(member) AT(struct fc_recipe_step, member)
#define MODE                                                                                                           \
    {                                                                                                                  \
        "mode", "permissions: octal digits such as 0755, or changes such as u+x", &kind_scalar, S(mode), &scalar_mode, \
            0, 0, NULL                                                                                                 \
    }
#define OWNER                                                                                                          \
    {                                                                                                                  \
        "owner", "USER:GROUP, names of the tree or numbers", &kind_scalar, S(owner), &scalar_owner, 0, 0, NULL         \
    }
#define PARENTS                                                                                                        \
    {                                                                                                                  \
        "parents", "make missing directories on the way", &kind_bool, S(parents), NULL, 0, 0, NULL                     \
    }
#define RECURSIVE                                                                                                      \
    {                                                                                                                  \
        "recursive", "directories with all that is in them", &kind_bool, S(recursive), NULL, 0, 0, NULL                \
    }
#define NO_FOLLOW                                                                                                      \
    {                                                                                                                  \
        "no_follow", "a symbolic link itself", &kind_bool, S(no_follow), NULL, 0, 0, NULL                              \
    }
#define PATHS                                                                                                          \
    {                                                                                                                  \
        "path", "one path of the tree, or several", &kind_list, S(path), &scalar_path, FIELD_REQUIRED, 0, NULL         \
    }
#define PATH                                                                                                           \
    {                                                                                                                  \
        "path", "where it goes in the tree", &kind_one, S(path), &scalar_path, FIELD_REQUIRED, 0, NULL                 \
    }

/* A list that holds one. */
static void read_single(struct reader *r, const struct node *n, const struct field *f, void *into)
{
    fc_auto(fc_free) char *value = scalar_read(r, n, f->name, f->param);

    if (value)
        list_add(r, MEMBER(struct fc_recipe_list, into, f), value);
}

static json_t *schema_single(const struct field *f, json_t *defs)
{
    (void)defs;
    return schema_scalar(f->param);
}

static const struct kind kind_one = {read_single, schema_single};

static const struct field copy_fields[] = {
    {"from", "paths or globs on this machine, relative to this file", &kind_list, S(from), &scalar_host, FIELD_REQUIRED,
     0, NULL},
    {"to", "where it goes in the tree; into it if it is a directory or ends in /", &kind_one, S(path), &scalar_path,
     FIELD_REQUIRED, 0, NULL},
    MODE,
    OWNER,
    PARENTS,
    {"exclude", "globs of what is left out", &kind_list, S(exclude), &scalar_text, 0, 0, NULL},
    {"keep_owner", "keep the numeric owners that the files have here", &kind_bool, S(keep_owner), NULL, 0, 0, NULL},
    {"no_clobber", "leave what is there as it is", &kind_bool, S(no_clobber), NULL, 0, 0, NULL},
    {0},
};

static const struct field write_fields[] = {
    PATH,
    {"text", "the content", &kind_bytes, 0, NULL, FIELD_ONE_OF, 0, NULL},
    {"base64", "the content, in base64", &kind_base64, 0, NULL, FIELD_ONE_OF, 0, NULL},
    {"file", "a file of this machine that has the content", &kind_one, S(from), &scalar_host, FIELD_ONE_OF, 0, NULL},
    {"append", "put it behind what is there", &kind_bool, S(append), NULL, 0, 0, NULL},
    MODE,
    OWNER,
    PARENTS,
    {0},
};

static const struct field mkdir_fields[] = {PATHS, MODE, OWNER, PARENTS, {0}};

static const struct field mv_fields[] = {
    PATHS,
    {"to", "the new path; into it if it is a directory", &kind_scalar, S(to), &scalar_path, FIELD_REQUIRED, 0, NULL},
    {"no_clobber", "leave what is there as it is", &kind_bool, S(no_clobber), NULL, 0, 0, NULL},
    {0},
};

static const struct field ln_fields[] = {
    PATH,
    {"target", "the file that gets another name", &kind_scalar, S(text), &scalar_path, FIELD_REQUIRED, 0, NULL},
    {"force", "replace what is there", &kind_bool, S(force), NULL, 0, 0, NULL},
    {0},
};

static const struct field symlink_fields[] = {
    PATH,
    {"target", "what the link says", &kind_scalar, S(text), &scalar_text, FIELD_REQUIRED, 0, NULL},
    {"force", "replace what is there", &kind_bool, S(force), NULL, 0, 0, NULL},
    {0},
};

static const struct field mknod_fields[] = {
    PATH,
    {"type", "b block device, c character device, p FIFO, s socket, f empty file", &kind_node_type, S(type), NULL,
     FIELD_REQUIRED, 0, NULL},
    {"major", "of a device", &kind_device_number, S(major), NULL, 0, 0xfff, NULL},
    {"minor", "of a device", &kind_device_number, S(minor), NULL, 0, 0xfffff, "major"},
    MODE,
    OWNER,
    {0},
};

static const struct field chmod_fields[] = {
    PATHS,
    {"mode", "octal digits such as 0755, or changes such as u+x,go-w", &kind_scalar, S(mode), &scalar_mode,
     FIELD_REQUIRED, 0, NULL},
    RECURSIVE,
    {0},
};

static const struct field chown_fields[] = {
    PATHS,
    {"owner", "USER, USER:GROUP or :GROUP, names of the tree or numbers", &kind_scalar, S(owner), &scalar_owner,
     FIELD_REQUIRED, 0, NULL},
    RECURSIVE,
    NO_FOLLOW,
    {0},
};

static const struct field xattr_fields[] = {
    PATHS,
    {"name", "the attribute's whole name, such as user.origin", &kind_xattr_name, 0, &scalar_xattr, 0, 0, NULL},
    {"value", "its value, a text", &kind_xattr_text, 0, NULL, FIELD_ONE_OF, 0, "name"},
    {"hex", "its value in hexadecimal", &kind_xattr_hex, 0, &scalar_hex, FIELD_ONE_OF, 0, "name"},
    {"base64", "its value in base64", &kind_xattr_base64, 0, &scalar_base64, FIELD_ONE_OF, 0, "name"},
    {"remove", "true: take it away", &kind_xattr_remove, 0, NULL, FIELD_ONE_OF, 0, "name"},
    {"caps", "a file's capabilities, such as cap_net_bind_service=ep", &kind_xattr_caps, 0, NULL, FIELD_ONE_OF, 0,
     NULL},
    RECURSIVE,
    NO_FOLLOW,
    {0},
};

static const struct field rm_fields[] = {
    {"path", "paths or globs of the tree", &kind_list, S(path), &scalar_path, FIELD_REQUIRED, 0, NULL},
    RECURSIVE,
    {"force", "what is missing is no failure", &kind_bool, S(force), NULL, 0, 0, NULL},
    {0},
};

static const struct shape shape_copy = {"copy", "Bring files of this machine into the tree", copy_fields, NULL, NULL};
static const struct shape shape_write = {"write", "Set the content of a file", write_fields, NULL, NULL};
static const struct shape shape_mkdir = {"mkdir", "Make directories", mkdir_fields, "path", NULL};
static const struct shape shape_mv = {"mv", "Rename in the tree", mv_fields, NULL, NULL};
static const struct shape shape_ln = {"ln", "Give a file another name (a hard link)", ln_fields, NULL, NULL};
static const struct shape shape_symlink = {"symlink", "Make a symbolic link", symlink_fields, NULL, NULL};
static const struct shape shape_mknod = {"mknod", "Make a device node, FIFO, socket or empty file", mknod_fields, NULL,
                                         mknod_check};
static const struct shape shape_chmod = {"chmod", "Change permissions", chmod_fields, NULL, NULL};
static const struct shape shape_chown = {"chown", "Change owners", chown_fields, NULL, NULL};
static const struct shape shape_xattr = {"xattr", "Set or remove an extended attribute", xattr_fields, NULL,
                                         xattr_check};
static const struct shape shape_rm = {"rm", "Remove from the tree", rm_fields, "path", NULL};

static const struct field secret_fields[] = {
    {"id", "its name: the command finds it as /run/secrets/ID", &kind_scalar, AT(struct fc_recipe_secret, id),
     &scalar_id, FIELD_REQUIRED, 0, NULL},
    {"file", "the file of this machine that has it", &kind_scalar, AT(struct fc_recipe_secret, file), &scalar_host,
     FIELD_REQUIRED, 0, NULL},
    {0},
};

const struct shape shape_secret = {"secret", "A file that only this command sees", secret_fields, NULL, NULL};

static const char *const nets[] = {"none", "host", NULL};

static const struct field step_fields[] = {
    {"when", "only under these conditions", &kind_when, 0, NULL, 0, 0, NULL},
    {"run", "a script for the tree's /bin/sh, or a command and its arguments as a list", &kind_run, 0, NULL,
     FIELD_ONE_OF, FC_STEP_RUN, NULL},
    {"net", "run: its network: none (the default) or host", &kind_enum, S(net), nets, 0, 0, "run"},
    {"cache", "run: directories that are kept between builds and are not in the tree", &kind_list, S(cache),
     &scalar_path, 0, 0, "run"},
    {"secret", "run: a file that only this command sees, as /run/secrets/ID", &kind_secrets, 0, NULL, 0, 0, "run"},
    {"secrets", "run: several of them", &kind_secrets, 0, NULL, 0, 0, "run"},
    {"env", "run: environment variables, by name or as NAME=VALUE", &kind_env, S(env), NULL, 0, 0, "run"},
    {"user", "run: who runs it, a name of the tree or a number (default root)", &kind_scalar, S(user), &scalar_user, 0,
     0, "run"},
    {"workdir", "run: where it runs (default /)", &kind_scalar, S(workdir), &scalar_path, 0, 0, "run"},
    {"copy", "bring files of this machine into the tree", &kind_verb, 0, &shape_copy, FIELD_ONE_OF, FC_STEP_COPY, NULL},
    {"write", "set the content of a file", &kind_verb, 0, &shape_write, FIELD_ONE_OF, FC_STEP_WRITE, NULL},
    {"mkdir", "make directories", &kind_verb, 0, &shape_mkdir, FIELD_ONE_OF, FC_STEP_MKDIR, NULL},
    {"mv", "rename in the tree", &kind_verb, 0, &shape_mv, FIELD_ONE_OF, FC_STEP_MV, NULL},
    {"ln", "give a file another name", &kind_verb, 0, &shape_ln, FIELD_ONE_OF, FC_STEP_LN, NULL},
    {"symlink", "make a symbolic link", &kind_verb, 0, &shape_symlink, FIELD_ONE_OF, FC_STEP_SYMLINK, NULL},
    {"mknod", "make a device node, FIFO, socket or empty file", &kind_verb, 0, &shape_mknod, FIELD_ONE_OF,
     FC_STEP_MKNOD, NULL},
    {"chmod", "change permissions", &kind_verb, 0, &shape_chmod, FIELD_ONE_OF, FC_STEP_CHMOD, NULL},
    {"chown", "change owners", &kind_verb, 0, &shape_chown, FIELD_ONE_OF, FC_STEP_CHOWN, NULL},
    {"xattr", "set or remove an extended attribute", &kind_verb, 0, &shape_xattr, FIELD_ONE_OF, FC_STEP_XATTR, NULL},
    {"rm", "remove from the tree", &kind_verb, 0, &shape_rm, FIELD_ONE_OF, FC_STEP_RM, NULL},
    {"guest", "make the tree bootable, as fccompose guest does", &kind_guest_step, 0, &shape_guest, FIELD_ONE_OF,
     FC_STEP_GUEST, NULL},
    {0},
};

const struct shape shape_step = {"step", "A step: one verb", step_fields, NULL, NULL};

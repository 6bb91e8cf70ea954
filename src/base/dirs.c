/* SPDX-License-Identifier: Apache-2.0 */
/* Find a user's folders in the environment. */
#include "base/dirs.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/io.h"

static const char *set_variable(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static char *join(const char *dir, const char *name)
{
    char *path = NULL;

    return asprintf(&path, "%s/%s", dir, name) < 0 ? NULL : path;
}

/* $@variable/fccompose, else ~/@usual/fccompose. */
static int by_xdg(const char *variable, const char *usual, const char *what, char **ret, struct fc_error *err)
{
    const char *xdg = set_variable(variable), *home;
    const struct passwd *user;

    if (xdg && xdg[0] == '/') { /* the specification: relative ones are to be ignored */
        *ret = join(xdg, "fccompose");
        return *ret ? 0 : fc_fail(err, ENOMEM, "out of memory");
    }
    home = set_variable("HOME");
    if (!home) {
        user = getpwuid(getuid());
        home = user ? user->pw_dir : NULL;
    }
    if (!home || home[0] != '/')
        return fc_fail(err, ENOENT, "cannot tell where the %s", what);
    *ret = join(home, usual);
    return *ret ? 0 : fc_fail(err, ENOMEM, "out of memory");
}

int fc_dir_cache(char **ret, struct fc_error *err)
{
    const char *own = set_variable("FCCOMPOSE_CACHE");

    if (!own)
        return by_xdg("XDG_CACHE_HOME", ".cache/fccompose", "cache is: set FCCOMPOSE_CACHE or HOME", ret, err);
    *ret = fc_abspath(own);
    return *ret ? 0 : fc_fail(err, ENOMEM, "out of memory");
}

int fc_dir_config(char **ret, struct fc_error *err)
{
    return by_xdg("XDG_CONFIG_HOME", ".config/fccompose", "configuration is: set XDG_CONFIG_HOME or HOME", ret, err);
}

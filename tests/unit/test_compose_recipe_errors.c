/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a recipe is told with its line and column, and in words that say what to write. */
#include "compose_help.h"

static const struct {
    const char *text, *words;
} mistakes[] = {
    {"layers:\n"
     "  - tar: ./a.tar\n"
     "    too: /opt\n",
     "r.yaml:3:5: layer: unknown key too: did you mean to?"},
    {"layer:\n"
     "  - tar: ./a.tar\n",
     "r.yaml:1:1: recipe: unknown key layer: did you mean layers?"},
    {"layers:\n"
     "  - tar: ./a.tar\n"
     "    dir: ./b\n",
     "r.yaml:3:5: layer: tar and dir exclude each other"},
    {"layers:\n"
     "  - to: /opt\n",
     "r.yaml:2:5: layer: one of these is missing: locator, oci, url, archive, layout, tar, dir, name or builtin"},
    {"layers: [ {url: https://x/y.tar, sha256: 12} ]", "r.yaml:1:42: sha256: 12: expected 64 hexadecimal digits"},
    {"layers: [ {oci: \"docker://x\"} ]",
     "r.yaml:1:17: oci: docker://x: leave docker:// away: oci: takes the reference alone"},
    {"layers: [ {oci: \"UPPER\"} ]",
     "r.yaml:1:17: oci: UPPER: this is no reference such as docker.io/library/alpine:3.20"},
    {"layers: [ {name: \"nosuch:1\"} ]", "r.yaml:1:18: name: nosuch:1: no distribution has this name (fccompose "
                                         "ls-remote lists them); an image in a registry is oci: REFERENCE"},
    {"layers: [ {dir: ./b, sha256: 0000000000000000000000000000000000000000000000000000000000000000} ]",
     "r.yaml:1:11: layer: sha256 and sha512 are those of a file: of url, tar or archive"},
    {"layers: [ {dir: ./b, verify: {openpgp: k}} ]", "r.yaml:1:30: layer: verify goes with url only"},
    {"layers: [ {dir: ./b, owner: \"root\"} ]", "r.yaml:1:29: owner: root: expected UID:GID, two numbers"},
    {"layers: [ {dir: ./b, owner: \"4294967295:0\"} ]",
     "r.yaml:1:29: owner: 4294967295:0: an id is at most 4294967294"},
    {"layers: ./a.tar", "r.yaml:1:9: layers: expected a list, the lowest first"},
    {"steps:\n"
     "  - chmod: {path: /x, mode: 644}\n",
     "r.yaml:2:29: mode: 644: write octal digits with a 0 in front, as 0644: without it other readers of YAML take the "
     "number as decimal"},
    {"steps:\n"
     "  - chmod: {path: /x, mode: \"0999\"}\n",
     "r.yaml:2:29: mode: 0999: expected octal digits such as 0755, or changes such as u+x,go-w"},
    {"steps:\n"
     "  - chmod: {path: /x, mode: u+z}\n",
     "r.yaml:2:29: mode: u+z: expected octal digits such as 0755, or changes such as u+x,go-w"},
    {"steps:\n"
     "  - chmod: {path: /x}\n",
     "r.yaml:2:12: chmod: mode is missing"},
    {"steps:\n"
     "  - chmod: {path: x, mode: 0644}\n",
     "r.yaml:2:19: path: x: a path in the tree begins with /"},
    {"steps:\n"
     "  - run: a\n"
     "    copy: {from: a, to: /b}\n",
     "r.yaml:3:5: step: run and copy exclude each other"},
    {"steps:\n"
     "  - copy: {from: a, to: /b}\n"
     "    net: host\n",
     "r.yaml:3:10: step: net goes with run only"},
    {"steps:\n"
     "  - run: a\n"
     "    net: bridge\n",
     "r.yaml:3:10: net: bridge: expected none or host"},
    {"steps:\n"
     "  - run: []\n",
     "r.yaml:2:10: run: an empty list: expected a command and its arguments"},
    {"steps:\n"
     "  - run: {}\n",
     "r.yaml:2:10: run: expected a text, not keys and values"},
    {"steps:\n"
     "  - {}\n",
     "r.yaml:2:5: step: one of these is missing: run, copy, write, mkdir, mv, ln, symlink, mknod, chmod, chown, xattr, "
     "rm or guest"},
    {"steps:\n"
     "  - chown: {path: /a, owner: \"a:b:c\"}\n",
     "r.yaml:2:30: owner: a:b:c: expected USER, USER:GROUP or :GROUP"},
    {"steps:\n"
     "  - chown: {path: /a, owner: \"0:99999999999\"}\n",
     "r.yaml:2:30: owner: 0:99999999999: an id is at most 4294967294"},
    {"steps:\n"
     "  - xattr: {path: /a, caps: cap_nope=ep}\n",
     "r.yaml:2:29: caps: cap_nope=ep: expected capabilities such as cap_net_bind_service=ep"},
    {"steps:\n"
     "  - xattr: {path: /a, caps: \"cap_chown=p cap_kill=ep\"}\n",
     "r.yaml:2:29: caps: cap_chown=p cap_kill=ep: a file's effective set (e) is all of its others or nothing"},
    {"steps:\n"
     "  - xattr: {path: /a, value: x}\n",
     "r.yaml:2:30: xattr: value goes with name only"},
    {"steps:\n"
     "  - xattr: {path: /a, name: foo, value: x}\n",
     "r.yaml:2:29: name: foo: expected a name such as user.origin"},
    {"steps:\n"
     "  - xattr: {path: /a, name: user.x, hex: 123}\n",
     "r.yaml:2:42: hex: 123: expected pairs of hexadecimal digits"},
    {"steps:\n"
     "  - xattr: {path: /a, name: user.x}\n",
     "r.yaml:2:12: xattr: one of these is missing: value, hex, base64, remove or caps"},
    {"steps:\n"
     "  - xattr: {path: /a, name: user.x, remove: false}\n",
     "r.yaml:2:45: remove: only true makes sense here"},
    {"steps:\n"
     "  - write: {path: /a, text: a, file: b}\n",
     "r.yaml:2:32: write: text and file exclude each other"},
    {"steps:\n"
     "  - write: {path: /a, base64: \"a*\"}\n",
     "r.yaml:2:31: base64: a*: this is not base64"},
    {"steps:\n"
     "  - write: {path: [/a, /b], text: a}\n",
     "r.yaml:2:19: path: expected a path in the tree, from / on, not a list"},
    {"steps:\n"
     "  - mknod: {path: /a, type: c}\n",
     "r.yaml:2:12: mknod: a device needs major and minor"},
    {"steps:\n"
     "  - mknod: {path: /a, type: p, major: 1, minor: 2}\n",
     "r.yaml:2:12: mknod: only devices have major and minor"},
    {"steps:\n"
     "  - mknod: {path: /a, type: c, major: 5000, minor: 2}\n",
     "r.yaml:2:39: major: 5000: at most 4095"},
    {"steps:\n"
     "  - run: echo ${HOME}\n",
     "r.yaml:2:10: ${HOME}: args declares no HOME; a dollar sign itself (of a shell's variable) is written $$"},
    {"args: {HOMES: a}\n"
     "steps:\n"
     "  - run: echo ${HOME}\n",
     "r.yaml:3:10: ${HOME}: args declares no HOME (did you mean HOMES?); a dollar sign itself (of a shell's variable) "
     "is written $$"},
    {"args: {A: }\n"
     "steps:\n"
     "  - run: echo ${A}\n",
     "r.yaml:3:10: ${A} has no value: give it one with --set A=..., or write ${A:-default}"},
    {"args: {A: }\n"
     "steps:\n"
     "  - run: echo ${A:+b} ${\n",
     "r.yaml:3:10: ${A:+b}: expected ${NAME} or ${NAME:-default}; a dollar sign itself is written $$"},
    {"args: [a]", "r.yaml:1:7: args: expected names and values"},
    {"args: {1a: b}", "r.yaml:1:8: args: a name consists of letters, digits and underscores, and begins with no digit"},
    {"include: 5.yaml", "r.yaml:1:10: include: 5.yaml: No such file or directory"},
    {"include: {a: b}", "r.yaml:1:10: include: expected a list of files"},
    {"version: 2", "r.yaml:1:10: version: 2: expected 1"},
    {"arch: sparc", "r.yaml:1:7: arch: sparc: no machine has this name; x86_64 and aarch64 are the usual ones"},
    {"image: {size: 5X, label: \"12345678901234567\"}", "r.yaml:1:15: size: 5X: expected auto, min, a size such as "
                                                        "512M, or room to leave such as +256M (and 1 more problem)"},
    {"image: {size: +5M, free: 5M}", "r.yaml:1:26: image: size: +5M already says what is free"},
    {"image: {verity: file}", "r.yaml:1:17: image: verity: file goes with output only; give a path"},
    {"image: {uuid: 12}", "r.yaml:1:15: uuid: 12: expected auto or a UUID"},
    {"init: {mode: upstart}", "r.yaml:1:14: mode: upstart: expected auto, openrc, systemd, busybox, oci or none"},
    {"init: {mode: none}\n"
     "guest: {init: none}\n",
     "r.yaml:1:7: init is another name of guest: write one of them"},
    {"guest: {ssh_authorized_keys: nosuch.pub}",
     "r.yaml:1:30: ssh_authorized_keys: nosuch.pub: No such file or directory"},
    {"vm: {net: {ip: 1.2.3.4}}", "r.yaml:1:11: net: tap is missing"},
    {"a: 1\n"
     "a: 2\n",
     "r.yaml:2:1: a stands here a second time (first on line 1)"},
    {"layers:\n"
     "\t- a\n",
     "r.yaml:2:1: a tab cannot indent YAML: use spaces"},
    {"layers: [", "r.yaml:2:1: did not find expected node content, while parsing a flow node that begins on line 2"},
    {"a:\n  b: 1\n c: 2\n",
     "r.yaml:3:2: did not find expected key, while parsing a block mapping that begins on line 1"},
    {"a: b: c\n",
     "r.yaml:1:5: a key cannot stand here: indent it as those above, or put a text that has \": \" in it into quotes"},
    {"name: @x\n", "r.yaml:1:7: a text that begins with this character needs quotes"},
    {"name: \"x\n", "r.yaml:2:1: found unexpected end of stream, while scanning a quoted scalar that begins on line 1"},
    {"layers: *x", "r.yaml:1:9: an alias (*NAME) for which nothing above has the anchor &NAME"},
    {"&a layers: *a", "r.yaml:1:1: layers: expected a list, the lowest first"},
    {"x: &a [*a]", "r.yaml:1:4: an alias inside of this leads back to it"},
    {"? [a]\n"
     ": b\n",
     "r.yaml:1:3: a key must be a text"},
    {"--- \n"
     "a: 1\n"
     "---\n"
     "b: 1\n",
     "r.yaml:3:1: a second document begins here (---): one file, one document"},
    {"layers: !foo []", "r.yaml:1:9: the tag !foo means nothing here (!reset is the only one that does)"},
    {"layers: []\n"
     "bogus: 1\n"
     "imag: {}\n",
     "r.yaml:2:1: recipe: unknown key bogus (and 1 more problem)"},
    {"- a", "r.yaml:1:1: expected keys and values such as \"layers:\""},
    {"text", "r.yaml:1:1: expected keys and values such as \"layers:\""},
    {"", "r.yaml:1:1: nothing is in it: a recipe has layers: at least"},
    {"\xff", "r.yaml:1:1: this is not UTF-8"},
    {"layers: [{tar: \"a\\0b\"}]", "r.yaml:1:16: tar: a NUL cannot stand here"},
    {"when: a", "r.yaml:1:1: recipe: unknown key when"},
    {"layers: [ {tar: a, when: {arch: x86_64, profil: x}} ]",
     "r.yaml:1:41: when: unknown key profil: did you mean profile?"},
    {"layers: [ {tar: ~/a} ]", "r.yaml:1:17: tar: ~/a: ~ is not filled in here: write the path out"},
    {"layers: [ {tar: } ]",
     "r.yaml:1:17: tar: expected a path on this machine, not nothing (an empty text is written \"\")"},
    {"layers: [ {tar: [a]} ]", "r.yaml:1:17: tar: expected a path on this machine, not a list"},
    {"layers: [ {tar: {a: b}} ]", "r.yaml:1:17: tar: expected a path on this machine, not keys and values"},
    {"layers: [ null ]", "r.yaml:1:11: layer: expected keys and values"},
    {"layers: [ \"-\" ]", "r.yaml:1:11: locator: -: standard input is no layer of a recipe"},
    {"<<: {a: b}", "r.yaml:1:1: recipe: there are no merge keys (<<); use include, or repeat the keys"},
    {"kernel: {set: [FOO=y]}", "r.yaml:1:16: set: FOO=y: expected a line such as CONFIG_X=y"},
    {"steps: [ {guest: null} ]", "r.yaml:1:18: guest: expected keys and values"},
    {"steps: [ {run: a, secret: {id: a/b, file: c}} ]",
     "r.yaml:1:32: id: a/b: expected letters, digits, dots, hyphens and underscores"},
    {"steps: [ {run: a, secrets: [{id: a, file: c}, {id: a, file: c}]} ]", "r.yaml:1:47: secret: a stands here twice"},
    {"steps: [ {run: a, env: [A]} ]", "r.yaml:1:25: env: A: expected NAME=VALUE"},
    {"steps: [ {run: a, env: {\"A B\": c}} ]", "r.yaml:1:25: env: A B: expected the name of a variable"},
    {"image: [a]", "r.yaml:1:8: image: expected keys and values"},
};

static void each_mistake_has_its_place_and_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++)
        bad(mistakes[i].text, mistakes[i].words);
}

/* Hears problems into an array of words. */
struct heard {
    char words[32][512];
    size_t n;
};

static void hear(void *arg, const char *words)
{
    struct heard *h = arg;

    assert_true(h->n < 32);
    snprintf(h->words[h->n++], sizeof(h->words[0]), "%s", words);
}

static void several_problems_are_told_up_to_a_bound(void **state)
{
    struct heard h = {0};
    struct fc_recipe_options o = {.problem = hear, .arg = &h};
    struct fc_recipe *r = NULL;
    struct fc_error err;
    char text[4096] = "steps:\n";

    (void)state;
    assert_int_equal(read_with("name: a b\nlayers:\n  - tar: a\n    to: b\n", &o, &r, &err), -EBADMSG);
    assert_int_equal(h.n, 2);
    assert_string_equal(h.words[0], "r.yaml:1:7: name: a b: expected letters, digits, dots, hyphens and underscores");
    assert_string_equal(h.words[1], "r.yaml:4:9: to: b: a path in the tree begins with /");
    assert_string_equal(
        err.msg, "r.yaml:1:7: name: a b: expected letters, digits, dots, hyphens and underscores (and 1 more problem)");
    for (int i = 0; i < 50; i++)
        strcat(text, "  - rn: a\n");
    h.n = 0;
    assert_int_equal(read_with(text, &o, &r, &err), -EBADMSG);
    assert_int_equal(h.n, 20);
    assert_string_equal(h.words[19],
                        "r.yaml:11:5: step: one of these is missing: run, copy, write, mkdir, mv, ln, symlink, mknod, "
                        "chmod, chown, xattr, rm or guest");
    assert_non_null(strstr(err.msg, "(and 19 more problems)"));
}

static void aliases_cannot_explode(void **state)
{
    (void)state;
    /* Nine levels of nine: 9^9 texts when written out. */
    bad("x-a: &a [z,z,z,z,z,z,z,z,z]\n"
        "x-b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "x-c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n"
        "x-d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "x-e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\n"
        "x-f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n",
        "r.yaml:5:6: more than 100,000 values when aliases are written out");
    /* Each level is one deeper than what it refers to. */
    bad("x-a: &a [[[[[[[[[[[z]]]]]]]]]]]\n"
        "x-b: &b [[[[[[[[[[[*a]]]]]]]]]]]\n"
        "x-c: &c [[[[[[[[[[[*b]]]]]]]]]]]\n",
        "r.yaml:2:6: more than 32 levels when its aliases are written out");
    bad("x: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[z]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n", "r.yaml:1:35: more than 32 levels");
}

/* A text of a megabyte, named often enough: what aliases and variables make of it is bounded too. */
static void texts_cannot_explode(void **state)
{
    enum { SIZE = 1 << 20, ROOM = SIZE + 8192 };
    char *text = malloc(ROOM), *end;

    (void)state;
    assert_non_null(text);
    end = text + sprintf(text, "x-a: &a ");
    memset(end, 'z', SIZE);
    end = end + SIZE + sprintf(end + SIZE, "\nx-b:\n");
    for (int i = 0; i < 20; i++)
        end += sprintf(end, "  - *a\n");
    bad(text, "r.yaml:1:6: more than 16 MiB when its aliases are written out");
    end = text + sprintf(text, "args:\n  A: ");
    memset(end, 'z', SIZE);
    end = end + SIZE + sprintf(end + SIZE, "\nsteps:\n  - run: \"");
    for (int i = 0; i < 20; i++)
        end += sprintf(end, "${A}");
    sprintf(end, "\"\n");
    bad(text, "r.yaml:4:10: longer than 16 MiB when variables are filled in");
    end = text + sprintf(text, "args:\n  A: ");
    memset(end, 'z', SIZE);
    end = end + SIZE + sprintf(end + SIZE, "\nsteps:\n");
    for (int i = 0; i < 80; i++)
        end += sprintf(end, "  - run: \"${A}\"\n");
    bad(text,
        "r.yaml:68:10: longer than 64 MiB with the texts above when variables are filled in (and 15 more problems)");
    free(text);
}

static void sizes_are_bounded(void **state)
{
    enum { SIZE = (4 << 20) + 1 };
    char *text = malloc(SIZE + 1), *end;

    (void)state;
    assert_non_null(text);
    memset(text, ' ', SIZE);
    text[SIZE] = '\0';
    bad(text, "r.yaml:1:1: longer than 4 MiB");
    end = text + sprintf(text, "x-a:\n");
    for (int i = 0; i < 2001; i++)
        end += sprintf(end, "  k%d: v\n", i);
    bad(text, "r.yaml:2:3: more than 2000 keys");
    free(text);
}

static void nul_bytes_and_odd_encodings_are_refused(void **state)
{
    static const char nul[] = "name: a\0b\n", wide[] = "\xff\xfen\0a\0m\0e\0";
    struct fc_recipe *r = NULL;
    struct fc_error err = {0};

    (void)state;
    put_file("n.yaml", nul, sizeof(nul) - 1);
    assert_int_equal(fc_recipe_read("n.yaml", NULL, &r, &err), -EBADMSG);
    assert_string_equal(
        err.msg,
        "n.yaml:1:8: control characters (NUL and the like) cannot stand here; in \"quotes\" write \\0 or \\xHH");
    put_file("n.yaml", wide, sizeof(wide) - 1);
    assert_int_equal(fc_recipe_read("n.yaml", NULL, &r, &err), -EBADMSG);
    assert_string_equal(err.msg, "n.yaml:1:1: this is not UTF-8");
    bad("name: a\nlayers: [{tar: \"\xc3\xa4\xc3\xa4\"}, \xe9]\n", "r.yaml:2:23: this is not UTF-8");
}

static void missing_files_and_wrong_options_say_so(void **state)
{
    static const char *const unknown[] = {"VERSIO=1", NULL}, *const none[] = {"VERSION", NULL};
    struct fc_recipe_options o = {.set = unknown};
    struct fc_recipe *r = NULL;
    struct fc_error err = {0};

    (void)state;
    assert_int_equal(fc_recipe_read("none.yaml", NULL, &r, &err), -ENOENT);
    assert_string_equal(err.msg, "none.yaml: No such file or directory");
    assert_int_equal(read_with("args: {VERSION: 1}\n", &o, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "--set VERSIO=1: the args of r.yaml declare no such name: did you mean VERSION?");
    o.set = none;
    assert_int_equal(read_with("args: {VERSION: 1}\n", &o, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "--set VERSION: expected NAME=VALUE");
    o = (struct fc_recipe_options){.arch = "arm64"};
    assert_int_equal(read_with("arch: [x86_64]\n", &o, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "r.yaml:1:7: this recipe is not for aarch64");
    o.arch = "pdp11";
    assert_int_equal(read_with("name: a\n", &o, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "pdp11: no machine has this name");
}

/* A problem in an included file is told of that file. */
static void included_files_are_named(void **state)
{
    static const char inner[] = "layers:\n  - tar: a\n    bad: b\n", deep[] = "include: r.yaml\n";

    (void)state;
    put_file("inner.yaml", inner, sizeof(inner) - 1);
    bad("include: inner.yaml\n", "inner.yaml:3:5: layer: unknown key bad");
    put_file("inner.yaml", deep, sizeof(deep) - 1);
    bad("include: [inner.yaml]\n", "inner.yaml:1:10: an included file cannot include others: name them in r.yaml too");
    put_file("inner.yaml", "a: [", 4);
    bad("include: [inner.yaml]\n",
        "inner.yaml:2:1: did not find expected node content, while parsing a flow node that begins on line 2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mistake_has_its_place_and_words),
        cmocka_unit_test(several_problems_are_told_up_to_a_bound),
        cmocka_unit_test(aliases_cannot_explode),
        cmocka_unit_test(texts_cannot_explode),
        cmocka_unit_test(sizes_are_bounded),
        cmocka_unit_test(nul_bytes_and_odd_encodings_are_refused),
        cmocka_unit_test(missing_files_and_wrong_options_say_so),
        cmocka_unit_test(included_files_are_named),
    };

    return cmocka_run_group_tests(tests, enter_work, leave_work);
}

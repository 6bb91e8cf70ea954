/* SPDX-License-Identifier: Apache-2.0 */
/* Networks and sockets of a microVM as the command line gives them. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

static bool is_mac(const char *text)
{
    for (int i = 0; i < 17; i++)
        if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
            return false;
    return text[17] == '\0';
}

static bool is_tap(const char *text)
{
    return *text && strlen(text) < sizeof(((struct fc_vm_net *)NULL)->tap) && strcmp(text, ".") != 0 &&
           strcmp(text, "..") != 0 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == strlen(text);
}

static int take_address(char *text, struct fc_vm_net *ret, struct fc_error *err)
{
    char *slash = strchr(text, '/'), *end = NULL;
    struct in_addr a;
    unsigned long prefix;

    if (!slash)
        return fc_fail(err, EINVAL, "network: %s: expected the guest's address with its prefix, such as 172.16.0.2/30",
                       text);
    *slash = '\0';
    prefix = strtoul(slash + 1, &end, 10);
    if (inet_pton(AF_INET, text, &a) != 1 || !isdigit((unsigned char)slash[1]) || *end || prefix < 1 || prefix > 32)
        return fc_fail(err, EINVAL, "network: %s/%s: not an IPv4 address with a prefix from 1 to 32", text, slash + 1);
    ret->prefix = (unsigned)prefix;
    inet_ntop(AF_INET, &a, ret->ip, sizeof(ret->ip));
    return 0;
}

static bool same_network(const struct fc_vm_net *net)
{
    struct in_addr a, b;
    uint32_t mask = htonl((uint32_t)(0xffffffffULL << (32 - net->prefix)));

    return inet_pton(AF_INET, net->ip, &a) == 1 && inet_pton(AF_INET, net->gateway, &b) == 1 &&
           ((a.s_addr ^ b.s_addr) & mask) == 0;
}

static int take_gateway(const char *text, struct fc_vm_net *ret, struct fc_error *err)
{
    struct in_addr a;

    if (inet_pton(AF_INET, text, &a) != 1)
        return fc_fail(err, EINVAL, "network: %s: the gateway is not an IPv4 address", text);
    inet_ntop(AF_INET, &a, ret->gateway, sizeof(ret->gateway));
    if (!same_network(ret) || strcmp(ret->ip, ret->gateway) == 0)
        return fc_fail(err, EINVAL, "network: the gateway %s is not another address in the network of %s/%u",
                       ret->gateway, ret->ip, ret->prefix);
    return 0;
}

/* The address after the first two bytes: what fcnet-setup of Firecracker's test images turns back into the address. */
static void mac_of_address(struct fc_vm_net *net)
{
    unsigned char b[4];

    if (inet_pton(AF_INET, net->ip, b) == 1)
        snprintf(net->mac, sizeof(net->mac), "06:00:%02X:%02X:%02X:%02X", b[0], b[1], b[2], b[3]);
}

int fc_vm_net_parse(const char *text, struct fc_vm_net *ret, struct fc_error *err)
{
    char copy[128], *rest = copy, *part;
    int r = 0;

    *ret = (struct fc_vm_net){0};
    if (strlen(text) >= sizeof(copy))
        return fc_fail(err, EINVAL, "network: too long: expected TAP[,IP/PREFIX[,GATEWAY]][,MAC]");
    strcpy(copy, text);
    part = strsep(&rest, ",");
    if (!is_tap(part))
        return fc_fail(err, EINVAL,
                       "network: '%s' cannot be a network device: at most 15 letters, digits, '_', '.' and '-'", part);
    strcpy(ret->tap, part);
    while (r == 0 && (part = strsep(&rest, ","))) {
        if (is_mac(part) && !ret->mac[0])
            strcpy(ret->mac, part);
        else if (!ret->ip[0])
            r = take_address(part, ret, err);
        else if (!ret->gateway[0])
            r = take_gateway(part, ret, err);
        else
            r = fc_fail(err, EINVAL, "network: %s: expected TAP[,IP/PREFIX[,GATEWAY]][,MAC]", text);
    }
    if (r == 0 && !ret->mac[0])
        mac_of_address(ret);
    return r;
}

int fc_vm_vsock_parse(const char *text, struct fc_vm *ret, struct fc_error *err)
{
    char *end = NULL;
    unsigned long cid = strtoul(text, &end, 10);

    if (!isdigit((unsigned char)*text) || *end != ',' || !end[1] || cid < 3 || cid >= UINT32_MAX)
        return fc_fail(err, EINVAL,
                       "vsock: %s: expected CID,PATH: a number from 3 on and the socket's path on the host", text);
    ret->vsock_cid = (uint32_t)cid;
    ret->vsock_path = end + 1;
    return 0;
}

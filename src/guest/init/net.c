/* SPDX-License-Identifier: Apache-2.0 */
/* Interfaces, by the old ioctls of Linux: the loopback, and addresses that MAC addresses hold. */
#include "boot.h"
#include "sys.h"

enum {
    ADD_ROUTE = 0x890b,
    GET_FLAGS = 0x8913,
    SET_FLAGS = 0x8914,
    SET_ADDRESS = 0x8916,
    SET_MASK = 0x891c,
};
enum { FLAG_UP = 1, ROUTE_UP = 1, ROUTE_GATEWAY = 2 };

/* struct sockaddr_in */
struct address {
    uint16_t family, port;
    uint8_t ip[4];
    uint8_t zero[8];
};
/* struct ifreq */
struct request {
    char name[16];
    union {
        struct address address;
        short flags;
        char room[24];
    };
};
/* struct rtentry of 64-bit machines */
struct route {
    unsigned long pad;
    struct address to, gateway, mask;
    unsigned short flags;
    short pad2;
    unsigned long pad3;
    void *pad4;
    short metric;
    char *device;
    unsigned long mtu, window;
    unsigned short irtt;
};

static long bring_up(int fd, struct request *q)
{
    long r = sys_ioctl(fd, GET_FLAGS, (uintptr_t)q);

    if (r < 0)
        return r;
    q->flags |= FLAG_UP;
    return sys_ioctl(fd, SET_FLAGS, (uintptr_t)q);
}

static struct address address_of(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct address){.family = 2, .ip = {a, b, c, d}};
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10 : -1;
}

/* The address in the MAC of interface @name: AA.BB.CC.DD of 06:00:AA:BB:CC:DD. False when it holds none. */
static bool address_in_mac(const char *name, uint8_t ip[4])
{
    char path[64] = "/sys/class/net/", mac[32];

    text_add(path, sizeof(path), name);
    text_add(path, sizeof(path), "/address");
    if (read_text(path, mac, sizeof(mac)) < 17 || !text_begins(mac, "06:00:"))
        return false;
    for (int i = 0; i < 4; i++) {
        int high = hex(mac[6 + 3 * i]), low = hex(mac[7 + 3 * i]);

        if (high < 0 || low < 0)
            return false;
        ip[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

/* The default route goes to the other address of the /30; only the first interface gets one. */
static void add_route(int fd, const uint8_t ip[4])
{
    struct route route = {
        .to = address_of(0, 0, 0, 0),
        .gateway = address_of(ip[0], ip[1], ip[2], ip[3] ^ 3),
        .mask = address_of(0, 0, 0, 0),
        .flags = ROUTE_UP | ROUTE_GATEWAY,
    };
    long r = sys_ioctl(fd, ADD_ROUTE, (uintptr_t)&route);

    if (r < 0 && r != -EXISTS)
        say("cannot add a default route", NULL, r);
}

static void set_one(int fd, const char *name, bool *have_route)
{
    struct request q = {.name = ""};
    uint8_t ip[4];
    long r;

    if (!address_in_mac(name, ip))
        return;
    text_add(q.name, sizeof(q.name), name);
    q.address = address_of(ip[0], ip[1], ip[2], ip[3]);
    r = sys_ioctl(fd, SET_ADDRESS, (uintptr_t)&q);
    q.address = address_of(255, 255, 255, 252);
    if (r >= 0)
        r = sys_ioctl(fd, SET_MASK, (uintptr_t)&q);
    if (r >= 0)
        r = bring_up(fd, &q);
    if (r < 0)
        say("cannot set the address of ", name, r);
    else if (!*have_route)
        add_route(fd, ip);
    *have_route = *have_route || r >= 0;
}

static void set_from_macs(int fd)
{
    enum { RECORD_LENGTH = 16, RECORD_NAME = 19 };
    char data[1024];
    long dir = sys_open("/sys/class/net", OPEN_READ), n;
    bool have_route = false;

    while (dir >= 0 && (n = sys_list((int)dir, data, sizeof(data))) > 0)
        for (long at = 0; at < n; at += *(uint16_t *)(data + at + RECORD_LENGTH))
            set_one(fd, data + at + RECORD_NAME, &have_route);
    if (dir >= 0)
        sys_close((int)dir);
}

void set_network(bool from_mac)
{
    struct request q = {.name = "lo"};
    long fd = sys_socket();

    if (fd < 0) {
        if (from_mac)
            say("the kernel has no network", NULL, fd);
        return;
    }
    bring_up((int)fd, &q);
    if (from_mac)
        set_from_macs((int)fd);
    sys_close((int)fd);
}

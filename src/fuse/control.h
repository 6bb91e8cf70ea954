/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages of the control socket. Private to fuse/.
 *
 * A stream socket; both directions carry a header and then @size bytes. A request's fd travels with its header. Every
 * request gets one reply, of the same kind, with code 0 and data, or with a positive errno and words. Both ends are the
 * same program on one machine, so numbers are in its byte order; @version refuses an older or newer program.
 */
#ifndef FC_FUSE_CONTROL_H
#define FC_FUSE_CONTROL_H

#include <stdint.h>
#include <sys/un.h>

#include "base/buf.h"
#include "fuse/fuse.h"

enum { CONTROL_VERSION = 0x66636303, CONTROL_MAX = 16 << 20 };

/** What is asked for. */
enum control_kind {
    CONTROL_PIN = 1,
    CONTROL_BEGUN,
    CONTROL_VERB,  /* data: an encoded verb */
    CONTROL_RESET, /* data: paths, each with a NUL behind it */
    CONTROL_INFO,  /* reply: struct control_info, the mount point, a NUL, the virtual disk's file */
    CONTROL_STOP,  /* data: one byte, lazy */
    CONTROL_SERVE, /* data: struct control_serve, and a descriptor */
    CONTROL_PLACE, /* data: struct control_place, the name */
    CONTROL_SERVED,
};

/** What SERVE asks for. */
struct control_serve {
    uint8_t single_id, batch_fsync;
};

/** What PLACE asks for, before the name. */
struct control_place {
    uint64_t parent;
    uint8_t directory;
};

struct control_header {
    uint32_t version, kind;
    int32_t code;
    uint32_t size;
};

/** What INFO answers, before the names. */
struct control_info {
    int32_t pid, n_sessions;
};

/** Send a message with @pass_fd (or -1). Returns 0 or -errno; never raises SIGPIPE. */
int control_send(int fd, uint32_t kind, int code, const void *data, size_t size, int pass_fd);
/** Receive a message. @ret_fd may be NULL (a passed descriptor is closed). Returns 1, 0 at the end, or -errno. */
int control_receive(int fd, struct control_header *ret, struct fc_buf *ret_data, int *ret_fd);
/**
 * Take a connection, also when this process can have no more descriptors: *spare, which is -1 at first and kept by the caller,
 * is one that is given up for it. Returns the connection, which is to be refused if *spare is then -1, or -errno, after a
 * moment when descriptors or memory are short.
 */
int control_accept(int listen_fd, int *spare);
/**
 * An address for @path that bind() and connect() take, also if the path is longer than an address may be: then it goes
 * through a descriptor of the directory, which *ret_dir keeps open (else -1). Returns 0 or -errno.
 */
int control_address(const char *path, struct sockaddr_un *ret, int *ret_dir);

#endif

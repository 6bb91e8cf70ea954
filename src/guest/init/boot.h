/* SPDX-License-Identifier: Apache-2.0 */
/* What the guest's init does before the program runs. */
#ifndef FC_GUEST_INIT_BOOT_H
#define FC_GUEST_INIT_BOOT_H

#include <stdbool.h>

/** Mount the kernel's file systems where nothing is mounted, and tmpfs on /run and /tmp where nothing is in them. */
void mount_all(void);
/** Set the host's name to the first line of /etc/hostname, if there is one. */
void set_host_name(void);
/** Bring the loopback up and, with @from_mac, each interface with an address that is in its MAC (06:00:AA:BB:CC:DD). */
void set_network(bool from_mac);

#endif

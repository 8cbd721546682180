/* Inside dist/: how launcher and ranks find each other. */
#ifndef BCL_DIST_SOCKET_H
#define BCL_DIST_SOCKET_H

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

/* A name of Linux's abstract space: no file, gone with the process. Returns the address' size. */
static inline socklen_t bcl_socket_address(struct sockaddr_un *address, const char *name) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    const int n = snprintf(address->sun_path + 1, sizeof address->sun_path - 1, "%s", name);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

#endif

/* The floor under every RTP program on this machine: N UDP sockets, each packet goes back to its sender.
 *
 * usage: echo CALLS ADDRESS
 * Prints one JSON line with its ports; ends on SIGTERM or when its standard input ends. No pacing, no call, no
 * provider: recvfrom and sendto are all it does.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, DATAGRAM_BYTES = 2048 };

static int open_port(const char *address, int *port) {
    struct sockaddr_in local = {.sin_family = AF_INET};
    socklen_t length = sizeof local;
    int receive_buffer = 1 << 20;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || inet_pton(AF_INET, address, &local.sin_addr) != 1) return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    if (bind(fd, (struct sockaddr *)&local, sizeof local) < 0) return -1;
    if (getsockname(fd, (struct sockaddr *)&local, &length) < 0) return -1;
    *port = ntohs(local.sin_port);
    return fd;
}

static void echo_one(int fd) {
    char datagram[DATAGRAM_BYTES];
    struct sockaddr_in source;
    socklen_t length = sizeof source;
    ssize_t size = recvfrom(fd, datagram, sizeof datagram, 0, (struct sockaddr *)&source, &length);
    if (size > 0) sendto(fd, datagram, (size_t)size, 0, (struct sockaddr *)&source, length);
}

int main(int argc, char **argv) {
    if (argc != 3) return 2;
    int calls = atoi(argv[1]), poller = epoll_create1(0);
    struct epoll_event watch = {.events = EPOLLIN, .data.fd = STDIN_FILENO};
    if (poller < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &watch) < 0) return 1;
    printf("{\"ports\": [");
    for (int call = 0; call < calls; call++) {
        int port, fd = open_port(argv[2], &port);
        watch.data.fd = fd;
        if (fd < 0 || epoll_ctl(poller, EPOLL_CTL_ADD, fd, &watch) < 0) return 1;
        printf("%s%d", call ? ", " : "", port);
    }
    printf("]}\n");
    fflush(stdout);
    for (;;) {
        struct epoll_event events[MAX_EVENTS];
        int count = epoll_wait(poller, events, MAX_EVENTS, -1);
        for (int n = 0; n < count; n++) {
            if (events[n].data.fd == STDIN_FILENO) return 0;
            echo_one(events[n].data.fd);
        }
    }
}

/*
 * lab-hci: one Bluetooth adapter of the virtual Pi.
 *
 *   lab-hci INTERFACE GENERATION
 *
 * Opens /dev/vhci and carries H4 packets between it and the host's end of
 * the link, where they go to a rootcanal controller. Its life is the
 * adapter's: hciN appears when it starts and is unplugged when it ends.
 *
 * Invariant: every packet arrives exactly once and in order. One packet is
 * one Ethernet frame with a sequence number; a gap ends the program with
 * status 2, so that a test fails for what it is instead of hearing a glitch.
 * Frames of an earlier generation (before an unplug) are dropped.
 *
 * The frame layout is shared with labkit/link.py.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ETHERTYPE_HCI 0x88B6
#define PAYLOAD_MAX 1480
#define VENDOR_PACKET 0xff
#define RECEIVE_BUFFER (8 << 20)

struct frame {
	struct ethhdr eth;
	uint16_t generation;
	uint16_t length;
	uint32_t sequence;
	uint8_t payload[PAYLOAD_MAX];
} __attribute__((packed));

#define HEADER_SIZE offsetof(struct frame, payload)

static void fail(const char *what)
{
	fprintf(stderr, "lab-hci: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int open_link(const char *interface)
{
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, htons(ETHERTYPE_HCI));
	if (fd < 0)
		fail("packet socket");
	int size = RECEIVE_BUFFER;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		fail("receive buffer");
	struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_HCI),
		.sll_ifindex = if_nametoindex(interface),
	};
	if (address.sll_ifindex == 0)
		fail(interface);
	if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0)
		fail("bind");
	return fd;
}

/* Makes the adapter appear and prints its index: "hci0". */
static int open_adapter(void)
{
	int fd = open("/dev/vhci", O_RDWR | O_NONBLOCK);
	if (fd < 0)
		fail("/dev/vhci");
	const uint8_t create[2] = { VENDOR_PACKET, 0x00 };
	if (write(fd, create, sizeof create) != sizeof create)
		fail("create adapter");
	uint8_t created[4];
	struct pollfd ready = { .fd = fd, .events = POLLIN };
	if (poll(&ready, 1, 5000) != 1)
		fail("adapter did not appear");
	if (read(fd, created, sizeof created) != sizeof created || created[0] != VENDOR_PACKET)
		fail("adapter answer");
	printf("hci%d\n", created[2] | created[3] << 8);
	fflush(stdout);
	return fd;
}

/* Real adapters are served by interrupts; ours must not wait its turn behind
 * a busy program either. */
static void outrank_programs(void)
{
	struct sched_param param = { .sched_priority = 60 };
	if (sched_setscheduler(0, SCHED_FIFO, &param) < 0)
		fail("real-time priority");
}

static void adapter_to_link(int adapter, int link, struct frame *frame)
{
	for (;;) {
		ssize_t n = read(adapter, frame->payload, PAYLOAD_MAX);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			fail("read adapter");
		if (frame->payload[0] == VENDOR_PACKET)
			continue;
		frame->length = htons(n);
		while (send(link, frame, HEADER_SIZE + n, 0) < 0) {
			struct pollfd ready = { .fd = link, .events = POLLOUT };
			if ((errno != EAGAIN && errno != ENOBUFS) || poll(&ready, 1, 1000) != 1)
				fail("send");
		}
		frame->sequence = htonl(ntohl(frame->sequence) + 1);
	}
}

static void link_to_adapter(int link, int adapter, uint16_t generation, uint32_t *expected)
{
	struct frame frame;
	for (;;) {
		ssize_t n = recv(link, &frame, sizeof frame, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0)
			fail("receive");
		uint16_t length = ntohs(frame.length);
		if (n < (ssize_t)HEADER_SIZE + length || frame.generation != generation)
			continue;
		if (ntohl(frame.sequence) != *expected) {
			fprintf(stderr, "lab-hci: packet %u came, %u was due: the link lost packets\n",
				ntohl(frame.sequence), *expected);
			exit(2);
		}
		*expected += 1;
		if (write(adapter, frame.payload, length) != length)
			fail("write adapter");
	}
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: lab-hci INTERFACE GENERATION\n");
		return 64;
	}
	outrank_programs();
	int link = open_link(argv[1]);
	int adapter = open_adapter();

	struct frame out = { .eth.h_proto = htons(ETHERTYPE_HCI), .generation = htons(atoi(argv[2])) };
	memset(out.eth.h_dest, 0xff, ETH_ALEN);
	uint32_t expected = 0;
	struct pollfd ready[2] = {
		{ .fd = adapter, .events = POLLIN },
		{ .fd = link, .events = POLLIN },
	};
	for (;;) {
		if (poll(ready, 2, -1) < 0)
			fail("poll");
		if (ready[0].revents)
			adapter_to_link(adapter, link, &out);
		if (ready[1].revents)
			link_to_adapter(link, adapter, out.generation, &expected);
	}
}

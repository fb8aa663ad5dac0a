#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A long link on one machine: forwards TCP connections to PORT of 127.0.0.1, each byte some time later and no more
of them a second than the link carries. Prints the port that it listens on.

The bytes under way are bounded by what the link itself holds, so a sender feels a slow receiver. TCP's own windows
end at either side of the line: what is measured over it is what a program adds to them."""

import argparse
import collections
import socket
import sys
import threading
import time

CHUNK = 64 * 1024
SLACK = 0.005  # seconds of sending that the link takes in advance, so that late wake-ups cost no rate
SOCKET_BYTES = 512 * 1024  # in the kernel, in front of the link


class Lane:
    """One direction of the link, for all connections together."""

    def __init__(self, bits_per_second, delay):
        self.byte_time = 8 / bits_per_second
        self.delay = delay
        self.capacity = int((delay + SLACK) / self.byte_time) + CHUNK
        self.free_at = 0
        self.lock = threading.Lock()

    def send(self, n):
        """When N bytes given now have left, at the link's rate."""
        with self.lock:
            self.free_at = max(self.free_at, time.monotonic()) + n * self.byte_time
            return self.free_at


class Way:
    """One direction of a connection: one thread takes bytes, another gives them when they are due."""

    def __init__(self, source, sink, lane):
        self.source, self.sink, self.lane = source, sink, lane
        self.under_way = collections.deque()  # (due, bytes); no bytes: the end
        self.n_bytes = 0
        self.changed = threading.Condition()
        for work in (self.take, self.give):
            threading.Thread(target=work, daemon=True).start()

    def put(self, due, data):
        with self.changed:
            self.changed.wait_for(lambda: self.n_bytes < self.lane.capacity)
            self.under_way.append((due, data))
            self.n_bytes += len(data)
            self.changed.notify_all()

    def get(self):
        with self.changed:
            self.changed.wait_for(lambda: self.under_way)
            return self.under_way[0]

    def got(self, data):
        with self.changed:
            self.under_way.popleft()
            self.n_bytes -= len(data)
            self.changed.notify_all()

    def take(self):
        data = b"-"
        while data:
            try:
                data = self.source.recv(CHUNK)
            except OSError:
                data = b""
            left = self.lane.send(len(data))
            self.put(left + self.lane.delay, data)
            time.sleep(max(0, left - SLACK - time.monotonic()))

    def give(self):
        data = b"-"
        broken = False
        while data:
            due, data = self.get()
            time.sleep(max(0, due - time.monotonic()))
            try:
                if data and not broken:
                    self.sink.sendall(data)
                elif not data:
                    self.sink.shutdown(socket.SHUT_WR)
            except OSError:
                broken = True
                self.source.close()
            self.got(data)


def prepared(connection):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BYTES)
    return connection


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds each way (default: 0.05)")
    parser.add_argument("--rate", type=float, default=500e6, help="bits a second each way (default: 500e6)")
    options = parser.parse_args()
    sys.setswitchinterval(0.0005)
    up, down = Lane(options.rate, options.delay), Lane(options.rate, options.delay)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            near = prepared(listener.accept()[0])
            far = prepared(socket.create_connection(("127.0.0.1", options.port)))
            Way(near, far, up)
            Way(far, near, down)


if __name__ == "__main__":
    main()

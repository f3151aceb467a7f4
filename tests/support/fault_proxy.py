"""A TCP proxy on loopback whose connections a test cuts, delays and resets.

    with FaultProxy("127.0.0.1:7500") as proxy:
        ... clients connect to proxy.address ...
        proxy.cut(up=True)        # nothing more reaches the server; connections stay open
        proxy.cut(up=True, down=True)
        proxy.delay(0.2)          # each piece arrives that many seconds later, in order
        proxy.reset()             # all connections end with RST
        proxy.heal()

"up" is from the client to the server. One thread serves all connections. While a direction is cut its
bytes are kept by the kernel's buffers of the sender, as behind a router that drops packets, and they
arrive after heal(): TCP delivers all or nothing. Connections that are made while a direction is cut
are accepted and silent.
"""

import contextlib
import selectors
import socket
import struct
import threading
import time

PIECE = 64 * 1024
KEPT_MAX = 256 * 1024  # bytes that a direction keeps before it stops to read


class Direction:
    """Bytes that go from one socket to another: read, kept until they are due, and sent."""

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.kept = []  # of (due, bytes)
        self.size = 0
        self.finished = False  # the source has ended


class FaultProxy:
    def __init__(self, target):
        host, _, port = target.rpartition(":")
        self.target = (host, int(port))
        self.lock = threading.Lock()
        self.cut_up = self.cut_down = False
        self.late = 0.0
        self.resets = 0
        self.carried = 0
        self._reset_asked = False
        self._over = False
        self._pairs = set()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._server.setblocking(False)
        self.address = f"127.0.0.1:{self._server.getsockname()[1]}"
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._server, selectors.EVENT_READ)
        self._selector.register(self._wake_in, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    # ---- faults ---------------------------------------------------------------------------------

    def cut(self, up=False, down=False):
        self._change(cut_up=up, cut_down=down)

    def delay(self, seconds):
        self._change(late=seconds)

    def heal(self):
        self._change(cut_up=False, cut_down=False, late=0.0)

    def reset(self):
        self._change(_reset_asked=True)

    def close(self):
        self._change(_over=True)
        self._thread.join(10)
        self._wake_in.close()
        self._wake_out.close()

    def _change(self, **values):
        with self.lock:
            for name, value in values.items():
                setattr(self, name, value)
        self._wake_out.send(b"x")

    # ---- the thread -----------------------------------------------------------------------------

    def _serve(self):
        while True:
            with self.lock:
                over, reset = self._over, self._reset_asked
                self._reset_asked = False
                cut = {"up": self.cut_up, "down": self.cut_down}
                late = self.late
            if reset or over:
                for pair in list(self._pairs):
                    self._end(pair, abort=True)
                    self.resets += 1
            if over:
                self._server.close()
                self._selector.close()
                return
            wait = self._watch(cut)
            for key, _ in self._selector.select(wait):
                if key.fileobj is self._server:
                    self._accept()
                elif key.fileobj is self._wake_in:
                    self._wake_in.recv(4096)
            self._move(cut, late)

    def _accept(self):
        with contextlib.suppress(OSError):
            client, _ = self._server.accept()
            client.setblocking(False)
            server = socket.socket()
            server.setblocking(False)
            server.connect_ex(self.target)
            pair = Pair(client, server)
            self._pairs.add(pair)

    def _watch(self, cut):
        """Registers what may go on; the seconds until something that is kept is due."""
        now, wait = time.monotonic(), None
        for pair in self._pairs:
            interest = {pair.client: 0, pair.server: 0}
            for name, way in pair.ways():
                if cut[name]:
                    continue
                if not way.finished and way.size < KEPT_MAX:
                    interest[way.source] |= selectors.EVENT_READ
                if way.kept:
                    left = way.kept[0][0] - now
                    if left <= 0:
                        interest[way.target] |= selectors.EVENT_WRITE
                    else:
                        wait = left if wait is None else min(wait, left)
            for sock, wanted in interest.items():
                self._register(sock, wanted)
        return wait

    def _register(self, sock, wanted):
        known = self._selector.get_map().get(sock.fileno())
        if known is None and wanted:
            self._selector.register(sock, wanted)
        elif known is not None and not wanted:
            self._selector.unregister(sock)
        elif known is not None and known.events != wanted:
            self._selector.modify(sock, wanted)

    def _move(self, cut, late):
        for pair in list(self._pairs):
            try:
                for name, way in pair.ways():
                    if not cut[name]:
                        self._read(way, late)
                        self._write(way)
            except OSError:
                self._end(pair, abort=True)
                continue
            if all(way.finished and not way.kept for _, way in pair.ways()):
                self._end(pair)

    def _read(self, way, late):
        while not way.finished and way.size < KEPT_MAX:
            try:
                piece = way.source.recv(PIECE)
            except BlockingIOError:
                return
            except OSError as why:
                if isinstance(why, OSError) and why.errno == 107:  # ENOTCONN: it still connects
                    return
                raise
            if not piece:
                way.finished = True
                if not way.kept:
                    self._finish(way)
                return
            way.kept.append((time.monotonic() + late, piece))
            way.size += len(piece)

    def _write(self, way):
        now = time.monotonic()
        while way.kept and way.kept[0][0] <= now:
            due, piece = way.kept[0]
            try:
                count = way.target.send(piece)
            except BlockingIOError:
                return
            except OSError as why:
                if why.errno == 107:
                    return
                raise
            self.carried += count
            way.size -= count
            if count < len(piece):
                way.kept[0] = (due, piece[count:])
                return
            way.kept.pop(0)
        if way.finished and not way.kept:
            self._finish(way)

    @staticmethod
    def _finish(way):
        with contextlib.suppress(OSError):
            way.target.shutdown(socket.SHUT_WR)

    def _end(self, pair, abort=False):
        self._pairs.discard(pair)
        for sock in (pair.client, pair.server):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(sock)
            if abort:
                with contextlib.suppress(OSError):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()


class Pair:
    """A client's connection and the one that was made for it to the server."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.up = Direction(client, server)
        self.down = Direction(server, client)

    def ways(self):
        return (("up", self.up), ("down", self.down))

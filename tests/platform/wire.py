"""A small HTTP/1.1 server on asyncio that keeps every request as it came, and that can misbehave at
every point of an exchange.

Nothing of http.server or aiohttp is used: those would normalise what is to be seen (order and
spelling of header fields), and would not reset a connection in the middle of an answer.
"""

import asyncio
import socket
import struct
import threading
import time
from dataclasses import dataclass, field

HEAD_MOST = 65536
REASONS = {200: "OK", 204: "No Content", 400: "Bad Request", 401: "Unauthorized"}
PHASES = ("head", "body", "read", "acted", "answer", "after")


@dataclass(frozen=True)
class Spell:
    """The faults of one exchange. Without `reset` and `status` only the answer's pace changes.

    reset: the connection is reset at this point: "head" has been read (of a body nothing has),
    a part of the "body" has, the whole request is "read" but nothing is done, it is "acted" upon
    but not answered, half of the "answer" is sent, "after" the whole answer.
    """

    reset: str = ""
    close: bool = False  # closed (FIN) where it would be reset
    status: int = 0  # answered in place of what would be, without acting
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple = ()  # of (name, value), more of them
    delay: float = 0.0  # seconds before the first byte of the answer
    drip: float = 0.0  # seconds between single bytes of the answer
    act: bool = False  # a `status` is answered, but the request is acted upon

    def __post_init__(self):
        assert not self.reset or self.reset in PHASES, self.reset


@dataclass
class Request:
    number: int
    connection: int
    at: float
    method: str
    target: str
    headers: list  # of (name, value), as they came
    body: bytes = b""
    kind: str = ""
    worker: str = ""
    job: str = ""  # the id in the path, decoded
    fate: str = "open"  # the status that was answered, "reset …", "left" by the client
    read_at: float = 0.0

    def header(self, name, otherwise=""):
        return next((v for n, v in self.headers if n.lower() == name.lower()), otherwise)


@dataclass
class Answer:
    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple = ()

    def encoded(self):
        fields = [f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}"]
        if self.status != 204:
            if self.content_type:
                fields.append(f"Content-Type: {self.content_type}")
            fields.append(f"Content-Length: {len(self.body)}")
        fields += [f"{name}: {value}" for name, value in self.headers]
        return (
            "\r\n".join(fields).encode() + b"\r\n\r\n" + (b"" if self.status == 204 else self.body)
        )


FAIR = Spell()


@dataclass
class Exchange:
    """A request and its answer; the service calls answer() once, now or later."""

    request: Request
    connection: "Connection"
    spell: Spell = FAIR
    gone: bool = field(default=False)  # the client has left; no answer will reach it

    def answer(self, answer, delivered=None):
        """`delivered(bool)` gets whether the whole answer was handed to the socket."""
        self.connection.send(self, answer, delivered or (lambda _: None))


class Connection(asyncio.Protocol):
    """Reads one request after the other; the next is looked at when the last has been answered."""

    def __init__(self, service):
        self.service = service
        self.buffer = bytearray()
        self.exchange = None
        self.request = None  # whose head has been read, and its body not yet
        self.spell = FAIR
        self.wanted = 0  # bytes of body; -1 = chunked
        self.lost = False

    def connection_made(self, transport):
        self.transport = transport
        self.number = self.service.connected(self)
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.number < 0:
            self.cut(FAIR)

    def connection_lost(self, _):
        self.lost = True
        self._left()
        self.service.disconnected(self)

    def eof_received(self):
        """A client that sends no more has left, also when it would still read."""
        self._left()
        return False

    def _left(self):
        if self.exchange is not None and not self.exchange.gone:
            self.exchange.gone = True
            self.service.left(self.exchange)
        if self.request is not None:
            self.request.fate = "left"
            self.request = None

    def cut(self, spell):
        if not spell.close:
            linger = struct.pack("ii", 1, 0)
            raw = self.transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.transport.abort()
        self.lost = True

    # ---- reading -------------------------------------------------------------------------------

    def data_received(self, data):
        self.buffer += data
        self.read()

    def read(self):
        while self.exchange is None and not self.lost:
            if self.request is None and not self._read_head():
                return
            if not self._read_body():
                return

    def _read_head(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > HEAD_MOST:
                self.cut(FAIR)
            return False
        lines = self.buffer[:end].decode("utf-8", "surrogateescape").split("\r\n")
        del self.buffer[: end + 4]
        try:
            method, target, _ = lines[0].split(" ")
            headers = [
                tuple(x.split(": ", 1)) if ": " in x else (x.rstrip(":"), "") for x in lines[1:]
            ]
            length = next((int(v) for n, v in headers if n.lower() == "content-length"), 0)
        except ValueError:
            self.cut(FAIR)
            return False
        now = time.monotonic()
        request = Request(self.service.number(), self.number, now, method, target, headers)
        chunked = request.header("transfer-encoding").lower() == "chunked"
        self.request, self.wanted = request, -1 if chunked else length
        self.spell = self.service.begun(request)
        if self.spell.reset == "head" or (self.spell.reset == "body" and self.wanted == 0):
            return self._reset()
        if request.header("expect").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return True

    def _reset(self):
        self.request.fate = f"reset {self.spell.reset}"
        self.request = None
        self.cut(self.spell)
        return False

    def _read_body(self):
        if self.spell.reset == "body" and self.buffer:
            return self._reset()
        body = self._chunked() if self.wanted < 0 else self._counted()
        if body is None:
            return False
        request, self.request = self.request, None
        request.body, request.read_at = body, time.monotonic()
        self.exchange = Exchange(request, self)
        self.service.arrived(self.exchange)
        return True

    def _counted(self):
        if len(self.buffer) < self.wanted:
            return None
        body = bytes(self.buffer[: self.wanted])
        del self.buffer[: self.wanted]
        return body

    def _chunked(self):
        body, at = bytearray(), 0
        while True:
            line = self.buffer.find(b"\r\n", at)
            if line < 0:
                return None
            size = int(self.buffer[at:line].split(b";")[0], 16)
            if len(self.buffer) < line + 2 + size + 2:
                return None
            body += self.buffer[line + 2 : line + 2 + size]
            at = line + 2 + size + 2
            if size == 0:
                del self.buffer[:at]
                return bytes(body)

    # ---- answering -----------------------------------------------------------------------------

    def send(self, exchange, answer, delivered):
        spell = exchange.spell
        if spell.delay and not self.lost:
            asyncio.get_running_loop().call_later(
                spell.delay, self._send, exchange, answer, delivered
            )
        else:
            self._send(exchange, answer, delivered)

    def _send(self, exchange, answer, delivered):
        spell, request = exchange.spell, exchange.request
        if exchange.gone or self.lost:
            request.fate = "left"
            self.service.closed(exchange)
            delivered(False)
            return
        if spell.reset == "acted":
            return self._cut_off(exchange, delivered)
        data = answer.encoded()
        if spell.reset == "answer":
            self.transport.write(data[: max(1, len(data) // 2)])
            return self._cut_off(exchange, delivered)
        if spell.drip:
            asyncio.ensure_future(self._drip(exchange, answer, data, delivered))
            return None
        self.transport.write(data)
        self._sent(exchange, answer, delivered)
        return None

    async def _drip(self, exchange, answer, data, delivered):
        for at in range(len(data)):
            if self.lost:
                exchange.request.fate = "left"
                self.service.closed(exchange)
                delivered(False)
                return
            self.transport.write(data[at : at + 1])
            await asyncio.sleep(exchange.spell.drip)
        self._sent(exchange, answer, delivered)

    def _cut_off(self, exchange, delivered):
        exchange.request.fate = f"reset {exchange.spell.reset}"
        self.exchange = None
        self.cut(exchange.spell)
        self.service.closed(exchange)
        delivered(False)

    def _sent(self, exchange, answer, delivered):
        exchange.request.fate = str(answer.status)
        self.exchange = None
        delivered(True)
        self.service.closed(exchange)
        if exchange.spell.reset == "after":
            self.cut(exchange.spell)
        elif exchange.request.header("connection").lower() == "close":
            self.transport.close()
        elif self.buffer:
            self.read()


class Sea:
    """An event loop in a thread, for any number of stand-ins."""

    _shared = None

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    @classmethod
    def shared(cls):
        cls._shared = cls._shared or cls()
        return cls._shared

    def call(self, coroutine, timeout=20.0):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(timeout)

"""PostgreSQL's protocol by hand: messages as bytes, so that tests can send what no client would.

Only what the tests need: building frontend messages, reading backend ones one after the other.
"""

import socket
import struct

import harness


def text(value):
    return value.encode() + b"\0"


def message(kind, body=b""):
    return kind + struct.pack("!i", len(body) + 4) + body


def startup(version=0x00030000, **parameters):
    parameters = dict({"user": "tester"}, **parameters)
    body = struct.pack("!i", version)
    body += b"".join(text(name) + text(value) for name, value in parameters.items()) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def query(sql):
    return message(b"Q", text(sql))


def parse(sql, name="", oids=()):
    return message(b"P", text(name) + text(sql) + struct.pack("!h", len(oids)) +
                   b"".join(struct.pack("!I", oid) for oid in oids))


def bind(values=(), portal="", name="", formats=(), results=()):
    """A value is None or bytes."""
    body = text(portal) + text(name)
    body += struct.pack("!h%dh" % len(formats), len(formats), *formats)
    body += struct.pack("!h", len(values))
    for value in values:
        body += struct.pack("!i", -1 if value is None else len(value)) + (value or b"")
    return message(b"B", body + struct.pack("!h%dh" % len(results), len(results), *results))


def describe(what, name=""):
    return message(b"D", what + text(name))


def execute(portal="", rows=0):
    return message(b"E", text(portal) + struct.pack("!i", rows))


def close(what, name=""):
    return message(b"C", what + text(name))


SYNC = message(b"S")
FLUSH = message(b"H")
TERMINATE = message(b"X")


def cells(body):
    """The columns of a DataRow."""
    n, at, out = struct.unpack_from("!h", body)[0], 2, []
    for _ in range(n):
        length = struct.unpack_from("!i", body, at)[0]
        at += 4
        out.append(None if length < 0 else body[at:at + length])
        at += max(length, 0)
    return out


def fields(body):
    """The fields of an ErrorResponse, by their letters."""
    return {part[:1].decode(): part[1:].decode() for part in body.split(b"\0") if part}


def columns(body):
    """Of a RowDescription: (name, oid, format) each."""
    at, out = 2, []
    for _ in range(struct.unpack_from("!h", body)[0]):
        end = body.index(b"\0", at)
        _, _, oid, _, _, form = struct.unpack_from("!ihIhih", body, end + 1)
        out.append((body[at:end].decode(), oid, form))
        at = end + 19
    return out


class Wire:
    """A raw session; `start` does the start-up and reads until the first ReadyForQuery."""

    def __init__(self, path, start=True, **parameters):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(harness.DEADLINE)
        self.socket.connect(path)
        self.rest = b""
        self.key = None
        self.greeting = []
        if start:
            self.send(startup(**parameters))
            self.greeting = self.until_ready()
            self.key = next(body for kind, body in self.greeting if kind == b"K")

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def more(self):
        """False: the daemon has closed, in whatever way."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.rest += data
        return data != b""

    def read(self):
        """The next message as (kind, body); None at the end."""
        while len(self.rest) < 5 or len(self.rest) < 1 + struct.unpack_from("!i", self.rest, 1)[0]:
            if not self.more():
                return None
        length = 1 + struct.unpack_from("!i", self.rest, 1)[0]
        whole, self.rest = self.rest[:length], self.rest[length:]
        return whole[:1], whole[5:]

    def until_ready(self):
        """All messages up to ReadyForQuery, that one included."""
        out = []
        while not out or out[-1][0] != b"Z":
            got = self.read()
            if got is None:
                raise AssertionError("closed before ReadyForQuery, after %r" % out)
            out.append(got)
        return out

    def until_closed(self):
        out = []
        while True:
            got = self.read()
            if got is None:
                return out
            out.append(got)

    def ask(self, *parts):
        self.send(*parts)
        return self.until_ready()

    def close(self):
        self.socket.close()

    __del__ = close


def kinds(messages):
    return b"".join(kind for kind, _ in messages).decode()


def rows(messages):
    return [cells(body) for kind, body in messages if kind == b"D"]


def state(messages):
    """The SQLSTATE of the first error; None: there is none."""
    for kind, body in messages:
        if kind == b"E":
            return fields(body)["C"]
    return None

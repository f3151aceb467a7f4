"""The points in which Tayfa's worker may speak otherwise than RunPod's SDK 1.12.0, and why. A difference that is
not here fails the test, and so does a row that no difference needs any more.

A row: the request's kind, the field (both may hold `*`), why.
"""

import fnmatch
from dataclasses import dataclass


@dataclass(frozen=True)
class Allowed:
    kind: str
    field: str
    why: str

    def covers(self, kind, field):
        return fnmatch.fnmatchcase(kind, self.kind) and fnmatch.fnmatchcase(field, self.field)


ALLOWED = [
    Allowed("*", "header User-Agent", "each says who it is"),
    Allowed("*", "header order", "HTTP gives no meaning to the order of different fields"),
    Allowed("take", "header X-Request-ID", "the SDK leaks the header of its last post into takes"),
    Allowed("take", "header names", "the same"),
    Allowed("ping", "header Connection", "HTTP/1.1 keeps connections alive by default"),
    Allowed("ping", "header names", "the same"),
    Allowed(
        "ping", "header Accept-Encoding", "Tayfa reads gzip and deflate, in pings as elsewhere"
    ),
    Allowed("result", "body error error_type", "a Python class there, an error code here"),
    Allowed("result", "body error error_traceback", "there are no Python frames to tell of"),
]

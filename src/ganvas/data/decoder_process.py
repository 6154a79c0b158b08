"""The worker's side of `decoders`: bytes of pictures in on stdin, results out on stdout, until stdin ends."""

from __future__ import annotations

import os
import pickle
import signal
import struct
import sys
from typing import IO, Any

_LENGTH = struct.Struct("<Q")


def send(pipe: IO[bytes] | None, message: Any) -> None:
    """Write one message. Both ends are this program, which is why pickle is safe here."""
    assert pipe is not None, "the pipe is open"
    data = pickle.dumps(message, protocol=5)
    pipe.write(_LENGTH.pack(len(data)))
    pipe.write(data)
    pipe.flush()


def receive(pipe: IO[bytes] | None) -> Any:
    """Read one message; None if the other end is gone."""
    assert pipe is not None, "the pipe is open"
    try:
        head = pipe.read(_LENGTH.size)
        if len(head) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack(head)
        data = pipe.read(length)
    except (OSError, ValueError):
        return None
    return pickle.loads(data) if len(data) == length else None


def main() -> None:
    """Do jobs until there are no more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that prints may disturb the messages
    import ganvas.data.fit  # noqa: F401  what every job needs counts before the limit, not against it

    _limit_memory(int(sys.argv[1]))
    send(outgoing, "ready")
    while (message := receive(incoming)) is not None:
        job, argument, items, limit_s = message
        send(outgoing, "ready")  # the job's module is imported: from here on it is about the pictures
        for data, name in items:
            _limit_time(limit_s)
            send(outgoing, _one(job, data, name, argument))


def _one(job: Any, data: tuple[bytes, ...], name: str, argument: Any) -> tuple[str, Any]:
    from ganvas.data.decode import PictureError

    try:
        return "done", job(data, name, argument)
    except PictureError as error:
        return "failed", (error.name, error.reason)
    except MemoryError:
        return "failed", (name, f"needs more than {sys.argv[1]} MB of memory to decode")
    except Exception as error:  # one picture, whatever is wrong with it, never ends the work on the others
        return "failed", (name, f"cannot be decoded ({type(error).__name__}: {error})")


def _limit_memory(megabytes: int) -> None:
    """From here on this process can have so much more memory, or Pillow raises MemoryError."""
    try:
        import resource

        with open("/proc/self/statm") as file:
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (megabytes << 20), resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        pass  # not Linux: the declared size of a picture is the only limit there


def _limit_time(seconds: float) -> None:
    """Should the parent be gone, a picture that never ends still does."""
    try:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(used.ru_utime + used.ru_stime + 2 * seconds + 2)
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
    except (ImportError, OSError, ValueError):
        pass


if __name__ == "__main__":
    main()

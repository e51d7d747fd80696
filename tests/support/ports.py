"""Free TCP ports on 127.0.0.1."""

import random
import socket

# Below what systems take for outgoing connections (Linux from 32768, IANA from 49152): none of those takes one in the
# time between our look and a server's start.
_RANGE = range(20_000, 32_000)
_claims: list[socket.socket] = []  # by UDP, which no server here speaks: until this process ends no other takes them


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on, nor will but for who asked: none is ever given twice."""
    found: list[int] = []
    for port in random.sample(_RANGE, len(_RANGE)):
        if _claimed(port):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports in {_RANGE}")


def _claimed(port: int) -> bool:
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
        with socket.socket() as server:
            server.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True

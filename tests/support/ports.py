"""Free TCP ports on 127.0.0.1."""

import socket


def free_ports(count: int) -> list[int]:
    """`count` different ports that nothing listens on just now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()

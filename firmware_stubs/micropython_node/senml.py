"""What goes through the broker: SenML (RFC 8428) packs with numbers, losses, acknowledgements. Pure.

A board's floating point has 24 or 30 bits, so times are whole microseconds until they are text.
"""

import json


def topic(gateway: str, channel: str) -> str:
    return f"satomori/v1/{gateway}/{channel}"


def encode_record(device: str, metric: str, unit: str, at_us: int, value: float) -> str:
    """One record without the brackets around it, so that a pack can be put together from kept ones."""
    name = json.dumps(f"{device}/{metric}")
    return f'{{"n":{name},"u":{json.dumps(unit)},"t":{_seconds(at_us)},"v":{value!r}}}'


def _seconds(at_us: int) -> str:
    whole, rest = divmod(at_us, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0") if rest else str(whole)


def encode_pack(records: list[str], stream: str, spans: list[tuple[int, int]], again: bool) -> bytes:
    """The first record says which numbers the values have."""
    head = f'{{"stream":{json.dumps(stream)},"seq":{_ranges(spans)},' + ('"again":true,' if again else "")
    return f"[{head}{','.join(records)[1:]}]".encode()


def encode_losses(stream: str, lost: list[tuple[int, int, str]]) -> bytes:
    """None: a question. Its acknowledgement says that ingest is there."""
    rows = ",".join([f"[{first},{last},{json.dumps(reason)}]" for first, last, reason in lost])
    return f'{{"stream":{json.dumps(stream)},"lost":[{rows}]}}'.encode()


def encode_status(gateway: str, online: bool, buffer: str) -> bytes:
    return json.dumps({"online": online, "gateway": gateway, "buffer": buffer}).encode()


def decode_ack(payload: bytes, stream: str) -> list[tuple[int, int]] | None:
    """What is stored or set aside of `stream`: either ends our duty. None: no acknowledgement of ours."""
    try:
        document = json.loads(payload)
        if document["stream"] != stream:
            return None
        return [(int(a), int(b)) for key in ("stored", "set_aside") for a, b in document.get(key, ())]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _ranges(spans: list[tuple[int, int]]) -> str:
    return "[" + ",".join([f"[{first},{last}]" for first, last in spans]) + "]"

"""Runs under MicroPython: a JSON question a line, a JSON answer a line."""

import json
import sys
from binascii import hexlify, unhexlify

from micropython_node import clock, mqtt, senml


def said(raw: bytes) -> str:
    return hexlify(raw).decode()


def pack(records: list, stream: str, spans: list, again: bool) -> str:
    return said(senml.encode_pack([senml.encode_record(*record) for record in records], stream, spans, again))


def losses(stream: str, lost: list) -> str:
    return said(senml.encode_losses(stream, lost))


def ack(payload: str, stream: str) -> object:
    return senml.decode_ack(unhexlify(payload), stream)


def read(chunks: list[str], kept: int) -> object:
    """Packets as [kind, flags, body]; what comes after a ProtocolError is its text."""
    reader = mqtt.Reader(kept)
    found: list[object] = []
    try:
        for chunk in chunks:
            for kind, flags, body in reader.feed(unhexlify(chunk)):
                found.append([kind, flags, said(body)])
                if kind == mqtt.PUBLISH:
                    topic, number, payload = mqtt.read_publish(flags, body)
                    found.append([topic, number, said(payload)])
    except mqtt.ProtocolError as error:
        found.append(str(error))
    return found


def publish(topic: str, payload: str, number: int, retain: bool) -> str:
    return said(mqtt.publish(topic, unhexlify(payload), number, retain))


def connect(client: str, keepalive_s: int, topic: str, will: str, login: list[str] | None) -> str:
    user = (login[0], login[1]) if login else None
    return said(mqtt.connect(client, keepalive_s, (topic, unhexlify(will)), user))


def sntp(answer: str, cookie: str, sent_ms: int, now_ms: int) -> object:
    return clock.decode_sntp(unhexlify(answer), unhexlify(cookie), sent_ms, now_ms)


while line := sys.stdin.readline():
    name, arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)))

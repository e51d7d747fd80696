"""When the MicroPython node sends what: pure, so a clock of our own and no MicroPython is needed."""

from micropython_node.buffer import DAMAGED, DROPPED, LOSSES_MAX, Losses, MemoryBuffer
from micropython_node.uplink import PACK_VALUES_MAX, WINDOW, Uplink
from satomori_core.ranges import Range
from satomori_core.senml import Ack, Pack, decode, encode_ack

HOUR_MS = 3_600_000


def record(number: int) -> str:
    return f'{{"n":"dev-1/air_temperature","u":"Cel","t":1790000000,"v":{number}}}'


class Wire:
    """What the node says, and ingest's answers."""

    def __init__(self, values: int) -> None:
        self.buffer = MemoryBuffer(1000)
        self.uplink = Uplink(self.buffer)
        self.keep(values)

    def keep(self, values: int) -> None:
        self.buffer.keep([record(self.buffer.next + i) for i in range(values)])

    def say(self, now_ms: int) -> list[tuple[str, Pack]]:
        said = []
        while (one := self.uplink.next(now_ms)) is not None:
            said.append((one[0], decode(one[1])))
        return said

    def listen(self, from_ms: int, until_ms: int) -> list[tuple[str, Pack]]:
        return [one for now_ms in range(from_ms, until_ms, 200) for one in self.say(now_ms)]

    def stored(self, now_ms: int, *ranges: Range) -> None:
        self.uplink.take_ack(encode_ack(Ack(self.buffer.stream, ranges)), now_ms)


def test_nothing_is_sent_before_ingest_was_heard() -> None:
    """An hour of silence costs the broker a few small questions, ever more rarely."""
    wire = Wire(100)
    wire.uplink.connected(0)
    said = wire.listen(0, HOUR_MS)
    assert {pack.seq for _, pack in said} == {()}
    assert 10 <= len(said) <= 25


def test_a_silence_that_begins_later_costs_a_window() -> None:
    """What is on its way is not sent again before ingest is heard; then only when it had time to answer."""
    wire = Wire(100)
    wire.uplink.connected(0)
    wire.say(0)
    wire.stored(10)
    said = wire.listen(10, HOUR_MS)
    packs = [pack for _, pack in said if pack.seq]
    assert [list(pack.seq) for pack in packs] == [[(1, 16)], [(17, 32)]]
    wire.stored(HOUR_MS)
    assert wire.say(HOUR_MS + 1_000) == []
    again = wire.say(HOUR_MS + 11_000)
    assert [(list(pack.seq), pack.again) for _, pack in again] == [([(1, 16)], True), ([(17, 32)], True)]


def test_fresh_readings_do_not_wait_for_the_backlog() -> None:
    """Each lane has its own window; an acknowledgement makes room in that lane only."""
    wire = Wire(200)
    wire.uplink.connected(0)
    wire.say(0)
    wire.stored(10)
    assert [channel for channel, _ in wire.say(20)] == ["backlog"] * WINDOW
    wire.keep(3)
    [(channel, fresh)] = wire.say(30)
    assert (channel, list(fresh.seq)) == ("telemetry", [(201, 203)])
    wire.stored(40, (1, PACK_VALUES_MAX))
    [(channel, late)] = wire.say(50)
    assert (channel, list(late.seq)) == ("backlog", [(33, 48)])


def test_all_is_told_once_when_ingest_answers() -> None:
    """A thousand readings and a loss, acknowledged as they come: nothing is sent twice and nothing is left."""
    wire = Wire(1200)
    wire.uplink.connected(0)
    wire.say(0)
    wire.stored(1)
    numbers: list[int] = []
    for now_ms in range(10, 5_000, 10):
        for _, pack in wire.say(now_ms):
            spans = [*pack.seq, *((loss.first, loss.last) for loss in pack.losses)]
            numbers += [number for first, last in spans for number in range(first, last + 1)]
            wire.stored(now_ms, *spans)
    assert sorted(numbers) == list(range(1, 1201))
    assert wire.buffer.losses.rows == []
    assert wire.buffer.read(1, 2000, 10) == []


def test_only_what_was_dropped_is_told_in_one() -> None:
    """Between damaged records lie whole ones, which may not be told as lost; so many droppings are one range."""
    damaged, dropped = Losses(), Losses()
    for first in range(1, 98, 3):
        damaged.add(first, first, DAMAGED)
        dropped.add(first, first, DROPPED)
    assert damaged.rows == [(first, first, DAMAGED) for first in range(1, 98, 3)]
    assert len(dropped.rows) == LOSSES_MAX
    assert (dropped.rows[0], dropped.rows[-1][1]) == ((1, 1, DROPPED), 97)

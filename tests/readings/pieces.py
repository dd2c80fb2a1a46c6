"""Drives summed up without a database: a tree in memory, and the readings that a reference looks at one by one."""

from collections.abc import Iterable

import orjson

from webapp.readings import tree
from webapp.readings.chunks import Reading, block_of, decode, encode
from webapp.readings.partials import Partial, partial
from webapp.readings.summary import Summary, summarize
from webapp.readings.tree import Child, Place


class Memory:
    """A shelf that keeps everything in memory as the database would, and counts what was asked of it."""

    def __init__(self) -> None:
        self.blobs: dict[int, bytes] = {}
        self.nodes: dict[Place, list[Child]] = {}
        self.root: Child | None = None
        self.looks: list[int] = []
        self._held: dict[Place, list[Child]] = {}

    def children(self, place: Place) -> list[Child]:
        if place not in self._held:
            self._held[place] = orjson.loads(orjson.dumps(self.nodes[place]))
        return self._held[place]

    def put(self, place: Place, children: list[Child]) -> None:
        self._held[place] = self.nodes[place] = children

    def readings(self, block: int) -> Iterable[Reading]:
        self.looks.append(block)
        return decode(self.blobs[block]).values()

    def take_in(self, readings: Iterable[Reading]) -> Partial:
        """Merge readings into their blocks and into the tree. Return what the whole drive amounts to."""
        self._held.clear()
        self.looks.clear()
        touched: dict[int, dict[int, Reading]] = {}
        for reading in readings:
            touched.setdefault(block_of(reading["seq"]), {}).setdefault(reading["seq"], reading)
        for block, new in touched.items():
            self.blobs[block] = encode({**new, **(decode(self.blobs[block]) if block in self.blobs else {})})
        partials = {block: partial(decode(self.blobs[block]).values()) for block in touched}
        first = next(iter(partials))
        self.root = tree.changed(self, self.root or tree.leaf(first, partials[first]), partials)
        whole: Partial = self.root["sums"]
        return whole


def summary_in_blocks(readings: Iterable[Reading]) -> Summary:
    """Summarize a drive as it is when all its readings came at once."""
    return summarize(Memory().take_in(readings), "final")

"""The sums of a drive as a tree over its blocks, so that a change anywhere costs the same however long the drive is.

A node at `level` covers the blocks whose number, shifted right by 4 bits a level, is its `number`; level 0 is a block
itself. A node stands only where two of its children do, so a tree has fewer nodes than blocks, at most 12 on the way
to one (sequence numbers have 53 bits, a block takes 8 of them), and 4 in a drive of 20,000 blocks without gaps.

A node's children keep, each, its own partial, and, where a clock that was set back cuts into the child (see
`partials`), its travel as `seen` from the latest time of the children before it: [that time, the travel]. To sum up a
node is therefore to join at most 16 partials, and to look inside those children alone whose cut has changed.

How many can those be? The latest time before a child only rises, because readings are added and never taken away. What
rises behind one changed child cuts at most one child after it: those before that one lie wholly behind the new time,
and those after it have its latest time before them, as they had. And a look inside is one path down, because from any
time at most one child of a node is cut in a way that is not known already; at its end one block is read. So a change of
one block reads at most one block for each level above it and one more, whatever an adversary sends.

The tree may lag behind for the last block of a drive, which grows with most uploads: whoever changes the tree hands in
that block's partial, too.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from webapp.readings.chunks import Reading
from webapp.readings.partials import (
    Partial,
    Travel,
    is_cut_by,
    joined,
    joined_travel,
    travel_after,
    travel_seen_from,
)

BITS = 4

# (level, number)
Place = tuple[int, int]
# {"place": [level, number], "sums": Partial, "seen": [latest time before it, Travel or None] or None}
Child = dict[str, Any]


class Shelf(Protocol):
    """Where nodes and readings are kept."""

    def children(self, place: Place) -> list[Child]:
        """Return the children of a node, in order."""

    def put(self, place: Place, children: list[Child]) -> None:
        """Keep the children of a node."""

    def readings(self, block: int) -> Iterable[Reading]:
        """Return the readings of a block."""


def covering(place: Place, block: int) -> Place:
    """Return the lowest place that covers both a place and a block."""
    level, number = place
    while block >> (BITS * level) != number:
        level, number = level + 1, number >> BITS
    return level, number


def leaf(block: int, sums: Partial) -> Child:
    """Make the child that is a block."""
    return {"place": [0, block], "sums": sums, "seen": None}


def changed(shelf: Shelf, root: Child, partials: Mapping[int, Partial]) -> Child:
    """Return the root of a tree after these blocks got these partials; blocks that are new are added."""
    for block, sums in partials.items():
        root = _grafted(shelf, root, leaf(block, sums))
    _settle(shelf, root, partials)
    return root


def _grafted(shelf: Shelf, child: Child, new: Child) -> Child:
    """Make room for a block at or below a child. Return what stands in the child's place then."""
    place, block = _place(child), _place(new)[1]
    common = covering(place, block)
    if common != place:
        shelf.put(common, sorted((child, new), key=_position))
        return {"place": list(common), "sums": None, "seen": None}
    if place[0] > 0:
        _graft_below(shelf, place, new)
    return child


def _graft_below(shelf: Shelf, place: Place, new: Child) -> None:
    children, block = shelf.children(place), _place(new)[1]
    for index, child in enumerate(children):
        if covering(_place(child), block)[0] < place[0]:
            children[index] = _grafted(shelf, child, new)
            return
    shelf.put(place, sorted((*children, new), key=_position))


def _settle(shelf: Shelf, child: Child, partials: Mapping[int, Partial]) -> None:
    """Sum up anew whatever lies above the blocks that changed, from the bottom."""
    place = _place(child)
    inside = {block: sums for block, sums in partials.items() if block >> (BITS * place[0]) == place[1]}
    if not inside:
        return
    child["seen"] = None
    if place[0] == 0:
        child["sums"] = inside[place[1]]
        return
    children = shelf.children(place)
    for each in children:
        _settle(shelf, each, inside)
    child["sums"] = _sum(shelf, children)
    shelf.put(place, children)


def _sum(shelf: Shelf, children: Sequence[Child]) -> Partial:
    """Join the children of a node, and keep with each how much of it is seen from the latest time before it."""
    whole: Partial = children[0]["sums"]
    children[0]["seen"] = None
    for child in children[1:]:
        latest = whole["last"][0]
        travel = _seen(shelf, child, latest)
        child["seen"] = [latest, travel] if is_cut_by(child["sums"], latest) else None
        whole = joined(whole, child["sums"], travel)
    return whole


def _seen(shelf: Shelf, child: Child, latest: int) -> Travel | None:
    """Return the travel of a child seen from a time: as it is known, or from a look inside."""

    def look_inside() -> Travel | None:
        if child["seen"] is not None and child["seen"][0] == latest:
            known: Travel | None = child["seen"][1]
            return known
        return _travel_of(shelf, _place(child), latest)

    return travel_seen_from(child["sums"], latest, look_inside)


def _travel_of(shelf: Shelf, place: Place, latest: int) -> Travel | None:
    if place[0] == 0:
        return travel_after(shelf.readings(place[1]), latest)
    travel: Travel | None = None
    for child in shelf.children(place):
        travel = joined_travel(travel, _seen(shelf, child, latest))
        latest = max(latest, child["sums"]["last"][0])
    return travel


def _place(child: Child) -> Place:
    level, number = child["place"]
    return level, number


def _position(child: Child) -> int:
    """Return the first block that a child covers."""
    level, number = _place(child)
    return number << (BITS * level)

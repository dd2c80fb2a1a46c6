"""The real scripts are the model that `test_model` explores: a real server is held against it, step by step."""

from collections.abc import Iterator

import pytest

from tests.coherence import protocol
from tests.coherence.explore import BACKWARDS, STALE, Exploration
from tests.coherence.explored import NO_ANSWER, NO_LOSS, ONE_LOSS, REPEATS, TWO_LOSSES_AND_A_CRASH, explored, ours
from tests.coherence.protocol import ABSENT, Key
from tests.coherence.server_key import ServerKey
from tests.coherence.states import Call, Limits, World
from webapp.cache.entries import DELETED, PENDING_TTL_MS
from webapp.cache.redis import Cache

CALLS = [
    Call("read"),
    Call("lose"),
    *(Call("lease", token=token) for token in ("reader 1", "reader 2")),
    Call("take_over", token="reader 1"),
    *(Call("put", version, token) for version in range(4) for token in ("", "reader 1", "reader 2")),
    *(Call("fence", floor, token) for floor in (1, 2, 3, DELETED) for token in ("", "writer 1", "writer 2")),
    *(Call("publish", version, token) for version in (1, 2, 3) for token in ("writer 1", "writer 2")),
]


def in_the_model(key: Key, call: Call) -> tuple[bool, Key]:
    match call.name:
        case "read":
            return protocol.read(key) is not None, key
        case "lose":
            return key != ABSENT, ABSENT
        case "lease":
            return protocol.lease(key, call.token)
        case "put":
            return protocol.put(key, call.version, call.token)
        case "take_over":
            return protocol.take_over(key, call.token)
        case "fence":
            return protocol.fence(key, call.version, call.token)
        case "publish":
            return protocol.publish(key, call.version, call.token)
    raise AssertionError(call)


def ways_to_all_keys() -> dict[Key, tuple[Call, ...]]:
    """Return every state that a key can be in, with the calls that lead there from an absent key."""
    ways: dict[Key, tuple[Call, ...]] = {ABSENT: ()}
    queue = [ABSENT]
    for key in queue:
        for call in CALLS:
            _, after = in_the_model(key, call)
            if after not in ways:
                ways[after] = (*ways[key], call)
                queue.append(after)
    return ways


@pytest.fixture
def server_key(cache: Cache) -> Iterator[ServerKey]:
    yield ServerKey(cache, "session:of-the-model")
    cache.client.delete("session:of-the-model")


def test_every_transition_of_the_model_is_that_of_the_real_scripts(server_key: ServerKey) -> None:
    ways = ways_to_all_keys()
    assert len(ways) == 1 + 4 + 4 * 5 + 2, (
        "absent; values 0 to 3; floors 1 to 3 and DELETED, without a holder or with one of four; floor 0 with a reader"
    )
    for key, way in ways.items():
        for call in CALLS:
            server_key.do(Call("lose"))
            for step in way:
                server_key.do(step)
            assert server_key.key() == key
            granted = server_key.do(call)
            assert (granted, server_key.key()) == tuple(in_the_model(key, call)), f"{call} on {key}"


@pytest.mark.parametrize(
    "garbage",
    [b"", b"garbage", b"v|", b"v|another-stamp|7|an old row", b"p|another-stamp|7|reader 1", b"\xff\xfe\x00"],
)
def test_what_is_not_ours_counts_as_absent(cache: Cache, server_key: ServerKey, garbage: bytes) -> None:
    for call in CALLS:
        cache.client.set(server_key.name, garbage)
        granted = server_key.do(call)
        if call.name == "lose":
            continue  # Whatever it was, it is gone.
        assert (granted, server_key.key()) == tuple(in_the_model(ABSENT, call)), f"{call} on {garbage!r}"


def test_a_key_of_another_type_counts_as_absent(cache: Cache, server_key: ServerKey) -> None:
    for call in CALLS:
        cache.client.delete(server_key.name)
        cache.client.rpush(server_key.name, "v|", "p|")
        granted = server_key.do(call)
        if call.name == "lose":
            continue
        assert (granted, server_key.key()) == tuple(in_the_model(ABSENT, call)), str(call)


@pytest.mark.parametrize("key", [key for key in ways_to_all_keys() if key.state == "pending"], ids=str)
def test_every_pending_key_expires(cache: Cache, server_key: ServerKey, key: Key) -> None:
    for call in ways_to_all_keys()[key]:
        server_key.do(call)
    assert 0 < cache.client.pttl(server_key.name) <= PENDING_TTL_MS


def replay(found: Exploration, last: World, server_key: ServerKey) -> None:
    """Run the operations of a trace on the real server, and compare every answer and every key."""
    start, steps = found.trace(last)
    server_key.do(Call("lose"))
    if start.key != ABSENT:
        server_key.do(Call("lease", token="before"))
        server_key.do(Call("put", start.key.version, "before"))
    for move in steps:
        if move.call is not None:
            granted = server_key.do(move.call)
            assert granted == move.granted or move.call.name in ("lose", "delete"), move
        assert server_key.key() == move.after.key, move


@pytest.mark.parametrize(
    ("name", "kind", "explored_with"),
    [
        ("delete_after_commit", STALE, NO_LOSS),
        ("delete_before_and_after_commit", STALE, NO_LOSS),
        ("version_check_without_lease", STALE, ONE_LOSS),
        ("lease_numbers_that_restart", STALE, ONE_LOSS),
        ("fence_after_commit_only", BACKWARDS, TWO_LOSSES_AND_A_CRASH),
        ("fence_before_commit_only", STALE, ONE_LOSS),
        ("publish_without_token", STALE, ONE_LOSS),
        ("publish_where_nothing_is", STALE, ONE_LOSS),
        ("publish_after_an_unknown_fence", STALE, NO_ANSWER),
        ("publish_after_a_fence_sent_twice", STALE, NO_ANSWER),
        ("publish_what_was_only_read", STALE, REPEATS),
    ],
)
def test_a_real_server_serves_the_old_value_of_a_weaker_protocol(
    server_key: ServerKey, name: str, kind: str, explored_with: Limits
) -> None:
    found = explored(name, explored_with)
    broken = found.counter_example(kind, 0 if kind == BACKWARDS else explored_with.losses, 0)
    replay(found, broken, server_key)
    assert server_key.key().state == "value"
    assert server_key.key().version < max(broken.acknowledged, broken.returned)


def test_the_longest_runs_of_our_protocol_are_those_of_the_real_scripts(server_key: ServerKey) -> None:
    found = ours()
    longest = list(found.parents)[-25:]  # The visit is breadth first.
    assert {len(found.trace(world)[1]) for world in longest} == {19}
    for world in longest:
        replay(found, world, server_key)

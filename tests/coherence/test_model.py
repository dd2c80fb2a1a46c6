"""The protocol, explored exhaustively; and the real scripts held against it, transition by transition.

`world` and `explore` say what is explored, and how a violation is defined. About 326,000 states in all.
"""

from collections.abc import Iterator
from functools import lru_cache

import pytest

from tests.coherence import protocol
from tests.coherence.explore import BACKWARDS, LINEARIZABLE, STALE, Exploration, explore, main, story
from tests.coherence.protocol import ABSENT, OURS, PROTOCOLS, Key
from tests.coherence.server_key import ServerKey
from tests.coherence.world import Call, Limits, World
from webapp.cache.entries import DELETED, PENDING_TTL_MS
from webapp.cache.redis import Cache

NO_LOSS, ONE_LOSS, TWO_LOSSES_AND_A_CRASH = (0, 0), (1, 0), (2, 1)


@lru_cache
def explored(name: str, losses: int, crashes: int, expiry_is_free: bool = False) -> Exploration:
    return explore(PROTOCOLS[name], Limits(losses, crashes, expiry_is_free))


def ours() -> Exploration:
    return explored(OURS.name, *TWO_LOSSES_AND_A_CRASH)


def worst(found: Exploration, losses: int, crashes: int) -> str:
    """Return the verdict, and print the run that leads to it, for whoever reads a failure."""
    verdict = found.verdict(losses, crashes)
    if verdict != LINEARIZABLE:
        print(story(found, found.counter_example(verdict, losses, crashes)))
    return verdict


def test_all_interleavings_are_visited() -> None:
    assert len(ours().parents) == 142_466


@pytest.mark.parametrize("crashes", [0, 1])
def test_while_no_key_is_lost_reads_are_linearizable(crashes: int) -> None:
    assert worst(ours(), 0, crashes) == LINEARIZABLE


@pytest.mark.parametrize("losses", [1, 2])
@pytest.mark.parametrize("crashes", [0, 1])
def test_whatever_is_lost_no_read_is_stale_after_the_acknowledgement(losses: int, crashes: int) -> None:
    assert worst(ours(), losses, crashes) == BACKWARDS


def test_while_no_key_is_lost_a_cached_value_is_the_committed_row_whoever_dies() -> None:
    old = [world for world in ours().parents if world.key.state == "value" and world.key.version != world.row]
    assert old, "losses do leave old values, before the acknowledgement"
    assert all(world.losses for world in old)


def test_fences_that_outlast_every_transaction_may_expire() -> None:
    found = explored(OURS.name, 0, 1, expiry_is_free=True)
    assert worst(found, 0, 1) == LINEARIZABLE
    assert len(found.parents) > 10_000


@pytest.mark.parametrize(
    ("name", "explored_with", "no_loss", "one_loss"),
    [
        ("delete_after_commit", NO_LOSS, STALE, STALE),
        ("delete_before_and_after_commit", NO_LOSS, STALE, STALE),
        ("version_check_without_lease", ONE_LOSS, LINEARIZABLE, STALE),
        ("lease_numbers_that_restart", ONE_LOSS, LINEARIZABLE, STALE),
        ("fence_after_commit_only", TWO_LOSSES_AND_A_CRASH, BACKWARDS, BACKWARDS),
        ("fence_before_commit_only", ONE_LOSS, LINEARIZABLE, STALE),
    ],
)
def test_a_weaker_protocol_breaks(name: str, explored_with: tuple[int, int], no_loss: str, one_loss: str) -> None:
    found = explored(name, *explored_with)
    assert worst(found, *NO_LOSS) == no_loss
    # More losses and crashes only add runs, so what is stale with one loss is stale with two and a crash.
    assert worst(found, *ONE_LOSS) == one_loss
    assert found.verdict(*explored_with) == one_loss


def test_without_the_first_fence_a_crash_leaves_an_old_value() -> None:
    found = explored("fence_after_commit_only", *TWO_LOSSES_AND_A_CRASH)
    assert any(
        world.key == protocol.value(1) and world.row == 2 and world.losses == 0 and world.crashes == 1
        for world in found.parents
        if all(process.step in ("update", "done") for process in world.processes[:2])
    )


def test_the_command_tells_the_run_that_breaks_a_protocol(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--protocol", "delete_after_commit"]) == 1
    told = capsys.readouterr().out
    assert "writer 1 deletes the key and acknowledges" in told
    assert told.rstrip().endswith("a read that begins now returns value(1), and version 2 was acknowledged")


def test_the_command_is_content_with_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--losses", "0", "--crashes", "0"]) == 0
    assert "fence_before_and_after_commit: linearizable" in capsys.readouterr().out


# From here on: the real scripts are the model.

CALLS = [
    Call("read"),
    Call("lose"),
    *(Call("lease", token=token) for token in ("reader 1", "reader 2")),
    *(Call("put", version, token) for version in range(4) for token in ("", "reader 1", "reader 2")),
    *(Call("fence", floor) for floor in (1, 2, 3, DELETED)),
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
        case "fence":
            return protocol.fence(key, call.version)
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
    assert len(ways) == 1 + 4 + 5 * 3 - 1, (
        "absent; values 0 to 3; floors 0 to 3 and DELETED, the 0 always with a holder"
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
    ("name", "kind", "losses"),
    [
        ("delete_after_commit", STALE, 0),
        ("delete_before_and_after_commit", STALE, 0),
        ("version_check_without_lease", STALE, 1),
        ("lease_numbers_that_restart", STALE, 1),
        ("fence_after_commit_only", BACKWARDS, 0),
        ("fence_before_commit_only", STALE, 1),
    ],
)
def test_a_real_server_serves_the_old_value_of_a_weaker_protocol(
    server_key: ServerKey, name: str, kind: str, losses: int
) -> None:
    limits = TWO_LOSSES_AND_A_CRASH if kind == BACKWARDS else (losses, 0)
    found = explored(name, *limits)
    broken = found.counter_example(kind, losses, 0)
    replay(found, broken, server_key)
    assert server_key.key().state == "value"
    assert server_key.key().version < max(broken.acknowledged, broken.returned)


def test_the_longest_runs_of_our_protocol_are_those_of_the_real_scripts(server_key: ServerKey) -> None:
    found = ours()
    longest = list(found.parents)[-25:]  # The visit is breadth first.
    assert {len(found.trace(world)[1]) for world in longest} == {19}
    for world in longest:
        replay(found, world, server_key)

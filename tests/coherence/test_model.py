"""The protocol, explored exhaustively. `test_scripts` holds the real scripts against it.

`world` and `explore` say what is explored, and how a violation is defined. About a million states in all.
"""

import pytest

from tests.coherence import protocol
from tests.coherence.explore import BACKWARDS, LINEARIZABLE, STALE, Exploration, main, story
from tests.coherence.explored import NO_ANSWER, NO_LOSS, ONE_LOSS, REPEATS, TWO_LOSSES_AND_A_CRASH, explored, ours
from tests.coherence.protocol import OURS
from tests.coherence.states import IDLE, WRITERS, Limits, World


def worst(found: Exploration, losses: int, crashes: int) -> str:
    """Return the verdict, and print the run that leads to it, for whoever reads a failure."""
    verdict = found.verdict(losses, crashes)
    if verdict != LINEARIZABLE:
        print(story(found, found.counter_example(verdict, losses, crashes)))
    return verdict


def test_all_interleavings_are_visited() -> None:
    assert len(ours().parents) == 165_350


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
    found = explored(OURS.name, Limits(0, 1, expiry_is_free=True))
    assert worst(found, 0, 1) == LINEARIZABLE
    assert len(found.parents) > 10_000


def test_a_repeated_write_and_an_answer_that_is_lost_make_no_read_stale_either() -> None:
    assert worst(explored(OURS.name, Limits(1, 0, unanswered=1, with_repeats=True)), 1, 0) == BACKWARDS


def test_who_publishes_leaves_the_row_for_the_next_read() -> None:
    """Without faults every run in which only writers act ends with the row in the cache."""
    alone = [world for world in ours().parents if world.losses == world.crashes == 0 and only_writers_acted(world)]
    assert alone
    assert all(world.key == protocol.value(world.row) for world in alone)


def only_writers_acted(world: World) -> bool:
    writers, others = world.processes[WRITERS], world.processes[WRITERS.stop :]
    has_committed = world.acknowledged == world.row == 1 + len(writers)
    return has_committed and all(process.step in IDLE for process in others)


@pytest.mark.parametrize(
    ("name", "explored_with", "no_loss", "one_loss"),
    [
        ("delete_after_commit", NO_LOSS, STALE, STALE),
        ("delete_before_and_after_commit", NO_LOSS, STALE, STALE),
        ("version_check_without_lease", ONE_LOSS, LINEARIZABLE, STALE),
        ("lease_numbers_that_restart", ONE_LOSS, LINEARIZABLE, STALE),
        ("fence_after_commit_only", TWO_LOSSES_AND_A_CRASH, BACKWARDS, BACKWARDS),
        ("fence_before_commit_only", ONE_LOSS, LINEARIZABLE, STALE),
        ("publish_without_token", ONE_LOSS, LINEARIZABLE, STALE),
        ("publish_where_nothing_is", ONE_LOSS, LINEARIZABLE, STALE),
        ("publish_after_an_unknown_fence", NO_ANSWER, BACKWARDS, STALE),
        ("publish_after_a_fence_sent_twice", NO_ANSWER, LINEARIZABLE, STALE),
        ("publish_what_was_only_read", REPEATS, LINEARIZABLE, STALE),
    ],
)
def test_a_weaker_protocol_breaks(name: str, explored_with: Limits, no_loss: str, one_loss: str) -> None:
    found = explored(name, explored_with)
    assert worst(found, 0, 0) == no_loss
    # More losses and crashes only add runs, so what is stale with one loss is stale with two and a crash.
    assert worst(found, 1, 0) == one_loss
    assert found.verdict(explored_with.losses, explored_with.crashes) == one_loss


def test_a_writer_that_only_fences_is_as_safe_and_leaves_the_row_to_the_next_reader() -> None:
    found = explored("fence_before_and_after_commit", ONE_LOSS)
    assert worst(found, 0, 0) == LINEARIZABLE
    assert worst(found, 1, 0) == BACKWARDS


def test_without_the_first_fence_a_crash_leaves_an_old_value() -> None:
    found = explored("fence_after_commit_only", TWO_LOSSES_AND_A_CRASH)
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
    assert "fence_and_publish: linearizable" in capsys.readouterr().out

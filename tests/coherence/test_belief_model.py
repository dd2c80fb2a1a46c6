"""Belief from an empty table of debts, explored exhaustively; and what each rule is for, shown by the run without it.

`models.belief` says who takes which steps, `models.rules` how far each is explored. About 300,000 states for the rules
that are kept; `python -m tests.coherence.models --rules NAME` tells a run in full.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.coherence.models.__main__ import main, row
from tests.coherence.models.belief import Belief
from tests.coherence.models.belief_world import Bounds
from tests.coherence.models.exploring import BACKWARDS, FORGOTTEN, SAFE, STALE, explored
from tests.coherence.models.rules import A_CRASH, ALL, KEPT, ONE_EACH, found
from tests.coherence.models.weaker_processes import BelievesOnProbes
from tests.coherence.models.weaker_writers import SkipsFirstFence

PAGE = Path(__file__).parents[2] / "docs" / "decisions" / "0010-belief-from-an-empty-table-of-debts.md"


def shortest_run(name: str) -> list[str]:
    """Return the steps of the shortest run to a stale read, and print it for whoever reads a failure."""
    assert found(name).verdict == STALE
    print(found(name).story(STALE))
    return found(name).steps(STALE)


@pytest.mark.parametrize("name", KEPT)
def test_whatever_is_refused_lost_late_or_frozen_no_read_is_stale_after_the_acknowledgement(name: str) -> None:
    if found(name).verdict != SAFE:
        print(found(name).story(STALE))
    assert found(name).verdict == SAFE


def test_while_nothing_is_refused_and_no_key_lost_nobody_believes_an_old_row() -> None:
    assert explored(Belief(replace(A_CRASH, refusals=False))).wrong == {}


def test_a_crash_while_redis_refuses_leaves_no_old_row_that_no_debt_tells_of() -> None:
    assert explored(Belief(A_CRASH)).wrong.keys() == {BACKWARDS}


# What the writer does.


def test_a_write_acknowledged_at_once_when_its_fence_is_refused_is_read_stale() -> None:
    assert shortest_run("acknowledge at once when refused")[-1] == "writer 1 acknowledges: nobody to tell"


def test_waiting_without_a_debt_only_delays_the_stale_read() -> None:
    assert shortest_run("wait L, but no debts")[-1] == "process 1 finds no debts"


def test_a_debt_without_a_wait_comes_too_late_for_who_believes_already() -> None:
    assert shortest_run("debts, but no wait")[-1] == "writer 1 acknowledges: its debt is committed"


def test_a_debt_committed_before_its_row_is_settled_before_there_is_anything_to_fence() -> None:
    run = shortest_run("debt committed before COMMIT, on its own")
    assert run.index("process 1 deletes debt(2)") < run.index("writer 1 commits")


def test_a_wait_counted_from_the_insert_is_over_while_nobody_could_see_the_debt() -> None:
    run = shortest_run("wait counted from the INSERT")
    assert run.index("process 1 finds no debts") < run.index("writer 1 commits with debt(2)")


def test_a_repeated_write_that_is_acknowledged_without_a_fence_is_read_stale() -> None:
    assert shortest_run("repeated write without a fence")[-2] == "writer 1 crashes"


def test_a_short_cut_looked_up_before_the_commit_trusts_a_debt_that_is_settled_meanwhile() -> None:
    run = shortest_run("short cut looked up before COMMIT")
    looked_up = run.index("writer 2 finds that debt(2) is still there")
    assert looked_up < run.index("process 1 finds no debts") < run.index("writer 2 commits with debt(3)")


def test_a_short_cut_needs_the_same_debt_not_just_some_debt() -> None:
    run = shortest_run("short cut by any debt, not the same one")
    assert run.index("writer 2 sees some debt") < run.index("process 1 finds no debts")


def test_a_debt_is_as_old_as_the_end_of_the_read_that_found_it() -> None:
    run = shortest_run("short cut counted from the beginning of the read")
    assert run.index("process 1 finds no debts") < run.index("writer 2 has read debt(2)")


def test_debts_for_fences_after_the_commit_only_are_never_stale_but_a_crash_leaves_an_old_row_untold() -> None:
    after_commit_only = found("debts after COMMIT only")
    assert after_commit_only.verdict == SAFE
    assert after_commit_only.steps(FORGOTTEN)[-1] == "writer 1 crashes"


def test_without_the_fence_before_the_commit_reads_go_backwards_though_nothing_is_refused() -> None:
    assert found("no fence before COMMIT").verdict == SAFE
    healthy = explored(SkipsFirstFence(replace(A_CRASH, refusals=False)))
    assert healthy.steps(BACKWARDS)[-1] == "writer 1 commits"
    assert healthy.steps(FORGOTTEN)[-1] == "writer 1 crashes"


# What the process does that believes.


def test_fencing_what_was_found_is_no_reason_to_believe_while_others_cut_their_wait_short() -> None:
    run = shortest_run("belief after fencing, with the short cut")
    assert run.index("writer 2 acknowledges: debt(2) is still there") < run.index(
        "process 1 deletes debt(2) and believes"
    )


def test_belief_counted_from_the_end_of_the_read_outlasts_the_wait() -> None:
    assert shortest_run("belief from the end of the read")[-1] == "process 1 believes from now on"


def test_a_read_that_looks_at_belief_only_after_its_mget_serves_what_belief_does_not_cover() -> None:
    run = shortest_run("belief looked up after the MGET only")
    assert run.index("the read gets 1") < run.index("process 1 finds no debts")


def test_belief_on_a_clock_that_stands_still_with_the_process_survives_the_wait() -> None:
    assert "a tick, the processes stand still" in shortest_run("clock stands still in a frozen process")


def test_belief_from_probes_while_the_database_is_away_is_stale_when_redis_refused_somebody_else() -> None:
    assert "process 1 cannot read the debts, its probe is accepted" in shortest_run(
        "belief from probes while the database is away"
    )


def test_belief_from_probes_takes_both_faults() -> None:
    assert explored(BelievesOnProbes(replace(ONE_EACH, crashes=1, refusals=False))).verdict == SAFE


def test_a_debt_deleted_before_it_is_fenced_tells_its_writer_too_much() -> None:
    assert shortest_run("debts deleted before they are fenced")[-1] == "writer 1 acknowledges: its debt is gone"


def test_a_fence_without_an_answer_settles_no_debt() -> None:
    assert "process 1 has no answer to its fence of debt(2)" in shortest_run(
        "debts deleted without an answer to the fence"
    )


def test_debts_deleted_by_key_take_a_newer_one_along() -> None:
    run = shortest_run("debts deleted by key")
    assert run.index("writer 2 commits with debt(3)") < run.index("process 1 deletes the debts of the key")


def test_debts_that_others_hold_locked_are_debts() -> None:
    run = shortest_run("debts that others settle are skipped")
    assert run[-2:] == ["process 2 takes debt(2)", "process 1 finds no debts"]


def test_a_lease_that_the_client_library_repeats_comes_back_after_the_fence() -> None:
    run = shortest_run("lease repeated by the client library")
    assert run[-3:] == ["the key is lost", "late: lease(0, filler)", "the filler puts 1"]


# What the page and the command say.


@pytest.mark.parametrize("name", ALL)
def test_the_page_says_what_was_found(name: str) -> None:
    assert row(name) in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_command_tells_the_run_that_breaks_a_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--rules", "debts, but no wait"]) == 1
    assert capsys.readouterr().out.rstrip().endswith("=> stale")


def test_the_command_explores_as_far_as_it_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--losses", "0", "--crashes", "0"]) == 0
    assert f"safe; {len(explored(Belief(Bounds(losses=0, crashes=0))).parents):,} states" in capsys.readouterr().out

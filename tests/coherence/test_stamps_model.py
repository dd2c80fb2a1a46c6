"""What an entry's stamp must name, explored exhaustively: failovers of Redis, and of a PostgreSQL that loses commits.

That the stamps which are kept are never stale is in `test_belief_model`, with the other rules.
"""

from tests.coherence.models.exploring import SAFE, STALE, explored
from tests.coherence.models.postgres_failover import PostgresFailover
from tests.coherence.models.postgres_world import Bounds, Rules
from tests.coherence.models.rules import found


def shortest_run(name: str) -> list[str]:
    """Return the steps of the shortest run to a stale read, and print it for whoever reads a failure."""
    assert found(name).verdict == STALE
    print(found(name).story(STALE))
    return found(name).steps(STALE)


def test_a_run_id_alone_knows_a_server_again_that_was_demoted_and_promoted() -> None:
    run = shortest_run("stamp: run id alone")
    assert [run[0], run[-1]] == ["FAILOVER to B", "FAILOVER to A"]


def test_no_stamp_tells_a_primary_that_was_never_demoted_from_the_one_it_was() -> None:
    assert shortest_run("stamp: the old primary was never demoted")[-1] == "FAILOVER to A"


def test_without_a_timeline_a_lost_row_hides_the_next_one_of_its_number() -> None:
    assert shortest_run("stamp: no timeline")[-1] == "the filler puts 2 of timeline 0"


def test_a_timeline_that_the_process_of_the_writer_knew_before_fences_nothing() -> None:
    run = shortest_run("stamp: timeline that the process knows")
    assert "writer 2 updates the row to version 2, fences on timeline 0" in run[run.index(_FAILOVER) :]


def test_a_fill_that_does_not_compare_puts_a_lost_row_while_the_old_primary_answers() -> None:
    run = shortest_run("stamp: fill does not compare, old primary answers")
    assert run[-2] == "the filler loads 2 of timeline 0, from a server on timeline 0"


def test_a_fill_need_not_compare_once_nobody_reaches_the_old_primary() -> None:
    assert explored(PostgresFailover(Rules(fill_compares=False), Bounds(losses=1))).verdict == SAFE


def test_a_debt_fenced_with_an_older_timeline_is_not_fenced() -> None:
    run = shortest_run("stamp: debts fenced with a timeline known before")
    assert "the process fences debt(2 of timeline 1) on timeline 0" in run


def test_a_debt_numbered_by_a_sequence_is_deleted_in_the_name_of_one_that_was_lost() -> None:
    run = shortest_run("stamp: debts numbered by a sequence")
    assert run.index("the process takes debt(2)") < run.index("FAILOVER loses 1 rows and 1 debts")
    assert run[-3:-1] == ["the process deletes debt(2)", "writer 2 acknowledges: its debt is gone"]


def test_a_debt_that_a_failover_lost_is_not_one_that_was_settled() -> None:
    run = shortest_run("stamp: debt gone, timeline not compared")
    assert run[-3:-1] == ["FAILOVER loses 0 rows and 1 debts", "writer 1 acknowledges: its debt is gone"]


_FAILOVER = "FAILOVER loses 1 rows and 0 debts"

"""What the checker calls wrong: each case is one thing, some writes, and a read that began at a known moment."""

from testbed.checker.registers import GONE, LOST, Truth, View


def view() -> View:
    return View(Truth("session", "1"))


def test_a_read_that_returns_what_was_acknowledged_is_right() -> None:
    one = view()
    one.truth.acknowledge(3)
    assert not one.judge(one.begin(), 3).is_wrong


def test_a_read_that_began_before_the_acknowledgement_may_return_the_old_version() -> None:
    one = view()
    one.truth.acknowledge(3)
    floors = one.begin()
    one.truth.acknowledge(4)
    assert not one.judge(floors, 3).is_wrong


def test_a_read_that_began_after_the_acknowledgement_must_not() -> None:
    one = view()
    one.truth.acknowledge(3)
    one.truth.acknowledge(4)
    judgement = one.judge(one.begin(), 3)
    assert judgement.stale_s is not None
    assert not judgement.went_backwards


def test_staleness_counts_from_the_first_newer_version() -> None:
    one = view()
    one.truth.acknowledge(5)
    since = one.begin().at
    one.truth.acknowledge(4)
    floors = one.begin()
    judgement = one.judge(floors, 3)
    assert judgement.stale_s is not None
    assert judgement.stale_s >= floors.at - since


def test_a_version_that_nobody_acknowledged_may_be_returned_because_its_answer_may_be_lost() -> None:
    one = view()
    one.truth.acknowledge(3)
    assert not one.judge(one.begin(), 4).is_wrong


def test_what_one_read_has_returned_a_later_one_must_not_take_back() -> None:
    one = view()
    one.judge(one.begin(), 4)
    judgement = one.judge(one.begin(), 3)
    assert judgement.went_backwards
    assert judgement.stale_s is None


def test_two_reads_at_the_same_time_may_return_different_versions() -> None:
    one = view()
    first, second = one.begin(), one.begin()
    assert not one.judge(first, 4).is_wrong
    assert not one.judge(second, 3).is_wrong


def test_each_view_has_its_own_past_and_all_share_the_truth() -> None:
    alone = view()
    in_list = View(alone.truth)
    alone.judge(alone.begin(), 4)
    assert not in_list.judge(in_list.begin(), 3).is_wrong
    alone.truth.acknowledge(4)
    assert in_list.judge(in_list.begin(), 3).is_wrong


def test_a_version_with_the_content_of_another_is_mistaken() -> None:
    one = view()
    one.truth.acknowledge(3, "three")
    assert one.judge(one.begin(), 3, "two").is_mistaken
    assert not one.judge(one.begin(), 3, "three").is_mistaken


def test_a_lost_write_of_our_own_numbering_may_be_done_after_a_later_one() -> None:
    one = view()
    one.truth.lose(3)
    one.truth.acknowledge(4)
    assert not one.judge(one.begin(), 3).is_wrong
    assert not one.judge(one.begin(), 4).is_wrong


def test_what_was_deleted_must_not_come_back() -> None:
    one = view()
    one.truth.acknowledge(3)
    one.truth.acknowledge(GONE)
    assert not one.judge(one.begin(), GONE).is_wrong
    assert one.judge(one.begin(), 3).is_wrong


def test_what_nobody_deleted_must_be_there() -> None:
    one = view()
    one.truth.acknowledge(1)
    assert one.judge(one.begin(), LOST).is_wrong

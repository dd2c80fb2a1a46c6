"""The JSON of a drive is written once: what a list shows is its beginning, whatever a driver has written into it."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.clock import rfc3339
from webapp.driving import cached_sessions
from webapp.driving.cached_sessions import SESSIONS
from webapp.driving.documents import ROW_END, session_json
from webapp.driving.schemas import SessionDocument, SessionRowDocument, SmallSummaryDocument, SummaryDocument
from webapp.models.driving_session import ACTIVE

ALIKE = st.sampled_from(
    ['"', "\\", "{", "}", "}}", '"}}', '},"notes":null', "|", "\u2028", "🚗", "路", "é", "\x7f", "\n"]
)
TEXTS = st.lists(st.one_of(ALIKE, st.text(max_size=5)), max_size=8).map("".join)
"""Texts that look like the JSON around them, or take more bytes than characters."""

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**63), 2**63), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(TEXTS, st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.one_of(st.none(), st.dictionaries(TEXTS, VALUES, max_size=4))
TIMES = st.datetimes(datetime(1970, 1, 1), datetime(9998, 1, 1), timezones=st.just(UTC))
COUNTS, MEASURES = st.integers(0, 2**53 - 1), st.floats(0, 1e9)
SUMMARIES = st.fixed_dictionaries(
    {"status": st.sampled_from(["live", "final"]), "duration_s": MEASURES}
    | dict.fromkeys(("distance_m", "moving_s", "idle_s", "speed_avg_mps", "speed_max_mps"), st.none() | MEASURES)
    | dict.fromkeys(("fatigue_avg", "fatigue_max", "perclos_max"), st.none() | MEASURES)
    | dict.fromkeys(("harsh_brakes", "harsh_accelerations", "alerts_warning", "alerts_critical"), COUNTS)
)
ROWS = st.builds(
    SimpleNamespace,
    id=st.builds(lambda: str(uuid4())),
    user_id=st.builds(lambda: str(uuid4())),
    client_session_id=st.none() | st.builds(lambda: str(uuid4())),
    status=st.sampled_from(["active", "completed", "abandoned"]),
    end_reason=st.sampled_from([None, "client", "timeout"]),
    **dict.fromkeys(("name", "notes"), st.none() | TEXTS),
    tags=st.lists(TEXTS, max_size=3),
    **dict.fromkeys(("vehicle", "device"), OBJECTS),
    **dict.fromkeys(("started_at", "created_at", "updated_at"), TIMES),
    **dict.fromkeys(("ended_at", "last_reading_at"), st.none() | TIMES),
    readings_count=COUNTS,
    last_seq=st.none() | COUNTS,
    version=COUNTS,
    summary=SUMMARIES,
    deleted_at=st.none(),
)
FEW = settings(max_examples=300, deadline=None, derandomize=True, database=None)


def expected(row: Any, shape: type, summary: type) -> dict[str, Any]:
    """Return what a document of this shape says of a row."""
    fields = {name: getattr(row, name) for name in shape.model_fields}  # type: ignore[attr-defined]
    told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in fields.items()}
    return {**told, "summary": {name: row.summary[name] for name in summary.model_fields}}  # type: ignore[attr-defined]


@FEW
@given(ROWS)
def test_the_text_is_a_session_and_its_beginning_with_two_braces_a_row_of_a_list(row: Any) -> None:
    text, row_length = session_json(row)
    whole, listed = json.loads(text), json.loads(text[:row_length] + ROW_END)
    assert ROW_END == "}}"
    assert whole == expected(row, SessionDocument, SummaryDocument)
    assert listed == expected(row, SessionRowDocument, SmallSummaryDocument)
    SessionDocument.model_validate(whole)
    SessionRowDocument.model_validate(listed)


@FEW
@given(ROWS)
def test_what_is_cached_of_a_session_gives_both_back(row: Any) -> None:
    assert SESSIONS.entry is not None
    entry = SESSIONS.entry(row)
    session = cached_sessions.parse(entry)
    assert session is not None
    assert (session.json, session.row) == (session_json(row).text, session.json[: session_json(row).row_length] + "}}")
    assert (session.owner_id, session.version, session.goes_on) == (row.user_id, row.version, row.status == ACTIVE)


@FEW
@given(ROWS, TIMES)
def test_nothing_is_cached_of_a_deleted_session_but_its_version(row: Any, deleted_at: datetime) -> None:
    assert SESSIONS.entry is not None
    row.deleted_at = deleted_at
    assert SESSIONS.entry(row) == (row.version, "")

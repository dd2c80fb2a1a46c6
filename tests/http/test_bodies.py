"""Bodies that are not what they say: each is a 4xx, none a 500, and nothing is stored."""

import json
import time
from typing import Any

import pytest

from testbed.people import PASSWORD, Person
from tests.shared.answers import assert_problem
from tests.shared.gate import Gate
from webapp.http.bodies import MAX_BODY_BYTES

JSON = "application/json"
NAMED = b'{"name": "x"}'
COORDINATES = {"seq": 1, "t": "2026-01-05T08:00:00Z", "lat": 48.1, "lon": 11.6}


def nested(depth: int, opening: bytes = b"[", closing: bytes = b"]") -> bytes:
    return b'{"vehicle": {"a": ' + opening * depth + b"1" + closing * depth + b"}}"


MALFORMED: dict[str, bytes] = {
    "empty braces cut": b"{",
    "a word": b"name",
    "cut in a string": b'{"name": "x',
    "cut before the end": b'{"name": "x"',
    "something after the end": b'{"name": "x"} {}',
    "two documents": b'{"name": "x"}\n{"name": "y"}',
    "a comma too many": b'{"name": "x",}',
    "single quotes": b"{'name': 'x'}",
    "no quotes": b"{name: 1}",
    "a comment": b'{"name": /* x */ "x"}',
    "a leading zero": b'{"name": 01}',
    "a plus sign": b'{"name": +1}',
    "a hexadecimal number": b'{"name": 0x1}',
    "an unknown escape": b'{"name": "\\x41"}',
    "a line end in a string": b'{"name": "a\nb"}',
    "a control character in a string": b'{"name": "a\x01b"}',
    "a raw NUL": b'{"name": "a\x00b"}',
    "an escaped NUL": b'{"name": "a\\u0000b"}',
    "an escaped NUL in a free object": b'{"vehicle": {"a": "\\u0000"}}',
    "an escaped NUL as a name in a free object": b'{"vehicle": {"\\u0000": 1}}',
    "NaN": b'{"vehicle": {"a": NaN}}',
    "Infinity": b'{"vehicle": {"a": Infinity}}',
    "minus Infinity": b'{"vehicle": {"a": -Infinity}}',
    "a member twice": b'{"name": "x", "name": "y"}',
    "a member twice, once escaped": b'{"name": "x", "n\\u0061me": "y"}',
    "a member twice in a free object": b'{"vehicle": {"a": 1, "a": 2}}',
    "a byte order mark": b'\xef\xbb\xbf{"name": "x"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "UTF-16 without a mark": '{"name": "x"}'.encode("utf-16-le"),
    "UTF-32": '{"name": "x"}'.encode("utf-32"),
    "Latin-1": '{"name": "ü"}'.encode("latin-1"),
    "overlong UTF-8": b'{"name": "\xc0\xaf"}',
    "UTF-8 of a surrogate": b'{"name": "\xed\xa0\x80"}',
    "UTF-8 beyond Unicode": b'{"name": "\xf4\x90\x80\x80"}',
    "100,000 brackets": b"[" * 100_000,
    "100,000 brackets, closed": b"[" * 100_000 + b"]" * 100_000,
    "a free object 100,000 deep": nested(100_000),
    "100,000 braces": b'{"a":' * 100_000,
    "only spaces": b"   ",
    "XML": b"<name>x</name>",
    "a form": b"name=x",
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_json_is_refused(mallory: Person, body: bytes) -> None:
    assert_problem(mallory.post("/sessions", data=body, content_type=JSON), 400, code="malformed_json")


WRONG: dict[str, bytes] = {
    "a list": b"[]",
    "null": b"null",
    "a string": b'"name"',
    "a number": b"1",
    "a list of what is wanted": b'[{"name": "x"}]',
    "a number for a string": b'{"name": 1}',
    "an object for a string": b'{"name": {"$ne": ""}}',
    "true for a string": b'{"name": true}',
    "a string for a list": b'{"tags": "x"}',
    "an object for a list": b'{"tags": {"0": "x"}}',
    "null in a list": b'{"tags": [null]}',
    "a list for an object": b'{"vehicle": []}',
    "an unknown member": b'{"nmae": "x"}',
    "an id": b'{"id": "01890000-0000-7000-8000-000000000000"}',
    "an owner": b'{"user_id": "01890000-0000-7000-8000-000000000000"}',
    "a version": b'{"version": 99}',
    "a status": b'{"status": "completed"}',
    "__proto__": b'{"__proto__": {"name": "x"}}',
    "an empty member": b'{"": 1}',
    "a member with a slash": b'{"a/b~c": 1}',
    "a lone surrogate": b'{"name": "\\ud800"}',
    "surrogates the wrong way round": b'{"name": "\\udc00\\ud800"}',
    "a lone surrogate in a free object": b'{"vehicle": {"a": "\\udfff"}}',
    "a name too long": json.dumps({"name": "x" * 201}).encode(),
    "notes too long": json.dumps({"notes": "x" * 4_001}).encode(),
    "too many tags": json.dumps({"tags": ["x"] * 21}).encode(),
    "an empty tag": b'{"tags": [""]}',
    "a free object too large": json.dumps({"vehicle": {"a": "x" * 5000}}).encode(),
    "a free object 250 deep": nested(250),
    "a free object of objects 250 deep": nested(250, b'{"a":', b"}"),
    "a client_session_id that is none": b'{"client_session_id": "1"}',
    "a client_session_id that is a number": b'{"client_session_id": 1}',
}


@pytest.mark.parametrize("body", WRONG.values(), ids=WRONG.keys())
def test_json_that_is_not_what_is_asked_for_is_refused(mallory: Person, body: bytes) -> None:
    problem = assert_problem(mallory.post("/sessions", data=body, content_type=JSON), 400, 422)
    assert all(error.keys() == {"pointer", "code", "detail"} for error in problem.get("errors", []))


NUMBERS: dict[str, bytes] = {
    "beyond a double": b"1e999",
    "beyond a double, negative": b"-1e999",
    "of 400 digits": b"9" * 400,
    "of 5,000 digits": b"9" * 5000,
    "with an exponent of 5,000 digits": b"1e" + b"9" * 5000,
    "beyond 64 bits": str(2**64).encode(),
    "beyond 64 bits, negative": str(-(2**63) - 1).encode(),
}


@pytest.mark.parametrize("number", NUMBERS.values(), ids=NUMBERS.keys())
@pytest.mark.parametrize("place", ["vehicle", "device", "deep in vehicle", "readings", "seq"])
def test_a_number_that_no_two_programs_read_alike_is_refused(mallory: Person, number: bytes, place: str) -> None:
    if place in ("readings", "seq"):
        name = b"seq" if place == "seq" else b"speed_mps"
        reading = json.dumps({k: v for k, v in COORDINATES.items() if k != place}).encode()[:-1]
        body = b'{"readings": [' + reading + b', "' + name + b'": ' + number + b"}]}"
        path = "/sessions/01890000-0000-7000-8000-000000000000/readings"
    else:
        inner = number if place != "deep in vehicle" else b'[{"b": ' + number + b"}]"
        body = b'{"%s": {"a": %s}}' % (place.rpartition(" ")[2].encode(), inner)
        path = "/sessions"
    assert_problem(mallory.post(path, data=body, content_type=JSON), 400, 422)


READINGS: dict[str, Any] = {
    "no seq": {"seq": None},
    "a negative seq": {"seq": -1},
    "a seq in a string": {"seq": "1"},
    "a seq with a fraction": {"seq": 1.5},
    "true as seq": {"seq": True},
    "a seq that JavaScript cannot count": {"seq": 2**53},
    "no time": {"t": None},
    "a time in a number": {"t": 1767600000},
    "a time without an offset": {"t": "2026-01-05T08:00:00"},
    "a date": {"t": "2026-01-05"},
    "month 13": {"t": "2026-13-05T08:00:00Z"},
    "30 February": {"t": "2026-02-30T08:00:00Z"},
    "25 o'clock": {"t": "2026-01-05T25:00:00Z"},
    "minute 60": {"t": "2026-01-05T08:60:00Z"},
    "an offset of 99 hours": {"t": "2026-01-05T08:00:00+99:00"},
    "the year 0": {"t": "0000-01-05T08:00:00Z"},
    "the year 1": {"t": "0001-01-01T00:00:00Z"},
    "the year 9999": {"t": "9999-12-31T23:59:59Z"},
    "the year 10000": {"t": "10000-01-05T08:00:00Z"},
    "a negative year": {"t": "-2026-01-05T08:00:00Z"},
    "a time with a line end": {"t": "2026-01-05T08:00:00Z\n"},
    "digits of another script": {"t": "٢٠٢٦-01-05T08:00:00Z"},
    "an empty time": {"t": ""},
    "a very long time": {"t": "2026-01-05T08:00:00." + "0" * 10_000 + "Z"},
    "latitude 91": {"lat": 91},
    "longitude -181": {"lon": -181},
    "a negative speed": {"speed_mps": -0.1},
    "a speed in a string": {"speed_mps": "10"},
    "perclos above 1": {"perclos": 1.01},
    "a fatigue score of 101": {"fatigue_score": 101},
    "eyes closed: 1": {"eyes_closed": 1},
    "an unknown value": {"altitude_m": 500},
}


@pytest.mark.parametrize("change", READINGS.values(), ids=READINGS.keys())
def test_a_reading_with_a_wrong_value_is_refused_with_its_place(mallory: Person, change: dict[str, Any]) -> None:
    batch = {"readings": [COORDINATES, {**COORDINATES, "seq": 2, **change}]}
    answer = mallory.post("/sessions/01890000-0000-7000-8000-000000000000/readings", json=batch)
    problem = assert_problem(answer, 422, code="validation_failed")
    assert problem["errors"][0]["pointer"].startswith(f"/readings/1/{next(iter(change))}")


@pytest.mark.parametrize("batch", [{}, {"readings": []}, {"readings": None}, {"readings": {}}, {"readings": [[]]}])
def test_a_batch_without_readings_is_refused(mallory: Person, batch: dict[str, Any]) -> None:
    answer = mallory.post("/sessions/01890000-0000-7000-8000-000000000000/readings", json=batch)
    assert_problem(answer, 422)


def test_many_mistakes_are_not_answered_with_ever_so_many_lines(mallory: Person) -> None:
    body = {"readings": [{f"field {n}": 1 for n in range(20)}] * 1000}
    path = "/sessions/01890000-0000-7000-8000-000000000000/readings"
    assert len(assert_problem(mallory.post(path, json=body), 422)["errors"]) == 100


def test_an_object_of_ever_so_many_members_is_refused(mallory: Person) -> None:
    body = {f"field {n}": 1 for n in range(50_000)}
    assert_problem(mallory.post("/sessions", json=body), 400, code="malformed_json")


def test_a_mistake_is_answered_without_repeating_what_was_sent(mallory: Person) -> None:
    body = {"email": "alice@example.com", "password": [PASSWORD], "full_name": PASSWORD * 50}
    answer = mallory.client.post("/api/v1/auth/register", json=body)
    assert_problem(answer, 422)
    assert PASSWORD not in answer.get_data(as_text=True)


WORST: dict[str, bytes] = {
    "340,000 empty readings": b"{}," * 340_000 + b"{}",
    "340,000 lists for readings": b"[]," * 340_000 + b"[]",
    "90,000 unknown members": b",".join([b"{" + b",".join(b'"%d":1' % n for n in range(90)) + b"}"] * 1000),
}


@pytest.mark.parametrize("readings", WORST.values(), ids=WORST.keys())
def test_a_mebibyte_of_mistakes_costs_little_time(mallory: Person, readings: bytes) -> None:
    body = b'{"readings": [' + readings + b"]}"
    assert 500_000 < len(body) < MAX_BODY_BYTES
    began = time.process_time()
    path = "/sessions/01890000-0000-7000-8000-000000000000/readings"
    assert_problem(mallory.post(path, data=body, content_type=JSON), 400, 422)
    assert time.process_time() - began < 3  # A tenth of it on an idle machine.


def test_an_emoji_in_two_escapes_is_one_character(gate: Gate) -> None:
    answer = gate.carol.patch(gate.paths[1], data=b'{"name": "\\ud83d\\ude97"}', content_type=JSON)
    assert (answer.status_code, answer.json["name"]) == (200, "🚗")


def test_a_backslash_and_u0000_is_no_nul(gate: Gate) -> None:
    answer = gate.carol.patch(gate.paths[1], data=b'{"name": "C:\\\\u0000"}', content_type=JSON)
    assert (answer.status_code, answer.json["name"]) == (200, "C:\\u0000")

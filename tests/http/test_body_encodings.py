"""Bodies of a type, an encoding or a size that is not read: each is a 4xx, and none is unpacked beyond the limit."""

import gzip

import pytest

from testbed.people import Person
from tests.shared.answers import assert_problem
from webapp.http.bodies import MAX_BODY_BYTES

JSON = "application/json"
NAMED = b'{"name": "x"}'

MEDIA_TYPES = {
    "none": None,
    "plain text": "text/plain",
    "a form": "application/x-www-form-urlencoded",
    "several parts": "multipart/form-data; boundary=x",
    "XML": "application/xml",
    "JSON lines": "application/jsonl",
    "almost JSON": "application/jsonx",
    "JSON as text": "text/json",
    "garbage": ";;;",
    "two": "text/plain, application/json",
}


@pytest.mark.parametrize("media_type", MEDIA_TYPES.values(), ids=MEDIA_TYPES.keys())
def test_a_body_of_another_media_type_is_refused(mallory: Person, media_type: str | None) -> None:
    answer = mallory.post("/sessions", data=NAMED, content_type=media_type)
    assert_problem(answer, 415, code="unsupported_media_type")


def zipped(raw: bytes) -> bytes:
    return gzip.compress(raw, mtime=0)


BOMB = gzip.compress(b" " * (200 * 1024 * 1024), 9)
ENCODED: dict[str, tuple[str, bytes, int]] = {
    "a bomb of 200 MiB": ("gzip", BOMB, 413),
    "a bomb in a bomb": ("gzip", zipped(BOMB), 400),
    "one byte over the limit": ("gzip", zipped(b" " * (MAX_BODY_BYTES + 1)), 413),
    "cut off": ("gzip", zipped(NAMED)[:-5], 400),
    "cut off in the header": ("gzip", zipped(NAMED)[:5], 400),
    "a wrong checksum": ("gzip", zipped(NAMED)[:-8] + b"\0" * 8, 400),
    "compressed twice": ("gzip", zipped(zipped(NAMED)), 400),
    "compressed twice, and said so": ("gzip, gzip", zipped(zipped(NAMED)), 415),
    "two members": ("gzip", zipped(b'{"name": ') + zipped(b'"x"}'), 400),
    "something after the end": ("gzip", zipped(NAMED) + b"x", 400),
    "not gzip at all": ("gzip", NAMED, 400),
    "empty": ("gzip", b"", 400),
    "zlib called gzip": ("gzip", b"x\x9c\xab\xae\x05\x00\x01u\x00\xf9", 400),
    "deflate": ("deflate", NAMED, 415),
    "br": ("br", NAMED, 415),
    "zstd": ("zstd", NAMED, 415),
    "compress": ("compress", NAMED, 415),
    "an encoding that never was": ("rot13", NAMED, 415),
    "an empty encoding": ("", NAMED, 415),
    "a star": ("*", NAMED, 415),
}


@pytest.mark.parametrize(("encoding", "body", "status"), ENCODED.values(), ids=ENCODED.keys())
def test_an_encoding_that_is_not_honest_gzip_is_refused(
    mallory: Person, encoding: str, body: bytes, status: int
) -> None:
    answer = mallory.post("/sessions", data=body, content_type=JSON, headers={"Content-Encoding": encoding})
    assert_problem(answer, status)


@pytest.mark.parametrize("size", [MAX_BODY_BYTES + 1, 10 * MAX_BODY_BYTES], ids=["one byte over", "ten times over"])
@pytest.mark.parametrize("call", ["/sessions", "/auth/login", "/auth/register"])
def test_a_body_over_the_limit_is_refused(mallory: Person, size: int, call: str) -> None:
    answer = mallory.post(call, data=b" " * size, content_type=JSON)
    assert_problem(answer, 413, code="body_too_large")

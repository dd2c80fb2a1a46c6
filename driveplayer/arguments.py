"""The arguments of the command."""

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from dotenv import dotenv_values

from driveplayer.client import Client

DOTENV = Path(__file__).resolve().parent.parent / ".env"
DEFAULT_PORT = "8000"
EPILOG = """exit code: 0 when everything was accepted, no read was stale, and the summary is within 1 % of the distance
and 0.01 m/s of the maximum speed that somebody else found; 1 when not; 2 for wrong arguments; 130 when interrupted."""


def parse(argv: Sequence[str] | None, environ: Mapping[str, str]) -> argparse.Namespace:
    """Read the arguments; on wrong ones exit with 2 and a line."""
    parser = _parser(f"http://127.0.0.1:{_port(environ)}")
    given = parser.parse_args(argv)
    if (given.email is None) != (given.password is None):
        parser.error("--email and --password go together")
    if given.trip is not None and not given.files:
        parser.error("--trip needs a FILE.csv")
    return given


def _parser(url: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/drive", description="Play recorded drives against a running server, as an app would.", epilog=EPILOG
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="FILE.csv", help="recordings; without any, a random or a synthetic one")
    add("--url", type=_url, default=url, help="the server (default: %(default)s, from PORT)")
    trips = parser.add_mutually_exclusive_group()
    trips.add_argument("--trip", type=_count, metavar="N", help="which trip of each file to play (default: the first)")
    trips.add_argument("--all-trips", action="store_true", help="play every trip of each file")
    add("--speed-up", type=_number, default=60.0, metavar="X", help="default: 60; 0 is as fast as possible")
    add("--batch", type=_positive, default=10.0, metavar="S", help="seconds of the drive in a batch (default: 10)")
    add("--late", action="store_true", help="upload as a phone with bad reception would: late, twice, after the end")
    add("--email", help="an account, which is made if it is not there (default: a fresh one)")
    add("--password", help="its password")
    add("--keep", action="store_true", help="do not log out, and tell how to go on with curl")
    return parser


def _port(environ: Mapping[str, str]) -> str:
    """Return the port on which the run command serves; it reads `.env`, too."""
    return environ.get("PORT") or dotenv_values(DOTENV, interpolate=False).get("PORT") or DEFAULT_PORT


def _url(text: str) -> str:
    try:
        return Client(text).url
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error}") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return number


def _positive(text: str) -> float:
    number = _number(text)
    if number == 0:
        raise argparse.ArgumentTypeError("must be more than 0")
    return number


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)

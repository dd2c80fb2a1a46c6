"""The command: play drives, report, and tell by the exit code whether all was as it should be."""

import argparse
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from driveplayer import arguments, report, source
from driveplayer.account import PREFIX, Account
from driveplayer.client import Client, ClientError
from driveplayer.drive import Drive
from driveplayer.player import Manner, Player
from driveplayer.progress import Progress
from driveplayer.recording import RecordingError
from driveplayer.verdict import faults

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None, environ: Mapping[str, str] = os.environ) -> int:
    """Play the drives that the arguments name and return the exit code."""
    given = arguments.parse(argv, environ)
    try:
        drives = _drives(given, environ)
        with Client(given.url) as client:
            return play_all(drives, client, given)
    except (RecordingError, ClientError) as error:
        Progress(sys.stderr).finish(f"bin/drive: {error}")
        return 1
    except KeyboardInterrupt:
        Progress(sys.stderr).finish("bin/drive: interrupted; the server closes a drive that is still active")
        return INTERRUPTED


def play_all(drives: Sequence[Drive], client: Client, given: argparse.Namespace) -> int:
    """Play drives one after the other for one account; return the exit code. Raises ClientError."""
    account = Account(client, given.email, given.password)
    is_new = account.register()
    account.log_in()
    _say(f"{'Registered and logged in' if is_new else 'Logged in'} as {account.email} at {client.url}")
    manner = Manner(given.speed_up, given.batch, given.late)
    exit_code = 0
    for drive in drives:
        exit_code = max(exit_code, _play(drive, account, manner))
        if exit_code == INTERRUPTED:
            break
    _leave(account, is_kept=given.keep)
    return exit_code


def _play(drive: Drive, account: Account, manner: Manner) -> int:
    _say("", *report.heading(drive))
    performance = Player(drive, account, manner, Progress(sys.stderr)).play()
    found = faults(performance)
    _say(*report.lines(performance), *(f"  WRONG: {fault}" for fault in found))
    if performance.is_interrupted:
        return INTERRUPTED
    if not found:
        _say("  As it should be.")
    return 1 if found else 0


def _leave(account: Account, is_kept: bool) -> None:
    if is_kept:
        _say("", f"Still logged in, with the password {account.password}. To go on, for example:")
        _say(f"curl -s -H 'Authorization: Bearer {account.access_token}' {account.client.url}{PREFIX}/sessions")
        return
    account.log_out()
    _say("", "Logged out: access and refresh token are refused.")


def _drives(given: argparse.Namespace, environ: Mapping[str, str]) -> list[Drive]:
    if given.files:
        return source.named(given.files, trip=given.trip, all_trips=given.all_trips)
    return source.unnamed(environ, all_trips=given.all_trips)


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


if __name__ == "__main__":
    # Asked to stop in any way, end the drive that is being played.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())

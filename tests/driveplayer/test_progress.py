"""Progress on a terminal and elsewhere."""

import io

from driveplayer.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_a_bar_moves_in_one_line() -> None:
    stream = Terminal()
    progress = Progress(stream)
    progress.begin("Drive", 10)
    progress.update(5, "halfway")
    progress.finish("Done")

    *drawn, last = stream.getvalue().split("\r")[1:]
    assert drawn[0].startswith("Drive [........................]   0%")
    assert drawn[1].startswith("Drive [############............]  50% halfway")
    assert last == "\x1b[KDone\n"
    assert stream.getvalue().count("\n") == 1


def test_a_bar_never_wraps() -> None:
    stream = Terminal()
    Progress(stream).begin("Drive" * 100, 10)

    assert len(stream.getvalue()) <= 80 + len("\r\x1b[K")


def test_elsewhere_each_tenth_is_a_line() -> None:
    stream = io.StringIO()
    progress = Progress(stream)
    progress.begin("Drive", 1000)
    for done in range(0, 1001, 5):
        progress.update(done, "")
    progress.finish("Done")

    lines = stream.getvalue().splitlines()
    assert len(lines) == 12
    assert lines[-2].split() == ["Drive", "100%"]
    assert lines[-1] == "Done"

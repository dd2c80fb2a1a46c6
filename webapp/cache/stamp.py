"""The stamp of entries: from which server and which database they are. What carries another stamp counts as absent.

It has four parts, and a change of any of them makes all that was cached before it worthless at once:

* the form that this code gives to bodies (`Kinds.form`): entries of another release may look different;
* the run id of the Redis server: one that was restarted may have come up with an old snapshot;
* its replication id, which a server gets anew when it is promoted. The run id alone is not enough: a primary that was
  demoted and promoted again without a restart has the same one, and may have its old values, too;
* the timeline of PostgreSQL, which a standby gets anew when it is promoted. The commits that it never received are
  lost, so a version number may be given out twice.

The second and third belong to a connection to Redis, and are read whenever one is made. The timeline belongs to a
transaction: a writer fences under the one that it read in its own, because what the process knew before may be old.
"""

import itertools
import threading
from collections.abc import Mapping

ID_LENGTH = 12
"""How much of Redis' ids of 40 random hex digits is kept."""

LEFT = -1
"""The generation of a connection to a server that was left while the connection was being made."""


def server_of(info: Mapping[str, str]) -> str:
    """Return what identifies a server and its term as a primary, from its answer to INFO."""
    return f"{info.get('run_id', '')[:ID_LENGTH]}.{info.get('master_replid', '')[:ID_LENGTH]}"


def is_replica(info: Mapping[str, str]) -> bool:
    """Say whether a server follows another one, from its answer to INFO."""
    return info.get("role", "master") != "master"


class Stamp:
    """The stamp that this process gives and believes now.

    `generation` rises when the server turns out to be another one: connections made before it may lead to the one that
    was left, and are made anew before they are used.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._form = ""
        self._questions = itertools.count(1)
        self._server, self._server_asked = "", 0
        self.timeline, self._timeline_asked = "", 0
        self.generation = 0
        self.text = self.under("")

    def take_over_form(self, form: str) -> None:
        """Give and believe bodies of this form from now on."""
        with self._lock:
            self._form = form
            self.text = self.under(self.timeline)

    def question(self) -> int:
        """Number a question that is about to be asked, for the answer to be taken over in order."""
        return next(self._questions)

    def take_over_server(self, server: str, asked: int) -> int:
        """Take over who the server says that it is, unless that was asked before the present answer was.

        Returns the generation of connections to that server, or `LEFT`.

        A thread that has the old server's answer in hand may sleep while the server is restarted and another thread
        greets the new one. Taken over last, the old answer would make the entries of an old snapshot look good.
        """
        with self._lock:
            if asked > self._server_asked:
                self._server_asked = asked
                if server != self._server:
                    self._server = server
                    self.generation += 1
                    self.text = self.under(self.timeline)
            return self.generation if server == self._server else LEFT

    def take_over_timeline(self, timeline: str, asked: int) -> None:
        """Take over the timeline of the database, unless it was asked for before the present one was."""
        with self._lock:
            if asked > self._timeline_asked:
                self._timeline_asked, self.timeline = asked, timeline
                self.text = self.under(timeline)

    def leave(self) -> None:
        """Make every connection anew before it is used: the one that was asked leads to no primary."""
        with self._lock:
            self.generation += 1

    def under(self, timeline: str) -> str:
        """Return the stamp of what was read or written under a timeline of the database."""
        return f"{self._form}.{self._server}.{timeline}"

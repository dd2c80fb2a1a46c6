"""What a driver's account must look like, worked out in plain Python from the calls that were answered."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Drive:
    """A drive as it must be read back. `version` is the one that the last change was answered with."""

    id: str
    started_at: str
    name: str | None
    version: int = 1
    status: str = "active"
    seqs: set[int] = field(default_factory=set)
    is_deleted: bool = False

    def changed(self, version: int) -> None:
        """Take note of an answer to a change: it must have raised the version."""
        assert version > self.version, f"version {version} after {self.version}, and something changed"
        self.version = version

    def shown(self) -> dict[str, Any]:
        """Return what every read must show."""
        return {
            "id": self.id,
            "started_at": self.started_at,
            "name": self.name,
            "version": self.version,
            "status": self.status,
            "readings_count": len(self.seqs),
            "last_seq": max(self.seqs, default=None),
        }


@dataclass
class Account:
    """A driver's account: the name, the drives, and the access tokens that are good and those that are not."""

    full_name: str
    drives: list[Drive] = field(default_factory=list)
    good_tokens: list[str] = field(default_factory=list)
    dead_tokens: list[str] = field(default_factory=list)

    @property
    def active(self) -> Drive | None:
        """Return the drive that is going on."""
        return next((drive for drive in self.drives if drive.status == "active" and not drive.is_deleted), None)

    def listed(self) -> list[dict[str, Any]]:
        """Return what the list must show, newest first."""
        shown = [drive.shown() for drive in self.drives if not drive.is_deleted]
        return sorted(shown, key=lambda row: row["started_at"], reverse=True)


def subset(document: dict[str, Any], of: dict[str, Any]) -> dict[str, Any]:
    """Return of a document what an expected one speaks of."""
    return {name: document[name] for name in of}

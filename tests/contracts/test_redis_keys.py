"""Every Redis key is made by its kind, or in webapp/cache/keys.py; nobody spells one anywhere else."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.contracts.source_tree import CHECKOUT, files, module_name, parsed
from tests.shared.interleave import KINDS
from webapp.auth.cached_users import USERS
from webapp.cache import keys
from webapp.driving.cached_sessions import SESSIONS

KEYS = CHECKOUT / "webapp" / "cache" / "keys.py"
KEY_COMMANDS = {
    *("get", "set", "setex", "delete", "unlink", "exists", "expire", "pexpire", "pttl", "ttl", "incr", "getrange"),
    *("mget", "mset", "sadd", "spop", "smembers", "scard", "hset", "hget", "zadd", "lpush", "rpush"),
}
CLIENTS = {"client", "pipeline", "redis", "get_redis"}


def begin_of(node: ast.expr) -> str | None:
    """Return what a string, or an f-string, certainly begins with; None for any other expression."""
    if isinstance(node, ast.JoinedStr):
        return begin_of(node.values[0]) if node.values else ""
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def prefixes() -> set[str]:
    """Return the first part, colon included, of every key that `keys` or a kind makes."""
    strings = (begin_of(node) for node in ast.walk(parsed(KEYS)) if isinstance(node, ast.expr))
    of_keys = {string.partition(":")[0] + ":" for string in strings if string and ":" in string and " " not in string}
    return of_keys | {kind.prefix for kind in KINDS}


def spelled_keys(path: Path) -> Iterator[str]:
    """Find the strings of a file that begin as a key does, and those that a Redis command is given as its key."""
    for node in ast.walk(parsed(path)):
        text = begin_of(node) if isinstance(node, ast.expr) else None
        if text and " " not in text and text.startswith(tuple(prefixes())):
            yield text
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KEY_COMMANDS:
            owner = node.func.value.func if isinstance(node.func.value, ast.Call) else node.func.value
            is_client = getattr(owner, "attr", getattr(owner, "id", None)) in CLIENTS
            if is_client and node.args and begin_of(node.args[0]) is not None:
                yield str(begin_of(node.args[0]))
        if isinstance(node, ast.keyword) and node.arg == "key_prefix" and begin_of(node.value) is not None:
            yield str(begin_of(node.value))


def test_the_prefixes_are_those_of_the_contract() -> None:
    assert {SESSIONS.key(""), USERS.key(""), keys.blacklist("")} == {"session:", "user:", "blacklist:"}
    assert {"session:", "user:", "blacklist:", "warm:", "probe:"} <= prefixes()


def test_no_key_is_spelled_outside_the_module_of_keys_and_no_prefix_outside_its_kind() -> None:
    spelled = {path: list(spelled_keys(path)) for path in files("webapp", "worker") if path != KEYS}
    of_kinds = [key for path, found in spelled.items() if path.stem.startswith("cached_") for key in found]
    assert sorted(of_kinds) == sorted(kind.prefix for kind in KINDS)
    assert {
        module_name(path) for path, keys in spelled.items() if keys and not path.stem.startswith("cached_")
    } == set()


def test_a_key_that_is_spelled_is_found(tmp_path: Path) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(
        'get_redis().get("heartbeat")\n'
        'cache.client.set(f"session:{id}", "1")\n'
        'pipeline.sadd("due", 1)\n'
        'storage(key_prefix="rate")\n'
    )
    assert set(spelled_keys(path)) == {"due", "heartbeat", "rate", "session:"}

"""Reading a drive, and where the answer came from."""

from testbed.people import Person

HIT, MISS, BYPASS = "session-cache; hit", "session-cache; fwd=miss", "session-cache; fwd=bypass"


def read(driver: Person, path: str) -> tuple[str, str]:
    """Return the name of the drive as it is served, and where it came from."""
    answer = driver.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return answer.get_json()["name"], answer.headers["Cache-Status"]

"""What is closed at the end of a `with` block."""

from abc import ABC, abstractmethod
from typing import Self


class Closing(ABC):
    """Parent of what has a `close`: `with` hands it over as it is, and closes it whatever happens."""

    @abstractmethod
    def close(self) -> None:
        """Give back all that this holds."""

    def __enter__(self) -> Self:
        """Hand over what is to be closed."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

"""What makes drivers."""

from collections.abc import Callable

from tests.people import Person

MakeDriver = Callable[..., Person]

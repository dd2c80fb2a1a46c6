"""What makes drivers."""

from collections.abc import Callable

from testbed.people import Person

MakeDriver = Callable[..., Person]

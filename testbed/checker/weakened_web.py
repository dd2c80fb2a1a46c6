"""The web process of a fleet whose protocol was weakened: gunicorn testbed.checker.weakened_web:app."""

import os

from testbed.checker.weakened import WEAKENED, WEAKENED_BY
from webapp.door import Door

app = Door(WEAKENED[os.environ[WEAKENED_BY]]())

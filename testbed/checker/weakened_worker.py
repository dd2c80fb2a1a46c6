"""The worker of a fleet whose protocol was weakened: celery -A testbed.checker.weakened_worker worker."""

import os

import worker
from testbed.checker.weakened import WEAKENED, WEAKENED_BY

vars(worker)["create_app"] = WEAKENED[os.environ[WEAKENED_BY]]
celery = worker.celery

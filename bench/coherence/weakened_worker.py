"""The worker of a fleet whose protocol was weakened: celery -A bench.coherence.weakened_worker worker."""

import os

import worker
from bench.coherence.weakened import WEAKENED, WEAKENED_BY

worker.create_app = WEAKENED[os.environ[WEAKENED_BY]]
celery = worker.celery

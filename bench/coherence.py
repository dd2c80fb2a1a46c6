"""Hold every read over HTTP against what was acknowledged before it, while everything else breaks.

    python -m bench.coherence --seconds 600 --faults all

The checker itself is testbed.checker: the tests run it, too.
"""

import sys

from testbed.checker.command import main

if __name__ == "__main__":
    sys.exit(main())

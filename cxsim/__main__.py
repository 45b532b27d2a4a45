"""`python -m cxsim`: the command line."""

import sys

from cxsim.cli import main

sys.exit(main())

"""Who the customers are and how they behave; knows no company and no clock.

Importing this package points Numba's on-disk cache at a folder named after the sources, before any decorator runs:
Numba itself notices an edit in the file of a compiled function, but not one in a file it imports from, and would
answer with the old rule.
"""

from agents.compiled import use_cache_for_these_sources

use_cache_for_these_sources()

# a package of cxsim

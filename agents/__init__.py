"""Who the customers are and how they behave, without company or clock; imports nothing else of ours.

Importing this package points Numba's on-disk cache at a folder named after a hash of the sources, before any decorator
runs. Numba itself notices an edit in the file of a compiled function, but not in a file that this one imports from: it
would run the old rule.
"""

from agents.compiled import use_cache_for_these_sources

use_cache_for_these_sources()

# a package of cxsim

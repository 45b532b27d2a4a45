"""The simulation, from a configuration to folders of results: the firm, the calendar, single worlds, runs, many runs.

Imports agents alone; the order of the layers within stands in pyproject.toml.
"""

# a package of cxsim

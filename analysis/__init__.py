"""From the tables of folders of results to answers, figures and pages.

Of the rest it may import sim.tables, sim.files and sim.phrases.
"""

# a package of cxsim

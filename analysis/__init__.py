"""From the tables of run folders to answers, figures and pages; of the rest it may import sim.tables alone."""

# a package of cxsim

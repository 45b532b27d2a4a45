"""Run folders to answers."""

# a package of cxsim

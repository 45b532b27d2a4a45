"""The company, the clock and one simulated world."""

# a package of cxsim

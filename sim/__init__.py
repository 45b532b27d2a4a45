"""The simulation, from configuration to run folders: company, clock, worlds, studies; imports agents alone."""

# a package of cxsim

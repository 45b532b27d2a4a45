"""Scenarios: kinds of interventions, targeting rules, and how a file names them; imports sim and agents."""

# a package of cxsim

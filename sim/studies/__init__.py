"""Many runs: sweeps, search, pre-mortems, key drivers, recorded answers.

Imports sim.learning and what stands below it.
"""

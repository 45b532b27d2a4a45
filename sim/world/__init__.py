"""One world: customers and firm on SimPy's clock, day by day.

Imports sim.company and what stands below it.
"""

"""Reading the tables of run folders and of sweeps.

Imports analysis.style and what stands below it.
"""

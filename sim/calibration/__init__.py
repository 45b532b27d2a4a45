"""From a log of purchases to a company file.

Imports sim.run and what stands below it.
"""

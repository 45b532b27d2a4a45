"""From a log of purchases to a company file, and to a forecast of the weeks after it.

Imports sim.files.reading, sim.world and what stands below them.
"""

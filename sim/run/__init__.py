"""One run: every arm of every replication, and its folder.

Imports sim.world and what stands below it.
"""

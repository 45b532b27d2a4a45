"""What is asked: a composed configuration is merged with its scenarios, checked, and set to points.

Imports agents, sim.files and sim.phrases alone.
"""

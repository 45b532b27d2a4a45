"""What is asked: a composed configuration is laid together, checked and drawn.

Imports agents and sim.tables alone.
"""

"""Customers' lives: story, funnel, map.

Imports analysis.effects and what stands below it.
"""

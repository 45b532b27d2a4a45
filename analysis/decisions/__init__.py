"""Many points to a decision: regions, gate, what finding out is worth, the sweep's page.

Imports analysis.effects and what stands below it.
"""

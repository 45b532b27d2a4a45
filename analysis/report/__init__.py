"""The page of one run.

Imports analysis.journeys, analysis.decisions and what stands below them.
"""

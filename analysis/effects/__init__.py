"""The numbers of one run: effects, intervals, what would flip them.

Imports analysis.folders and what stands below it.
"""

"""Pages of studies: search, pre-mortem, key drivers, learning, recorded answers.

Imports analysis.report and what stands below it.
"""

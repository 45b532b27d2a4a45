"""The pages of all other commands: search, exploring, pre-mortem, key drivers, field tests, learning, calibration,
validation, the ledger, the gallery of scenarios, recorded answers. Imports analysis.report and below.
"""

"""The firm: fulfilment, support desk, campaigns, offers, ledger, meetings.

Imports sim.config and what stands below it.
"""

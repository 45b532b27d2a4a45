"""Decisions over many points: what the answer hangs on, the gate, the value of information, the sweep's page."""

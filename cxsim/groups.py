"""The groups of a configuration: which there are, and which of them are no settings of a run."""

from __future__ import annotations

NOT_SETTINGS = ("hydra", "sweep", "premortem", "key_drivers", "gate", "optimise", "explore")
"""Groups of a composed configuration that are not part of `Settings`."""

GROUPS = ("company", "personas", "market", "calendar", "behaviour", "scenario", *NOT_SETTINGS[1:])
"""Groups from which a file is chosen."""

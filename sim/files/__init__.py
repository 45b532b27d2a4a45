"""Files as they are read and written: plain YAML and CSV, drafts that are renamed, a manifest, signals held meanwhile.

Imports sim.phrases alone.
"""

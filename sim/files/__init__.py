"""Files as they are read and written: plain YAML and CSV, drafts that are renamed, a manifest, signals held meanwhile;
and in `reading`, tables as firms have them.

Imports sim.phrases alone.
"""

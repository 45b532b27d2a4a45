"""How everything looks and sounds: figures, fonts, pages, words, languages.

Imports sim.tables alone.
"""

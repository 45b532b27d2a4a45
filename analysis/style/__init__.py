"""What all answers share: the look of figures and pages, fonts, words, translation. Imports nothing of analysis."""

"""Reading the folders of runs and sweeps, and what a run predicts. Imports analysis.style alone."""

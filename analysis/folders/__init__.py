"""Reading the tables of run folders and of sweeps."""

"""What every room stands on: errors, files, plug-ins, units, seeds and progress. Nothing here imports torch."""

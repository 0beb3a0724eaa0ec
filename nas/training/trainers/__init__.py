"""The step rules, one a file. A new one is a file here, or in any package, and an entry point in `nas.trainers`."""

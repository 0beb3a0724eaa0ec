"""Runtimes: each is one file with how a network becomes its file, and one in `loaders/` with what runs it on the device."""

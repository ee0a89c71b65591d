"""The command line: one file for each command. It wires the rooms together and decides nothing."""

"""The command line: one file for each command. It connects the other folders and decides
nothing."""

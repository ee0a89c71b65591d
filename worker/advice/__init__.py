"""What a person can do about what a run left, and the commands for it: said here, and nowhere else.

The summary of a run, the workbook and the report show it, each in its own look. Pure.
"""

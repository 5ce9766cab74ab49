"""Tests that need Python 3.10 and its standard library only: `python3 -m unittest discover -s tests_unit -t .` in this folder."""

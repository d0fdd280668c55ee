"""The files of cases: read, checked, selected, split, compared; and which dataset tests which prompt."""

"""The checks of the assignments, one module per chapter: they run a student's answer and name what is wrong with it."""

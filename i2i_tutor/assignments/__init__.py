"""Assignments: the notebooks for students and for nbgrader, and a check of a student's notebook without nbgrader."""

from i2i_tutor.assignments.running import check_form, execute, grade, read_notebook, validate
from i2i_tutor.assignments.source import (
    INSTALL,
    MARKS,
    METADATA,
    Address,
    AssignmentError,
    Cell,
    address_of,
    problems,
    read_source,
    release,
    released,
    site,
    student_notebook,
    tasks,
    with_frame,
)

__all__ = [
    "INSTALL",
    "MARKS",
    "METADATA",
    "Address",
    "AssignmentError",
    "Cell",
    "address_of",
    "check_form",
    "execute",
    "grade",
    "problems",
    "read_notebook",
    "read_source",
    "release",
    "released",
    "site",
    "student_notebook",
    "tasks",
    "validate",
    "with_frame",
]

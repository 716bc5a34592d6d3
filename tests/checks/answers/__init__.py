"""Right and wrong answers to the exercises, a module for each notebook.

RIGHT: for each check, answers that must pass, the usual one first. WRONG: for each check, answers
that must not, and a part of the sentence that they get. The formulas are written out here, not
taken from the library.
"""

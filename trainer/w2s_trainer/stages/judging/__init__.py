"""A causal model that judges what others said of texts: it rates one answer by a rubric, or prefers one of two.

Nothing is generated. Of each prompt the probabilities of a few options are read, which need not come to 1: what is missing is
the model's wish to say something else.
"""

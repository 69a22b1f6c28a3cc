"""Tasks of type `Generation`: a text is written for each text."""

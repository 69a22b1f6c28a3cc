"""One package a stage; a method is one file in its stage's package."""

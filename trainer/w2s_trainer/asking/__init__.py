"""`w2s ask`: which texts of a pool are most worth an expert's time."""

"""The report: `results.json` in words and pictures. Its only source is that file."""

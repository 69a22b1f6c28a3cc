"""Does a job pay, and can one know beforehand? The study of docs/results/2026-11-29-does-it-pay.md."""

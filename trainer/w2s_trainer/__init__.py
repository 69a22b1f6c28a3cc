"""What the stages do: data, models, methods, store, evaluation, report and the local driver."""

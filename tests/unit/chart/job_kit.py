"""A small manifest."""

SPEC = {
    "task": {"classes": [{"name": "other"}, {"name": "indemnity"}], "positiveClass": "indemnity"},
    "data": {"unlabeled": {"uri": "s3://legal/pool.jsonl"}, "gold": {"uri": "s3://legal/gold.jsonl"}},
    "storage": {"uri": "s3://legal/w2s"},
    "weak": {
        "labelers": [
            {"name": "small", "type": "Classifier", "classifier": {"model": {"uri": "hf://legal/small"}}}
        ]
    },
    "strong": {"model": {"uri": "hf://org/strong"}},
}

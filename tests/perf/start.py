"""A process of its own: from its start to its first optimiser step. `start.py URI CACHE LICENCES BEGAN`

Prints the seconds since BEGAN (time.time() of who started it) at which each part was done, as JSON.
"""

import json
import sys
import time
from pathlib import Path


def main() -> None:
    uri, cache, licences, began = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
    done = {"python": time.time() - began}
    from w2s_trainer.models.uri import fetch_model

    directory = fetch_model(uri, None, cache)  # type: ignore[arg-type]
    done["model at hand"] = time.time() - began
    import ours

    from w2s_trainer.models.head import fit

    texts = ours.Texts(*ours.read(licences)).first(64)
    made = ours.load_student(directory, ours.CLASSES, tuning=ours.LoRA())
    done["model loaded"] = time.time() - began
    features, _ = made.encoder.features(texts.texts, 64, 8192)
    made.start_from(fit(features, texts.labels, ours.np.ones(64), 2.0), features)
    done["head fitted on 64 texts"] = time.time() - began
    made.make_tunable(seed=0)
    ours.train(made, ours.training_texts(made, texts.first(32), 64), 3e-4)
    done["first step"] = time.time() - began
    print(json.dumps(done))


if __name__ == "__main__":
    main()

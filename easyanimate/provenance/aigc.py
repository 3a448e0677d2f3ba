"""The AIGC label of GB 45438-2025, annex E: the implicit label in the metadata of generated files, as JSON."""

import json

LABEL_KEY = "AIGC"
GENERATED = "1"  # the value of `Label` for content that is generated


def aigc_label(producer: str, produce_id: str) -> str:
    """The JSON of a label. Where it is first written, the fields of the propagator are those of the producer."""
    fields = {
        "Label": GENERATED,
        "ContentProducer": producer,
        "ProduceID": produce_id,
        "ReservedCode1": "",
        "ContentPropagator": producer,
        "PropagateID": produce_id,
        "ReservedCode2": "",
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def labels_generated(label: str) -> bool:
    """Whether a label says that the file is generated."""
    try:
        return bool(json.loads(label)["Label"] == GENERATED)
    except (ValueError, TypeError, KeyError, RecursionError):
        return False

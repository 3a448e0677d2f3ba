"""The names, shapes and dtypes of the published weights of the Slice VAE."""

import csv
from pathlib import Path

from easyanimate.vae import AutoencoderKLSlice
from easyanimate.weights.checkpoint import build_empty

LIST = Path(__file__).parents[1] / "golden" / "slice_vae" / "slice_vae_state_dict.tsv"


def test_the_weights_have_the_published_names_shapes_and_dtypes():
    actual = {
        key: ("x".join(map(str, weight.shape)), str(weight.dtype).removeprefix("torch."))
        for key, weight in build_empty(AutoencoderKLSlice).state_dict().items()
    }
    with LIST.open() as lines:
        published = {row["key"]: (row["shape"], row["dtype"]) for row in csv.DictReader(lines, delimiter="\t")}
    assert actual == published

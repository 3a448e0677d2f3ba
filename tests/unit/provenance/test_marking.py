"""Marks of each format: frames stay equal, every change is found, and each tag can be read by other programs."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import av
import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.copyable_frames import find_copyable_frames
from easyanimate.files.file_comment import read_comment
from easyanimate.files.mp4_join import join_mp4
from easyanimate.provenance.checks import MarkResult, check_marks
from easyanimate.provenance.claims import TRAINED_MEDIA, ClaimIngredient
from easyanimate.provenance.credentials import SigningCredentials, local_credentials
from easyanimate.provenance.marking import MEDIA_TYPES, ProvenanceMarker
from easyanimate.provenance.mp4 import boxes
from easyanimate.provenance.xmp import IPTC, TC260
from tests.unit.provenance.conftest import CLAIM

MakeFile = Callable[..., Path]
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
SUFFIXES = sorted(MEDIA_TYPES)


def results(path: Path, trusted: str, data: bytes | None = None) -> dict[str, MarkResult]:
    file = BytesIO(path.read_bytes() if data is None else data)
    return {result.type: result for result in check_marks(file, MEDIA_TYPES[path.suffix], trusted)}


def statuses(path: Path, trusted: str, data: bytes | None = None) -> set[str]:
    return {result.status for result in results(path, trusted, data).values()}


def pixels(path: Path) -> np.ndarray:
    if path.suffix != ".mp4":
        with Image.open(path) as image:
            return np.asarray(image)
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="yuv420p") for frame in container.decode(video=0)])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_marked_file_has_the_same_pixels_and_three_valid_marks(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials, suffix: str
) -> None:
    path = make_file(suffix)
    before = pixels(path)
    assert statuses(path, credentials.chain) == {"absent"}
    marker.mark_file(path, CLAIM)
    assert np.array_equal(pixels(path), before)
    found = results(path, credentials.chain)
    assert statuses(path, credentials.chain) == {"valid"}
    assert (found["c2pa"].video_id, found["c2pa"].made_by) == ("video_1", "EasyAnimate Service 1")
    assert [name.name for name in path.parent.iterdir() if name.name.startswith(".")] == []


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_changed_byte_of_frames_or_tags_is_found(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials, suffix: str
) -> None:
    path = make_file(suffix)
    marker.mark_file(path, CLAIM)
    data = path.read_bytes()
    places = [data.index(b'trainedAlgorithmicMedia"'), data.index(b"ContentProducer"), len(data) - 40]
    for place in places:
        changed = bytearray(data)
        changed[place] ^= 1
        assert results(path, credentials.chain, bytes(changed))["c2pa"].status == "altered"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_each_changed_byte_outside_the_manifest_is_found(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials, suffix: str
) -> None:
    path = make_file(suffix)
    marker.mark_file(path, CLAIM)
    data = path.read_bytes()
    begin = 0 if suffix == ".mp4" else data.index(b"jumb") - 20  # an MP4 begins with `ftyp`, which is not covered
    end = data.index(bytes(512), data.index(b"cpadY")) + 1000  # the padding ends the manifest
    outside = [*range(begin), *range(end, len(data))]
    for place in Random(7).sample(outside, 40):
        changed = bytearray(data)
        changed[place] ^= 1
        with suppress(InvalidInput):  # the file is no longer readable
            assert results(path, credentials.chain, bytes(changed))["c2pa"].status == "altered", place


def test_each_top_level_part_of_an_mp4_is_covered(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials
) -> None:
    path = make_file(".mp4")
    marker.mark_file(path, CLAIM)
    data = path.read_bytes()
    for name, _, content, end in boxes(BytesIO(data), 0, len(data)):
        if name in (b"moov", b"mdat"):
            changed = bytearray(data)
            changed[(content + end) // 2] ^= 1
            assert results(path, credentials.chain, bytes(changed))["c2pa"].status == "altered"


def test_the_tags_of_an_mp4_can_be_read_by_ffmpeg(make_file: MakeFile, marker: ProvenanceMarker) -> None:
    path = make_file(".mp4")
    marker.mark_file(path, CLAIM)
    with av.open(str(path)) as container:
        tags = container.metadata
    assert tags["comment"] == '{"model": "tiny"}'
    assert json.loads(tags["AIGC"]) == {
        "Label": "1",
        "ContentProducer": 'Studio "8" & co',
        "ProduceID": "video_1",
        "ReservedCode1": "",
        "ContentPropagator": 'Studio "8" & co',
        "PropagateID": "video_1",
        "ReservedCode2": "",
    }
    assert read_comment(path) == '{"model": "tiny"}'


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg"])
def test_the_xmp_of_an_image_can_be_read_by_pillow(make_file: MakeFile, marker: ProvenanceMarker, suffix: str) -> None:
    path = make_file(suffix)
    marker.mark_file(path, CLAIM)
    with Image.open(path) as image:
        (description,) = ElementTree.fromstring(image.info["xmp"]).iter(f"{RDF}Description")
    assert description.get(f"{{{IPTC}}}DigitalSourceType") == TRAINED_MEDIA
    assert json.loads(description.findtext(f"{{{TC260}}}AIGC") or "")["ContentProducer"] == 'Studio "8" & co'


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_has_one_label(make_file: MakeFile, marker: ProvenanceMarker, suffix: str) -> None:
    path = make_file(suffix)
    marker.mark_file(path, CLAIM)
    assert path.read_bytes().count(b"ContentProducer") == 1


def test_equal_files_stay_equal_without_their_marks(make_file: MakeFile, marker: ProvenanceMarker) -> None:
    first, second = make_file(".mp4", "first"), make_file(".mp4", "second")
    assert first.read_bytes() == second.read_bytes()
    for path in (first, second):
        marker.mark_file(path, CLAIM)
    assert first.read_bytes() != second.read_bytes()  # a signature has random bytes and a time
    assert np.array_equal(pixels(first), pixels(second))


def test_frames_of_a_marked_video_are_copied_into_its_extension(make_file: MakeFile, marker: ProvenanceMarker) -> None:
    path, target = make_file(".mp4"), make_file(".mp4", "target")
    marker.mark_file(path, CLAIM)
    copied, warnings = find_copyable_frames(path, width=64, height=48, fps=Fraction(8), overlap=4)
    assert copied is not None, warnings
    join_mp4(target, [copied], Fraction(8))
    assert np.array_equal(pixels(target), pixels(path)[: copied.num_frames])


def test_an_extension_names_its_parent_and_keeps_its_manifest(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials
) -> None:
    parent, child = make_file(".mp4", "parent"), make_file(".mp4", "child")
    marker.mark_file(parent, CLAIM)
    ingredients = (ClaimIngredient("video_1", "video/mp4", "00", parent), ClaimIngredient("image", "image/png", "11"))
    marker.mark_file(child, replace(CLAIM, title="video_2", video_id="video_2", ingredients=ingredients))
    assert results(child, credentials.chain)["c2pa"].video_id == "video_2"
    assert b"video_1" in child.read_bytes()


def test_a_file_without_a_manifest_is_no_claim_and_its_tags_are_not_trusted(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials
) -> None:
    path = make_file(".mp4")
    marker.mark_file(path, CLAIM)
    data = path.read_bytes()
    parts = [(name, data[begin:end]) for name, begin, _, end in boxes(BytesIO(data), 0, len(data))]
    stripped = b"".join(part for name, part in parts if name != b"uuid" or b"x:xmpmeta" in part)
    found = results(path, credentials.chain, stripped)
    assert [found[name].status for name in ("c2pa", "xmp", "aigc")] == ["absent", "untrusted", "untrusted"]
    assert found["c2pa"].detail.startswith("no claim")


def test_another_signer_is_untrusted_and_an_earlier_certificate_stays_valid(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials, tmp_path: Path
) -> None:
    path = make_file(".png")
    marker.mark_file(path, CLAIM)
    renewed = local_credentials(tmp_path / "renewed")
    assert results(path, renewed.chain)["c2pa"].status == "untrusted"
    assert results(path, renewed.chain)["c2pa"].made_by is None
    assert results(path, renewed.chain + credentials.chain)["c2pa"].status == "valid"
    assert results(path, "no certificate")["c2pa"].status == "untrusted"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_file_is_refused_or_altered(
    make_file: MakeFile, marker: ProvenanceMarker, credentials: SigningCredentials, suffix: str
) -> None:
    path = make_file(suffix)
    marker.mark_file(path, CLAIM)
    data = path.read_bytes()
    for length in range(16, len(data), len(data) // 12):
        with suppress(InvalidInput):
            assert "valid" not in statuses(path, credentials.chain, data[:length])


def test_a_file_that_cannot_be_marked_stays_as_it_was(make_file: MakeFile, marker: ProvenanceMarker) -> None:
    path = make_file(".mp4")
    path.write_bytes(path.read_bytes()[:-100])
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InvalidInput, match="cut off"):
        marker.mark_file(path, CLAIM)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before

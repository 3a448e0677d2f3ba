"""The signed list of segments: a change of an entry is found."""

import json

import pytest

from easyanimate.errors import InvalidInput
from easyanimate.provenance.credentials import SigningCredentials
from easyanimate.provenance.marking import ProvenanceMarker
from easyanimate.provenance.segment_list import ListedSegment, read_segment_list, write_segment_list
from tests.unit.provenance.conftest import CLAIM

SEGMENTS = [ListedSegment(f"segment-0000{i}.ts", f"{i}" * 64, 8) for i in range(2)]


def test_a_list_is_valid_as_it_was_signed(marker: ProvenanceMarker, credentials: SigningCredentials) -> None:
    signed = read_segment_list(write_segment_list(SEGMENTS, marker, CLAIM))
    assert signed.segments == tuple(SEGMENTS)
    assert signed.check(credentials.chain).status == "valid"
    assert signed.check("").status == "untrusted"


def test_a_changed_digest_is_found(marker: ProvenanceMarker, credentials: SigningCredentials) -> None:
    document = json.loads(write_segment_list(SEGMENTS, marker, CLAIM))
    document["content"] = document["content"].replace("1" * 64, "2" * 64)
    assert read_segment_list(json.dumps(document).encode()).check(credentials.chain).status == "altered"


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"content": "{}", "c2pa": "!"}', b"\xff"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidInput, match="no signed list"):
        read_segment_list(data)

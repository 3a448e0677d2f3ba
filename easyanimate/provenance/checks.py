"""Reads the marks of a file: what each says, and whether a trusted signature covers it.

Nothing is requested from other hosts. A front end calls this in a limited process only.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import Any, BinaryIO, Literal

import c2pa

from easyanimate.errors import InvalidInput
from easyanimate.provenance.aigc import LABEL_KEY, labels_generated
from easyanimate.provenance.claims import REPRODUCTION, TRAINED_MEDIA
from easyanimate.provenance.images import read_image_marks
from easyanimate.provenance.mp4 import read_mp4_marks
from easyanimate.provenance.trust import trust_groups
from easyanimate.provenance.webm import read_webm_xmp
from easyanimate.provenance.xmp import AIGC, SOURCE_TYPE, xmp_property

MarkKind = Literal["c2pa", "xmp", "aigc"]
MarkStatus = Literal["valid", "altered", "absent", "untrusted"]
OpenReader = Callable[[c2pa.Context], c2pa.Reader]
UNTRUSTED = "signingCredential.untrusted"
EXPIRED = ("signingCredential.expired", "claimSignature.outsideValidity")
NO_CLAIM = "no claim: the file has no C2PA manifest, which says nothing about its origin"
IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")
VIDEOS = ("video/mp4", "video/quicktime")
WEBM = "video/webm"  # has XMP only
MAX_TEXT = 200  # characters of a name in a certificate or a label


@dataclass(frozen=True)
class MarkResult:
    """What one kind of mark says. `video_id` and `made_by` are set only under a valid, trusted signature."""

    type: MarkKind
    status: MarkStatus
    detail: str
    made_by: str | None = None
    video_id: str | None = None

    def to_values(self) -> dict[str, Any]:
        """The fields as values of JSON."""
        return asdict(self)


def check_marks(file: BinaryIO, media_type: str, trusted: str) -> tuple[MarkResult, ...]:
    """The results for C2PA, XMP and AIGC. `trusted` is a text of `trust.py`. Raises InvalidInput for a damaged file."""
    if media_type not in (*IMAGES, *VIDEOS, WEBM):
        detail = f"no claim: files of the type {media_type} carry no mark of this service"
        return tuple(MarkResult(kind, "absent", detail) for kind in ("c2pa", "xmp", "aigc"))
    xmp, label, has_manifest = _read_plain(file, media_type)
    if media_type == WEBM:
        manifest = MarkResult("c2pa", "absent", NO_CLAIM)
    else:
        manifest = _check_manifest(file, media_type, trusted, has_manifest=has_manifest)
    return manifest, _check_xmp(xmp, manifest), _check_label(label, manifest)


def check_sidecar(data: bytes, manifest: bytes, trusted: str) -> MarkResult:
    """The result for a manifest beside `data`, which are bytes of JSON."""

    def open_reader(context: c2pa.Context) -> c2pa.Reader:
        return c2pa.Reader("application/json", BytesIO(data), manifest_data=manifest, context=context)

    try:
        return _judge(open_reader, trusted)
    except c2pa.C2paError as error:
        return MarkResult("c2pa", "altered", f"the manifest cannot be read: {_short(error)}")


def _read_plain(file: BinaryIO, media_type: str) -> tuple[bytes | None, str | None, bool]:
    """The XMP, the AIGC label, and whether there is a C2PA manifest."""
    if media_type in VIDEOS:
        return read_mp4_marks(file)
    if media_type == WEBM:
        xmp, has_manifest = read_webm_xmp(file), False
    else:
        file.seek(0)
        xmp, has_manifest = read_image_marks(file.read(), media_type)
    return xmp, None if xmp is None else xmp_property(xmp, AIGC), has_manifest


def _read_report(open_reader: OpenReader, authorities: str) -> dict[str, Any]:
    """The report of the C2PA library with these trusted authorities."""
    verify = {"verify_trust": True, "remote_manifest_fetch": False, "ocsp_fetch": False}
    trust = {"user_anchors": authorities} if authorities else {}
    with c2pa.Context.from_dict({"verify": verify, "trust": trust}) as context, open_reader(context) as reader:
        report: dict[str, Any] = json.loads(reader.json())
        return report


def _check_manifest(file: BinaryIO, media_type: str, trusted: str, *, has_manifest: bool) -> MarkResult:
    def open_reader(context: c2pa.Context) -> c2pa.Reader:
        file.seek(0)
        return c2pa.Reader(media_type, file, context=context)

    try:
        return _judge(open_reader, trusted)
    except c2pa.C2paError.ManifestNotFound:
        return MarkResult("c2pa", "absent", NO_CLAIM)
    except c2pa.C2paError as error:
        if not has_manifest:
            raise InvalidInput(f"is damaged: {_short(error)}") from error
        return MarkResult("c2pa", "altered", f"the manifest cannot be read: {_short(error)}")


def _judge(open_reader: OpenReader, trusted: str) -> MarkResult:
    """The result for the active manifest, by the first group of authorities that trusts its signer."""
    result = _without_trust(_read_report(open_reader, ""))
    if result.status == "altered":
        return result
    for group in trust_groups(trusted):
        report = _read_report(open_reader, group.authorities)
        manifest = _active(report)
        if report.get("validation_state") == "Trusted" and group.covers(manifest):
            detail = f"signed by {_signer(manifest)}; {_origin(manifest)}"
            return MarkResult("c2pa", "valid", detail, _maker(manifest), _video_id(manifest))
    return result


def _without_trust(report: dict[str, Any]) -> MarkResult:
    """Whether file and manifest are intact."""
    results = report.get("validation_results", {}).get("activeManifest", {})
    failures = {failure["code"] for failure in results.get("failure", ())}
    signer = _signer(_active(report))
    broken = failures - {UNTRUSTED, *EXPIRED}
    if broken or (not failures and report.get("validation_state") == "Invalid"):
        return MarkResult("c2pa", "altered", f"the file or its manifest was changed: {', '.join(sorted(broken))}")
    if failures & set(EXPIRED):
        return MarkResult("c2pa", "untrusted", f"intact, but the certificate of {signer} is not valid now")
    return MarkResult("c2pa", "untrusted", f"intact, but the certificate of {signer} is not trusted here")


def _active(report: dict[str, Any]) -> dict[str, Any]:
    manifest: dict[str, Any] = report["manifests"][report["active_manifest"]]
    return manifest


def _signer(manifest: dict[str, Any]) -> str:
    info = manifest.get("signature_info") or {}
    names = [str(info[key])[:MAX_TEXT] for key in ("issuer", "common_name") if info.get(key)]
    return ", ".join(names) or "an unnamed signer"


def _maker(manifest: dict[str, Any]) -> str:
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    return f"{generator.get('name', 'unknown')} {generator.get('version', '')}".strip()[:MAX_TEXT]


def _origin(manifest: dict[str, Any]) -> str:
    actions = [action for each in _assertions(manifest, "c2pa.actions") for action in each.get("actions", ())]
    is_generated = any(action.get("digitalSourceType") == TRAINED_MEDIA for action in actions)
    return "it says that a trained model made the file" if is_generated else "it does not name a trained model"


def _video_id(manifest: dict[str, Any]) -> str | None:
    ids = [each.get("video_id") for each in _assertions(manifest, REPRODUCTION)]
    return str(ids[0])[:MAX_TEXT] if ids and ids[0] else None


def _assertions(manifest: dict[str, Any], label: str) -> list[dict[str, Any]]:
    """The content of the assertions with this label, of any version."""
    matching = (each for each in manifest.get("assertions", ()) if each.get("label", "").startswith(label))
    return [each["data"] for each in matching if isinstance(each.get("data"), dict)]


def _check_xmp(xmp: bytes | None, manifest: MarkResult) -> MarkResult:
    value = None if xmp is None else xmp_property(xmp, SOURCE_TYPE)
    if value is None:
        return MarkResult("xmp", "absent", "no claim: no digital source type of IPTC")
    if value != TRAINED_MEDIA:
        return MarkResult("xmp", "absent", f"no claim: the digital source type is {value[:MAX_TEXT]}")
    return _covered("xmp", "trainedAlgorithmicMedia", manifest)


def _check_label(label: str | None, manifest: MarkResult) -> MarkResult:
    if label is None:
        return MarkResult("aigc", "absent", f"no claim: no {LABEL_KEY} label")
    if not labels_generated(label):
        return MarkResult("aigc", "absent", f"no claim: the {LABEL_KEY} label does not say that the file is generated")
    return _covered("aigc", f"{LABEL_KEY}: generated", manifest)


def _covered(kind: MarkKind, text: str, manifest: MarkResult) -> MarkResult:
    """A tag has the status of the signature over it: anyone can write a tag."""
    if manifest.status == "valid":
        return MarkResult(kind, "valid", f"{text}; the signature covers it")
    if manifest.status == "altered":
        return MarkResult(kind, "altered", f"{text}; the signature over it does not match")
    return MarkResult(kind, "untrusted", f"{text}; no trusted signature covers it")


def _short(error: Exception) -> str:
    return str(error).splitlines()[0][:MAX_TEXT]

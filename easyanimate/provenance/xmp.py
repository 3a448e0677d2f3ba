"""XMP that names the digital source type of IPTC, and the AIGC label of GB 45438-2025 for files with XMP."""

import html
import re
from xml.sax.saxutils import escape

from easyanimate.provenance.claims import TRAINED_MEDIA

IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
TC260 = "http://www.tc260.org.cn/ns/AIGC/1.0/"
SOURCE_TYPE = "Iptc4xmpExt:DigitalSourceType"
AIGC = "TC260:AIGC"


def xmp_packet(label: str | None = None) -> bytes:
    """The packet; `label` is the JSON of an AIGC label."""
    namespace, aigc = (f' xmlns:TC260="{TC260}"', f"<{AIGC}>{escape(label)}</{AIGC}>") if label else ("", "")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="{IPTC}"{namespace} {SOURCE_TYPE}="{TRAINED_MEDIA}">'
        f'{aigc}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    ).encode()


def xmp_property(packet: bytes, name: str) -> str | None:
    """The text of a property, written as an attribute or as an element; None without it.

    The namespace must have its usual prefix. No XML parser reads the packet, because its author may be anyone.
    """
    text = packet.decode(errors="replace")
    pattern = rf"{name}\s*=\s*\"([^\"]*)\"|{name}\s*=\s*'([^']*)'|<{name}>([^<]*)</{name}>"
    match = re.search(pattern, text)
    return None if match is None else html.unescape(next(part for part in match.groups() if part is not None))

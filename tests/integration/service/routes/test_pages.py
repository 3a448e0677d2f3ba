"""The studio page is small, loads nothing from other origins, and each of its files is served."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path, PurePosixPath

import httpx
import pytest

from service.settings import ServiceSettings

MAX_PAGE_BYTES = 150_000  # of all files together, as a browser receives them, also those of later clicks
MAX_LINES = 250  # of a file
MAX_FILES = 12  # of a folder
MAX_LINE_CHARS = 250
FOLDER = Path(str(files("service") / "studio"))
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())
OWN = [name for name in FILES if not name.startswith(("vendor/", "examples/"))]
MODULES = [name for name in OWN if name.endswith(".js")]
ASSETS = tuple(f"/studio/{name}" for name in ("css/base.css", "main.js", "icon.svg", "views/form/form.js"))
IMPORT = re.compile(r'(?:from|import\()\s*"(\.[^"]+)"')
STATIC_IMPORT = re.compile(r'from\s*"(\.[^"]+)"')
LATER = (
    *("text/zh.js", "views/film/", "views/operators/", "views/dialogs/mask_painter.js", "views/dialogs/crop.js"),
    *("views/stage/wipe.js", "export/", "vendor/gifenc.js"),
)


@pytest.fixture
def page(shared_api: httpx.Client) -> httpx.Response:
    return shared_api.get("/").raise_for_status()


def test_the_page_runs_only_its_own_scripts(page: httpx.Response) -> None:
    rules = dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";"))
    assert {rules[name] for name in ("default-src", "base-uri", "form-action", "frame-ancestors")} == {"'none'"}
    assert {rules[name] for name in ("script-src", "style-src", "connect-src")} == {"'self'"}
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\ssrc=)", page.text)


def test_media_may_come_from_the_origin_of_the_storage(
    start_api: Callable[..., str], settings: ServiceSettings
) -> None:
    bucket = {
        "bucket": "videos",
        "endpoint_url": "https://s3.example:9000",
        "access_key_id": "a",
        "secret_access_key": "b",
    }
    on_s3 = ServiceSettings.model_validate({**settings.model_dump(), "storage": "s3", "s3": bucket})
    policy = httpx.get(start_api(on_s3), timeout=60).headers["content-security-policy"]
    assert re.search(r"media-src 'self' blob: https://(videos\.)?s3\.example:9000;", policy)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
@pytest.mark.parametrize("path", ["/", *ASSETS])
def test_a_matching_etag_gets_a_304(shared_api: httpx.Client, path: str, encoding: str) -> None:
    accepted = {"Accept-Encoding": encoding}
    first = shared_api.get(path, headers=accepted)
    assert first.headers.get("content-encoding", "identity") == encoding
    assert first.headers["cache-control"] == "no-cache"
    again = shared_api.get(path, headers={**accepted, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert shared_api.get(path, headers={**accepted, "If-None-Match": '"older"'}).status_code == 200


@pytest.mark.parametrize("path", ["/", *ASSETS])
def test_head_has_the_headers_without_the_body(shared_api: httpx.Client, path: str) -> None:
    head, whole = shared_api.head(path), shared_api.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert all(head.headers[name] == whole.headers[name] for name in ("etag", "content-type", "content-length"))


def test_compressed_and_plain_files_are_the_same(shared_api: httpx.Client) -> None:
    plain = shared_api.get("/studio/main.js", headers={"Accept-Encoding": "identity"})
    compressed = shared_api.get("/studio/main.js")
    assert plain.content == compressed.content == (FOLDER / "main.js").read_bytes()
    assert plain.headers["etag"] != compressed.headers["etag"]
    assert plain.headers["vary"] == compressed.headers["vary"] == "Accept-Encoding"


def test_all_links_of_the_page_are_served(shared_api: httpx.Client, page: httpx.Response) -> None:
    linked = set(re.findall(r'(?:src|href)="([^"]+)"', page.text))
    for path in linked | {"docs"}:  # relative: a proxy may add a path
        assert not path.startswith("/")
        shared_api.get(path).raise_for_status()


def imports_of(name: str, pattern: re.Pattern[str]) -> set[str]:
    """The files that a module imports."""
    path = FOLDER / name
    found = (path.parent.joinpath(target).resolve() for target in pattern.findall(path.read_text()))
    return {file.relative_to(FOLDER.resolve()).as_posix() for file in found}


def test_the_page_announces_the_modules_that_it_needs_at_once(page: httpx.Response) -> None:
    needed, unread = set[str](), {"main.js"}
    while unread:
        needed |= unread
        unread = {target for name in unread for target in imports_of(name, STATIC_IMPORT)} - needed
    preloaded = re.findall(r'modulepreload" href="studio/([^"]+)"', page.text)
    assert sorted(preloaded) == sorted(needed - {"main.js"})
    assert [name for name in preloaded if name.startswith(LATER)] == []


def test_each_import_names_a_file() -> None:
    imported = {"main.js"}
    for name in MODULES:
        imported |= imports_of(name, IMPORT)
    assert imported == {*MODULES, "vendor/preact.js", "vendor/gifenc.js"}


def test_the_page_names_no_other_origin() -> None:
    for name in OWN:
        text = (FOLDER / name).read_text().replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import", text), name


def test_no_text_is_inserted_as_html() -> None:
    for name in MODULES:
        script = (FOLDER / name).read_text()
        assert not re.search(r"\w*inner\w*HTML|outerHTML|insertAdjacent|document\.write|\beval\b|new Function", script)


def test_the_page_is_small_and_its_files_are_short(shared_api: httpx.Client) -> None:
    sizes = [len(shared_api.get("/").content)]
    for name in FILES:
        if name != "index.html":
            with shared_api.stream("GET", f"/studio/{name}") as response:
                sizes.append(sum(map(len, response.raise_for_status().iter_raw())))
    assert sum(sizes) <= MAX_PAGE_BYTES
    for name in OWN:
        lines = (FOLDER / name).read_text().splitlines()
        assert len(lines) <= MAX_LINES, name
        assert name.startswith("text/") or max(map(len, lines)) <= MAX_LINE_CHARS, name


def test_a_folder_has_few_files() -> None:
    folders = [PurePosixPath(name).parent for name in OWN]
    assert max(map(folders.count, folders)) <= MAX_FILES


def test_each_text_is_in_both_languages() -> None:
    english, chinese = ((FOLDER / "text" / f"{name}.js").read_text() for name in ("en", "zh"))
    texts = re.compile(r'"?([\w+-]+)"?: "((?:[^"\\]|\\.)*)",')
    of_english, of_chinese = dict(texts.findall(english)), dict(texts.findall(chinese))
    assert of_english.keys() == of_chinese.keys()
    for name, text in of_english.items():
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", of_chinese[name])), name


def test_each_text_icon_and_style_is_used() -> None:
    languages = re.compile(r"text/(service/)?(en|zh)\.js")
    code = "\n".join((FOLDER / name).read_text() for name in [*MODULES, "index.html"] if not languages.fullmatch(name))
    texts = re.findall(r'"?([\w+-]+)"?: "', (FOLDER / "text" / "en.js").read_text())
    icons = re.findall(r'^  (\w+): "M', (FOLDER / "views" / "icons.js").read_text(), re.MULTILINE)
    styles = "\n".join((FOLDER / name).read_text() for name in OWN if name.endswith(".css"))
    selectors = set(re.findall(r"[.#]([a-z][\w-]+)(?=[^{}]*\{)", re.sub(r"/\*.*?\*/", "", styles)))
    patterns = re.findall(r"[`\s]((?:\w+_)?\$\{\w+\}(?:_\w+)?)`", code)  # such as `${mode}_of`
    built = re.compile("|".join(re.sub(r"\$\{\w+\}", r"\\w+", one) for one in patterns if "_" in one))
    words = set(re.findall(r"[\w-]+", code))
    assert [name for name in texts if name not in words and not built.fullmatch(name)] == []
    assert [name for name in icons if f'"{name}"' not in code] == []
    assert [name for name in selectors if name not in words] == []


def test_libraries_have_their_licences() -> None:
    assert {f"vendor/LICENSE.{name}.txt" for name in ("htm", "preact", "gifenc")} <= set(FILES)


def test_the_strips_of_examples_are_served(shared_api: httpx.Client) -> None:
    index = json.loads(shared_api.get("/studio/examples/index.json").raise_for_status().text)
    assert len(index["examples"]) == 6
    for example in index["examples"].values():
        assert shared_api.get(f"/studio/examples/{example['strip']}").headers["content-type"] == "image/webp"


def test_other_files_are_not_served(shared_api: httpx.Client, code_of: Callable[[httpx.Response], str]) -> None:
    for name in ("index.html", "..%2Fapp.py", "%2Fetc%2Fpasswd", "css/..%2F..%2Fapp.py", "nope.js", ""):
        answer = shared_api.get(f"/studio/{name}")
        assert (answer.status_code, code_of(answer)) == (404, "not_found")


def test_the_page_is_not_in_the_openapi_document(shared_api: httpx.Client) -> None:
    assert not [path for path in shared_api.get("/openapi.json").json()["paths"] if path == "/" or "studio" in path]


def test_the_page_needs_no_key(start_api: Callable[..., str], settings: ServiceSettings) -> None:
    closed = ServiceSettings.model_validate({**settings.model_dump(), "auth": "keys", "api_keys": "k"})
    with httpx.Client(base_url=start_api(closed), timeout=60) as client:
        assert client.get("/v1/models").status_code == 401
        assert {client.get(path).status_code for path in ("/", *ASSETS)} == {200}

"""Files with damaged headers, sent over HTTP: each is read or refused, and the front end goes on."""

from concurrent.futures import ThreadPoolExecutor

import httpx

from service.inputs.media_process import media_process
from tests.media_fuzz import damaged_files, sample_files

SEED, COUNT = 11, 300


def upload(api: httpx.Client, data: bytes) -> httpx.Response:
    answer = api.post("/v1/files", files={"file": ("file", data)})
    if answer.status_code == 200:
        api.delete(f"/v1/files/{answer.json()['id']}").raise_for_status()
    return answer


def test_no_damaged_file_is_a_500_or_ends_a_process(shared_api: httpx.Client) -> None:
    assert upload(shared_api, dict(sample_files())["p_plain.png"]).status_code == 200
    starts = media_process().starts
    files = list(damaged_files(SEED, COUNT))
    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda file: upload(shared_api, file[1]), files))
    wrong = {
        name: answer.text
        for (name, _), answer in zip(files, answers, strict=True)
        if answer.status_code not in (200, 400)
    }
    assert wrong == {}
    assert {answer.status_code for answer in answers} == {200, 400}
    assert media_process().starts == starts
    assert upload(shared_api, dict(sample_files())["v_709.mp4"]).status_code == 200

"""Files, keys and addresses that people give on the command line: whatever they are, the answer is a sentence."""

from pathlib import Path

import httpx
import pytest

from starter.cli import files, main
from starter.cli.api import Access, Api, CommandFailed

NOBODY = ("--url", "http://127.0.0.1:1", "--key", "ds_nobody")
BROKEN = {
    "a directory": None,
    "nothing of the name": "missing",
    "not UTF-8": b"\xff\xfe{\x00}\x00",
    "not a number": b'{"name": NaN}',
    "too large a number": b'{"name": 1e999}',
    "too many digits": b'{"name": ' + b"9" * 5_000 + b"}",
    "nested deeply": b"[" * 100_000,
    "no object": b"[]",
    "not JSON": b"{",
    "empty": b"",
}
COMMANDS = {
    "price list": ("price-lists", "put", "spring", "{file}", *NOBODY),
    "customer": ("customer", "edit", "0b1c", "--patch", "{file}", *NOBODY),
    "service": ("services", "edit", "0b1c", "d0", "--patch", "{file}", *NOBODY),
    "draft": ("draft", "set", "0b1c", "business", "{file}", *NOBODY),
    "white label": ("white-labels", "put", "{file}"),
}


def _file(directory: Path, content: object) -> Path:
    if content is None:
        return directory
    file = directory / "given.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    return file


def _said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What a command that ends with status 1 says. It must not raise, and must not ask anybody."""
    with pytest.raises(SystemExit) as ended:
        main(list(arguments))
    said = capsys.readouterr().err
    assert ended.value.code == 1, said
    return said


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_file_that_cannot_be_used_is_told_as_a_sentence(content: object, tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match=r"^The file .*\.$") as told:
        files.json_object(_file(tmp_path, content))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "content", [None, b"[" * 100_000, b'{"name": NaN, "slug": NaN}', b"[]"], ids=["directory", "deep", "NaN", "list"]
)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_no_command_breaks_on_a_file(
    command: tuple[str, ...], content: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = str(_file(tmp_path, content))
    said = _said(capsys, *(part.replace("{file}", file) for part in command))
    assert file in said.replace("\n", "")


@pytest.mark.parametrize(
    "command",
    [("bulk", "check"), ("bulk", "start"), ("onboard",), ("check",), ("numbers", "import", "--white-label", "x")],
    ids=str,
)
def test_no_command_breaks_on_a_directory(command: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (directory := tmp_path / "orders.csv").mkdir()
    assert "Is a directory" in _said(capsys, *command, str(directory), *NOBODY)


@pytest.mark.parametrize("key", ["\u00e9", "ds_x\ny", "\ud800"], ids=ascii)
def test_a_key_that_is_none_is_told_before_anybody_is_asked(key: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no API key" in _said(capsys, "list", "--url", "http://127.0.0.1:1", "--key", key)


@pytest.mark.parametrize("url", ["http://[::1", "nonsense", "ftp://api.example.com", "http://", "http://a:b"])
def test_an_address_that_is_none_is_told_before_anybody_is_asked(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "The address of the API cannot be read" in _said(capsys, "list", "--url", url, "--key", "ds_x")


def test_what_no_terminal_can_have_written_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not text in UTF-8" in _said(capsys, "show", "\udcff", *NOBODY)


def test_a_problem_that_is_one_error_says_its_sentence_once() -> None:
    broken = "This file is not UTF-8."
    answer = httpx.Response(422, json={"detail": f"{broken} Nothing was used.", "errors": [{"code": "x", "detail": broken}]})
    api = Api(Access(url="http://api.test", api_key="ds_x"), httpx.MockTransport(lambda _: answer))
    with pytest.raises(CommandFailed) as told:
        api.get("/v1/onboardings")
    assert str(told.value) == f"{broken} Nothing was used."

"""ZIPs from strangers: what is good comes out under bare names, what is bad does not come out at all."""

import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from lumi import archives
from lumi.archives import BadArchive, unpack

SUFFIXES = (".obj", ".mtl", ".png")
MEGABYTE = 1024 * 1024
DIRECTORY_ENTRY, DIRECTORY_END = b"PK\x01\x02", b"PK\x05\x06"


def zipped(*files: tuple[str | zipfile.ZipInfo, bytes], packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP of these, twins and all."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", packing) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return out.getvalue()


def in_file(content: bytes, tmp_path: Path) -> tuple[Path, Path]:
    """The archive on disk, and an empty folder beside it."""
    archive, folder = tmp_path / "archive.zip", tmp_path / "unpacked"
    archive.write_bytes(content)
    folder.mkdir()
    return archive, folder


def unpacked(content: bytes, tmp_path: Path, **limits: int) -> dict[str, bytes]:
    """What comes out, by name."""
    archive, folder = in_file(content, tmp_path)
    found = unpack(archive, folder, suffixes=SUFFIXES, **limits)
    assert all(path.parent == folder for path in found)
    return {path.name: path.read_bytes() for path in found}


def refused(content: bytes, tmp_path: Path, **limits: int) -> str:
    """Why nothing comes out; what lies outside the folder is as it was."""
    archive, folder = in_file(content, tmp_path)
    with pytest.raises(BadArchive) as caught:
        unpack(archive, folder, suffixes=SUFFIXES, **limits)
    assert {path.name for path in tmp_path.iterdir()} == {"archive.zip", "unpacked"}
    assert not any(path.is_symlink() for path in folder.rglob("*"))
    return str(caught.value)


def special(name: str, mode: int) -> zipfile.ZipInfo:
    """An entry that says that it is something else than a file."""
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (mode | 0o777) << 16
    return entry


def changed(content: bytes, offset: int, value: bytes) -> bytes:
    """Other bytes at an offset, counted from the first entry of the directory."""
    start = content.index(DIRECTORY_ENTRY) + offset
    return content[:start] + value + content[start + len(value) :]


class TestWhatIsGood:
    def test_comes_out_under_bare_names(self, tmp_path: Path) -> None:
        content = zipped(("4f1c/model.obj", b"v 0 0 0\n"), ("4f1c/textures/fur.PNG", b"picture"), ("readme.txt", b"no"))
        assert unpacked(content, tmp_path) == {"model.obj": b"v 0 0 0\n", "fur.PNG": b"picture"}

    @pytest.mark.parametrize(
        ("written", "name"),
        [
            ("model.obj", "model.obj"),
            ("folder\\model.obj", "model.obj"),
            ("./model.obj", "model.obj"),
            ("a b/my model.obj", "my model.obj"),
            ("小猫/模型.obj", "模型.obj"),
            ("..model..obj", "..model..obj"),
        ],
    )
    def test_whatever_folder_it_lay_in(self, tmp_path: Path, written: str, name: str) -> None:
        expected = {} if name.startswith(".") else {name: b"v 0 0 0\n"}  # hidden files are litter
        assert unpacked(zipped((written, b"v 0 0 0\n")), tmp_path) == expected

    def test_utf_8_that_is_not_said_to_be(self, tmp_path: Path) -> None:
        content = zipped(("xxxxxx.obj", b"v 0 0 0\n")).replace(b"xxxxxx", "模型".encode())
        assert set(unpacked(content, tmp_path)) == {"模型.obj"}

    def test_names_in_another_encoding_are_still_names(self, tmp_path: Path) -> None:
        content = zipped(("xxxx.obj", b"v 0 0 0\n")).replace(b"xxxx", "模型".encode("gbk"))
        assert list(unpacked(content, tmp_path).values()) == [b"v 0 0 0\n"]

    def test_without_what_desktops_leave(self, tmp_path: Path) -> None:
        content = zipped(("model.obj", b"v"), ("__MACOSX/._model.obj", b"x"), (".hidden.obj", b"x"), ("empty/", b""))
        assert set(unpacked(content, tmp_path)) == {"model.obj"}

    def test_stored_as_it_is(self, tmp_path: Path) -> None:
        content = zipped(("model.obj", b"v" * 3 * MEGABYTE), packing=zipfile.ZIP_STORED)
        assert len(unpacked(content, tmp_path)["model.obj"]) == 3 * MEGABYTE

    def test_behind_a_program_that_unpacks_it(self, tmp_path: Path) -> None:
        assert unpacked(b"MZ" + bytes(1000) + zipped(("model.obj", b"v")), tmp_path) == {"model.obj": b"v"}

    def test_nothing_of_an_empty_one(self, tmp_path: Path) -> None:
        assert unpacked(zipped(), tmp_path) == {}

    def test_its_list_of_contents(self, tmp_path: Path) -> None:
        archive, _ = in_file(zipped(("3D/3dmodel.model", b"x" * 100), ("readme.txt", b"")), tmp_path)
        assert archives.contents(archive) == [("3D/3dmodel.model", 100), ("readme.txt", 0)]


class TestNamesThatLeadOut:
    @pytest.mark.parametrize(
        "name",
        [
            "../evil.obj", "a/../../evil.obj", "/etc/evil.obj", "..\\evil.obj", "a\\..\\..\\evil.obj", "\\evil.obj",
            "C:\\evil.obj", "C:evil.obj", "//host/share/evil.obj", "model.obj:stream.obj", "../readme.txt",
        ],
    )  # fmt: skip
    def test_are_refused(self, tmp_path: Path, name: str) -> None:
        assert "leads out" in refused(zipped(("model.obj", b"v"), (name, b"evil")), tmp_path)

    def test_a_zero_does_not_hide_the_end(self, tmp_path: Path) -> None:
        content = zipped(("model.obj#.png", b"evil")).replace(b"#", b"\0")
        assert "leads out" in refused(content, tmp_path)

    def test_dots_that_hide_in_another_encoding(self, tmp_path: Path) -> None:
        content = zipped(("..xevil.obj", b"evil")).replace(b"..x", b"../")
        assert "leads out" in refused(content, tmp_path)


class TestWhatIsNoFile:
    @pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK])
    def test_is_refused(self, tmp_path: Path, mode: int) -> None:
        content = zipped((special("model.obj", mode), b"/etc/passwd"))
        assert "link or a device" in refused(content, tmp_path)

    def test_a_file_that_says_so_is_one(self, tmp_path: Path) -> None:
        assert unpacked(zipped((special("model.obj", stat.S_IFREG), b"v")), tmp_path) == {"model.obj": b"v"}


class TestPacking:
    @pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
    def test_what_grows_without_bounds_is_refused(self, tmp_path: Path, packing: int) -> None:
        assert "unusual" in refused(zipped(("model.obj", bytes(MEGABYTE)), packing=packing), tmp_path)

    def test_secrets_are_refused(self, tmp_path: Path) -> None:
        assert "encrypted" in refused(changed(zipped(("model.obj", b"v")), 8, b"\x01\x00"), tmp_path)

    def test_two_of_one_name_are_refused(self, tmp_path: Path) -> None:
        assert "two entries" in refused(zipped(("a/Model.obj", b"1"), ("b/model.OBJ", b"2")), tmp_path)


class TestBombs:
    def test_more_than_may_come_out(self, tmp_path: Path) -> None:
        reason = refused(zipped(("model.obj", bytes(3 * MEGABYTE))), tmp_path, most_bytes=2 * MEGABYTE)
        assert "more comes out" in reason
        assert sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir()) <= 2 * MEGABYTE

    def test_the_bound_is_of_all_together(self, tmp_path: Path) -> None:
        content = zipped(("a.obj", bytes(MEGABYTE)), ("b.mtl", bytes(MEGABYTE)), ("c.png", bytes(MEGABYTE)))
        assert "more comes out" in refused(content, tmp_path, most_bytes=2 * MEGABYTE)

    def test_exactly_what_may(self, tmp_path: Path) -> None:
        content = zipped(("a.obj", bytes(MEGABYTE)), ("b.mtl", bytes(MEGABYTE)))
        assert len(unpacked(content, tmp_path, most_bytes=2 * MEGABYTE)) == 2

    def test_a_size_that_is_a_lie(self, tmp_path: Path) -> None:
        content = changed(zipped(("model.obj", bytes(3 * MEGABYTE))), 24, struct.pack("<I", 10))
        refused(content, tmp_path, most_bytes=2 * MEGABYTE)
        assert sum(path.stat().st_size for path in (tmp_path / "unpacked").iterdir()) <= 10

    def test_a_size_that_is_a_boast(self, tmp_path: Path) -> None:
        content = changed(zipped(("model.obj", b"v")), 24, struct.pack("<I", 2_000_000_000))
        assert unpacked(content, tmp_path) == {"model.obj": b"v"}

    def test_entries_over_one_another(self, tmp_path: Path) -> None:
        content = zipped(("a.obj", bytes(MEGABYTE)))
        start, end = content.index(DIRECTORY_ENTRY), content.index(DIRECTORY_END)
        entry = content[start:end]
        twins = b"".join(entry.replace(b"a.obj", b"%c.obj" % letter) for letter in range(ord("a"), ord("z")))
        count = struct.pack("<HHII", 25, 25, len(twins), start)
        bomb = content[:start] + twins + DIRECTORY_END + bytes(4) + count + bytes(2)
        refused(bomb, tmp_path, most_bytes=10 * MEGABYTE)

    def test_a_zip_in_a_zip_stays_packed(self, tmp_path: Path) -> None:
        inner = zipped(("model.obj", bytes(MEGABYTE)))
        assert unpacked(zipped(("inner.zip", inner), ("model.obj", b"v")), tmp_path) == {"model.obj": b"v"}

    def test_many_entries(self, tmp_path: Path) -> None:
        content = zipped(*((f"{number}.txt", b"") for number in range(archives.MOST_ENTRIES + 1)))
        assert "entries" in refused(content, tmp_path)

    def test_a_list_of_contents_that_fills_the_memory(self, tmp_path: Path) -> None:
        size = archives.MOST_AT_ONCE + 1
        content = bytes(size) + DIRECTORY_END + struct.pack("<HHHHIIH", 0, 0, 65_535, 65_535, size, 0, 0)
        assert "too long" in refused(content, tmp_path)


class TestWhatIsBroken:
    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"<html>", b"PK\x05\x06", bytes(1000)])
    def test_is_refused(self, tmp_path: Path, content: bytes) -> None:
        assert "not a sound ZIP" in refused(content, tmp_path)

    def test_cut_off(self, tmp_path: Path) -> None:
        content = zipped(("model.obj", random.Random(1).randbytes(MEGABYTE)))
        assert "not a sound ZIP" in refused(content[: len(content) // 2], tmp_path)

    def test_a_wrong_checksum(self, tmp_path: Path) -> None:
        assert "not a sound ZIP" in refused(changed(zipped(("model.obj", b"v 0 0 0")), 16, b"\0\0\0\0"), tmp_path)

    def test_no_accident_is_anything_else(self, tmp_path: Path) -> None:
        """Bytes changed at random: it unpacks, or it is a BadArchive."""
        chance, refusals = random.Random(4), 0
        sound = zipped(("a/model.obj", b"v 0 0 0\n" * 50), ("a/model.mtl", b"newmtl m\n" * 20))
        for turn in range(400):
            content = bytearray(sound)
            for _ in range(chance.randint(1, 4)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            folder = tmp_path / str(turn)
            folder.mkdir()
            archive = folder / "archive.zip"
            archive.write_bytes(content)
            try:
                unpack(archive, folder, suffixes=SUFFIXES, most_bytes=MEGABYTE)
            except BadArchive:
                refusals += 1
        assert refusals > 100

    def test_nothing_is_written_over_what_is_there(self, tmp_path: Path) -> None:
        archive, folder = in_file(zipped(("model.obj", b"v")), tmp_path)
        (folder / "model.obj").write_bytes(b"already there")
        with pytest.raises(BadArchive):
            unpack(archive, folder, suffixes=SUFFIXES)
        assert (folder / "model.obj").read_bytes() == b"already there"

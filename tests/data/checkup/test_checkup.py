"""A set of pictures is looked at as a whole: what is wrong with it is found, named and judged."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.checkup import findings
from ganvas.data.checkup.checkup import Checkup, check, has_problems
from ganvas.data.contract import SourceDefaults
from ganvas.data.decode import Header, PictureError
from ganvas.data.files.folders import FolderSource
from ganvas.data.options import SourceOptions, StoreOptions
from ganvas.data.pairs import open_pairs
from ganvas.errors import UsageError


def scene(seed: int, size: tuple[int, int] = (32, 32)) -> Image.Image:
    """A picture unlike that of any other seed. size: (width, height)."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 128, (8, 8, 3), np.uint8) + rng.integers(0, 128, 3, np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def saved(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def plain(count: int, folder: str = "") -> dict[str, bytes]:
    first = 1000 * len(folder)
    return {f"{folder}{i}.png": saved(scene(first + i)) for i in range(count)}


def checked(tmp_path: Path, files: Mapping[str, bytes], **options: object) -> Checkup:
    for name, data in files.items():
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return check(FolderSource("set", tmp_path / "set"), **options)


def found(checkup: Checkup) -> dict[str, str]:
    """kind -> severity."""
    return {finding.kind: finding.severity for finding in checkup.findings}


def finding(checkup: Checkup, kind: str):
    return next(finding for finding in checkup.findings if finding.kind == kind)


class InMemory(SourceDefaults):
    """A source of arrays, as video and medical sources are."""

    def __init__(self, pictures: list[np.ndarray], held_out: list[int] = (), groups: list[int] | None = None) -> None:
        self.name, self.names = "arrays", [f"train[{i}]" for i in range(len(pictures))]
        self.labels, self.class_names, self.labels_note = None, (), "unlabelled"
        self.held_out = np.isin(np.arange(len(pictures)), held_out)
        self.fingerprint = "0" * 64
        self.groups = None if groups is None else np.array(groups)
        self._pictures = pictures
        self.read_indices: list[int] = []

    def read(self, index: int, at_least: tuple[int, int] | None = None) -> np.ndarray:
        self.read_indices.append(index)
        if self._pictures[index] is None:
            raise PictureError(self.names[index], "cannot be read")
        return self._pictures[index]

    def header(self, index: int) -> Header:
        if self._pictures[index] is None:
            raise PictureError(self.names[index], "cannot be read")
        height, width, channels = self._pictures[index].shape
        return Header(width, height, channels, 8)


def arrays(count: int) -> list[np.ndarray]:
    return [np.asarray(scene(i)) for i in range(count)]


def test_a_set_with_nothing_wrong_gets_one_cheerful_honest_line(monkeypatch):
    monkeypatch.setattr(findings, "TINY_SET", 60)
    checkup = check(InMemory(arrays(60)))
    assert checkup.findings == ()
    assert checkup.verdict == "fine"
    assert not has_problems(checkup)
    assert checkup.words()[0] == "60 pictures: looked at every one of them and found nothing that would harm training."


def test_unreadable_files_are_named_with_their_reasons_and_stop_nothing(tmp_path):
    files = plain(20) | {
        "5.png": b"",
        "7.png": b"hello",
        "9.png": saved(scene(9))[:300],
        "dot.png": saved(scene(1, (3, 3))),
    }
    checkup = checked(tmp_path, files)
    assert checkup.survey.skipped == (
        ("5.png", "empty file"),
        ("7.png", "not a picture"),
        ("9.png", "truncated"),
        ("dot.png", "3x3 pixels: smaller than the least side of 4"),
    )
    assert (checkup.survey.looked_at, checkup.survey.usable) == (21, 17)
    assert found(checkup) == {"unreadable": "problem", "too-small": "warning", "tiny-set": "warning"}
    assert finding(checkup, "unreadable").count == 3
    assert checkup.words()[0] == "21 pictures: 1 problem and 2 warnings."
    assert checkup.words()[1].startswith(
        "problem: 3 pictures of 21 cannot be read (empty file, not a picture, truncated)"
    )
    assert has_problems(checkup)


def test_a_set_of_damage_alone_has_no_verdict_but_problems(tmp_path):
    checkup = checked(tmp_path, {f"{i}.png": b"hello" for i in range(9)})
    assert found(checkup) == {"unreadable": "problem", "no-pictures": "problem"}
    assert checkup.suggestions == ()
    assert checkup.survey.usable == 0


def test_fewer_pictures_than_training_wants_are_a_problem():
    assert found(check(InMemory(arrays(7))))["too-few"] == "problem"
    assert "too-few" not in found(check(InMemory(arrays(8))))


def test_copies_are_told_apart_equal_files_equal_pixels_and_alike(tmp_path):
    files = plain(12) | {
        "again/1.png": saved(scene(1)),
        "again/2.bmp": saved(scene(2), "BMP"),
        "again/3.jpg": saved(scene(3), "JPEG", quality=90, subsampling=0),
    }
    survey = checked(tmp_path, files).survey
    assert survey.same_files.names == (("1.png", "again/1.png"),)
    assert set(survey.same_pixels.names) == {("1.png", "again/1.png"), ("2.png", "again/2.bmp")}
    assert survey.near.names == (("3.png", "again/3.jpg"),)
    assert (survey.same_pixels.extra, survey.near.extra) == (2, 1)


def test_held_out_pictures_that_training_sees_are_a_problem(tmp_path):
    files = plain(12, "train/") | plain(8, "test/")
    files["test/x.png"] = files["train/3.png"]
    files["test/y.jpg"] = saved(Image.open(io.BytesIO(files["train/4.png"])), "JPEG", quality=90, subsampling=0)
    checkup = checked(tmp_path, files)
    assert checkup.survey.leaks.names == (("test/x.png", "train/3.png"),)
    assert checkup.survey.near_leaks.names == (("test/y.jpg", "train/4.png"),)
    assert found(checkup)["leakage"] == found(checkup)["near-leakage"] == "problem"
    assert finding(checkup, "leakage").examples == ("test/x.png", "train/3.png")


def test_copies_within_one_side_are_no_leak(tmp_path):
    files = plain(12, "train/") | plain(8, "test/")
    files["test/x.png"] = files["test/3.png"]
    assert "leakage" not in found(checked(tmp_path, files))


def test_one_patient_on_both_sides_is_a_problem():
    checkup = check(InMemory(arrays(12), held_out=[10, 11], groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5]))
    assert finding(checkup, "split-groups").count == 1
    assert finding(checkup, "split-groups").severity == "problem"
    apart = check(InMemory(arrays(12), held_out=[10, 11], groups=[0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]))
    assert "split-groups" not in found(apart)


def test_classes_of_very_different_size_are_warned_of(tmp_path):
    checkup = checked(tmp_path, plain(22, "cat/") | plain(5, "elephant/"))
    assert checkup.survey.classes == (("cat", 22), ("elephant", 5))
    assert finding(checkup, "imbalance").text == "classes differ in size: cat has 22 pictures, elephant has 5"
    assert finding(checkup, "imbalance").severity == "warning"


def test_conversions_are_notes_and_say_what_is_done(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N"}
    transparent = scene(50)
    transparent.putalpha(Image.linear_gradient("L").resize((32, 32)))
    files = plain(10) | {
        "alpha.png": saved(transparent),
        "lying.jpg": saved(scene(51), "JPEG", exif=exif),
        "cmyk.jpg": saved(scene(52).convert("CMYK"), "JPEG"),
        "moving.gif": saved(scene(53), "GIF", save_all=True, append_images=[scene(54)]),
        "named.jpg": saved(scene(55)),
        "grey.png": saved(scene(56).convert("L")),
        "greyish.png": saved(scene(57).convert("L").convert("RGB")),
    }
    checkup = checked(tmp_path, files)
    kinds = ("transparent", "turned", "place", "cmyk", "frames", "suffix", "grey", "grey-in-colour")
    assert {kind: (finding(checkup, kind).severity, finding(checkup, kind).count) for kind in kinds} == dict.fromkeys(
        kinds, ("note", 1)
    )
    assert finding(checkup, "transparent").action == "they are laid on white (--matte)"
    assert finding(checkup, "turned").examples == ("lying.jpg",)
    assert finding(checkup, "place").text == "1 picture of 17 tells in EXIF where it was taken"


def test_blank_letterboxed_and_badly_compressed_pictures_are_warned_of(tmp_path):
    boxed = Image.new("RGB", (64, 64))
    boxed.paste(scene(1, (64, 40)), (0, 12))
    files = {f"{i}.jpg": saved(scene(i, (64, 64)), "JPEG", quality=40) for i in range(12)}
    files |= {"boxed.png": saved(boxed), "even.png": saved(Image.new("RGB", (64, 64), "navy"))}
    checkup = checked(tmp_path, files)
    assert found(checkup) == dict.fromkeys(("tiny-set", "low-quality", "blank", "letterbox"), "warning")
    assert finding(checkup, "blank").examples == ("even.png",)
    assert finding(checkup, "letterbox").examples == ("boxed.png",)
    assert "quality 40 in the middle, 40 to 40" in finding(checkup, "low-quality").text
    assert checkup.survey.lossy == 12


def test_what_fitting_to_one_size_does_is_told(tmp_path):
    files = {f"{i}.png": saved(scene(i, (64, 64))) for i in range(8)}
    files |= {f"wide{i}.png": saved(scene(20 + i, (96, 48))) for i in range(8)}
    checkup = checked(tmp_path, files, options=StoreOptions(resolution=(64, 64)))
    assert finding(checkup, "upscaling").count == 8
    assert finding(checkup, "upscaling").severity == "warning"
    assert finding(checkup, "mixed-sizes").action == "all are made 64x64: the middle is cut out and scaled"
    padded = checked(tmp_path, {}, options=StoreOptions(resolution=(48, 48), fit="pad"))
    assert "upscaling" not in found(padded)
    assert "bars of the matte" in finding(padded, "mixed-sizes").action


def test_a_large_source_is_sampled_evenly_unless_all_is_asked_for():
    source = InMemory(arrays(11))
    sampled = check(source, sample=3)
    assert source.read_indices == [0, 5, 10]
    assert not sampled.survey.complete
    assert finding(sampled, "sample").text.startswith("3 of 11 pictures were looked at, evenly spread")
    assert check(source, sample=3, full=True).survey.looked_at == 11
    with pytest.raises(UsageError, match="a sample of 0 pictures is none"):
        check(source, sample=0)


def test_progress_reaches_the_number_of_pictures():
    told: list[tuple[int, int]] = []
    check(InMemory([*arrays(9), None]), progress=lambda done, of: told.append((done, of)))
    assert told == [(done, 10) for done in range(1, 11)]


def suggested(checkup: Checkup) -> dict[str, str]:
    return {item.option: item.value for item in checkup.suggestions}


def test_what_to_train_with_is_suggested_with_reasons(tmp_path):
    checkup = check(InMemory(arrays(60)))
    assert suggested(checkup) == {
        "--resolution": "32",
        "--recipe": "fast",
        "--channels": "3",
        "--augment": "colour,translation,cutout",
        "--mirror": "yes",
    }
    augment = next(item for item in checkup.suggestions if item.option == "--augment")
    assert "needs longer runs" in augment.reason
    assert "suggested: --resolution 32 (the size of the pictures)" in checkup.words()


def test_colour_is_left_out_of_the_augmentation_where_it_may_mean_something():
    grey = check(InMemory([picture[..., :1] for picture in arrays(10)]))
    assert suggested(grey)["--augment"] == "translation,cutout"
    assert suggested(grey)["--channels"] == "1"
    alike = check(InMemory([np.clip(picture // 8 + 150, 0, 255) for picture in arrays(10)]))
    assert suggested(alike)["--augment"] == "translation,cutout"


def test_few_pictures_are_not_mirrored_on_a_guess():
    checkup = check(InMemory(arrays(12)))
    assert suggested(checkup)["--mirror"] == "no"
    assert checkup.words()[-1].startswith("suggested: no --mirror (12 pictures are not enough to tell")


def test_json_says_everything_and_survives_odd_names(tmp_path):
    checkup = checked(tmp_path, plain(9) | {'<b>"猫"&.png': saved(scene(70)), "broken.png": b"x"})
    data = json.loads(json.dumps(checkup.to_json()))
    assert data["schema"] == 1
    assert data["verdict"] == "problems"
    assert data["survey"]["skipped"] == [["broken.png", "not a picture"]]
    assert data["survey"]["sizes"] == {"32x32": 10}
    assert data["findings"][0]["kind"] == "unreadable"
    assert "previews" not in data


def test_pictures_to_show_are_kept_small_or_read_once_more():
    source = InMemory(arrays(30))
    checkup = check(source)
    assert len(checkup.sheet) == 24
    assert set(checkup.previews) == set(checkup.sheet)
    assert Image.open(io.BytesIO(checkup.previews[checkup.sheet[0]])).size == (16, 16)
    larger = check(source, previews=True)
    assert Image.open(io.BytesIO(larger.previews[larger.sheet[0]])).size == (32, 32)


def test_both_files_of_a_pair_are_looked_at(tmp_path):
    files = {f"{side}/{i}.png": saved(scene(100 * (side == "B") + i)) for side in "AB" for i in range(10)}
    files["B/4.png"] = b"hello"
    for name, data in files.items():
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).write_bytes(data)
    source = open_pairs(FolderSource("set", tmp_path / "set"), SourceOptions(pairs="by-name"))
    checkup = check(source)
    assert checkup.survey.skipped_count == 1
    assert checkup.survey.skipped[0][1] == "not a picture"
    assert "--channels" not in suggested(checkup)


def test_a_few_large_pictures_are_enough_where_they_are_cut_into_patches(tmp_path):
    for i in range(4):
        scene(i, (160, 160)).save(tmp_path / f"{i}.png")
    source = FolderSource("scenes", tmp_path)
    whole, patches = ({f.kind for f in check(source, options=StoreOptions((16, 16), fit=fit)).findings}
                      for fit in ("crop", "patch"))  # fmt: skip
    assert "too-few" in whole
    assert "too-few" not in patches

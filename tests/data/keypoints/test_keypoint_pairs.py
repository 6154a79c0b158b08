"""Pictures and their points as pairs, and the store that they make."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganvas.data.options import SourceOptions, StoreOptions
from ganvas.data.prepare import check_source, prepare
from ganvas.data.sources import open_source
from ganvas.data.store import open_store
from ganvas.errors import GanvasError, UsageError


def pictures(folder: Path, count: int = 12, size: tuple[int, int] = (16, 16)) -> list[tuple[str, float, float]]:
    """A white pixel on black in each, and where it is."""
    random, found = np.random.default_rng(0), []
    for number in range(count):
        y, x = (int(random.integers(2, side - 2)) for side in size)
        picture = np.zeros((*size, 3), np.uint8)
        picture[y, x] = 255
        name = f"{'test' if number >= 10 else 'train'}/{number}.png"
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / name)
        found.append((name, x, y))
    return found


def table(path: Path, rows: list[str]) -> SourceOptions:
    path.write_text("\n".join(["file,name,x,y", *rows]) + "\n")
    return SourceOptions(keypoints=path)


def test_heat_maps_lie_before_the_picture_in_the_store_and_on_its_points(tmp_path):
    found = pictures(tmp_path / "set")
    rows = [f"{name},{'ab'[i % 2]},{x},{y}" for i, (name, x, y) in enumerate(found)]
    source = open_source(tmp_path / "set", options=table(tmp_path / "p.csv", rows))
    store = open_store(source, StoreOptions(), location=tmp_path / "store")
    assert store.sides == (2, 3)
    assert (store.keypoints.names, store.keypoints.sigma) == (("a", "b"), 0.02)
    assert (store.train_count, store.held_out_count) == (10, 2)
    kinds = {name: i % 2 for i, (name, _, _) in enumerate(found)}
    for name, images in zip(store.names, store.images, strict=True):
        maps, picture = images[:2], images[2:]
        assert not maps[1 - kinds[name]].any()
        assert maps[kinds[name]].argmax() == picture[0].argmax()


def test_a_store_of_points_knows_them_when_it_is_opened_again(tmp_path):
    rows = [f"{name},a,{x},{y}" for name, x, y in pictures(tmp_path / "set")]
    table(tmp_path / "p.csv", rows)
    store = prepare(tmp_path / "set", tmp_path / "store", keypoints=str(tmp_path / "p.csv"), keypoint_sigma=0.1)
    again = open_source(tmp_path / "store")
    assert again.keypoints == store.keypoints
    assert open_store(again, StoreOptions()).fingerprint == store.fingerprint
    assert check_source(tmp_path / "store").survey.usable == 12  # of the pictures, not of the points
    with pytest.raises(UsageError, match="holds pairs of 16x16 pixels as they were prepared"):
        open_store(again, StoreOptions(resolution=(32, 32)))
    with pytest.raises(UsageError, match="is points, not pictures"):
        open_source(tmp_path / "store", options=SourceOptions(side="A"))
    with pytest.raises(UsageError, match="is prepared already: leave out --keypoints"):
        open_source(tmp_path / "store", options=SourceOptions(keypoints=tmp_path / "p.csv"))
    wider = prepare(tmp_path / "set", tmp_path / "wider", keypoints=str(tmp_path / "p.csv"), keypoint_sigma=0.2)
    assert wider.fingerprint != store.fingerprint


def test_what_does_not_match_is_left_out_and_counted(tmp_path):
    found = pictures(tmp_path / "set")
    rows = [f"{Path(name).name},a,{x},{y}" for name, x, y in found[:9]]  # by bare names
    rows += ["99.png,a,1,1", "0.png,a,50,1", "8.png,b,-3,1"]
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(tmp_path / "set" / "train" / "outside.png")
    rows += ["outside.png,a,16.5,3"]
    source = open_source(tmp_path / "set", options=table(tmp_path / "p.csv", rows))
    store = open_store(source, StoreOptions(), location=tmp_path / "store")
    said = " ".join(store.notes)
    assert len(store.images) == 9
    assert "1 picture named in" in said
    assert "(99.png)" in said
    assert "3 pictures without points in" in said
    assert "2 pictures with some points outside" in said
    assert store.skipped == (("train/outside.png", "none of its points lies in its 16x16 pixels"),)


def test_a_picture_of_another_size_than_its_points_is_skipped_and_named(tmp_path):
    found = pictures(tmp_path / "set")
    (tmp_path / "p.csv").write_text(
        "file,name,x,y,width,height\n"
        + "".join(f"{name},a,{x},{y},16,{32 if name == 'train/3.png' else 16}\n" for name, x, y in found)
    )
    source = open_source(tmp_path / "set", options=SourceOptions(keypoints=tmp_path / "p.csv"))
    store = open_store(source, StoreOptions(), location=tmp_path / "store")
    assert store.skipped == (("train/3.png", "16x16 pixels, but its points are of a picture of 16x32"),)


def test_what_cannot_be_pairs_of_points_is_refused(tmp_path):
    pictures(tmp_path / "set")
    options = table(tmp_path / "p.csv", ["x.png,a,1,1", "y.png,a,1,1"])
    with pytest.raises(GanvasError, match=r"names x.png and 1 other pictures, none of which is there: expected paths"):
        open_source(tmp_path / "set", options=options)
    with pytest.raises(UsageError, match="leave out --pairs and --side"):
        open_source(tmp_path / "set", options=SourceOptions(keypoints=tmp_path / "p.csv", side="A"))
    with pytest.raises(UsageError, match="names files of pictures, which"):
        open_source(np.zeros((9, 8, 8, 3), np.uint8), options=options)
    options = table(tmp_path / "p.csv", ["0.png,a,1,1"])
    with pytest.raises(UsageError, match="--fit patch: points are of whole pictures"):
        open_store(open_source(tmp_path / "set", options=options), StoreOptions(fit="patch"))


def test_pairs_that_were_prepared_can_be_checked_and_used_as_they_are(tmp_path):
    pictures(tmp_path / "set", size=(16, 32))
    store = prepare(tmp_path / "set", tmp_path / "store", pairs="side-by-side", quiet=True)
    assert check_source(tmp_path / "store").survey.usable == 12
    assert open_store(open_source(tmp_path / "store"), StoreOptions()).sides == store.sides

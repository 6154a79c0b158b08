"""Files that say where points lie: COCO's JSON and tables, and what is refused in them."""

import json

import pytest

from ganvas.data.keypoints.keypoint_files import read_keypoints
from ganvas.errors import GanvasError, UsageError

COCO = {
    "images": [
        {"id": 7, "file_name": "people/1.jpg", "width": 40, "height": 30},
        {"id": 8, "file_name": "2.jpg", "width": 10, "height": 10},
        {"id": 9, "file_name": "empty.jpg", "width": 10, "height": 10},
    ],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose", "left_hand"]}, {"id": 2, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "keypoints": [4, 5, 2, 0, 0, 0]},
        {"id": 2, "image_id": 7, "category_id": 1, "keypoints": [20, 6, 1, 21.5, 9, 2]},
        {"id": 3, "image_id": 8, "category_id": 1, "keypoints": [1, 2, 2, 3, 4, 2]},
        {"id": 4, "image_id": 9, "category_id": 2, "bbox": [0, 0, 1, 1]},
    ],
}


def test_coco_gives_all_people_of_a_picture_but_no_points_that_are_not_there(tmp_path):
    (tmp_path / "poses.json").write_text(json.dumps(COCO))
    found = read_keypoints(tmp_path / "poses.json")
    assert found.names == ("nose", "left_hand")
    assert [(pose.file, pose.size) for pose in found.poses] == [("people/1.jpg", (30, 40)), ("2.jpg", (10, 10))]
    assert found.poses[0].points == [(0, 4, 5), (0, 20, 6), (1, 21.5, 9)]
    assert found.empty == ("empty.jpg",)


def test_a_table_has_a_row_for_each_point_and_may_tell_the_size(tmp_path):
    (tmp_path / "a.csv").write_text("file,name,x,y\n1.png,b,1,2\n1.png,a,3.5,4\n1.png,b,5,6\n2.png,a,0,0\n")
    found = read_keypoints(tmp_path / "a.csv")
    assert found.names == ("a", "b")
    assert found.poses[0].points == [(1, 1.0, 2.0), (0, 3.5, 4.0), (1, 5.0, 6.0)]
    assert found.poses[0].size is None
    (tmp_path / "b.csv").write_text("Image;Keypoint;X;Y;Width;Height\nx/1.png;7;1;2;40;30\n")
    found = read_keypoints(tmp_path / "b.csv")
    assert (found.names, found.poses[0].file, found.poses[0].size) == (("7",), "x/1.png", (30, 40))


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "file,x,y\n1.png,1,2\n", "has no column name: expected a table with file,name,x,y"),
        ("a.csv", "file,name,x,y\n1.png,a,,2\n", "row 1 lacks a file, name, x or y"),
        ("a.csv", "file,name,x,y\n1.png,a,left,2\n", "row 1 has a point at left, 2: expected finite numbers"),
        ("a.csv", "file,name,x,y\n1.png,a,inf,2\n", "row 1 has a point at inf, 2: expected finite numbers"),
        ("a.csv", "file,name,x,y\n../1.png,a,1,2\n", "names the picture '../1.png': expected a path relative to"),
        ("a.csv", "file,name,x,y,width,height\n1.png,a,1,2,4,\n", "gives a picture of 4xNone pixels"),
        ("a.csv", "file,name,x,y,width,height\n1.png,a,1,2,4,4\n1.png,a,1,2,5,4\n", "row 2 gives 1.png another size"),
        ("a.json", "[1]", "is not as expected: write COCO keypoints, with images, annotations and categories"),
        ("a.json", "{", "is not as expected"),
        ("a.json", json.dumps({**COCO, "categories": []}), "names 0 kinds of points"),
        ("a.json", json.dumps({**COCO, "annotations": []}), "has no points"),
        ("a.json", json.dumps({**COCO, "annotations": [{**COCO["annotations"][0], "keypoints": [1, 2]}]}),
         "annotation 1 has 2 numbers for 2 keypoints: expected x, y and v for each"),
    ],
)  # fmt: skip
def test_what_is_no_keypoint_file_is_refused_in_one_line(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(GanvasError) as refused:
        read_keypoints(tmp_path / name)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"keypoint file .*none.json cannot be read"):
        read_keypoints(tmp_path / "none.json")

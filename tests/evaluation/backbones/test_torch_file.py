"""Files of torch.save, read without unpickling: the numbers come out; whatever a file would run does not run."""

from __future__ import annotations

import os
import zipfile
from collections import OrderedDict
from pathlib import Path

import pytest
import torch
from torch import nn

from ganvas.errors import GanvasError
from ganvas.evaluation.backbones.torch_file import read_torch_file

FORMS = [True, False]  # the zip of today, the form before PyTorch 1.6


def saved(path: Path, content: object, zipped: bool) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    return path


@pytest.mark.parametrize("zipped", FORMS)
def test_a_state_dict_comes_back_as_it_was(tmp_path, zipped):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2).half())
    read = read_torch_file(saved(tmp_path / "net.pth", net.state_dict(), zipped))
    assert list(read) == list(net.state_dict())
    for name, value in net.state_dict().items():
        assert torch.equal(read[name], value), name
        assert read[name].dtype == value.dtype
    assert read["1.num_batches_tracked"].shape == ()


@pytest.mark.parametrize("zipped", FORMS)
def test_views_of_one_block_come_back_each_by_itself(tmp_path, zipped):
    whole = torch.arange(12.0).view(3, 4)
    content = {"whole": whole, "part": whole[1:, 2], "turned": whole.T, "none": torch.empty(0, 5)}
    read = read_torch_file(saved(tmp_path / "views.pth", content, zipped))
    for name, value in content.items():
        assert torch.equal(read[name], value), name
        assert read[name].is_contiguous()
    read["part"].zero_()
    assert torch.equal(read["whole"], whole)


@pytest.mark.parametrize("zipped", FORMS)
def test_only_the_tensors_asked_for_are_read(tmp_path, zipped):
    path = saved(tmp_path / "two.pth", {"a.x": torch.ones(2), "b.x": torch.zeros(3)}, zipped)
    assert list(read_torch_file(path, lambda name: name.startswith("b."))) == ["b.x"]


class Asks:
    """Pickles as a call of `function`."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


@pytest.mark.parametrize("zipped", FORMS)
def test_a_file_that_asks_for_a_function_is_refused_and_nothing_runs(tmp_path, zipped):
    canary = tmp_path / "canary"
    attacks = [
        {"weight": Asks(os.system, f"touch {canary}")},
        {"weight": torch.ones(1), "more": Asks(eval, f"open({str(canary)!r}, 'w')")},
        Asks(os.mkdir, str(canary)),
        OrderedDict(a=Asks(torch.storage._load_from_bytes, b"\x80\x04.")),
        {"a": Asks(torch.load, str(canary))},
    ]
    for number, attack in enumerate(attacks):
        path = saved(tmp_path / f"{number}.pth", attack, zipped)
        with pytest.raises(GanvasError, match=r"asks for .*nothing of it was run"):
            read_torch_file(path)
    assert not canary.exists()
    torch.load(tmp_path / "2.pth", weights_only=False)
    assert canary.exists()  # the attack is one


@pytest.mark.parametrize("zipped", FORMS)
def test_what_is_no_state_dict_is_refused(tmp_path, zipped):
    for content, reason in (
        (nn.Linear(2, 2), "asks for|not a readable"),
        (torch.ones(2), "no state dict"),
        ([torch.ones(2)], "no state dict"),
        ({"net": {"weight": torch.ones(2)}}, "'net', which is no tensor"),
        ({"weight": torch.ones(2), "step": 7}, "'step', which is no tensor"),
        ({"weight": torch.ones(2, dtype=torch.complex64)}, "ComplexFloatStorage"),
        ({"weight": torch.zeros(1).expand(1_000)}, "larger than its block"),
    ):
        with pytest.raises(GanvasError, match=reason):
            read_torch_file(saved(tmp_path / "other.pth", content, zipped))


def test_a_tensor_that_claims_more_than_its_block_is_refused(tmp_path):
    path = saved(tmp_path / "three.pth", {"a": torch.ones(3)}, zipped=False)
    shape = b"K\x03\x85"  # the tuple (3,)
    assert path.read_bytes().count(shape) == 1
    path.write_bytes(path.read_bytes().replace(shape, b"K\x63\x85"))
    with pytest.raises(GanvasError, match="a tensor that is larger than its block"):
        read_torch_file(path)


@pytest.mark.parametrize("zipped", FORMS)
def test_a_cut_off_file_is_refused(tmp_path, zipped):
    path = saved(tmp_path / "cut.pth", {"a": torch.ones(1000)}, zipped)
    content = path.read_bytes()
    for length in (0, 3, 40, len(content) // 2, len(content) - 10):
        path.write_bytes(content[:length])
        with pytest.raises(GanvasError, match="not a readable"):
            read_torch_file(path)


def test_a_compressed_file_is_refused(tmp_path):
    plain = saved(tmp_path / "plain.pth", {"a": torch.zeros(1000)}, zipped=True)
    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(plain) as given, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as made:
        for name in given.namelist():
            made.writestr(name, given.read(name))
    with pytest.raises(GanvasError, match=r"compressed, which torch\.save never does"):
        read_torch_file(packed)


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(GanvasError, match="not a readable"):
        read_torch_file(tmp_path / "text.pth")
    with pytest.raises(GanvasError, match="fetch it again"):
        read_torch_file(tmp_path / "missing.pth")

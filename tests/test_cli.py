"""The verbs as a user types them: output, files, one-line errors and exit codes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import ganvas
from ganvas.cli import main

TINY = ["--width", "8", "--z-dim", "8", "--batch", "8", "--judge-samples", "64", "--images", "32", "--threads", "1"]


@pytest.fixture
def run(bars_npz, tmp_path):
    """A conditional run of a few steps."""
    settings = {"width": 8, "z_dim": 8, "batch": 8, "judge_samples": 64, "images": 32}
    return ganvas.train(bars_npz, out=tmp_path / "run", quiet=True, **settings).path


def refused(capsys, *words):
    """Exit code and the one line on stderr of a command that fails."""
    code = main([str(w) for w in words])
    said = capsys.readouterr()
    assert said.err.count("\n") == 1, said.err
    assert said.err.startswith("ganvas: ")
    assert "Traceback" not in said.err
    return code, said.err


def test_train_says_what_it_does_and_exits_with_zero(bars_npz, tmp_path, capsys):
    assert main(["train", str(bars_npz), "--out", str(tmp_path / "run"), *TINY]) == 0
    said = capsys.readouterr().out
    for word in ("96 from", "12x12 grey", "2 classes", "recipe     fast", "parameters", "verdict", "report.html"):
        assert word in said, word


def test_underscores_and_flags_of_other_trainers_work(bars_npz, tmp_path):
    words = ["--train_batch_size", "8", "--judge_samples=64", "--kimg", "0.016", "--output_dir", str(tmp_path / "r")]
    assert main(["train", str(bars_npz), "--z_dim", "8", "--width", "8", *words]) == 0
    assert json.loads((tmp_path / "r" / "run.json").read_text())["images_seen"] == 16


def test_dry_run_forecasts_and_writes_nothing(bars_npz, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(p.name for p in tmp_path.iterdir())
    assert main(["train", str(bars_npz), "--dry-run", *TINY]) == 0
    said = capsys.readouterr().out
    for word in ("pictures", "recipe", "parameters in G", "images/s", "memory", "time", "--batch 8"):
        assert word in said, word
    assert sorted(p.name for p in tmp_path.iterdir()) == before


def test_sample_writes_a_sheet(run, tmp_path):
    assert main(["sample", str(run), "--seeds", "0-8", "--out", str(tmp_path / "s.png")]) == 0
    with Image.open(tmp_path / "s.png") as sheet:
        assert sheet.text["seeds"] == "0,1,2,3,4,5,6,7,8"


def test_sample_into_a_folder_writes_one_png_per_seed_with_its_origin(run, tmp_path):
    out = tmp_path / "many"
    assert main(["sample", str(run), "--seeds", "3,7", "--out", f"{out}/", "--trunc", "0.5", "--class", "1"]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["seed00000003.png", "seed00000007.png"]
    with Image.open(out / "seed00000007.png") as picture:
        assert picture.size == (12, 12)
        assert (picture.text["seed"], picture.text["truncation"], picture.text["class"]) == ("7", "0.5", "1")
        assert picture.text["model_sha256"] == ganvas.load(run).hash
        pixels = np.asarray(picture)
    again = ganvas.load(run).sample([7], trunc=0.5, class_name="1")[0, ..., 0]
    assert np.abs(pixels.astype(int) - again.astype(int)).max() <= 1


def test_evaluate_prints_one_json_document(run, bars_folder, capsys):
    assert main(["evaluate", str(run), "--samples", "100", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == 1
    first = document["metrics"][0]
    assert first["metric"] == "frechet_distance"
    assert first["samples"] == 100
    assert first["features"]


def test_evaluate_compares_two_sources_and_equal_ones_are_nearer(bars_folder, tmp_path, capsys):
    noise = tmp_path / "noise.npz"
    np.savez(noise, images=np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8))
    distances = {}
    for other in (bars_folder, noise):
        assert main(["evaluate", str(other), "--data", str(bars_folder), "--json"]) == 0
        metrics = {m["metric"]: m["value"] for m in json.loads(capsys.readouterr().out)["metrics"]}
        distances[other] = metrics["frechet_distance"]
    assert distances[bars_folder] == pytest.approx(0, abs=1e-3)
    assert distances[noise] > 1


def test_evaluate_writes_how_it_looked_for_copies_and_finds_them(tmp_path, capsys):
    noise, out = str(tmp_path / "noise.npz"), tmp_path / "found"
    np.savez(noise, images=np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8))
    assert main(["evaluate", noise, "--data", noise, "--copies", str(out)]) == 0
    said = capsys.readouterr().out
    assert str(out / "nearest.png") in said
    card = (out / "MEMORISATION.md").read_text(encoding="utf-8")
    assert card.startswith("# Memorisation\n\nBeware of copies: ")
    with Image.open(out / "nearest.png") as sheet:
        assert "sample" in sheet.text["threes"]
    assert main(["evaluate", noise, "--data", noise, "--copies", noise]) == 1
    assert "no folder can be made there" in capsys.readouterr().err


def test_report_recipes_data_and_doctor_answer(run, capsys):
    (run / "report.html").unlink()
    assert main(["report", str(run)]) == 0
    assert (run / "report.html").is_file()
    capsys.readouterr()
    assert main(["recipes"]) == 0
    assert "wgan-gp" in capsys.readouterr().out
    assert main(["recipes", "wgan"]) == 0
    assert "--clip" in capsys.readouterr().out
    for words in (["recipes", "--json"], ["data", "list", "--json"], ["doctor", "--json"]):
        assert main(words) == 0
        assert json.loads(capsys.readouterr().out)["schema"] == 1
    assert main(["data", "list"]) == 0
    assert "fashion-mnist" in capsys.readouterr().out


def test_wrong_usage_exits_with_two(run, bars_npz, bars_folder, capsys):
    for words, message in (
        (["trian"], 'Did you mean "train"'),
        (["train"], "SOURCE"),
        (["train", bars_npz, "--r1-gama", "1"], "--r1-gamma"),
        (["train", bars_npz, "--batch", "1"], "--batch '1': input should be greater than or equal to 2"),
        (["train", bars_npz, "--out", run], "already holds a run"),
        (["train", bars_npz, "--device", "cuda:9"], "--device"),
        (["train", bars_folder, "--labels"], "label"),
        (["sample", run, "--class", "cat"], "knows 2 classes"),
        (["sample", run, "--seeds", "x"], "0-31,57"),
        (["sample", run, "--out", "sheet.gif"], ".png"),
        (["evaluate", bars_npz], "--data"),
        (["recipes", "gan"], "no recipe 'gan'"),
    ):
        code, said = refused(capsys, *words)
        assert (code, message in said) == (2, True), (words, said)


def test_input_that_cannot_be_used_exits_with_one_line(run, tmp_path, capsys):
    empty, texts, few, broken = (tmp_path / name for name in ("empty", "texts", "few", "broken"))
    for folder in (empty, texts, few, broken):
        folder.mkdir()
    for i in range(20):
        (texts / f"{i}.txt").write_text("words")
        (broken / f"{i}.png").write_bytes(b"\x89PNG\r\n\x1a\nnot really")
    for i in range(3):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(few / f"{i}.png")
    for words in (
        ["train", empty],
        ["train", texts],
        ["train", few],
        ["train", broken],
        ["train", tmp_path / "nowhere"],
        ["sample", tmp_path / "nowhere"],
        ["sample", empty],
        ["report", empty],
        ["evaluate", run, "--data", texts],
    ):
        code, said = refused(capsys, *words)
        assert code in (1, 2), words
        assert any(str(word) in said for word in words[1:]), said


def test_a_resolution_that_no_network_can_do_is_refused_with_the_sizes(bars_npz, capsys):
    code, said = refused(capsys, "train", bars_npz, "--recipe", "fast", "--resolution", "300", "--dry-run")
    assert code == 1
    assert "8 to 128 pixels" in said


@pytest.mark.parametrize("kilobytes", [4, 40, 100])
def test_a_full_disk_is_one_clear_line_and_an_old_run_still_loads(run, bars_npz, kilobytes):
    before = ganvas.load(run).sample([0])
    words = f"-m ganvas train {bars_npz} --out {run} --resume --images 4000 --threads 1"
    limited = f"ulimit -f {kilobytes}; exec {sys.executable} {words}"
    process = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, timeout=120)
    assert process.returncode == 1, process.stderr
    assert process.stderr.count("\n") == 1, process.stderr
    assert process.stderr.startswith("ganvas: ")
    assert np.array_equal(ganvas.load(run).sample([0]), before)


def test_a_folder_that_cannot_be_written_is_one_clear_line(bars_npz, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    code, said = refused(capsys, "train", bars_npz, "--out", tmp_path / "file" / "run", *TINY)
    assert code == 1
    assert "file" in said


def test_help_and_version_do_not_import_torch():
    check = "import sys, ganvas.cli as c; code = c.main({words}); assert 'torch' not in sys.modules; sys.exit(code)"
    for words in (["--help"], ["train", "--help"], ["--version"], ["recipes"]):
        done = subprocess.run(
            [sys.executable, "-c", check.format(words=words)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout


def test_a_broken_torchvision_is_never_touched(tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    check = "import ganvas, ganvas.cli, ganvas.training.loop, ganvas.evaluating, ganvas.doctor; print('fine')"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.strip() == "fine", done.stderr


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m ganvas data list | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert (done.stdout.split(), done.stderr) == (["name", "digits"], "")


def test_evaluate_looks_through_a_network_of_the_user_and_measures_what_is_asked_for(
    run, tmp_path, monkeypatch, capsys
):
    (tmp_path / "looker.py").write_text(
        "import torch\n\n\ndef make():\n    return torch.nn.Conv2d(3, 4, 3, stride=8)\n", encoding="utf-8"
    )
    monkeypatch.syspath_prepend(tmp_path)
    words = ["evaluate", str(run), "--samples", "100", "--features", "looker:make", "--metrics", "spectrum-distance"]
    assert main([*words, "--json"]) == 0
    numbers = {m["metric"]: m for m in json.loads(capsys.readouterr().out)["metrics"]}
    assert "looker" in numbers["frechet_distance"]["features"]
    assert numbers["spectrum_distance"]["features"] == "pixels"
    assert numbers["frechet_distance"]["seeds"] == "1000000-1000099"
    assert numbers["precision"]["interval"][0] <= numbers["precision"]["value"] <= numbers["precision"]["interval"][1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--metrics", "spectrm_distance"], "did you mean 'spectrum_distance'"),
        (["--preset", "fid5k"], "there is no preset 'fid5k'"),
        (["--preset", "fid50k_full", "--samples", "100"], "--samples would make --preset fid50k_full another protocol"),
        (["--features", "incepton"], "did you mean inception"),
    ],
)
def test_evaluate_refuses_unknown_names_and_words_that_contradict_a_preset(run, words, message, capsys):
    assert main(["evaluate", str(run), *words]) == 2
    assert message in capsys.readouterr().err


def test_compare_ranks_two_judgements_of_a_run_and_another(run, bars_npz, bars_folder, tmp_path, capsys):
    other, elsewhere = tmp_path / "other", tmp_path / "elsewhere"
    words = ["--recipe", "fast", "--images", "64", "--batch", "8", "--judge-samples", "100"]
    assert main(["train", str(bars_npz), *words, "--out", str(other)]) == 0
    assert main(["train", str(bars_folder), *words, "--out", str(elsewhere)]) == 0
    capsys.readouterr()
    assert main(["compare", str(run), str(other), "--samples", "64"]) == 0
    said = capsys.readouterr().out
    assert "frechet_distance" in said
    assert "#1" in said
    assert main(["compare", str(run), str(elsewhere), "--samples", "64"]) == 0  # each against its own data
    said = capsys.readouterr().out
    assert "features hash differs" in said
    assert "#1" not in said
    assert main(["compare", str(run), str(run)]) == 2

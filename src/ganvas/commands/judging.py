"""evaluate, compare and rate."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from ganvas.commands.printing import (
    figure_of,
    print_comparison,
    print_json,
    print_ratings,
    print_table,
    print_verdict,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ganvas.evaluation.verdict import Metric


def evaluate(
    what: Path,
    /,
    *,
    data: str | None = None,
    samples: int | None = None,
    features: str | None = None,
    metrics: str = "",
    preset: str | None = None,
    trunc: float = 1.0,
    weights: Literal["best", "last", "raw"] = "best",
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Judge a run, a model or a source of pictures against real ones.

    By default distances are measured in the features of a small network that is trained on the reference pictures
    themselves: these are never FID. Every number carries its passport (--json shows it whole), and numbers compare only
    where the passports are alike; `ganvas compare` sees to that.

    Examples: ganvas evaluate runs/a --preset fid50k_full; ganvas evaluate fakes/ --data photos/ --metrics all

    Parameters
    ----------
    what
        A run folder, a model folder, or a source of pictures.
    data
        The source to compare with [default: the run's own data, its held-out pictures where there are enough].
    samples
        How many pictures to draw [default: 10000].
    features
        The network that looks: own, inception, inception-clean, dinov2, clip, one of these with :FILE or :FOLDER where
        its weights lie, or package.module:function of your own [default: own].
    metrics
        Besides the usual numbers: all, or a list of frechet_distance_at_infinity, kid, inception_score,
        intra_class_distance, feature_diversity, ms_ssim, sliced_wasserstein, spectrum_distance, classification_score,
        path_length_z, path_length_w.
    preset
        A protocol that papers name: fid50k_full, kid50k_full, is50k, studiogan, clean-fid, dinov2-fd.
    trunc
        Below 1, z is drawn nearer to its mean: the numbers are then those of the truncated generator.
    weights
        Of a run: the averaged generator of the best moment, or of the last one, or the last one without averaging.
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.evaluating import evaluate as evaluate_library
    from ganvas.progress import spinner

    with spinner() as say:
        verdict = evaluate_library(
            what,
            data=data,
            samples=samples,
            features=features,
            metrics=metrics,
            preset=preset,
            trunc=trunc,
            weights=weights,
            device=device,
            progress=say,
        )
    if as_json:
        print_json(verdict.to_json())
        return 0
    print_verdict(verdict)
    if preset is not None:
        from ganvas.evaluation.presets import find_preset

        print(f"\n{preset}: {figure_of(verdict[find_preset(preset).metric])}")
    return 0


def compare(
    *runs: Path,
    data: str | None = None,
    samples: int | None = None,
    device: str = "auto",
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Put runs in one table and rank them, where their numbers may be compared and chance does not decide.

    By default the verdicts that the runs ended with are compared. With --samples or --data all are judged anew, alike.
    Numbers with unlike passports are not ranked; the field that differs is named.

    Parameters
    ----------
    runs
        Two run folders or more.
    data
        Judge all anew against this source.
    samples
        Judge all anew with so many pictures each [default: 10000 with --data, else no new judging].
    device
        auto, cpu, cuda or mps.
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.comparing import compare as compare_library
    from ganvas.evaluating import evaluate as evaluate_library

    def judge(path: Path) -> Sequence[Metric]:
        return evaluate_library(path, data=data, samples=samples, device=device).metrics

    found = compare_library(runs, judge=judge if data is not None or samples is not None else None)
    if as_json:
        print_json(found.to_json())
    else:
        print_comparison(found)
    return 0


def rate(
    a: str,
    b: str | None = None,
    /,
    *,
    n: int | None = None,
    question: Literal["real", "prefer"] | None = None,
    data: str | None = None,
    seed: int | None = None,
    size: int | None = None,
    upscaling: Literal["lanczos", "nearest"] | None = None,
    out: Path | None = None,
    host: str = "127.0.0.1",
    port: int = 8420,
    results: Annotated[bool, Parameter(negative=())] = False,
    export: Path | None = None,
) -> int:
    """Let people judge, blind, on a local page: which of A and B looks more real, or is A real or generated.

    With B, raters see one picture of each side by side (A left in half of the pairs, in an order of their own). With A
    alone they see single pictures, half of them real, and say which; the share of wrong answers is what HYPE-infinity
    counts (Zhou et al., 2019). Ruined pictures among them check attention: a rater who misses more than a fifth of
    these is left out.

    The page needs no internet. Answers are kept at once in study.sqlite, so the same command goes on after a kill, a
    reboot or Ctrl-C, with the same link. Names, order, sizes and metadata tell raters nothing about the sides.

    Examples: ganvas rate runs/a runs/b --host 0.0.0.0; ganvas rate runs/a --results; ganvas rate runs/a photos.zip

    Parameters
    ----------
    a
        A run, a model folder, any source of pictures, or the folder of a study to go on with.
    b
        The other side, of any of these kinds. Beside a model, pictures are brought to the model's size.
    n
        Pairs, or single pictures, for each rater [default: 50]; about one attention check for 6 of them comes on top.
    question
        Of pairs: which looks more real, or which is preferred [default: real].
    data
        Real pictures, for A alone and for the attention checks [default: those that the run was trained on].
    seed
        Chooses the pictures, their order and sides [default: 0].
    size
        Longer side in pixels that all pictures are shown at, narrower on small screens [default: own, 256 to 512].
    upscaling
        How small pictures are enlarged: lanczos is smooth, nearest repeats pixels by a whole factor [default:
        lanczos].
    out
        Folder of the study [default: rating or rating-B in the run A, else rating-A-B here].
    host
        0.0.0.0 lets others on your network rate: the link holds a token, but travels unencrypted.
    port
        Where the page is; 0 takes a free port.
    results
        Print the results up to now and serve nothing.
    export
        Write passport, results and every judgement as JSON, and serve nothing.
    """
    from ganvas.rating.rating import export as export_results
    from ganvas.rating.rating import find_folder, open_study, read_results, serve
    from ganvas.rating.study import WORDS, Wishes

    if results or export is not None:
        folder = find_folder(a, b, out)
        if export is not None:
            export_results(folder, export)
        if results:
            print_ratings(read_results(folder))
        return 0
    file = open_study(a, b, Wishes(n, question, data, seed, size, upscaling), out)

    def announce(links: list[str]) -> None:
        study = file.study
        print_table(
            [
                ("question", WORDS[study.question]),
                ("each rater", f"{study.n} {'pairs' if study.b else 'pictures'} and {study.checks} attention checks"),
                ("shown at", f"{study.width}x{study.height} pixels, {study.upscaling}"),
                *[("rate at" if i == 0 else "others at", link) for i, link in enumerate(links)],
                ("study", f"{file.path} (Ctrl-C ends; the same command goes on)"),
            ]
        )
        sys.stdout.flush()

    caught = serve(file, host, port, announce)
    print()
    print_ratings(read_results(file.path.parent))
    return 0 if caught == signal.SIGINT else 128 + caught

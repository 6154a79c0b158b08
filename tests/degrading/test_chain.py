"""Words become degradations; what makes no sense is refused in one line."""

import pytest
import torch

from ganvas.degrading.chain import parse
from ganvas.errors import UsageError
from ganvas.games.noise import Draws


@pytest.mark.parametrize(
    ("given", "words", "scale", "inputs"),
    [
        ("lowres", "lowres:4", 4, 3),
        ("lowres:2", "lowres:2", 2, 3),
        ("blind:1", "blind:1", 1, 3),
        ("noise:25", "noise:25", 1, 3),
        ("jpeg:10-30", "jpeg:10-30", 1, 3),
        ("holes", "holes:0.1-0.4", 1, 4),
        ("gray", "gray", 1, 3),
        ("blur:3-7, lowres:2 ,noise:2.5,jpeg:80", "blur:3-7,lowres:2,noise:2.5,jpeg:80", 2, 3),
        ("noise,boxes:0.2", "noise:5-50,boxes:0.2", 1, 4),
        ("lowres:2,lowres:4", "lowres:2,lowres:4", 8, 3),
    ],
)
def test_words_are_completed_and_say_what_comes_out(given, words, scale, inputs):
    degradation = parse(given)
    assert (degradation.words, degradation.scale, degradation.in_channels(3)) == (words, scale, inputs)
    assert parse(degradation.words).words == words, "what is kept with a model gives the same again"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nois", "--degrade nois: there is no such degradation; there are lowres, .* masks. Did you mean 'noise'?"),
        ("xyzzy", "there is no such degradation; there are lowres, blind, blur, .*masks.$"),
        ("", "--degrade : there is no such degradation"),
        ("noise,", "--degrade : there is no such degradation"),
        ("lowres:1", "lowres:1: expected by what pictures get smaller, a whole number from 2 to 8, such as 4"),
        ("lowres:2.5", "a whole number from 2 to 8"),
        ("lowres:2-4", "a whole number from 2 to 8"),
        (
            "noise:300",
            "noise:300: expected its standard deviation in levels of 255, a number from 0 to 255, or a range",
        ),
        ("noise:50-5", "a number from 0 to 255, or a range, such as 5-50"),
        ("noise:", "a number from 0 to 255"),
        ("noise:-5", "a number from 0 to 255"),
        ("noise:nan", "a number from 0 to 255"),
        ("jpeg:99", "jpeg:99: expected the quality, a number from 1 to 95"),
        ("holes:1.5", "expected the share of the picture that is hole, a number from 0.01 to 0.9"),
        ("gray:2", "'gray' takes no value: leave out ':2'"),
        ("masks", "expected a folder of masks, as in masks:FOLDER"),
        ("holes,noise", "'holes:0.1-0.4' makes a mask: give one such, as the last of the chain"),
        ("boxes,strokes", "give one such, as the last of the chain"),
        ("lowres:2,holes", "holes and a reduction cannot be undone by one network"),
    ],
)
def test_what_makes_no_sense_is_refused(words, message):
    with pytest.raises(UsageError, match=message):
        parse(words)


def test_links_are_done_in_order_each_with_numbers_of_its_own():
    images = torch.rand(2, 3, 8, 8) * 2 - 1
    random = Draws("cpu", (5,))
    chained, _ = parse("noise:20,lowres:2")(images, random)
    noisy, _ = parse("noise:20")(images, Draws("cpu", (5,)).at(0))
    reduced, _ = parse("lowres:2")(noisy, Draws("cpu", (5,)).at(1))
    assert torch.equal(chained, reduced)
    twice, _ = parse("noise:20,noise:20")(torch.zeros(1, 1, 100, 100), random)
    assert (twice * 127.5).std().item() == pytest.approx(20 * 2**0.5, rel=0.05), "not the same noise twice"


def test_the_channels_of_a_chain_are_those_that_all_its_links_can_do():
    assert parse("jpeg,gray").channels == (3, 4)
    assert parse("noise,blur").channels == ()
    with pytest.raises(ValueError, match=r"'jpeg:10-60,gray' cannot be done to 1 channels: 3 or 4 are needed"):
        parse("jpeg,gray")(torch.zeros(1, 1, 8, 8), Draws("cpu", (0,)))

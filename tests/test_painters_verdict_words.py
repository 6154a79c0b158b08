"""What a verdict says of painted pictures as a set."""

from ganvas.evaluation.passport import Passport
from ganvas.evaluation.verdict import Metric
from ganvas.tasks.measuring import as_a_set


def said(value, inputs=None, samples=500):
    passport = Passport(
        metric="frechet_distance",
        features="own",
        features_hash="0123456789ab",
        resize="none",
        value_range="[-1, 1]",
        reference="training pictures",
        reference_fingerprint="f" * 64,
        reference_samples=1000,
        samples=samples,
    )
    return as_a_set(Metric(value, passport, "lower", "", real_value=100.0, input_value=inputs), 128)


def test_a_set_that_came_nearer_is_called_near():
    assert "are near to the training pictures" in said(190.0, inputs=900.0)


def test_a_set_no_nearer_than_what_it_was_painted_from_is_never_called_near():
    for inputs in (190.0, 150.0):
        assert "no nearer to the wanted kind than what they were painted from" in said(190.0, inputs=inputs)
        assert "are near" not in said(190.0, inputs=inputs)


def test_too_few_pictures_say_nothing_of_a_set():
    assert "cannot be said from 100 pictures" in said(190.0, inputs=150.0, samples=100)

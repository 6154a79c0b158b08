"""Sicknesses are named from made-up numbers, in words and in time; healthy courses are left in peace."""

import json

import pytest

from ganvas.training.best import BestSoFar
from ganvas.training.diagnosis import RULES, Diagnosis, Diagnostician
from ganvas.training.diagnosis_words import OVER, WORDS
from ganvas.training.measurement import Measurement
from ganvas.training.remedy import MOST_ROLLBACKS, Remedy

EVERY = 1000
HEALTHY = {
    "spread": 0.9,
    "spread_within": 0.8,
    "raw_spread": 0.9,
    "twin_share": 0.0,
    "real_twin_share": 0.0,
    "far": 0.05,
    "coverage": 0.9,
    "copy_share": 0.02,
    "d_right": 0.75,
    "logit_size": 3.0,
    "held_gap": 0.05,
    "held_sigmas": 0.5,
    "g_grad": 1.0,
    "d_grad": 2.0,
    "moving": 0.1,
}


def doctor(total=50_000, **facts):
    return Diagnostician(total, **{"objective": "non_saturating", "classes": 10, "pictures": 60_000, **facts})


def look(diagnostician, *numbers):
    """One inspection each; what was said, as (number of the inspection, kind)."""
    said = []
    for now in numbers:
        i = diagnostician.course.inspections + 1
        found = diagnostician.look(Measurement.of(i * EVERY, {**HEALTHY, **now}))
        said += [(i, news.kind) for news in found]
    return said


def test_a_healthy_course_is_left_in_peace_from_its_first_steps_on():
    early = [{"spread": 0.03 * i, "spread_within": 0.02 * i, "far": 4 / i, "d_right": 1.0} for i in range(1, 15)]
    diagnostician = doctor()
    assert look(diagnostician, *early, *[{}] * 60) == []
    assert (diagnostician.sick, diagnostician.healthy_until) == ((), None)


def test_a_number_that_is_not_finite_is_told_at_once_even_at_the_first_inspection():
    diagnostician = doctor()
    (found,) = diagnostician.look(Measurement.of(500, {**HEALTHY, "d_loss": float("nan")}))
    assert (found.kind, found.severity, found.images, found.since) == ("divergence", "fatal", 500, 500)
    assert "not finite" in found.text
    assert "--g-lr" in found.text


def test_logits_of_a_million_are_a_divergence_after_three_inspections():
    assert look(doctor(), *[{"logit_size": 1e6}] * 4) == [(3, "divergence")]


def test_one_picture_per_class_is_a_full_collapse_even_in_the_warm_up():
    diagnostician = doctor()
    assert look(diagnostician, *[{"spread": 0.4, "spread_within": 0.0}] * 5) == [(3, "full_collapse")]
    assert diagnostician.sick == ("full_collapse",)
    assert diagnostician.healthy_until == 1000


def test_a_collapse_of_one_or_two_inspections_is_not_told():
    assert look(doctor(), {"spread_within": 0.0}, {"spread_within": 0.0}, {}, {"spread_within": 0.0}) == []


def test_lost_variety_is_a_partial_collapse_since_the_last_gain():
    diagnostician = doctor()
    assert look(diagnostician, *[{}] * 10) == []
    lost = {"spread_within": 0.35, "coverage": 0.4}
    assert look(diagnostician, *[lost] * 3) == [(12, "partial_collapse")]
    # Nothing was gained after the first inspection, so the run has been stuck from there on.
    assert diagnostician.healthy_until == 1000


def test_variety_that_falls_while_the_samples_still_come_nearer_is_no_collapse():
    falling = [{"spread": 0.9 * 0.9**i, "spread_within": 0.9 * 0.9**i, "far": 2 * 0.9**i} for i in range(15)]
    assert look(doctor(), *falling) == []


def test_many_twins_are_a_partial_collapse_but_not_where_the_reals_have_as_many():
    twins = {"twin_share": 0.3}
    assert look(doctor(), *[twins] * 12) == [(10, "partial_collapse")]
    assert look(doctor(), *[{**twins, "real_twin_share": 0.3}] * 12) == []


def test_classes_that_never_come_are_a_partial_collapse_that_says_so():
    diagnostician = doctor()
    assert look(diagnostician, *[{"class_coverage": 0.5}] * 9) == []
    (found,) = diagnostician.look(Measurement.of(10 * EVERY, {**HEALTHY, "class_coverage": 0.5}))
    assert found.kind == "partial_collapse"
    assert "only 50 % of the classes are among them" in found.text


def test_a_d_that_always_wins_is_told_when_the_samples_stay_where_they_are():
    beaten = {"d_right": 1.0, "far": 4.0, "coverage": 0.0, "spread": 0.05, "spread_within": 0.05}
    diagnostician = doctor()
    assert look(diagnostician, *[beaten] * 12) == [(10, "d_wins")]  # eight without a gain after the first, twice
    assert look(doctor(), *[{**beaten, "moving": 1e-6}] * 12) == [(7, "d_wins")]  # twice after the warm-up of five
    assert look(doctor(), *[{**beaten, "g_grad": 0.0}] * 12) == [(7, "d_wins")]


def test_a_d_that_always_wins_while_the_samples_come_nearer_is_healthy():
    assert look(doctor(), *[{"d_right": 1.0, "far": 4 * 0.97**i, "coverage": 0.0} for i in range(60)]) == []


def test_a_blind_d_is_told_only_where_the_samples_are_unlike_the_reals():
    assert look(doctor(), *[{"d_right": 0.5}] * 12) == []
    assert look(doctor(), *[{"d_right": 0.5, "far": 1.0}] * 12) == [(10, "d_loses")]


def test_swings_are_an_oscillation_and_noise_is_not():
    swinging = [{"raw_spread": 0.2 if (i // 2) % 2 else 0.9} for i in range(16)]
    assert look(doctor(), *swinging) == [(12, "oscillation")]
    assert look(doctor(), *[{"raw_spread": 0.6 if i % 2 else 0.9} for i in range(30)]) == []


def test_a_d_that_takes_held_out_pictures_for_fakes_overfits_which_is_a_note():
    diagnostician = doctor()
    assert look(diagnostician, *[{"held_gap": 0.8, "held_sigmas": 6.0}] * 11) == [(10, "d_overfits")]
    assert diagnostician.sick == ()
    assert look(doctor(), *[{"held_gap": 0.8, "held_sigmas": 2.0}] * 11) == []  # may be chance


def test_without_held_out_pictures_the_signs_of_the_logits_are_read_where_they_mean_something():
    known = {"real_sign": 1.0, "d_right": 1.0}
    without = {name: value for name, value in HEALTHY.items() if not name.startswith("held")} | known
    said = {}
    for objective in ("non_saturating", "wasserstein"):
        diagnostician = doctor(objective=objective)
        said[objective] = [n.kind for i in range(1, 13) for n in diagnostician.look(Measurement.of(i * EVERY, without))]
    assert said == {"non_saturating": ["d_overfits"], "wasserstein": []}


def test_without_held_out_pictures_a_d_that_is_rightly_sure_is_not_accused_of_overfitting():
    sure = {"real_sign": 1.0, "d_right": 1.0, "held_gap": None, "held_sigmas": None}
    diagnostician, said = doctor(), []
    for i in range(1, 31):
        numbers = {name: value for name, value in {**HEALTHY, **sure, "far": 4 * 0.95**i}.items() if value is not None}
        said += diagnostician.look(Measurement.of(i * EVERY, numbers)) if numbers["far"] > 0.3 else []
    assert said == []


def test_copies_as_judged_are_told_when_they_are_more_than_among_reals():
    assert look(doctor(), *[{"nearest_copy_share": 0.2, "real_copy_share": 0.01}] * 8) == [(7, "memorises")]
    assert look(doctor(), *[{"nearest_copy_share": 0.2, "real_copy_share": 0.15}] * 8) == []
    judged_once = [*[{}] * 9, {"nearest_copy_share": 0.2, "real_copy_share": 0.01}, {}, {}]
    assert look(doctor(), *judged_once) == [(11, "memorises")]  # the last judgement holds until the next


def test_what_passes_is_told_over_after_two_clean_inspections():
    diagnostician = doctor()
    blind = {"d_right": 0.5, "far": 1.0}
    assert look(diagnostician, *[blind] * 10) == [(10, "d_loses")]
    assert look(diagnostician, {}, blind, {}, {}) == [(14, "healthy")]
    assert diagnostician.sick == ()


def test_the_warm_up_is_a_tenth_of_a_run_of_known_length():
    blind = {"d_right": 0.5, "far": 1.0}
    assert look(doctor(total=200_000), *[blind] * 30) == [(24, "d_loses")]  # five from the 20th on
    assert look(doctor(total=None), *[blind] * 30) == [(10, "d_loses")]  # five after the first five


def test_a_diagnostician_goes_on_exactly_from_json():
    course = [{"raw_spread": 0.2 if (i // 2) % 2 else 0.9, "far": 0.3, "d_right": 0.5} for i in range(20)]
    whole = doctor()
    expected = look(whole, *course)
    assert expected
    for cut in range(20):
        first, second = doctor(), doctor()
        before = look(first, *course[:cut])
        second.restore(json.loads(json.dumps(first.to_json())))
        assert before + look(second, *course[cut:]) == expected
        assert second.to_json() == whole.to_json()


def test_every_sign_has_words_that_name_what_is_seen_since_when_and_a_flag_that_helps():
    assert set(WORDS) == set(OVER) == set(RULES)
    diagnostician = doctor()
    look(diagnostician, *[{"spread": 0.4, "spread_within": 0.001}] * 2)
    (found,) = diagnostician.look(Measurement.of(3000, {**HEALTHY, "spread": 0.4, "spread_within": 0.001}))
    assert "the pictures of each class are the same whatever the noise" in found.text
    assert "0.1 % of the variety of the real ones" in found.text
    assert "(since 1,000 images)" in found.text
    assert "--r1-gamma" in found.text
    assert found.evidence == {"spread": 0.4, "spread_within": 0.001, "twin_share": 0.0}


def sick(kind, severity="sick", since=5000):
    return Diagnosis(kind, severity, f"{kind}.", {}, images=8000, since=since)


def test_report_goes_on_whatever_it_is_but_for_numbers_that_are_not_finite():
    remedy = Remedy("report")
    assert remedy.decide([]).action == "go on"
    assert remedy.decide([sick("full_collapse", "fatal")]).action == "go on"
    assert remedy.decide([sick("divergence", "fatal")]).action == "stop"


def test_notes_are_never_acted_upon():
    for policy in ("report", "rollback", "stop"):
        assert Remedy(policy).decide([sick("d_overfits", "note"), sick("healthy", "note")]).action == "go on"


def test_stop_stops_with_the_cause():
    decision = Remedy("stop").decide([sick("d_wins")])
    assert (decision.action, decision.reason) == ("stop", "d_wins.")


def test_three_rollbacks_each_with_milder_steps_then_a_clean_stop():
    remedy, seen = Remedy("rollback"), []
    for _ in range(MOST_ROLLBACKS + 1):
        remedy = Remedy.from_json(json.loads(json.dumps(remedy.to_json())))
        decision = remedy.decide([sick("d_overfits", "note"), sick("full_collapse", "fatal")])
        seen.append((decision.action, decision.g_lr_scale, decision.d_lr_scale, decision.back_to))
    assert seen == [
        ("roll back", 0.5, 0.5, 4999),
        ("roll back", 0.25, 0.25, 4999),
        ("roll back", 0.125, 0.125, 4999),
        ("stop", 0.125, 0.125, None),
    ]
    assert "came back after 3 attempts" in decision.reason


def test_what_a_run_may_outgrow_is_told_and_not_gone_back_for():
    for kind in ("memorises", "d_wins", "d_loses", "oscillation"):
        decision = Remedy("rollback").decide([sick(kind)])
        assert (decision.action, decision.reason) == ("go on", f"{kind}.")


def test_the_worst_of_several_counts():
    found = [sick("memorises"), sick("full_collapse", "fatal"), sick("d_wins")]
    decision = Remedy("rollback").decide(found)
    assert (decision.action, decision.reason) == ("roll back", "full_collapse.")


def test_the_best_is_the_least_finite_distance():
    best = BestSoFar()
    assert [best.offer(i, d) for i, d in enumerate([9.0, 5.0, float("nan"), 7.0, 5.0, 4.9])] == [
        *(True, True, False, False, False, True)
    ]
    assert (best.images, best.distance) == (5, 4.9)


def test_a_run_is_flat_when_its_last_offers_gained_less_than_a_hundredth():
    best = BestSoFar()
    for i, distance in enumerate([10.0, 9.99, 9.98, 9.97]):
        best.offer(i, distance)
    assert best.flat(3)
    assert not best.flat(4)
    best.offer(4, 9.8)
    assert not best.flat(1)


@pytest.mark.parametrize("offers", [[], [float("inf")], [3.0, 2.0, 2.5]])
def test_the_best_goes_on_from_json(offers):
    best = BestSoFar()
    for i, distance in enumerate(offers):
        best.offer(i, distance)
    again = BestSoFar.from_json(json.loads(json.dumps(best.to_json(), allow_nan=False)))
    assert again.to_json() == best.to_json()
    assert again.offer(9, 2.4) == best.offer(9, 2.4)

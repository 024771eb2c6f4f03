"""Claims and the verdict in words: the effect first, and names of the systems that are there."""

import pytest

from distilrnn.evaluation.records import Claim
from distilrnn.report.claims import claim_sentence, order_sentence, verdict_sentences

NAMES = {
    "full-gpt2": "Teacher gpt2 (fully tuned)",
    "distilgru-gpt2": "GRU distilled from gpt2",
    "gru": "GRU on labels",
    "linear": "Linear on labels",
    "majority": "Majority class",
}
KINDS = {
    "full-gpt2": "teacher",
    "distilgru-gpt2": "distilled",
    "gru": "baseline",
    "linear": "linear",
    "majority": "majority",
}


def claim(better="distilgru-gpt2", worse="gru", verdict="holds", difference=0.136, p_holm=0.0004, **changes):
    family = "control" if KINDS[worse] in ("linear", "majority") else "order"
    values = {
        "better": better,
        "worse": worse,
        "better_kind": KINDS[better],
        "worse_kind": KINDS[worse],
        "split": "in_domain_dev",
        "family": family,
        "seeds": {"better": [0, 1], "worse": [0, 1]},
        "difference_accuracy": difference,
        "difference_accuracy_interval": (difference - 0.026, difference + 0.026),
        "difference_mcc": 0.2,
        "difference_mcc_interval": (0.1, 0.3),
        "mcnemar": {"b": 3, "c": 1, "p": 0.5, "by_seed": []},
        "p": 0.0001,
        "p_mcc": 0.0001,
        "p_mcc_holm": 0.0004,
        "verdict_mcc": "holds",
        "p_holm": p_holm,
        "verdict": verdict,
        **changes,
    }
    return Claim.model_validate(values)


def test_the_effect_comes_first():
    assert claim_sentence(claim(), NAMES) == (
        "GRU distilled from gpt2 − GRU on labels on in-domain dev = +13.6 points (11.0 to 16.2), p < 0.001: "
        "the claim holds; in MCC × 100 +20.0 (10.0 to 30.0), p < 0.001: holds."
    )
    assert claim_sentence(claim(verdict="fails", difference=-0.053, p_holm=0.0123), NAMES) == (
        "GRU distilled from gpt2 − GRU on labels on in-domain dev = −5.3 points (−7.9 to −2.7), p = 0.012: "
        "the claim fails; in MCC × 100 +20.0 (10.0 to 30.0), p < 0.001: holds."
    )
    undecided = claim(verdict="undecided", difference=0.004, p_holm=0.7, split="out_of_domain_dev")
    assert claim_sentence(undecided, NAMES).endswith(
        "on out-of-domain dev = +0.4 points (−2.2 to 3.0), p = 0.700: undecided; in MCC × 100 +20.0 (10.0 to 30.0), "
        "p < 0.001: holds."
    )


def test_a_sentence_tells_of_single_seeds_but_not_of_the_majority_class():
    single = {"better": [0], "worse": [0]}
    both = "p < 0.001, one seed of GRU distilled from gpt2 and of GRU on labels: "
    assert both in claim_sentence(claim(seeds=single), NAMES)
    majority = claim(worse="majority", seeds=single | {"better": [0, 1]})
    assert "seed" not in claim_sentence(majority, NAMES)


def test_a_sentence_tells_that_no_verdict_was_possible():
    said = claim_sentence(claim(verdict="undecided", decidable=False), NAMES)
    assert "too few resamples to decide: undecided" in said
    assert "too few" not in claim_sentence(claim(), NAMES)


@pytest.mark.parametrize(("p", "said"), [(0.00099, "p < 0.001"), (0.001, "p = 0.001")])
def test_a_sentence_rounds_no_p_to_zero(p, said):
    assert said in claim_sentence(claim(p_holm=p), NAMES)


def test_the_order_is_named_after_the_systems_that_are_there():
    pair = [claim("full-gpt2", "distilgru-gpt2"), claim()]
    assert order_sentence(pair, NAMES) == (
        "The order Teacher gpt2 (fully tuned) > GRU distilled from gpt2 > GRU on labels holds in all 2 comparisons."
    )
    more = [*pair, claim(verdict="undecided"), claim(verdict="undecided"), claim(verdict="fails")]
    assert order_sentence(more, NAMES).endswith("holds in 2 of 5 comparisons; 2 are undecided and 1 is reversed.")


def test_the_verdict_begins_with_a_linear_classifier_that_beats_the_student():
    claims = [
        claim("full-gpt2", "distilgru-gpt2", difference=0.05),
        claim(verdict="undecided", difference=0.01, p_holm=0.4),
        claim(worse="linear", verdict="fails", difference=-0.022),
        claim(worse="majority"),
    ]
    first, second, *_ = verdict_sentences(claims, NAMES, "in_domain_dev")
    assert first == (
        "Linear on labels beats GRU distilled from gpt2 on the in-domain dev set: the student's difference is "
        "−2.2 points (−4.8 to 0.4)."
    )
    assert second.startswith("Distilling is not shown to pay: GRU distilled from gpt2 − GRU on labels = +1.0 points")


def test_the_verdict_says_what_distilling_gains_and_lacks():
    claims = [
        claim("full-gpt2", "distilgru-gpt2", difference=0.008),
        claim(),
        claim(worse="linear", verdict="undecided", difference=0.001),
        claim(worse="majority"),
    ]
    first, second, third = verdict_sentences(claims, NAMES, "in_domain_dev")
    assert first == (
        "Distilling pays: GRU distilled from gpt2 − GRU on labels = +13.6 points (11.0 to 16.2), p < 0.001, on the "
        "in-domain dev set; MCC × 100 +20.0 (10.0 to 30.0), p < 0.001; its teacher is 0.8 points better."
    )
    assert second == "GRU distilled from gpt2 is not shown to be better than: Linear on labels."
    assert third.startswith("The order ")


def test_without_claims_it_says_so():
    assert verdict_sentences([], NAMES, "in_domain_dev") == ["No claim was tested."]

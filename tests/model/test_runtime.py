"""Probabilities of logits."""

from __future__ import annotations

import numpy as np

from ml_workflows.model.runtime import softmax


def test_probabilities_sum_to_one_and_keep_the_order_of_the_logits() -> None:
    logits = np.random.default_rng(0).normal(0, 5, (20, 7)).astype(np.float32)
    probabilities = softmax(logits)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-15)
    assert (probabilities.argsort(axis=1) == logits.argsort(axis=1)).all()


def test_huge_logits_do_not_overflow() -> None:
    probabilities = softmax(np.array([[3e38, -3e38, 3e38]], dtype=np.float32))
    np.testing.assert_array_equal(probabilities, [[0.5, 0, 0.5]])


def test_known_probabilities() -> None:
    logits = np.log(np.array([[1, 2, 5]], dtype=np.float32))
    np.testing.assert_allclose(softmax(logits), [[0.125, 0.25, 0.625]], atol=1e-7)

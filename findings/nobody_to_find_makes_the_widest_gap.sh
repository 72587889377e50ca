#!/usr/bin/env bash
# fairlearn 0.15.0, on scikit-learn 1.9.1 and pandas 3.1.1.
#
# What happens: of a group in which nobody is positive, fairlearn's true_positive_rate is 0, without a
# warning, and takes part in everything: MetricFrame's group_min is 0, and equal_opportunity_difference
# and equalized_odds_difference are 1, for a classifier that makes no mistake at all. With the group left
# out both are 0. For a group without negatives the false positive rate is 0 as well, which is the best
# there is. MetricFrame gives NaN to a combination of two features that no row has, and leaves it out of
# the gap; it does not to a rate whose denominator is empty.
#
# What one would expect: NaN for 0 of 0, left out as such combinations are; or the warning that scikit-
# learn's recall_score gives for the same rows.
#
# Why it matters: small groups and rare outcomes are where fairness is looked at. One small group decides
# the number that a search minimises or a report shows, at its worst value, or passes as perfect. Put
# fairlearn.metrics.count of the positives beside each rate.
#
# Seen on 2026-11-30, for perfect predictions of three groups, the last without positives:
#   true positive rates 1, 1, 0; equal opportunity and equalized odds differ by 1; without the group, by 0
#   scikit-learn's recall_score of the same group: 0, UndefinedMetricWarning
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    fairlearn==0.15.0 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 joblib==1.6.0 \
    threadpoolctl==3.8.0 pandas==3.1.1
cd "$folder"

env/bin/python - <<'PYTHON'
import sys
import warnings

import numpy as np
from fairlearn.metrics import (
    MetricFrame,
    equal_opportunity_difference,
    equalized_odds_difference,
    true_positive_rate,
)
from sklearn.metrics import recall_score

group = np.repeat(["first", "second", "third"], 4)
truth = np.array([1, 0, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0])
predicted = truth.copy()  # no mistake
known = group != "third"

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    frame = MetricFrame(
        metrics=true_positive_rate, y_true=truth, y_pred=predicted, sensitive_features=group
    )
    rates = frame.by_group.to_dict()
    gaps, without = (
        [
            float(gap(truth[rows], predicted[rows], sensitive_features=group[rows]))
            for gap in (equal_opportunity_difference, equalized_odds_difference)
        ]
        for rows in (slice(None), known)
    )
print("true positive rates:", rates, "least:", frame.group_min())
print("equal opportunity, equalized odds:", gaps, "without the third group:", without)
of_fairness = [warning for warning in told if "undefined" in str(warning.message).lower()]
print("warnings that a rate is undefined:", len(of_fairness))

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    recall = recall_score(truth[~known], predicted[~known])
names = [warning.category.__name__ for warning in told]
print("recall_score of the third group:", recall, names)

# Two features, of which no row has one combination.
pair = np.stack([group, np.where(known, "young", "old")], axis=1)
empty = MetricFrame(
    metrics=true_positive_rate, y_true=truth, y_pred=predicted, sensitive_features=pair
)
unseen = empty.by_group.loc[("first", "old")]
print("a combination that no row has:", unseen)

as_recorded = (
    list(rates.values()) == [1, 1, 0]
    and gaps == [1, 1]
    and without == [0, 0]
    and not of_fairness
    and "UndefinedMetricWarning" in names
    and np.isnan(unseen)
)
if not as_recorded:
    sys.exit("Changed: a rate of nobody is no longer 0 in the gaps.")
print("As recorded: a group without positives makes the widest gap of a perfect classifier.")
PYTHON

"""Rock or Hip-Hop? Two tables about tracks, joined, and a class that is four times rarer.

The Free Music Archive tells the genre of 4,802 tracks whose sound Echo Nest has measured:
acousticness, danceability, energy, ... Networks learn the genre from eight such metrics of four
fifths of the tracks, and are tested on the rest. Rock alone, as an answer, is right for 81 in 100.

What you see. On the left, the tracks along the two leading principal components: the genres lie
beside each other, and overlap. In the middle, precision and recall of Hip-Hop at every threshold,
the dots at 0.5. With balanced class weights a network finds more of Hip-Hop, and takes more Rock
for it. It has learned nothing more: without weights, a lower threshold (the ring) leads to nearly
the same place. On the right, which metrics tell: by how much the loss of the network without
weights rises if one of them is shuffled among the test tracks.

    python examples/music_genres.py [picture.png]           two files of the FMA in DENSENET_DATA
    python examples/music_genres.py --short [picture.png]   made-up tracks

The same by commands, in the folder of the two files. The last writes one of the two genres for each
of 13,129 tracks, those of other genres, too.

    python -c "import pandas as p; p.read_json('fma_echonest_metrics.json').to_csv('sound.csv')"
    python -c "import pandas as p; p.read_csv('fma_rock_vs_hiphop.csv', usecols=[0, 8]) \
        .to_csv('genres.csv')"
    densenet explore sound.csv --join genres.csv --on track_id --target genre_top
    densenet fit sound.csv --join genres.csv --on track_id --target genre_top --id track_id \
        --class-weight balanced --out genres.safetensors
    densenet predict genres.safetensors sound.csv --out predictions.csv
"""

import numpy as np
from _data import tracks
from _picture import panels, save

from densenet.plotting import BLUE, GREY, INK, ORANGE, PALE
from densenet.tables import Settings, explore, fit, join, permutation_importance

GENRE, RARE = "genre_top", "Hip-Hop"

sound, known = tracks()
table = join(sound, known, "track_id", ignore={*known.columns} - {"track_id", GENRE})
order = np.random.default_rng(0).permutation(len(table))
test, train = map(table.take, np.split(order, [len(table) // 5]))
is_rare = test.texts(GENRE) == RARE

figure, (left, middle, right) = panels(
    f"{len(table):,} tracks: Rock or Hip-Hop, by eight metrics of their sound",
    "Principal components",
    "Hip-Hop among the test tracks",
    "Which metrics tell",
)
components = explore(table, GENRE, ignore=["track_id"]).components
rare = table.texts(GENRE)[components.rows] == RARE
for rows, color, name in (~rare, GREY, "Rock"), (rare, ORANGE, RARE):
    x, y = components.places[rows].T
    left.plot(x, y, ".", color=color, alpha=0.5, markersize=3.5)
    above = {"transform": left.get_xaxis_transform(), "ha": "center", "va": "top"}
    left.text(x.mean(), 1, name, color=color, **above)
one, two = components.shares
left.set(xlabel=f"component 1, {one:.0%} of the variance", ylabel=f"component 2, {two:.0%}")
left.set(xticks=[], yticks=[], ymargin=0.1)

models, recalls = {}, {}
for name, weights, color in ("balanced", "balanced", BLUE), ("no weights", None, INK):
    models[name] = fit(train, Settings(GENRE, class_weight=weights, monitor="loss")).model
    chance = models[name].predict_proba(test)[:, 0]  # of Hip-Hop: classes are in sorted order
    found = np.cumsum(is_rare[np.argsort(-chance)])
    precision, recall = found / np.arange(1, len(test) + 1), found / is_rare.sum()
    middle.plot(recall, precision, color=color)
    at = np.count_nonzero(chance > 0.5) - 1
    middle.plot(recall[at], precision[at], "o", color=color, markersize=9)
    middle.text(recall[at] + 0.02, precision[at] + 0.02, name, color=color)
    right_ones = np.mean((chance > 0.5) == is_rare)
    print(f"{name}: precision {precision[at]:.2f}, recall {recall[at]:.2f}, {right_ones:.1%} right")
    recalls[name] = recall[at]
at = np.searchsorted(recall, recalls["balanced"])
threshold = np.sort(chance)[::-1][at]
print(f"lower threshold: {threshold:.2f}, precision {precision[at]:.2f}, recall {recall[at]:.2f}")
middle.plot(recall[at], precision[at], "o", color=INK, markerfacecolor="white", markersize=9)
told = f"no weights,\nthreshold {threshold:.2f}"
middle.text(recall[at] - 0.02, precision[at] - 0.02, told, color=INK, ha="right", va="top")
middle.set(xlabel="recall", ylabel="precision", xlim=(0.4, 1), ylim=(0.4, 1.02))

found = permutation_importance(models["no weights"], test).columns
print("importance:", ", ".join(f"{one.column} {one.loss:.3f}" for one in found))
right.barh([one.column for one in found], [one.loss for one in found], color=BLUE)
right.set(xlabel="rise of the loss, if shuffled")
right.invert_yaxis()
right.grid(visible=False)
right.grid(axis="x", color=PALE)
save(figure)

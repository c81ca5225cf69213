from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edaphic.errors import ModelError
from edaphic.validate.baselines import BASELINES, Rows, class_mean, layer_mean, linear, notes_of, random_effects, regression_kriging
from edaphic.validate.linear import fit_random_intercept, fit_ridge, principal_components, smearing
from edaphic.validate.residuals import EARTH_RADIUS_M, unit_vectors
from edaphic.validate.variogram import Variogram

DEPTHS = np.array([[0, 30], [30, 60], [60, 100]], dtype=float)
FITTED = ("linear", "random_effects", "regression_kriging")


def rows_of(values, features=None, layer=None, **more):
    """Rows in which all that is not told is harmless."""
    values = np.asarray(values, dtype=float)
    n = len(values)
    rng = np.random.default_rng(n)
    features = np.zeros((n, 0)) if features is None else np.asarray(features)
    layer = np.zeros(n, dtype=np.int64) if layer is None else np.asarray(layer)
    told = {"lon": 10 + rng.random(n), "lat": 45 + rng.random(n), "profile": np.arange(n), "class_code": None} | more
    names = tuple(f"c{i}" for i in range(features.shape[1]))
    return Rows(values, features.astype(np.float32), names, layer, DEPTHS[layer], **told)


def landscape(n=300, q=5, seed=1, noise=0.3, layers=3):
    """Profiles with layers, features, classes, all positive; a linear truth on logarithms."""
    rng = np.random.default_rng(seed)
    profile, layer = np.repeat(np.arange(n), layers), np.tile(np.arange(layers), n)
    features = rng.normal(size=(n, q))[profile]
    code = rng.integers(0, 4, n)[profile]
    mean = 2 - 0.6 * layer + features @ np.linspace(0.3, 0.1, q) + np.array([-0.4, 0.0, 0.2, 0.5])[code]
    where = {"lon": (10 + rng.random(n))[profile], "lat": (45 + rng.random(n))[profile]}
    values = np.exp(mean + noise * rng.normal(size=len(mean)))
    rows = rows_of(values, features, layer, profile=profile, class_code=code, **where)
    held = profile % 4 == 0
    return rows.take(np.flatnonzero(~held)), rows.take(np.flatnonzero(held))


def mec(predicted, observed):
    return 1 - np.mean((predicted - observed) ** 2) / np.var(observed)


# Means


def test_layer_mean_is_the_mean_of_the_layer():
    train = rows_of([1, 3, 10, 20], layer=[0, 0, 1, 1])
    test = rows_of([np.nan] * 3, layer=[1, 0, 2])
    assert layer_mean(train, test, log=True, seed=0).tolist() == [15, 2, 8.5]
    assert "layer 2 has no training row" in notes_of(train, test)[0]


def test_class_mean_is_shrunk_by_the_closed_form_of_balanced_data():
    # Two classes of three: means 2 and 8, mean square within 1, between 3 * 18 = 54; variances 1 and 53 / 3.
    train = rows_of([1, 2, 3, 7, 8, 9], class_code=np.array([4, 4, 4, 6, 6, 6]))
    test = rows_of([0, 0, 0], class_code=np.array([6, 4, 5]))
    weight = 53 / (1 + 53)
    assert class_mean(train, test, log=False, seed=0) == pytest.approx([5 + 3 * weight, 5 - 3 * weight, 5], abs=1e-5)


def test_classes_that_do_not_differ_are_shrunk_to_nothing():
    train = rows_of([1, 3, 1, 3], class_code=np.array([0, 0, 1, 1]))
    assert class_mean(train, train, log=False, seed=0) == pytest.approx([2] * 4)


@pytest.mark.parametrize("code", [None, np.zeros(4, dtype=int)])
def test_without_classes_the_class_mean_is_the_layer_mean(code):
    train = rows_of([1, 3, 10, 20], layer=[0, 0, 1, 1], class_code=code)
    assert class_mean(train, train, log=False, seed=0) == pytest.approx([2, 2, 15, 15])


def test_a_layer_without_training_rows_takes_the_overall_mean_in_all():
    train, test = landscape()
    train = train.take(np.flatnonzero(train.layer < 2))
    for name, baseline in BASELINES.items():
        for log in (False, True):
            out = baseline(train, test, log=log, seed=0)
            assert np.isfinite(out).all()
            assert out[test.layer == 2].mean() == pytest.approx(train.values.mean(), rel=0.25), (name, log)


# Linear


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("log", [False, True])
def test_a_linear_truth_is_found(name, log):
    rng = np.random.default_rng(3)
    x = rng.normal(size=(240, 4)).astype(np.float32).astype(float)
    layer = np.tile([0, 1, 2], 80)
    mean = 5 + np.array([2.0, 1.0, -1.0])[layer] + x @ [0.5, -0.3, 0.2, 0.1]
    rows = rows_of(np.exp(mean) if log else mean, x, layer)
    inside = np.flatnonzero((mean < np.quantile(mean, 0.9)) & (mean > np.quantile(mean, 0.1)))
    held = inside[::3]
    train, test = rows.take(np.setdiff1d(np.arange(240), held)), rows.take(held)
    assert BASELINES[name](train, test, log=log, seed=1) == pytest.approx(test.values, rel=1e-4)


def test_slopes_may_change_with_depth():
    rng = np.random.default_rng(3)
    x, layer = rng.uniform(-1, 1, size=(600, 1)).astype(np.float32), np.tile([0, 1, 2], 200)
    train = rows_of(10 + np.array([3.0, 0.0, -1.0])[layer] * x[:, 0], x, layer)
    assert mec(linear(train, train, log=False, seed=0), train.values) > 0.97


def test_ridge_is_the_textbook_solution_whichever_side_is_longer():
    rng = np.random.default_rng(5)
    for n, p in ((50, 8), (20, 60)):
        x, y = rng.normal(size=(n, p)), rng.normal(size=n)
        x, y = x - x.mean(axis=0), y - y.mean()
        fit = fit_ridge(x, y, np.arange(n) % 5)
        direct = np.linalg.solve(x.T @ x + n * fit.penalty * np.eye(p), x.T @ y)
        hat = x @ np.linalg.solve(x.T @ x + n * fit.penalty * np.eye(p), x.T)
        assert fit.slope == pytest.approx(direct, abs=1e-6)
        assert fit.degrees_of_freedom == pytest.approx(np.trace(hat), abs=1e-6)


def test_noise_is_penalised_away():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(100, 300)), rng.normal(size=100)
    fit = fit_ridge(x, y - y.mean(), np.arange(100) % 5)
    assert np.std(fit.predict(rng.normal(size=(500, 300)))) < 0.3


@pytest.mark.parametrize("name", FITTED)
def test_more_features_than_rows_and_collinear_columns(name):
    rng = np.random.default_rng(7)
    base = rng.normal(size=(90, 3))
    x = np.column_stack([base, base @ rng.normal(size=(3, 150)), rng.normal(size=(90, 2)), np.full(90, 4.0), base[:, 0]])
    rows = rows_of(10 + base @ [1.0, 0.5, 0.2] + 0.1 * rng.normal(size=90), x)
    train, test = rows.take(np.arange(60)), rows.take(np.arange(60, 90))
    assert mec(BASELINES[name](train, test, log=False, seed=0), test.values) > 0.85
    assert any("1 features constant in training are dropped: c155" in note for note in notes_of(train, test))


@pytest.mark.parametrize("name", FITTED)
@pytest.mark.parametrize("log", [False, True])
def test_predictions_do_not_run_away_beyond_the_data(name, log):
    train, test = landscape()
    far = replace(test, features=test.features * np.float32(1e4))
    out = BASELINES[name](train, far, log=log, seed=0)
    assert np.all(np.isfinite(out))
    assert out.min() >= 0
    assert out.max() < 3 * train.values.max()


# Back from logarithms


@pytest.mark.parametrize("draw", ["normal", "exponential", "uniform"])
def test_smearing_is_unbiased_whatever_the_errors(draw):
    rng = np.random.default_rng(9)
    errors = {
        "normal": 0.8 * rng.normal(size=(400, 60)),
        "exponential": 0.45 * (rng.exponential(size=(400, 60)) - 1),
        "uniform": rng.uniform(-1.5, 1.5, (400, 60)),
    }[draw]
    truth = {"normal": np.exp(0.32), "exponential": np.exp(-0.45) / 0.55, "uniform": np.sinh(1.5) / 1.5}[draw]
    x = np.column_stack([np.ones(60), rng.normal(size=(60, 9))])
    hat = x @ np.linalg.pinv(x)
    left = errors - errors @ hat
    # Least squares shrinks residuals: only with the degrees of freedom is the factor right.
    assert np.mean([smearing(e, 10.0) for e in left]) == pytest.approx(truth, rel=0.02)
    assert np.mean([smearing(e) for e in left]) < 0.975 * truth


@pytest.mark.parametrize("name", [*FITTED, "class_mean"])
@pytest.mark.parametrize("skewed", [False, True])
def test_logarithms_come_back_without_bias(name, skewed):
    ratio, naive = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        n = 1200
        x, layer, code = rng.normal(size=(n, 3)), np.tile([0, 1, 2], n // 3), rng.integers(0, 5, n)
        mean = 1 - 0.5 * layer + x @ [0.3, 0.2, 0.1] + np.array([-0.4, -0.2, 0, 0.2, 0.4])[code]
        # The spread of the errors changes with the layer, and so must the factor.
        unit = rng.exponential(size=n) - 1 if skewed else rng.normal(size=n)
        scale = np.array([0.2, 0.3, 0.4] if skewed else [0.3, 0.5, 0.6])[layer]
        expected = np.exp(mean) * (np.exp(-scale) / (1 - scale) if skewed else np.exp(scale**2 / 2))
        rows = rows_of(np.exp(mean + scale * unit), x, layer, class_code=code, profile=np.arange(n) // 3)
        train, test = rows.take(np.arange(900)), rows.take(np.arange(900, n))
        out = BASELINES[name](train, test, log=True, seed=seed)
        ratio.append([out[test.layer == k].mean() / expected[900:][test.layer == k].mean() for k in range(3)])
        naive.append(np.exp(mean[900:]).mean() / expected[900:].mean())
    assert np.mean(ratio, axis=0) == pytest.approx(np.ones(3), abs=0.03)
    assert np.mean(naive) < 0.96


@pytest.mark.parametrize("tails", ["normal", "skewed"])
def test_kriging_of_a_lognormal_field_is_unbiased_and_follows_the_field(tails):
    rng = np.random.default_rng(13)
    n, v = 360, Variogram("exponential", 0.25, 0.75, 60e3)
    lon, lat = 10 + rng.random(n), rng.random(n)
    xyz = EARTH_RADIUS_M * unit_vectors(lon, lat)
    h = np.linalg.norm(xyz[:, None] - xyz, axis=2)
    root = np.linalg.cholesky(v.partial_sill * v.correlation(h) + 1e-9 * np.eye(n))
    ratio, naive, gain = [], [], []
    for seed in range(30):
        smooth = root @ rng.normal(size=n)
        error = rng.normal(size=n) if tails == "normal" else rng.exponential(size=n) - 1
        rows = rows_of(np.exp(1 + smooth + 0.5 * error), lon=lon, lat=lat)
        truth = np.exp(1 + smooth) * (np.exp(0.125) if tails == "normal" else np.exp(-0.5) / 0.5)
        train, test = rows.take(np.arange(240)), rows.take(np.arange(240, n))
        out = regression_kriging(train, test, log=True, seed=seed)
        ratio.append(out.mean() / truth[240:].mean())
        naive.append(np.exp(np.log(train.values).mean()) / truth[240:].mean())
        gain.append(mec(out, truth[240:]))
    assert np.mean(ratio) == pytest.approx(1.0, abs=0.04)
    assert np.mean(naive) < 0.75
    assert np.mean(gain) > 0.3


# Random effects


@pytest.mark.parametrize("seed", range(3))
def test_reml_of_balanced_groups_is_the_analysis_of_variance(seed):
    rng = np.random.default_rng(seed)
    k, m = 12, 5
    y = np.repeat(rng.normal(size=k), m) + rng.normal(size=k * m)
    table = y.reshape(k, m)
    within = table.var(axis=1, ddof=1).mean()
    between = max((m * table.mean(axis=1).var(ddof=1) - within) / m, 0)
    fit = fit_random_intercept(np.ones((k * m, 1)), y, np.repeat(np.arange(k), m))
    assert (fit.within, fit.between) == pytest.approx((within, between), rel=1e-5)
    assert fit.beta[0] == pytest.approx(y.mean())
    shrunk = between / (between + within / m) * (table.mean(axis=1) - y.mean())
    assert fit.effects == pytest.approx(shrunk, rel=1e-4)


def test_reml_stops_at_zero():
    # Group means are equal: the estimate of the variance between would be negative.
    fit = fit_random_intercept(np.ones((6, 1)), np.array([1.0, 2, 3, 3, 2, 1]), np.array([0, 0, 0, 1, 1, 1]))
    assert fit.between == 0
    assert fit.within == pytest.approx(4 / 5)
    assert fit.effects.tolist() == [0, 0]


def unbalanced(seed=4):
    rng = np.random.default_rng(seed)
    group = np.sort(np.r_[np.arange(15), rng.integers(0, 15, 105)])
    x = np.column_stack([np.ones(120), rng.normal(size=120), group % 3 + rng.normal(size=120)])
    return x, x @ [1.0, 0.5, -0.3] + 0.7 * rng.normal(size=15)[group] + rng.normal(size=120), group


def test_reml_of_unbalanced_groups_beats_all_others_on_the_full_likelihood():
    x, y, group = unbalanced()
    fit = fit_random_intercept(x, y, group)

    def restricted(between, within):
        v = within * np.eye(120) + between * (group[:, None] == group)
        inverse = np.linalg.inv(v)
        beta = np.linalg.solve(x.T @ inverse @ x, x.T @ inverse @ y)
        left = y - x @ beta
        logs = np.linalg.slogdet(v)[1] + np.linalg.slogdet(x.T @ inverse @ x)[1]
        return -(logs + left @ inverse @ left + (120 - 3) * np.log(2 * np.pi)) / 2, beta, between * np.array(
            [(inverse @ left)[group == g].sum() for g in range(15)]
        )

    here, beta, effects = restricted(fit.between, fit.within)
    assert fit.log_likelihood == pytest.approx(here, rel=1e-9)
    assert fit.beta == pytest.approx(beta, rel=1e-6)
    assert fit.effects == pytest.approx(effects, rel=1e-5)
    for a in (0.9, 1.0, 1.1):
        for b in (0.9, 1.0, 1.1):
            assert restricted(a * fit.between, b * fit.within)[0] <= here + 1e-9


def test_statsmodels_finds_the_same():
    sm = pytest.importorskip("statsmodels.api", reason="statsmodels is not installed; it is no dependency")
    x, y, group = unbalanced()
    ours = fit_random_intercept(x, y, group)
    theirs = sm.MixedLM(y, x, group).fit(reml=True)
    assert ours.beta == pytest.approx(theirs.fe_params, rel=1e-3)
    assert ours.between == pytest.approx(float(np.asarray(theirs.cov_re).item()), rel=1e-3)
    assert ours.within == pytest.approx(theirs.scale, rel=1e-3)
    assert ours.log_likelihood == pytest.approx(theirs.llf, abs=1e-3)
    assert ours.effects == pytest.approx([float(np.asarray(theirs.random_effects[g]).item()) for g in range(15)], abs=1e-3)


def test_effects_of_classes_help_and_unseen_classes_have_none():
    train, test = landscape()
    scores = [mec(b(train, test, log=True, seed=0), test.values) for b in (linear, random_effects)]
    assert scores[1] > scores[0] + 0.05
    unseen = replace(test, class_code=np.full(len(test.values), 99))
    plain = random_effects(train, unseen, log=False, seed=0)
    known = random_effects(train, test, log=False, seed=0)
    shift = [np.mean((known - plain)[test.class_code == k]) for k in range(4)]
    assert shift == sorted(shift)
    assert any("1 classes without training rows" in note for note in notes_of(train, unseen))


def test_without_classes_the_effect_is_that_of_the_profile():
    # Layers of a profile share an effect; a layer of a known profile is predicted with it.
    rng = np.random.default_rng(2)
    profile, layer = np.repeat(np.arange(100), 3), np.tile([0, 1, 2], 100)
    rows = rows_of(10 + 2 * rng.normal(size=100)[profile] + 0.3 * rng.normal(size=300), None, layer, profile=profile)
    last = layer == 2
    train = rows.take(np.flatnonzero(~last | (profile < 50)))
    test = rows.take(np.flatnonzero(last & (profile >= 50)))
    assert mec(random_effects(train, test, log=False, seed=0), test.values) > 0.9
    assert abs(mec(layer_mean(train, test, log=False, seed=0), test.values)) < 0.2


def test_principal_components_of_all_directions_are_a_rotation():
    rng = np.random.default_rng(1)
    for shape in ((30, 4), (5, 12)):
        x = rng.normal(size=shape)
        centre, axes = principal_components(x, 100)
        assert axes.T @ axes == pytest.approx(np.eye(axes.shape[1]), abs=1e-9)
        assert (x - centre) @ axes @ axes.T == pytest.approx(x - centre, abs=1e-9)
    assert principal_components(rng.normal(size=(30, 4)), 2)[1].shape == (4, 2)
    assert principal_components(np.zeros((3, 2)), 2)[1].shape[0] == 2


# Regression kriging


def test_kriging_helps_where_residuals_are_alike_and_does_no_harm_elsewhere():
    rng = np.random.default_rng(17)
    n = 500
    lon, lat, x = 10 + rng.random(n), 45 + rng.random(n), rng.normal(size=(n, 2))
    wave = 1.5 * np.sin(9 * lon) * np.cos(9 * lat)
    train, test = np.arange(350), np.arange(350, n)
    alike = rows_of(10 + x @ [1.0, 0.5] + wave + 0.3 * rng.normal(size=n), x, lon=lon, lat=lat)
    scores = [mec(b(alike.take(train), alike.take(test), log=False, seed=0), alike.values[test]) for b in (linear, regression_kriging)]
    assert scores[1] > scores[0] + 0.25
    noise = rows_of(10 + x @ [1.0, 0.5] + rng.normal(size=n), x, lon=lon, lat=lat)
    scores = [mec(b(noise.take(train), noise.take(test), log=False, seed=0), noise.values[test]) for b in (linear, regression_kriging)]
    assert abs(scores[1] - scores[0]) < 0.03


def test_few_places_are_not_kriged():
    train, test = landscape(n=24)
    assert np.array_equal(regression_kriging(train, test, log=True, seed=0), linear(train, test, log=True, seed=0))
    assert any("its residuals are not kriged" in note for note in notes_of(train, test))


# All of them


@pytest.mark.parametrize("name", BASELINES)
@pytest.mark.parametrize("log", [False, True])
class TestAll:
    def test_values_to_predict_are_not_looked_at(self, name, log):
        train, test = landscape()
        out = BASELINES[name](train, test, log=log, seed=1)
        assert out.dtype == np.float64
        assert out.shape == (len(test.values),)
        blind = replace(test, values=np.full(len(test.values), np.nan))
        assert np.array_equal(out, BASELINES[name](train, blind, log=log, seed=1))
        assert mec(out, test.values) > 0.1

    def test_each_row_is_predicted_on_its_own(self, name, log):
        train, test = landscape()
        out = BASELINES[name](train, test, log=log, seed=1)
        some = np.array([3, 50, 120])
        assert BASELINES[name](train, test.take(some), log=log, seed=1) == pytest.approx(out[some], rel=1e-4)

    def test_a_constant_target_is_predicted(self, name, log):
        train, test = landscape()
        train = replace(train, values=np.full(len(train.values), 2.5))
        assert BASELINES[name](train, test, log=log, seed=0) == pytest.approx(np.full(len(test.values), 2.5), rel=1e-9)
        assert any("target is constant" in note for note in notes_of(train, test))

    def test_one_place(self, name, log):
        train, test = landscape(n=60)
        train = replace(train, lon=np.full(len(train.values), 10.0), lat=np.full(len(train.values), 45.0))
        assert np.isfinite(BASELINES[name](train, test, log=log, seed=0)).all()

    def test_one_profile_and_one_class(self, name, log):
        train, test = landscape(n=60)
        train = replace(train, profile=np.zeros(len(train.values), dtype=int), class_code=np.zeros(len(train.values), dtype=int))
        assert np.isfinite(BASELINES[name](train, test, log=log, seed=0)).all()

    def test_gaps_in_features_take_the_training_mean(self, name, log):
        train, test = landscape()
        features, asked = train.features.copy(), test.features.copy()
        features[::7, 0], features[:, 1], asked[::5, 2] = np.nan, np.inf, -np.inf
        train, test = replace(train, features=features), replace(test, features=asked)
        assert np.isfinite(BASELINES[name](train, test, log=log, seed=0)).all()
        notes = notes_of(train, test)
        assert any("feature values that are not finite" in note for note in notes)
        assert any("dropped: c1" in note for note in notes)

    @pytest.mark.parametrize("n", [3, 4, 7])
    def test_few_rows(self, name, log, n):
        train, test = landscape()
        assert np.isfinite(BASELINES[name](train.take(np.arange(n)), test, log=log, seed=0)).all()

    def test_no_features(self, name, log):
        train, test = landscape(q=0)
        assert np.isfinite(BASELINES[name](train, test, log=log, seed=0)).all()

    def test_nothing_to_predict(self, name, log):
        train, test = landscape()
        assert BASELINES[name](train, test.take(np.arange(0)), log=log, seed=0).shape == (0,)

    def test_faults_are_told_at_once(self, name, log):
        train, test = landscape()
        few = replace(train.take(np.arange(2)), values=np.array([1.0, np.nan]))
        with pytest.raises(ModelError) as fault:
            BASELINES[name](few, replace(test, lon=test.lon * np.nan), log=log, seed=0)
        assert [line.split(";")[0] for line in fault.value.faults] == [
            f"baselines: test rows: {len(test.values)} lon not finite",
            "baselines: 2 training rows",
            "baselines: 1 of 2 training values not finite",
        ]


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"layer": np.zeros(2, dtype=int)}, "arrays of different lengths"),
        ({"class_code": np.zeros(2, dtype=int)}, "arrays of different lengths"),
        ({"names": ("a",)}, "arrays of different lengths"),
        ({"depth_cm": np.full((675, 2), np.nan)}, "1350 depth_cm not finite"),
        ({"values": np.zeros(675)}, "675 training values not above 0"),
    ],
)
def test_bad_rows_are_one_line(change, line):
    train, test = landscape()
    with pytest.raises(ModelError, match=line):
        linear(replace(train, **change), test, log=True, seed=0)


def test_other_features_are_refused():
    train, test = landscape()
    with pytest.raises(ModelError, match="different features"):
        linear(train, replace(test, names=("a", "b", "c", "d", "e")), log=True, seed=0)


@pytest.mark.parametrize("name", BASELINES)
@given(st.floats(0.01, 100.0), st.booleans())
@settings(max_examples=4, deadline=None)
def test_predictions_have_the_unit_of_the_values(name, factor, log):
    train, test = landscape(n=60)
    one = BASELINES[name](train, test, log=log, seed=0)
    other = BASELINES[name](replace(train, values=factor * train.values), test, log=log, seed=0)
    assert other == pytest.approx(factor * one, rel=1e-3)

"""Makes the model files beside it, with what XGBoost itself predicts from them. Made with Debian's python3-xgboost 1.7.4:

    /usr/bin/python3 make.py

For each model NAME.json and NAME.ubj are the same model as XGBoost saves it, and NAME.expected.json holds rows (null is
missing) with their margins, predictions, leaves and SHAP values. Those under refused/ are models that are not supported;
those under grown/ hold what XGBoost grew its trees from, and their margins for the same rows.
"""
import json
import os
import numpy as np
import xgboost as xgb

here = os.path.dirname(os.path.abspath(__file__))
rng = np.random.RandomState(7)
FEATURES = ["level", "change", "share", "volume"]


def rows_of(n):
    x = rng.normal(size=(n, 4)).astype(np.float32)
    x[:, 3] = np.round(x[:, 3] * 2)
    x[rng.uniform(size=x.shape) < 0.15] = np.nan
    return x


X = rows_of(300)
clean = np.nan_to_num(X, nan=0.7)
signal = clean[:, 0] * clean[:, 1] + np.sin(clean[:, 3]) + 0.3 * rng.normal(size=300)
binary = (signal > 0).astype(np.float32)
classes = np.digitize(signal, [-0.5, 0.5]).astype(np.float32)
value = (3 * signal + 10).astype(np.float32)
V = rows_of(80)
cleanV = np.nan_to_num(V, nan=0.7)
signalV = cleanV[:, 0] * cleanV[:, 1] + np.sin(cleanV[:, 3]) + 1.5 * rng.normal(size=80)
PROBES = np.concatenate([rows_of(24), X[:6], np.full((1, 4), np.nan, np.float32)])

common = dict(max_depth=3, eta=0.4, nthread=1, seed=3, verbosity=0)


def matrix(x, y, **more):
    return xgb.DMatrix(x, label=y, feature_names=FEATURES, **more)


def listed(a):
    # The shortest decimals of a float32; null for what is missing.
    def one(v):
        return None if np.isnan(v) else float(str(np.float32(v)))
    return [listed(row) for row in a] if np.ndim(a) > 0 else one(a)


def save(name, booster, rounds=None):
    for kind in ["json", "ubj"]:
        booster.save_model(os.path.join(here, f"{name}.{kind}"))
    probes = matrix(PROBES, None)
    span = (0, 0) if rounds is None else (0, rounds)
    leaves = booster.predict(probes, pred_leaf=True, iteration_range=span, strict_shape=True)
    expected = dict(
        rows=listed(PROBES),
        margins=listed(booster.predict(probes, output_margin=True, iteration_range=span)),
        predictions=listed(booster.predict(probes, iteration_range=span)),
        leaves=[[int(v) for v in row] for row in leaves.reshape(len(PROBES), -1)],
        contributions=listed(booster.predict(probes, pred_contribs=True, iteration_range=span)),
        scores={kind: booster.get_score(importance_type=kind) for kind in
                ["weight", "gain", "cover"]} if rounds is None else None,
    )
    with open(os.path.join(here, f"{name}.expected.json"), "w") as file:
        json.dump(expected, file, separators=(",", ":"))
        file.write("\n")


def train(y, rounds, **params):
    return xgb.train({**common, **params}, matrix(X, y), rounds)


save("squared-error", train(value, 6, objective="reg:squarederror", base_score=9.25))
save("logistic", train(binary, 6, objective="binary:logistic", base_score=0.3, tree_method="hist"))
save("logit-raw", train(binary, 4, objective="binary:logitraw", base_score=0.3))
save("reg-logistic", train(binary, 4, objective="reg:logistic", base_score=0.6))
save("softprob", train(classes, 3, objective="multi:softprob", num_class=3))
save("softmax", train(classes, 3, objective="multi:softmax", num_class=3, base_score=0.2))
save("dart", train(binary, 8, objective="binary:logistic", booster="dart", rate_drop=0.5, one_drop=1))
save("forest", train(classes, 2, objective="multi:softprob", num_class=3, num_parallel_tree=2, subsample=0.6))
save("pruned", train(binary, 4, objective="binary:logistic", tree_method="exact", max_depth=5, gamma=4))
save("leaf-wise", train(binary, 4, objective="binary:logistic", tree_method="hist", grow_policy="lossguide",
                        max_leaves=7, max_depth=0))
save("stumps-of-nothing", train(value, 2, objective="reg:squarederror", gamma=1e9))
stopped = xgb.train({**common, "objective": "binary:logistic"}, matrix(X, binary), 40,
                    evals=[(matrix(V, (signalV > 0).astype(np.float32)), "v")],
                    early_stopping_rounds=3, verbose_eval=False)
save("stopped", stopped, int(stopped.attr("best_iteration")) + 1)

os.makedirs(os.path.join(here, "refused"), exist_ok=True)


def refuse(name, booster):
    booster.save_model(os.path.join(here, "refused", f"{name}.json"))


refuse("gblinear", train(binary, 2, objective="binary:logistic", booster="gblinear", max_depth=None))
refuse("count-poisson", train(np.round(np.abs(value)), 2, objective="count:poisson"))
C = clean.copy()
C[:, 3] = np.arange(300) % 5
refuse("categorical", xgb.train({**common, "tree_method": "hist", "objective": "binary:logistic"},
                                matrix(C, (C[:, 3] % 2).astype(np.float32), feature_types=["q", "q", "q", "c"],
                                       enable_categorical=True), 2))
refuse("two-targets", xgb.train({**common, "tree_method": "hist"}, matrix(X, np.stack([value, -value], 1)), 2))

# Trees of few distinct values: each has a bin of its own, so that where a split may be does not hang on how bins are cut.
os.makedirs(os.path.join(here, "grown"), exist_ok=True)
G = np.round(rows_of(200), 1)
cleanG = np.nan_to_num(G, nan=0.7)
signalG = cleanG[:, 0] * cleanG[:, 1] + np.sin(cleanG[:, 3]) + 0.5 * rng.normal(size=200)
W = np.round(rng.uniform(0.5, 2, size=200), 2).astype(np.float32)
labels = {
    "binary:logistic": (signalG > 0).astype(np.float32),
    "multi:softprob": np.digitize(signalG, [-0.5, 0.5]).astype(np.float32),
    "reg:squarederror": np.round(signalG, 2).astype(np.float32),
}


def grow(name, objective, rounds, weighted=False, **params):
    rows = matrix(G, labels[objective], **(dict(weight=W) if weighted else {}))
    if objective.startswith("multi"):
        params["num_class"] = 3
    given = dict(objective=objective, base_score=0.5, tree_method="hist", nthread=1, verbosity=0, **params)
    booster = xgb.train(given, rows, rounds)
    told = dict(
        parameters={**given, "rounds": rounds},
        rows=listed(G),
        labels=listed(labels[objective]),
        weights=listed(W) if weighted else None,
        margins=listed(booster.predict(rows, output_margin=True)),
        scores={kind: booster.get_score(importance_type=kind) for kind in ["weight", "gain", "cover"]},
    )
    with open(os.path.join(here, "grown", f"{name}.json"), "w") as file:
        json.dump(told, file, separators=(",", ":"))
        file.write("\n")


grow("depth-wise", "binary:logistic", 8, eta=0.3, max_depth=4, min_child_weight=1, gamma=0.1, alpha=0)
grow("leaf-wise", "binary:logistic", 8, eta=0.3, max_depth=0, max_leaves=6, grow_policy="lossguide",
     min_child_weight=2, gamma=0, alpha=0)
grow("penalised", "reg:squarederror", 8, eta=0.5, max_depth=3, min_child_weight=3, gamma=0.5, alpha=1.5)
grow("weighted", "reg:squarederror", 8, weighted=True, eta=0.5, max_depth=3, min_child_weight=3, gamma=0, alpha=0)
grow("softmax", "multi:softprob", 5, eta=0.4, max_depth=3, min_child_weight=1, gamma=0, alpha=0)

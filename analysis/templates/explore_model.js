"use strict";
/* What the page computes: effects at a setting, spreads over weighted points, the verdict and its sentences. The rules
   and digits are those of analysis/effects/estimands.py, analysis/decisions/verdict.py and analysis/style/words.py; a
   test holds the sentences to theirs. No text stands here: all come with the data. */

const NORMAL_90 = 1.6448536269514722, FEWEST = 30, SKEWED = 0.1, CONSTANT = 100, WIDTH = 0.15, A_FIFTH = 0.2;
const DAYS_PER_YEAR = 365;

// -- numbers as people read them

function fixed(value, places) {
  const size = Math.abs(value), scaled = size * 10 ** places, whole = Math.floor(scaled);
  const tie = scaled - whole === 0.5 && scaled / 10 ** places === size;
  const [before, after] = (tie && whole % 2 === 0 ? whole / 10 ** places : size).toFixed(places).split(".");
  const grouped = before.replace(/\B(?=(\d{3})+$)/g, ",");
  return (value < 0 ? "-" : "") + grouped + (after ? "." + after : "");
}

function decimals(...values) {
  const size = Math.max(0, ...values.filter(Number.isFinite).map(Math.abs));
  return size === 0 ? 0 : Math.min(Math.max(2 - Math.floor(Math.log10(size)), 0), 2);
}

function number(value, places = decimals(value)) {
  if (!Number.isFinite(value)) return "-";
  const text = fixed(value, places);
  return /[1-9]/.test(text) ? text : text.replace(/^-/, "");
}

function signed(value, places = decimals(value)) {
  if (!Number.isFinite(value) || value === 0) return number(value, places);
  let text = fixed(Math.abs(value), places);
  if (!/[1-9]/.test(text) && Math.abs(value) >= 1e-4) text = String(Number(Math.abs(value).toPrecision(1)));
  return (value < 0 ? "-" : "+") + text;
}

const plain = (value) => String(Number(value.toPrecision(3)));
const filled = (text, values) => text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? values[name] : place));

function money(yen, sign = false) {
  const kept = Number(yen.toPrecision(3));
  return sign ? signed(kept, 0) : number(kept, 0);
}

function percent(share, texts) {
  if (share > 0.99 && share < 1) return texts.most;
  return share > 0 && share < 0.01 ? texts.least : filled(texts.percent, {share: fixed(100 * share, 0)});
}

// -- points and weights

/* Weights of the points, summing to one: a bell over the rank of each parameter that is held, all or nothing over the
   options of a choice. */
function weights(data, held) {
  const raw = Array.from({length: data.points}, (_, point) => data.sliders.reduce((weight, slider) => {
    if (!(slider.key in held)) return weight;
    const value = slider.values[point], wanted = held[slider.key];
    if (slider.options) return value === wanted ? weight : 0;
    const apart = rank(slider.values, value) - rank(slider.values, wanted);
    return weight * Math.exp(-0.5 * (apart / WIDTH) ** 2);
  }, 1));
  const total = raw.reduce((sum, weight) => sum + weight, 0);
  return total > 0 ? raw.map((weight) => weight / total) : raw;
}

function rank(values, value) {
  return values.reduce((sum, one) => sum + (one < value ? 1 : one === value ? 0.5 : 0), 0) / values.length;
}

const effective = (weight) => 1 / weight.reduce((sum, one) => sum + one * one, 0);
const averaged = (values, weight) => values.reduce((sum, value, point) => sum + weight[point] * value, 0);

/* Definition 8 of Hyndman and Fan with weights: with equal ones it is that of the report. */
function quantile(sorted, share, n) {
  let below = 0, before = null;
  for (const [value, weight] of sorted) {
    below += weight * n;
    const place = (below - weight * n / 3) / (n + 1 / 3);
    if (place >= share) {
      if (before === null) return value;
      return before[1] + (value - before[1]) * (share - before[0]) / (place - before[0]);
    }
    before = [place, value];
  }
  return before[1];
}

/* What weighted points say, the share of their variance that is luck taken out. */
function spread(values, weight, share) {
  const n = effective(weight), mean = averaged(values, weight);
  const variance = averaged(values.map((value) => (value - mean) ** 2), weight) / Math.max(1 - 1 / n, 1e-9);
  const pull = share === null ? 1 : Math.sqrt(Math.min(Math.max(1 - share, 0) + 1 / n, 1));
  const kept = values.map((value) => mean + pull * (value - mean));
  const sorted = kept.map((value, point) => [value, weight[point]]).filter(([, one]) => one > 0);
  sorted.sort((one, other) => one[0] - other[0]);
  const above = kept.reduce((sum, value, point) => sum + weight[point] * (value > 0 ? 1 : value === 0 ? 0.5 : 0), 0);
  const [low, median, high] = [0.05, 0.5, 0.95].map((part) => quantile(sorted, part, n));
  return {
    mean, low, median, high, n, kept, least: sorted[0][0], most: sorted[sorted.length - 1][0],
    interval: n >= FEWEST - 1e-6, positive: (n * above + 0.5) / (n + 1), nothing: values.every((value) => value === 0),
    luck: share === null ? NaN : NORMAL_90 * Math.sqrt(share * variance / n),
  };
}

// -- surrogates

const scaledTo = (data, setting) =>
  data.levers.map((lever) => 2 * (setting[lever.key] - lever.low) / (lever.high - lever.low) - 1);

function terms(model, at, where) {
  if (model.kind === "gaussian") {
    return at.map((place) => CONSTANT + Math.exp(-place.reduce(
      (sum, value, lever) => sum + (value - where[lever]) ** 2, 0) / (2 * model.length ** 2)));
  }
  const squares = where.flatMap((value, i) => where.slice(i).map((other) => value * other));
  return [1, ...where, ...squares];
}

/* The weights by which settings that were run make up the one that is asked for. */
function mixture(data, model, setting) {
  const own = terms(model, data.at, scaledTo(data, setting));
  return data.at.map((_, run) => own.reduce((sum, term, i) => sum + term * model.fit[i][run], 0));
}

function effects(data, metric, setting) {
  const mix = mixture(data, data.models[metric.model], setting);
  return metric.values[0].map((_, point) => mix.reduce((sum, share, run) => sum + share * metric.values[run][point], 0));
}

/* How far each setting lies off what the others say of it, of values at settings: a matrix, made once. */
function leaving(data, model) {
  if (!model.left && model.kind === "gaussian") {
    model.left = model.fit.map((row, i) => row.map((one) => one / model.fit[i][i]));
  } else if (!model.left) {
    model.left = data.at.map((place, i) => {
      const own = terms(model, data.at, place);
      const hat = data.at.map((_, run) => own.reduce((sum, term, k) => sum + term * model.fit[k][run], 0));
      return hat.map((one, run) => ((i === run ? 1 : 0) - one) / Math.max(1 - hat[i], 1e-9));
    });
  }
  return model.left;
}

/* The surrogate's error of the mean over weighted points, a 90 % half-width, by leave-one-out. */
function leftOut(data, metric, weight) {
  const means = metric.values.map((row) => averaged(row, weight));
  const errors = leaving(data, data.models[metric.model]).map((row) => row.reduce((sum, share, run) => sum + share * means[run], 0));
  return NORMAL_90 * Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length);
}

const inside = (data, setting) =>
  data.levers.every((lever) => setting[lever.key] >= lever.low && setting[lever.key] <= lever.high);

/* All that is told of a metric at a setting: spread, the surrogate's error, and whether that error is too large. */
function answer(data, metric, setting, weight) {
  const over = spread(effects(data, metric, setting), weight, metric.luck);
  const surrogate = leftOut(data, metric, weight);
  return {...over, surrogate, unsure: surrogate > A_FIFTH * (over.high - over.low) / 2 || !inside(data, setting)};
}

// -- the verdict, by points alone

function decided(over, thresholds) {
  const going = averaged(over.kept.map((value) => Math.max(-value, 0)), over.weight);
  const stopping = averaged(over.kept.map((value) => Math.max(value, 0)), over.weight);
  const regret = {going, stopping}, gain = over.positive;
  if (over.n < 2 - 1e-6) return {decision: "unknown", clear: false, regret};
  if (over.nothing) return {decision: "nothing", clear: true, regret};
  if (gain >= thresholds.go && going <= thresholds.regret * stopping) return {decision: "go", clear: true, regret};
  if (1 - gain >= thresholds.stop && stopping <= thresholds.regret * going) {
    return {decision: "stop", clear: true, regret};
  }
  return {decision: over.mean > 0 ? "go" : "stop", clear: false, regret};
}

function between(over, places, texts) {
  if (over.n < 2 - 1e-6) return "-";
  if (over.interval) {
    const span = filled(texts.span, {low: signed(over.low, places), high: signed(over.high, places)});
    return filled(texts.interval90, {span});
  }
  const ends = {low: signed(over.least, places), high: signed(over.most, places)};
  return filled(texts.few, {points: Math.round(over.n), ...ends});
}

/* The sentences of analysis.decisions.verdict.lines_by_points. */
function verdict(data, over, weight) {
  const texts = data.texts, found = decided({...over, weight}, data.thresholds), {regret} = found;
  const {decision, clear} = data.shock && over.n >= 2 - 1e-6 ? {decision: "shock", clear: true} : found;
  const head = filled(texts.heads[`${decision} ${clear}`], {name: data.name, points: Math.round(over.n)});
  if (decision === "nothing" || decision === "unknown") return {decision, lines: [head]};
  const places = decimals(over.mean, ...(over.interval ? [over.low, over.high] : [])), firm = over.mean * data.members;
  const likely = over.positive >= data.likely ? 1 : over.positive <= 1 - data.likely ? -1 : 0;
  const size = signed(over.mean, places), told = between(over, places, texts);
  const skewed = over.interval && Math.abs(over.median - over.mean) > SKEWED * (over.high - over.low);
  const value = filled(texts.value, {
    year: money(firm * DAYS_PER_YEAR / data.days, true), size, members: fixed(data.members, 0), days: fixed(data.days, 0),
  });
  const interval = filled(skewed ? texts.skewed : texts.size, {size, median: signed(over.median, places), between: told});
  if (decision === "shock") return {decision, lines: [head, value, interval]};
  return {decision, lines: [
    head, value,
    filled(texts.pays, {p: percent(over.positive, texts), likelihood: texts.likelihoods[likely]}),
    filled(texts.regrets, {lost: money(regret.going * data.members), missed: money(regret.stopping * data.members)}),
    firm <= 0 ? texts.no_set_up : filled(texts.set_up, {firm: money(firm)}),
    interval,
  ]};
}

if (typeof module !== "undefined") module.exports = {answer, verdict, weights, effects, effective, fixed, signed, money, percent, plain};

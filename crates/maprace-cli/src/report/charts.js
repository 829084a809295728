// Pictures: distributions of windows, sweeps, and cost against harm. Follows report.js in the page.

// ---- charts ----

const decade = (value) => Math.log10(value);

// Ticks of a logarithmic axis: decades, and 2 and 5 between them where there are few.
function logTicks(lo, hi) {
  const ticks = [];
  const few = decade(hi / lo) < 2.5;
  for (let power = Math.floor(decade(lo)); power <= Math.ceil(decade(hi)); power += 1) {
    for (const step of few ? [1, 2, 5] : [1]) {
      const value = step * 10 ** power;
      if (value >= lo * 0.999 && value <= hi * 1.001) ticks.push(value);
    }
  }
  if (ticks.length < 2) return linearTicks(lo, hi);
  const most = 6;
  return ticks.length > most ? ticks.filter((_, i) => i % Math.ceil(ticks.length / most) === 0) : ticks;
}
function linearTicks(lo, hi) {
  const rough = (hi - lo || 1) / 4;
  const base = 10 ** Math.floor(decade(rough));
  const step = [1, 2, 5, 10].map((n) => n * base).find((n) => n >= rough);
  const ticks = [];
  for (let value = Math.ceil(lo / step) * step; value <= hi + step / 1e6; value += step) ticks.push(value);
  return ticks;
}

// An axis: where a value stands between two ends. On a logarithmic one 0 stands below everything else.
// `least`: the ratio between the ends of a logarithmic axis is no smaller, so that what hardly differs
// stands close together.
function axis(values, log, from, to, least = 1) {
  const known = values.filter((value) => Number.isFinite(value) && (!log || value > 0));
  let [lo, hi] = known.length ? [Math.min(...known), Math.max(...known)] : [1, 10];
  if (lo === hi) [lo, hi] = log ? [lo / 2, hi * 2] : [lo - 1, hi + 1];
  if (log && hi / lo < least) {
    const middle = Math.sqrt(lo * hi);
    [lo, hi] = [middle / Math.sqrt(least), middle * Math.sqrt(least)];
  }
  // Room, so that no point stands on the frame.
  if (log) [lo, hi] = [lo / (hi / lo) ** 0.06, hi * (hi / lo) ** 0.06];
  const hasZero = log && values.some((value) => value === 0);
  const start = hasZero ? from + (to - from) * 0.12 : from;
  const part = (value) => (log ? decade(value / lo) / decade(hi / lo) : (value - lo) / (hi - lo));
  const at = (value) => (log && value <= 0 ? from : start + (to - start) * part(value));
  const ticks = log ? logTicks(lo, hi) : linearTicks(lo, hi);
  if (!known.length) return { at, ticks: hasZero ? [0] : ticks };
  return { at, ticks: hasZero ? [0, ...ticks] : ticks };
}

const FRAME = { width: 440, height: 270, left: 58, right: 426, top: 10, bottom: 230 };

// Where things stand in a frame: both axes, and a place for a point.
function scale(points, x, y) {
  const across = axis([...points.map((p) => p[0]), ...(x.also || [])], x.log, FRAME.left, FRAME.right, x.least);
  const up = axis([...points.map((p) => p[1]), ...(y.also || [])], y.log, FRAME.bottom, FRAME.top, y.least);
  return { across, up, place: ([px, py]) => [across.at(px), up.at(py)] };
}

function mesh({ across, up }, x, y) {
  const { left, right, top, bottom, height } = FRAME;
  return [
    across.ticks.map((value) => [
      s('line', { class: 'mesh', x1: across.at(value), x2: across.at(value), y1: top, y2: bottom }),
      s('text', { x: across.at(value), y: bottom + 15, 'text-anchor': 'middle' }, x.say(value))]),
    up.ticks.map((value) => [
      s('line', { class: 'mesh', x1: left, x2: right, y1: up.at(value), y2: up.at(value) }),
      s('text', { x: left - 6, y: up.at(value) + 4, 'text-anchor': 'end' }, y.say(value))]),
    s('line', { class: 'axis', x1: left, x2: right, y1: bottom, y2: bottom }),
    s('text', { x: (left + right) / 2, y: height - 6, 'text-anchor': 'middle' }, x.name),
  ];
}

function figureOf({ title, sub, x, y, count }, drawn, ...below) {
  return h('figure', {},
    h('figcaption', {}, title, sub && h('small', {}, sub)),
    s('svg', { class: 'chart', viewBox: `0 0 ${FRAME.width} ${FRAME.height}`, role: 'img',
      'aria-label': `${title}: ${y.name} by ${x.name}, ${count}` }, drawn),
    ...below);
}

// Lines and points in a frame. A series: config, order, points of [x, y].
function chart({ title, sub, x, y, series }) {
  const frame = scale(series.flatMap((one) => one.points), x, y);
  return figureOf({ title, sub, x, y, count: `${series.length} lines` },
    [mesh(frame, x, y), series.map((one) => seriesOf(one, frame.place))]);
}

function seriesOf(one, place) {
  const at = one.points.map(place);
  const label = `${one.config}, ${one.order} order`;
  const path = at.map(([px, py], i) => `${i ? 'L' : 'M'}${px.toFixed(1)} ${py.toFixed(1)}`).join('');
  return s('g', {},
    at.length > 1 && s('path', { d: path, fill: 'none', stroke: colour(one.config), 'stroke-width': 1.8,
      'stroke-dasharray': dash(one.order, one.config), 'stroke-linejoin': 'round' }, s('title', {}, label)),
    at.map(([px, py]) => mark(one.config, px, py, label)));
}

const timeAxis = (name) => ({ name, log: true, say: ns });

// ---- names of what is drawn as one ----

const both = (values) => (values.length > 1 ? `${values.slice(0, -1).join(', ')} or ${values[values.length - 1]}` : values[0]);

// What members of a picture that are drawn as one are called together: cookies that make no difference are
// not told one by one, and protocols of which the same is to be said stand together.
function joined(members, all, say) {
  const parts = new Map();
  for (const name of distinct(members.map((one) => base(one.config)))) {
    const own = members.filter((one) => base(one.config) === name);
    const said = distinct(own.map((one) => one.order)).map((order) => {
      const of = (list) => distinct(list.filter((one) => base(one.config) === name && one.order === order)
        .map((one) => one.cookie).filter(Boolean));
      const [mine, compared] = [of(own), of(all)];
      const cookie = compared.length < 2 ? '' : mine.length === compared.length ? 'any' : both(mine);
      return { order, cookie };
    });
    const rest = say(said);
    parts.set(rest, [...(parts.get(rest) || []), name]);
  }
  return [...parts].map(([rest, names]) => `${names.join(', ')}${rest}`).join('; ');
}

// ---- distributions ----

const WORLDS = [['virtual', 'virtual time'], ['threads', 'threads'], ['', 'both']];
let world = null;

// Of a staircase in pixels the height at x: that of its last step to the left of it.
function heightAt(steps, x) {
  let height = FRAME.bottom;
  for (const [px, py] of steps) {
    if (px > x) break;
    height = py;
  }
  return height;
}
// Whether two staircases are one to the eye: nowhere further apart than the width of a line, sideways or
// upwards.
function coincide(a, b) {
  const reach = 3;
  const within = (one, other) => one.every(([x, y], i) => {
    const before = i ? one[i - 1][1] : FRAME.bottom;
    return heightAt(other, x + reach) <= y + reach && heightAt(other, x - reach) >= before - reach;
  });
  return within(a, b) && within(b, a);
}

// Lines that coincide become one.
function groups(lines, place) {
  const all = [];
  for (const line of lines) {
    const steps = line.points.map(place);
    // On threads no two runs are alike: there lines of two protocols coincide by chance alone.
    const where = [line.world, line.media, line.cpus, line.world === 'threads' && base(line.config)].join();
    const known = all.find((one) => one.where === where && coincide(one.steps, steps));
    if (known) known.members.push(line);
    else all.push({ where, steps, members: [line] });
  }
  return all;
}

function lineName(group, lines) {
  const orders = distinct(lines.map((line) => line.order)).length > 1;
  const say = (said) => {
    const one = ({ order, cookie }) => [orders && order, cookie && (cookie === 'any' ? 'any cookie' : `cookie ${cookie}`)]
      .filter(Boolean).join(', ');
    const any = said.some(({ cookie }) => cookie === 'any') ? 'both orders, any cookie' : 'both orders';
    const plain = said.length > 1 && said.every(({ cookie }) => !cookie || cookie === 'any');
    const words = plain ? any : said.map(one).filter(Boolean).join(' and ');
    return words && ` (${words})`;
  };
  const [line] = group.members;
  const many = (key) => distinct(lines.map((other) => other[key])).length > 1;
  return [joined(group.members, lines, say), many('world') && (line.world === 'threads' ? 'threads' : 'virtual time'),
    many('media') && line.media, line.world !== 'threads' && many('cpus') && `${line.cpus} CPUs`].filter(Boolean).join(', ');
}

// A distribution function of values is a staircase: it rises at a value and nowhere between.
function stairs(group) {
  const [line] = group.members;
  const path = group.steps.map(([x, y]) => `H${x.toFixed(1)}V${y.toFixed(1)}`).join('');
  return s('path', { class: line.world === 'threads' ? 'stairs thin' : 'stairs', stroke: colour(line.config),
    d: `M${group.steps[0][0].toFixed(1)} ${FRAME.bottom}${path}`, 'stroke-dasharray': dashOf(group) },
  s('title', {}, group.told));
}
// A line of all cookies is dashed as the preset's own.
function dashOf({ members: [line, ...rest] }) {
  return dash(line.order, rest.some((one) => one.order === line.order) ? '' : line.config);
}

const spread = (values) => {
  const [least, most] = [Math.min(...values), Math.max(...values)].map(ns);
  if (least === most) return least;
  const [[low, unit], [high, other]] = [least.split(' '), most.split(' ')];
  return unit === other ? `${low}\u2013${high} ${unit}` : `${least} \u2013 ${most}`;
};

// The key of a figure with its figures: a row for each line that is drawn.
function quantiles(drawn, paths) {
  const row = (group, i) => {
    const light = (on) => () => paths[i].classList.toggle('lit', on);
    const [line] = group.members;
    const part = s('line', { x1: 0, x2: 30, y1: 7, y2: 7, stroke: colour(line.config), 'stroke-width': 2,
      'stroke-dasharray': dashOf(group) });
    return h('tr', { onmouseenter: light(true), onmouseleave: light(false) },
      h('th', { scope: 'row' }, icon(part), group.name),
      ['p50', 'p99', 'max'].map((which) => h('td', {}, spread(group.members.map((one) => one.length[which])))));
  };
  return h('table', { class: 'quantiles' },
    h('thead', {}, h('tr', {}, ['line', 'p50', 'p99', 'max'].map((head) => h('th', { scope: 'col' }, head)))),
    h('tbody', {}, drawn.map(row)));
}

function distribution({ scenario, window: name, what: words, lines }) {
  const x = timeAxis('length of the window');
  const y = { name: 'cumulative share', log: false, say: (v) => v.toFixed(2), also: [0, 1] };
  const frame = scale(lines.flatMap((line) => line.points), x, y);
  const drawn = groups(lines, frame.place);
  for (const group of drawn) {
    const counts = distinct(group.members.map((line) => thousands(line.count)));
    group.name = lineName(group, lines);
    group.told = `${group.name}: p50 ${spread(group.members.map((one) => one.length.p50))}, `
      + `p99 ${spread(group.members.map((one) => one.length.p99))}, ${both(counts)} windows`;
  }
  const paths = drawn.map(stairs);
  return figureOf({ title: `${name} in ${scenario}`, sub: words, x, y,
    count: `${drawn.length} ${drawn.length === 1 ? 'line' : 'lines'}` }, [mesh(frame, x, y), paths], quantiles(drawn, paths));
}

// The switch between worlds; nothing where there is one alone.
function worldSwitch(used) {
  if (used.length < 2) return null;
  return h('p', {}, 'Measured in: ', h('select', { id: 'by-world', 'aria-label': 'Virtual time or threads',
    onchange: (event) => { world = event.target.value; drawDistributions(); byId('by-world').focus(); } },
  WORLDS.map(([value, word]) => h('option', { value, selected: value === world }, word))));
}

function drawDistributions() {
  const used = distinct(DATA.distributions.flatMap((one) => one.lines.map((line) => line.world)));
  if (world === null) world = used.includes('virtual') ? 'virtual' : '';
  const fits = (line) => (!filter.order || line.order === filter.order) && (!world || line.world === world);
  const all = DATA.distributions
    .filter((one) => !filter.scenario || one.scenario === filter.scenario)
    .map((one) => ({ ...one, lines: one.lines.filter(fits) }))
    .filter((one) => one.lines.length);
  byId('distributions').replaceChildren(
    worldSwitch(used) || '',
    all.length ? h('p', { class: 'note' }, 'Lines that coincide are drawn once; solid: buffer_head order, dashed: iomap order.')
      : none('No window was measured here.'),
    h('div', { class: 'grid' }, all.map(distribution)));
}

// Of one sweep and scenario: each figure of each window against the swept value.
function sweepFigures(sweep, scenario, lines) {
  const windows = distinct(lines.flatMap((line) => line.points.flatMap((at) => Object.keys(at.lengths))));
  const x = { name: `${sweep.key} (${sweep.unit})`, log: true, say: (v) => String(Number(v.toPrecision(3))) };
  const series = (pick) => lines.map((line) => ({ ...line,
    points: line.points.map((at) => [at.x, pick(at)]).filter(([, value]) => value !== undefined) }));
  const cut = sweep.cut ? 'ended before its last value' : '';
  const lengths = windows.flatMap((name) => ['p50', 'p99', 'max'].map((which) => chart({
    title: `${name} ${which}, ${scenario}`, sub: cut, x, y: timeAxis('length of the window'),
    series: series((at) => at.lengths[name] && at.lengths[name][which]) })));
  const hits = windows.map((name) => chart({
    title: `${name} hits per million, ${scenario}`, sub: cut, x,
    y: { name: 'hits per million operations', log: true, say: three },
    series: series((at) => at.per_million[name] && at.per_million[name].value) }));
  return [...lengths, ...hits];
}

function drawSweeps() {
  const used = DATA.sweeps.flatMap((sweep) => sweep.lines.filter(shown));
  if (!used.length) return byId('swept').replaceChildren(none('Nothing was swept here.'));
  const figures = DATA.sweeps.flatMap((sweep) => {
    const lines = sweep.lines.filter(shown);
    return distinct(lines.map((line) => line.scenario)).flatMap((scenario) =>
      sweepFigures(sweep, scenario, lines.filter((line) => line.scenario === scenario)));
  });
  byId('swept').replaceChildren(
    keys(distinct(used.map((line) => line.config)), distinct(used.map((line) => line.order))),
    h('div', { class: 'grid' }, figures));
  return undefined;
}

// ---- cost against harm ----

const RISKS = [
  ['rounds that end in damage', (f) => f.damage.value, percent],
  ['hits per million operations', (f) => (windowOf(f) ? windowOf(f).per_million.value : 0), thousands],
  ['window p99', (f) => (windowOf(f) ? windowOf(f).length.p99 : 0), ns],
];
let risk = 0;

const near = (a, b, most) => Math.abs(a[0] - b[0]) <= most && Math.abs(a[1] - b[1]) <= most;

// Rows that stand at one place become one mark: of one protocol sooner than of two.
function marksOf(rows, frame, pick) {
  const all = [];
  const add = (one, most, same) => {
    const known = all.find((other) => other.hollow === one.hollow && near(other.at, one.at, most) && same(other));
    if (known) known.members.push(...one.members);
    else all.push(one);
  };
  for (const row of rows) {
    const one = { at: frame.place([row.virtual.ns, pick(row.virtual)]), hollow: row.counterfactual, members: [row] };
    add(one, 6, (other) => base(other.members[0].config) === base(row.config));
  }
  for (const one of all.splice(0)) add(one, 4, () => true);
  return all;
}

function markName(members, rows) {
  const orders = distinct(rows.map((row) => row.order));
  const say = (said) => {
    const letters = orders.length > 1 ? ` ${said.map(({ order }) => order[0]).join('+')}` : '';
    const cookies = said.map(({ cookie }) => cookie).filter((cookie) => cookie && cookie !== 'any');
    return letters + (cookies.length ? ` ${cookies.join(', ')}` : '');
  };
  return joined(members, rows, say);
}

const overlap = (a, b) => a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

// A free place for each label, the nearest to its mark first; where it is not beside the mark a line leads
// to it.
function labels(marks) {
  const taken = marks.map(({ at: [x, y] }) => ({ x: x - 5, y: y - 5, width: 10, height: 10 }));
  const inside = (box) => box.x >= FRAME.left && box.x + box.width <= FRAME.right + 10 && box.y >= 0
    && box.y + box.height <= FRAME.bottom + 2;
  const all = marks.map(({ at: [x, y], name }) => {
    const size = { width: name.length * 5.9 + 4, height: 13 };
    const box = candidates(x, y, size).find((one) => inside(one) && !taken.some((other) => overlap(one, other)));
    // Better no label than two on each other: the mark still tells its name.
    if (!box) return null;
    taken.push(box);
    const end = [Math.max(box.x, Math.min(x, box.x + box.width)), y < box.y ? box.y : box.y + box.height];
    return {
      leader: box.far && s('line', { class: 'leader', x1: x, y1: y, x2: end[0], y2: end[1] }),
      text: s('text', { class: 'point', x: box.x + 2, y: box.y + 10 }, name),
    };
  }).filter(Boolean);
  // Words stand on lines, never under them.
  return [all.map((one) => one.leader), all.map((one) => one.text)];
}
function candidates(x, y, { width, height }) {
  const all = [
    { x: x - width / 2, y: y - height - 6 }, { x: x - width / 2, y: y + 6 },
    { x: x + 6, y: y - 7 }, { x: x - width - 6, y: y - 7 }];
  for (let away = 16; away < 150; away += 8) {
    for (const dx of [-width / 2, 4, -width - 4, away / 2, -width - away / 2]) {
      all.push({ x: x + dx, y: y - height - away, far: true }, { x: x + dx, y: y + away, far: true });
    }
  }
  return all.map((one) => ({ ...one, width, height }));
}

// What is worth its price: of what a kernel had, nothing else of the same order is both cheaper and safer.
function frontier(order, rows, frame, pick) {
  const values = rows.filter((row) => row.order === order && !row.counterfactual)
    .map((row) => [row.virtual.ns, pick(row.virtual)])
    .sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const best = [];
  for (const value of values) if (!best.length || value[1] < best[best.length - 1][1]) best.push(value);
  if (best.length < 2) return null;
  const corner = (x, y, first) => (first ? `M${x} ${y}` : `H${x}V${y}`);
  const path = best.map(frame.place).map(([x, y], i) => corner(x.toFixed(1), y.toFixed(1), i === 0));
  return s('path', { class: 'frontier', d: path.join(''), 'stroke-dasharray': dash(order) },
    s('title', {}, `${order} order: nothing that a kernel had is both cheaper and safer than what stands at the corners`));
}

function costFigure(rows) {
  const [name, pick, say] = RISKS[risk];
  const [x, y] = [{ name: 'mean time of an operation', log: true, say: ns, least: 1.25 }, { name, log: true, say, least: 10 }];
  const frame = scale(rows.map((row) => [row.virtual.ns, pick(row.virtual)]), x, y);
  const marks = marksOf(rows, frame, pick);
  for (const one of marks) one.name = markName(one.members, rows);
  const told = ({ members, name: label }) => {
    const [row] = members;
    const values = distinct(members.map((own) => say(pick(own.virtual))));
    const words = `${label}${row.counterfactual ? ' (counterfactual)' : ''}`;
    return `${words}: ${spread(members.map((own) => own.virtual.ns))}, ${both(values)}`;
  };
  const orders = distinct(rows.map((row) => row.order));
  return figureOf({ title: rows[0].scenario, x, y, count: `${marks.length} marks`,
    sub: `${rows[0].media}, ${rows[0].cpus} CPUs; left is cheaper, down is safer` }, [
    mesh(frame, x, y), orders.map((order) => frontier(order, rows, frame, pick)), labels(marks),
    marks.map((one) => mark(one.members[0].config, one.at[0], one.at[1], told(one), one.hollow))]);
}

function drawCosts() {
  const rows = DATA.rows.filter(shown).filter((row) => row.virtual);
  if (!rows.length) {
    return byId('costs').replaceChildren(none('Costs were not measured here, so nothing is said of what a fix is worth.'));
  }
  const choose = h('select', { id: 'by-risk', 'aria-label': 'What stands upwards',
    onchange: (event) => { risk = Number(event.target.value); drawCosts(); byId('by-risk').focus(); } },
  RISKS.map(([label], i) => h('option', { value: i, selected: i === risk }, label)));
  const place = (row) => [row.scenario, row.media, row.cpus].join('\n');
  const of = (where) => rows.filter((row) => place(row) === where);
  byId('costs').replaceChildren(
    h('p', {}, 'Upwards: ', choose, ' A hit that a second look or a cookie caught is no damage.'),
    h('p', { class: 'note' }, 'b: buffer_head order, i: iomap order. Hollow: counterfactual. A name without a cookie '
      + 'stands for all of its cookies. The line joins what is worth its price in one order: nothing that a kernel '
      + 'had is both cheaper and safer.'),
    h('div', { class: 'grid' }, distinct(rows.map(place)).map((where) => costFigure(of(where)))));
  return undefined;
}

// Timelines, step by step, and what starts the page. Comes last in it.

// ---- timelines ----

const BOX = 30;
const ROW = 17;
const GUTTER = 128;

// Where things stand: x of a moment, y of each lane, the locks of each lane in rows.
function layout(timeline) {
  const end = Math.max(1, ...timeline.steps.map((step) => step.to));
  const width = timeline.unit === 'step' ? Math.max(1, end) * BOX : Math.max(900, timeline.steps.length * 12);
  let y = 6;
  const lanes = timeline.tasks.map((_, task) => {
    const own = [...timeline.locks, ...timeline.waits].filter((one) => one.task === task);
    const locks = distinct(own.map((one) => one.lock));
    const lane = { y, locks, height: 50 + locks.length * ROW };
    y += lane.height + 12;
    return lane;
  });
  return { width: width + 8, height: y, lanes, x: (moment) => 4 + (moment * width) / end };
}

function gutter(timeline, at) {
  const label = (task, i) => [
    s('text', { class: 'task', x: 10, y: at.lanes[i].y + 33 }, task.name),
    at.lanes[i].locks.map((lock, n) =>
      s('text', { class: 'lock', x: 10, y: at.lanes[i].y + 59 + n * ROW }, lock)),
  ];
  return s('svg', { width: GUTTER, height: at.height, viewBox: `0 0 ${GUTTER} ${at.height}`, 'aria-hidden': 'true' },
    timeline.tasks.map(label));
}

function lockBars(timeline, at) {
  const bar = (one, kind, words) => {
    const lane = at.lanes[one.task];
    const y = lane.y + 50 + lane.locks.indexOf(one.lock) * ROW;
    return s('rect', { class: `held ${kind}`, x: at.x(one.from) + 1, y, rx: 2, height: 10,
      width: Math.max(2, at.x(one.to) - at.x(one.from) - 2) }, s('title', {}, words));
  };
  const who = (one) => timeline.tasks[one.task].name;
  return [
    timeline.locks.map((one) => {
      const how = one.exclusive ? 'exclusive' : 'shared';
      return bar(one, how, `${who(one)} holds ${one.lock}, ${how}`);
    }),
    timeline.waits.map((one) => bar(one, 'waits', `${who(one)} waits for ${one.lock}`)),
  ];
}

function windowShades(timeline, at, id) {
  return timeline.windows.map((one) => {
    const lane = at.lanes[one.task];
    const [x, width] = [at.x(one.from), Math.max(3, at.x(one.to) - at.x(one.from))];
    const box = { x, y: lane.y - 2, width, height: lane.height + 4 };
    const strikes = one.hits.map((step) => {
      const middle = (at.x(timeline.steps[step].from) + at.x(timeline.steps[step].to)) / 2;
      const other = at.lanes[timeline.steps[step].task];
      const down = other.y > lane.y;
      return s('line', { class: 'strike', x1: middle, x2: middle,
        y1: down ? lane.y + lane.height + 2 : lane.y - 2, y2: down ? other.y + 16 : other.y + 44 });
    });
    return [
      s('rect', { class: 'open-window', ...box }, s('title', {}, `${one.name}: ${one.what}`)),
      s('rect', { ...box, fill: `url(#hatch-${id})` }),
      s('text', { class: 'window-name', x: x + 4, y: lane.y + 11 }, `${one.name} open`), strikes,
    ];
  });
}

function stepBoxes(timeline, at, go) {
  const hits = new Set(timeline.windows.flatMap((one) => one.hits));
  const broken = new Set(timeline.wrong.map((one) => one.step));
  return timeline.steps.map((step, i) => {
    const [x, y] = [at.x(step.from), at.lanes[step.task].y + 18];
    const width = Math.max(3, at.x(step.to) - x - 3);
    const flag = broken.has(i) ? '\u2715' : hits.has(i) ? '!' : '';
    const kind = `${hits.has(i) ? ' hit' : ''}${broken.has(i) ? ' broken' : ''}`;
    return s('g', { class: 'step', onclick: () => go(i + 1) },
      s('title', {}, `step ${i + 1}, ${timeline.tasks[step.task].name}: ${step.name}`),
      s('rect', { class: `box${kind}`, x: x + 1.5, y, width, height: 22, rx: 3 }),
      width > 16 && s('text', { x: x + 1.5 + width / 2, y: y + 15 }, i + 1),
      flag && s('text', { class: `flag ${broken.has(i) ? 'broken' : 'hit'}`, x: x + 9 + width / 2, y: y - 4 }, flag));
  });
}

const lockWords = (one) => `${one.lock} (${one.exclusive ? 'exclusive' : 'shared'})`;

// The kernel functions around a step, the operation's own first.
function stack(timeline, step) {
  const op = timeline.tasks[step.task].ops[step.op];
  const said = op && step.calls.length && step.calls[0].endsWith(op.function);
  const head = op && !said ? [op.function] : [];
  return [...head, ...step.calls];
}

// What is said of a position: 0 before the first step, past the last one the end.
function details(timeline, position) {
  const total = timeline.steps.length;
  const entry = (name, ...value) => [h('dt', {}, name), h('dd', {}, ...value)];
  if (position === 0) {
    const does = (task) => task.ops.map((op) => op.op).join(', ') || 'started by another task';
    return [h('dt', { class: 'head' }, `Before the first of ${total} steps`),
      timeline.tasks.map((task) => entry(task.name, does(task)))];
  }
  if (position > total) {
    return [h('dt', { class: 'head' }, 'After the last step'),
      timeline.after.length > 0 && entry('then', timeline.after.join(', ')),
      timeline.wrong.map((one) => entry(one.when,
        h('span', { class: 'wrong' }, one.words), ` \u2014 ${one.checker}${one.kernel_visible ? ', kernel-visible' : ''}`))];
  }
  const step = timeline.steps[position - 1];
  const inside = (one) => one.from < step.to && step.from < one.to;
  const name = (one) => timeline.tasks[one.task].name;
  const held = timeline.tasks.map((task, i) => {
    const own = timeline.locks.filter((one) => one.task === i && inside(one)).map(lockWords);
    return own.length ? `${task.name}: ${own.join(', ')}` : null;
  }).filter(Boolean);
  const open = timeline.windows.filter((one) => inside(one) && one.task !== step.task);
  const lands = open.filter((one) => one.hits.includes(position - 1));
  const waiting = timeline.waits.filter(inside).map((one) => `${name(one)} waits for ${one.lock}`);
  const broken = timeline.wrong.filter((one) => one.step === position - 1);
  return [
    h('dt', { class: 'head' }, `Step ${position} of ${total}: ${name(step)}, `, h('span', { class: 'mono' }, step.name)),
    timeline.unit === 'ns' && entry('time', `${ns(step.from)} to ${ns(step.to)}`),
    entry('inside', h('span', { class: 'mono' }, stack(timeline, step).join(' \u203a ') || 'no call')),
    entry('found', h('span', { class: 'mono' }, step.saw.join('; ') || 'nothing to tell')),
    entry('locks held', held.join(' \u2014 ') || 'none'),
    waiting.length > 0 && entry('waiting', waiting.join(', ')),
    open.length > 0 && entry('window', open.map((one) => `${one.name} of ${name(one)} is open`).join(', '),
      lands.length > 0 && h('b', {}, ': this change lands in it')),
    broken.map((one) => entry('broken', h('span', { class: 'wrong' }, one.words), ` \u2014 ${one.checker}`)),
  ];
}

// The steps as text: a column for each task, calls where they change.
function stepTable(timeline, go) {
  const last = new Map();
  const row = (step, i) => {
    const calls = stack(timeline, step);
    const path = calls.join(' \u203a ');
    const said = last.get(step.task) === path ? null : h('span', { class: 'calls' }, path);
    last.set(step.task, path);
    const broken = timeline.wrong.filter((one) => one.step === i);
    const cell = [said, step.name, step.saw.length > 0 && `: ${step.saw.join('; ')}`,
      timeline.windows.some((one) => one.hits.includes(i)) && h('b', {}, ' ! lands in the window'),
      broken.map((one) => h('span', { class: 'wrong' }, ` \u2715 ${one.words}`))];
    return h('tr', { onclick: () => go(i + 1) }, h('td', { class: 'nr' }, i + 1),
      timeline.tasks.map((_, task) => h('td', {}, task === step.task ? cell : '')));
  };
  return h('table', { class: 'columns' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, ''), timeline.tasks.map((task) => h('th', { scope: 'col' }, task.name)))),
    h('tbody', {}, timeline.steps.map(row)));
}

function ending(timeline) {
  const line = (one) => h('li', {}, `${one.when}: `, h('span', { class: 'wrong' }, one.words),
    ` \u2014 ${one.checker}${one.kernel_visible ? ', kernel-visible' : ''}`);
  return [
    h('p', {}, h('b', {}, 'What is wrong '), what('checkers', 'a checker'),
      timeline.after.length > 0 && ` when all have ended and then ${timeline.after.join(', ')} ran:`),
    h('ul', {}, timeline.wrong.map(line)),
    h('p', { class: 'command' }, h('code', {}, timeline.command)),
  ];
}

// A timeline with its controls. Position 0 stands before the first step, the last one after all.
function player(timeline, id) {
  const total = timeline.steps.length;
  const at = layout(timeline);
  const state = { position: 0 };
  const go = (position) => {
    state.position = Math.max(0, Math.min(total + 1, position));
    show();
  };
  const button = (label, words, to) =>
    h('button', { type: 'button', 'aria-label': words, onclick: () => go(to()) }, label);
  const buttons = [
    button('\u21e4', 'First', () => 0), button('\u2190 Back', 'One step back', () => state.position - 1),
    button('Forward \u2192', 'One step forward', () => state.position + 1), button('\u21e5', 'End', () => total + 1)];
  const slider = h('input', { type: 'range', min: 0, max: total + 1, value: 0, 'aria-label': 'Step',
    oninput: (event) => go(Number(event.target.value)) });
  const detail = h('dl', { class: 'detail', 'aria-live': 'polite' });
  const boxes = stepBoxes(timeline, at, go);
  const cursor = s('line', { class: 'cursor', y1: 0, y2: at.height });
  const hatch = s('defs', {}, s('pattern', { id: `hatch-${id}`, width: 7, height: 7, patternUnits: 'userSpaceOnUse',
    patternTransform: 'rotate(45)' }, s('line', { class: 'hatch', x1: 0, y1: 0, x2: 0, y2: 7 })));
  const picture = s('svg', { width: at.width, height: at.height, viewBox: `0 0 ${at.width} ${at.height}`, role: 'img',
    'aria-label': `${total} steps of ${timeline.tasks.map((task) => task.name).join(' and ')}; the list below has them as text` },
  hatch, windowShades(timeline, at, id), lockBars(timeline, at), boxes, cursor);
  const scroll = h('div', { class: 'scroll' }, picture);
  const steps = stepTable(timeline, go);
  const show = () => {
    const { position } = state;
    slider.value = position;
    slider.setAttribute('aria-valuetext', position > total ? 'after the last step' : `step ${position} of ${total}`);
    buttons[0].disabled = buttons[1].disabled = position === 0;
    buttons[2].disabled = buttons[3].disabled = position > total;
    detail.replaceChildren(...details(timeline, position).flat(Infinity).filter((one) => one instanceof Node));
    boxes.forEach((box, i) => {
      box.classList.toggle('now', i + 1 === position);
      box.classList.toggle('later', position > 0 && i + 1 > position);
      box.querySelector('.box').classList.toggle('now', i + 1 === position);
    });
    [...steps.tBodies[0].rows].forEach((row, i) => row.classList.toggle('now', i + 1 === position));
    const step = timeline.steps[Math.min(Math.max(position, 1), total) - 1];
    const x = at.x(position === 0 ? 0 : step.to);
    cursor.setAttribute('x1', x);
    cursor.setAttribute('x2', x);
    if (x < scroll.scrollLeft + 40 || x > scroll.scrollLeft + scroll.clientWidth - 40) {
      scroll.scrollLeft = x - scroll.clientWidth / 2;
    }
  };
  const keysOf = (event) => {
    const moves = { ArrowLeft: state.position - 1, ArrowRight: state.position + 1, Home: 0, End: total + 1 };
    if (event.target.type === 'range' || moves[event.key] === undefined) return;
    event.preventDefault();
    go(moves[event.key]);
  };
  const view = h('div', { class: 'player', tabindex: 0, role: 'group', onkeydown: keysOf,
    'aria-label': 'Timeline: arrow keys step back and forward' },
  h('div', { class: 'controls' }, buttons, slider),
  h('div', { class: 'lanes', style: `--width: ${at.width}` }, h('div', { class: 'gutter' }, gutter(timeline, at)), scroll),
  detail, steps, ending(timeline));
  show();
  return view;
}

function timelineName(timeline) {
  const also = timeline.also.length ? `; the same under ${timeline.also.join(', ')}` : '';
  const moved = timeline.moved.length ? ` ${timeline.moved.join(' ')}` : '';
  return [`${timeline.scenario}, ${timeline.order} order, ${timeline.protocol}${moved} `,
    h('small', {}, `${timeline.steps.length} steps, ${timeline.tasks.length} tasks${also}`)];
}

function drawTimelines() {
  const all = DATA.timelines.map((timeline, i) => [timeline, i]).filter(([timeline]) => shown(timeline));
  const one = ([timeline, i], n) => {
    // Drawn when it is opened: there may be many.
    const fill = (event) => {
      if (event.target.open && !event.target.querySelector('.player')) event.target.append(player(timeline, i));
    };
    return h('details', { class: 'timeline', id: `timeline-${i}`, ontoggle: fill, open: n === 0 },
      h('summary', {}, timelineName(timeline)));
  };
  const left = DATA.left_out > 0 && none(`${DATA.left_out} more did not fit into this file: `
    + 'explore a scenario by itself to see its own.');
  byId('lanes').replaceChildren(...(all.length ? all.map(one) : [none('No counterexample here.')]), left || '');
}

// ---- the whole ----

function drawAll() {
  drawTable();
  drawDistributions();
  drawSweeps();
  drawCosts();
  drawTimelines();
}

function setUpFilters() {
  const everything = [...DATA.rows, ...DATA.timelines, ...DATA.sweeps.flatMap((sweep) => sweep.lines)];
  const fill = (id, key, word) => {
    const values = distinct(everything.map((one) => one[key]));
    byId(id).replaceChildren(h('option', { value: '' }, word), ...values.map((value) => h('option', { value }, value)));
    byId(id).addEventListener('change', (event) => {
      filter[key] = event.target.value;
      drawAll();
    });
  };
  fill('by-scenario', 'scenario', 'all');
  fill('by-order', 'order', 'both');
  byId('filters').addEventListener('submit', (event) => event.preventDefault());
}

// A link to a timeline opens it.
function follow() {
  const target = location.hash.startsWith('#timeline-') && byId(location.hash.slice(1));
  if (!target) return;
  target.open = true;
  target.scrollIntoView();
}

byId('command').textContent = DATA.command;
byId('made').textContent = DATA.made_with ? `\u00b7 ${DATA.made_with}` : '';
setUpTheme();
setUpFilters();
drawChoices();
drawAll();
addEventListener('hashchange', follow);
follow();
// On paper nobody can open anything.
addEventListener('beforeprint', () => {
  document.querySelectorAll('details').forEach((one) => {
    one.open = true;
    const index = one.id.replace('timeline-', '');
    if (one.matches('.timeline') && !one.querySelector('.player')) one.append(player(DATA.timelines[index], index));
  });
});

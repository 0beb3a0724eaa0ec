/* Evaluated networks by two figures, with the front of each set.
   spec: {x, y: axes, sets: [{name, dot, points: [[x, y, key], ...]}], fronts: [{points, line}], limit: {x, y}, winner, selected,
   told(key), chosen(key), said(key)} */
function scatter(holder, list, spec) {
  const flat = spec.sets.flatMap((set) => set.points);
  const walk = [];
  let shower = null;
  let at = -1;
  let kept = null;

  const draw = () => {
    const xs = flat.map((point) => point[0]);
    const ys = flat.map((point) => point[1]);
    if (spec.limit.x !== undefined) xs.push(spec.limit.x);
    const ranges = { x: widened(...extent(xs), 0.05), y: widened(...extent(ys), 0.07) };
    const label = `${spec.y.label} against ${spec.x.label}, ${flat.length} networks. Arrow keys walk along the front, Enter shows the layers.`;
    const made = frame(holder, ranges, { x: withUnit(spec.x), y: withUnit(spec.y) }, label);
    made.drawing.setAttribute('tabindex', '0');
    made.drawing.setAttribute('role', 'application');
    bounds(made, spec);
    for (const set of spec.sets) {
      made.drawing.append(shape('path', { class: `dots ${set.dot}${flat.length > 1500 ? ' many' : ''}`, d: dots(set.points, made.x, made.y) }));
    }
    walk.length = 0;
    for (const set of spec.fronts) front(made, set, spec, walk);
    walk.sort((one, other) => one[0] - other[0]);
    const best = flat.find((point) => point[2] === spec.winner);
    if (best) {
      const [left, top] = [made.x(best[0]), made.y(best[1])];
      made.drawing.append(shape('path', { class: 'winner', d: diamond(left, top, 8) }));
      const beyond = left > made.width * 0.75;
      made.drawing.append(shape('text', { class: 'mark-text', x: left + (beyond ? -12 : 12), y: top - 8, 'text-anchor': beyond ? 'end' : 'start' }, 'winner'));
    }
    kept = shape('circle', { class: 'ring fixed', r: 10, visibility: 'hidden' });
    made.drawing.append(kept);
    kept.made = made;
    shower = hovered(holder, made, flat, (place) => spec.told(flat[place][2]), (place) => choose(flat[place][2]));
    made.drawing.addEventListener('keydown', (event) => keyed(event));
    made.drawing.addEventListener('blur', () => shower.hide());
    at = -1;
    mark(spec.selected);
  };

  const mark = (key) => {
    spec.selected = key;
    const point = flat.find((one) => one[2] === key);
    if (!kept) return;
    kept.setAttribute('visibility', point ? 'visible' : 'hidden');
    if (!point) return;
    kept.setAttribute('cx', kept.made.x(point[0]));
    kept.setAttribute('cy', kept.made.y(point[1]));
  };

  const choose = (key) => {
    mark(key);
    if (spec.chosen) spec.chosen(key);
  };

  const keyed = (event) => {
    const moves = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 };
    if (event.key in moves && walk.length) at = Math.max(0, Math.min(walk.length - 1, at + moves[event.key]));
    else if (event.key === 'Home' && walk.length) at = 0;
    else if (event.key === 'End' && walk.length) at = walk.length - 1;
    else if ((event.key === 'Enter' || event.key === ' ') && at >= 0) choose(walk[at][2]);
    else if (event.key === 'Escape') {
      shower.hide();
      return;
    } else return;
    event.preventDefault();
    shower.show(flat.indexOf(walk[at]));
    if (spec.said) spec.said(walk[at][2]);
  };

  const entries = spec.sets.map((set) => ['dot', set.name, set.dot]);
  if (spec.fronts.some((set) => !set.line)) entries.push(['line', 'front', 'front']);
  if (spec.winner !== null && spec.winner !== undefined) entries.push(['star', 'winner', 'winner']);
  if (spec.limit.x !== undefined || spec.limit.y !== undefined) entries.push(['line', 'bound', 'limit']);
  legend(list, entries);
  redrawn(holder, draw);
  return { mark };
}

/* The bounds that were asked for. */
function bounds(made, spec) {
  if (spec.limit.x !== undefined) {
    const left = made.x(spec.limit.x);
    made.drawing.append(shape('line', { class: 'limit', x1: left, x2: left, y1: made.margin.top, y2: made.height - made.margin.bottom }));
    made.drawing.append(shape('text', { class: 'limit-text', x: left - 5, y: made.height - made.margin.bottom - 6, 'text-anchor': 'end' }, shown(spec.limit.x, spec.x)));
  }
  if (spec.limit.y !== undefined) {
    const top = made.y(spec.limit.y);
    made.drawing.append(shape('line', { class: 'limit', x1: made.margin.left, x2: made.width - made.margin.right, y1: top, y2: top }));
  }
}

/* The front of one set: a line and rings, which keys walk along. */
function front(made, set, spec, walk) {
  if (!spec.x.direction || !spec.y.direction) return;
  const members = undominated(set.points, spec.x.direction, spec.y.direction).map((place) => set.points[place]);
  members.sort((one, other) => one[0] - other[0]);
  const path = members.map(([a, b], place) => `${place ? 'L' : 'M'}${made.x(a).toFixed(1)} ${made.y(b).toFixed(1)}`).join('');
  made.drawing.append(shape('path', { class: set.line || 'front', d: path || 'M0 0' }));
  if (!set.line) {
    for (const [a, b] of members) made.drawing.append(shape('circle', { class: 'front-dot', cx: made.x(a), cy: made.y(b), r: 4 }));
  }
  walk.push(...members);
}

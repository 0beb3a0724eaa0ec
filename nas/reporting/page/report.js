(() => {
  const data = JSON.parse(document.getElementById('data').textContent);
  const by = (name) => document.getElementById(name);
  themeSwitch(by('theme'));
  const axes = Object.fromEntries((data.axes || []).map((axis) => [axis.name, axis]));

  const studyOf = (place) => Number(data.points.study[place]);
  const nameOf = (place) => {
    const title = place === data.winner ? 'Winner: ' : data.runners.includes(place) ? `Runner-up ${data.runners.indexOf(place) + 1}: ` : '';
    return `${title}${studyOf(place) ? 'random search' : data.strategy}, evaluation ${data.points.number[place]}`;
  };

  const decisionsOf = (place) => {
    const letters = data.decisions.letters[place];
    if (!letters) return [];
    const width = letters.length / data.decisions.names.length;
    const found = [];
    data.decisions.names.forEach((name, column) => {
      const part = letters.slice(column * width, (column + 1) * width);
      if (!part.startsWith('.')) found.push([name, data.decisions.options[column][parseInt(part, 36)]]);
    });
    return found;
  };

  const figuresOf = (place) =>
    data.axes
      .filter((axis) => data.points.values[axis.name][place] !== null)
      .map((axis) => [axis.label, shown(data.points.values[axis.name][place], axis)]);

  const told = (place) => {
    const decisions = decisionsOf(place).map(([name, option]) => `${name} ${option}`);
    const text = decisions.slice(0, 8).join(', ') + (decisions.length > 8 ? ` and ${decisions.length - 8} more decisions` : '');
    return [
      node('strong', {}, nameOf(place)),
      ...figuresOf(place).map(([label, value]) => node('div', {}, `${label} ${value}`)),
      decisions.length ? node('div', { class: 'faint' }, text) : '',
    ];
  };

  /* The card below the plot: figures, decisions and layers of one network. */
  const layersOf = (place) => {
    const found = data.layers.networks[place];
    if (!found) return node('p', { class: 'note' }, 'The layers of this network are not in the page, which holds those of the best; its decisions are above.');
    const head = node('tr', {}, ...['layer', 'kind', 'settings', 'output'].map((title) => node('th', { scope: 'col' }, title)));
    head.append(node('th', { scope: 'col', class: 'number' }, 'multiply-adds'), node('th', { scope: 'col', class: 'number' }, 'parameters'));
    const body = node('tbody', {});
    for (const line of found) {
      const [path, kind, said, output, macs, params] = data.layers.lines[line];
      const count = { unit: '', scaled: true };
      body.append(
        node(
          'tr',
          {},
          ...[path, kind].map((text) => node('td', {}, text)),
          node('td', { class: 'wrap' }, said),
          node('td', {}, output),
          node('td', { class: 'number' }, macs ? shown(macs, count) : ''),
          node('td', { class: 'number' }, params ? shown(params, count) : ''),
        ),
      );
    }
    const table = node('table', {}, node('thead', {}, head), body);
    const held = node('div', { class: 'tall', tabindex: '0', role: 'region', 'aria-label': 'Layers of the chosen network' }, table);
    const cut = data.layers.cut[place];
    return cut ? node('div', {}, held, node('p', { class: 'note' }, `${cut} more layers are left out.`)) : held;
  };

  const card = by('network');
  let plot = null;
  let selected = data.winner;
  const show = (place) => {
    const figures = node('dl', { class: 'pairs' });
    for (const [label, value] of figuresOf(place)) figures.append(node('dt', {}, label), node('dd', {}, value));
    const chips = node('ul', { class: 'chips', 'aria-label': 'Decisions' });
    for (const [name, option] of decisionsOf(place)) chips.append(node('li', {}, `${name} `, node('b', {}, option)));
    card.replaceChildren(node('h3', {}, nameOf(place)), figures, chips, layersOf(place));
    selected = place;
    if (plot) plot.mark(place);
    document.querySelectorAll('[data-point]').forEach((button) => {
      button.closest('tr').classList.toggle('chosen', Number(button.dataset.point) === place);
    });
  };

  if (data.points) {
    const choices = { x: by('across'), y: by('up') };
    const redraw = () => {
      const [x, y] = [axes[choices.x.value], axes[choices.y.value]];
      const sets = [
        { name: data.strategy, dot: 's0', points: [] },
        { name: 'random search', dot: 's1', points: [] },
      ];
      const [left, top] = [data.points.values[x.name], data.points.values[y.name]];
      left.forEach((value, place) => {
        if (value !== null && top[place] !== null) sets[studyOf(place)].points.push([value, top[place], place]);
      });
      const drawn = sets.filter((set) => set.points.length);
      plot = scatter(by('pareto'), by('pareto-legend'), {
        x,
        y,
        sets: drawn,
        fronts: [{ points: drawn.flatMap((set) => set.points) }],
        limit: { x: data.limits[x.name], y: data.limits[y.name] },
        winner: data.winner,
        selected,
        told,
        chosen: show,
        said: (place) => {
          by('said').textContent = `${nameOf(place)}: ${figuresOf(place).map((pair) => pair.join(' ')).join(', ')}`;
        },
      });
    };
    choices.x.addEventListener('change', redraw);
    choices.y.addEventListener('change', redraw);
    redraw();
    if (data.winner !== null) show(data.winner);
    document.querySelectorAll('button[data-point]').forEach((button) => {
      button.addEventListener('click', () => {
        show(Number(button.dataset.point));
        card.scrollIntoView({ block: 'nearest' });
      });
    });
  }

  if (data.latency) {
    data.latency.forEach((one, place) => {
      pairs(by(`latency-${place}`), one.points, { x: 'predicted, ms', y: 'measured, ms' }, { unit: 'ms' });
    });
  }

  if (data.progress) {
    const series = data.progress.series.map((one, place) => ({ ...one, stepped: true, className: place ? 's1 dashed' : 's0' }));
    lines(by('progress'), by('progress-legend'), series, { x: 'evaluations', y: withUnit(data.progress) });
  }

  if (data.training) {
    const points = data.training.steps.map((step, place) => [step, data.training.losses[place]]);
    lines(by('training'), null, [{ name: 'loss', points, className: 's0' }], { x: 'steps', y: 'training loss' }, { phases: data.training.phases });
  }

  if (data.correlation && data.correlation.pairs.length) {
    const axis = { label: data.correlation.label, unit: data.correlation.unit };
    const points = data.correlation.pairs.map(([x, y, place]) => ({ x, y, name: nameOf(place) }));
    const unit = axis.unit ? `, ${axis.unit}` : '';
    pairs(by('correlation'), points, { x: `predicted ${axis.label}${unit}`, y: `found${unit}` }, axis);
  }
})();

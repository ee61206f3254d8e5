// What a gridwatch module in JavaScript is written with: rows to read, findings to make.
//
// `gridwatch module build` makes `names.js` of module.toml: `Row` with a property for each field, and positions of fields, windows
// and rules. A detection depends on nothing but its row and its configuration; counting is the host's business (windows).

/** OCSF's severity_id. The host caps it at what the manifest allows the rule. */
export const Severity = Object.freeze({ INFORMATIONAL: 1, LOW: 2, MEDIUM: 3, HIGH: 4, CRITICAL: 5 });

/** A baseline that is too young to know says 2^64 - 1, which a number holds only nearly. */
const LEARNING_FROM = 2 ** 63;

/**
 * Is it no account: absent, or a stand-in that Slack writes where nobody in particular acted?
 * @param {string} user
 */
export function isNobody(user) {
  return ['', 'USLACKUSER', 'USLACKSECURITY', 'USLACKBOT'].includes(user);
}

/**
 * The first of these texts that is given.
 * @param {string[]} texts
 * @param {string} otherwise
 */
export function firstOr(texts, otherwise) {
  return texts.find((text) => text !== '') ?? otherwise;
}

/** When a first- or last-seen window saw its key before this row: `atMs` is null if it didn't. */
export class Seen {
  constructor(atMs, learning) {
    this.atMs = atMs;
    this.learning = learning;
  }

  isNever() {
    return this.atMs === null && !this.learning;
  }
}

/** What a baseline window says; `count` is null while it learns. */
export class Usual {
  constructor(count) {
    this.count = count;
  }

  /** At least `times` the usual, and at least `floor`? Never while learning: what isn't known can't be exceeded. */
  isExceeded(count, times, floor) {
    return this.count !== null && count >= floor && count >= this.count * times;
  }
}

/** What a period holds now, beside what is usual for the same key. */
export class Compared {
  constructor(now, usual, periods) {
    this.now = now;
    this.usual = usual;
    this.periods = periods;
  }

  /** At least `times` the usual; and at least `known` with so many former `periods`, else at least `unknown`. */
  isUnusual(times, { known, unknown, periods }) {
    if (this.usual.count === null) {
      return this.now >= unknown;
    }
    return this.usual.isExceeded(this.now, times, this.periods < periods ? unknown : known);
  }
}

/** One finding, built up; rule and severity come from `Row.finding`. */
export class Finding {
  constructor(row, rule, severity) {
    this.made = { row, rule, severity, dedupKey: '', title: '', evidence: [], windows: [], labels: [] };
  }

  /** Findings of one rule with one key in one period are one alert. */
  key(key) {
    this.made.dedupKey = key;
    return this;
  }

  /** One line that says what happened to whom: the reader may see nothing else. */
  title(title) {
    this.made.title = title;
    return this;
  }

  /** Cites what a window counted as evidence. */
  window(window) {
    this.made.windows.push(window);
    return this;
  }

  /** Cites another row of this batch. */
  evidence(row) {
    this.made.evidence.push(row.seq);
    return this;
  }

  /** A fact beside the title. */
  label(key, value) {
    this.made.labels.push({ key, value });
    return this;
  }

  /** The labels whose value is given. */
  labels(labels) {
    for (const [key, value] of Object.entries(labels).filter(([, value]) => value !== '')) {
      this.label(key, value);
    }
    return this;
  }
}

/** Where a detection puts its findings. */
export class Findings {
  all = [];

  /** @param {Finding} finding */
  add(finding) {
    this.all.push(finding);
  }

  /** @param {Iterable<Finding>} findings */
  extend(findings) {
    this.all.push(...findings);
  }
}

/** Columns as the host sent them. A text is decoded once, however many rows have it. */
export class Batch {
  /** Asks the host for a whole column; null where the manifest doesn't ask for the grant. */
  static containsMany = null;

  constructor(rows) {
    this.rows = rows;
    this.length = rows.seqs.length;
    this.texts = new Map([[0, '']]);
    this.lookups = new Map();
  }

  text(field, at) {
    const number = this.rows.texts[field * this.length + at];
    let text = this.texts.get(number);
    if (text === undefined) {
      const { dictOffsets, dictBytes } = this.rows;
      text = decode(dictBytes, dictOffsets[number], dictOffsets[number + 1]);
      this.texts.set(number, text);
    }
    return text;
  }

  isIn(table, field, at) {
    const name = `${field} ${table}`;
    let answers = this.lookups.get(name);
    if (answers === undefined) {
      if (Batch.containsMany === null) {
        throw new Error('the manifest has no `grants = ["lookup"]`');
      }
      const ids = this.rows.texts.slice(field * this.length, (field + 1) * this.length);
      answers = Batch.containsMany(table, ids);
      this.lookups.set(name, answers);
    }
    return answers[at] !== 0;
  }
}

/** One event, as far as the module asked for it. `names.Row` adds what the manifest declares. */
export class RowBase {
  constructor(batch, at) {
    this.batch = batch;
    this.at = at;
  }

  /** A field's text; "" for absent, null and empty alike. */
  text(field) {
    return this.batch.text(field, this.at);
  }

  /** The value that the host's window has for this row. */
  window(window) {
    return Number(this.batch.rows.windows[window * this.batch.length + this.at]);
  }

  firstSeen(window) {
    const value = this.window(window);
    return value < 2 ? new Seen(null, value === 1) : new Seen(value, false);
  }

  lastSeen(window) {
    return this.firstSeen(window);
  }

  usual(window) {
    const value = this.window(window);
    return new Usual(value >= LEARNING_FROM ? null : value);
  }

  compared(now, usual, periods) {
    return new Compared(this.window(now), this.usual(usual), this.window(periods));
  }

  /** Event time in milliseconds since 1970. */
  get timeMs() {
    return Number(this.batch.rows.timesMs[this.at]);
  }

  /** As the host gave it, so that it goes back exactly. */
  get seq() {
    return this.batch.rows.seqs[this.at];
  }

  /** Is the field's text in a table that the configuration fills? Asked once for the whole batch. */
  isIn(table, field) {
    return this.batch.isIn(table, field, this.at);
  }

  /** Starts a finding of this row. */
  finding(rule, severity) {
    return new Finding(this.at, rule, severity);
  }
}

/** UTF-8 by hand, for the engine has no TextDecoder. The host's texts are valid. */
function decode(bytes, from, to) {
  let text = '';
  for (let at = from; at < to; ) {
    const first = bytes[at];
    const more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    let point = more === 0 ? first : first & (0x3f >> more);
    for (let next = 1; next <= more; next += 1) {
      point = (point << 6) | (bytes[at + next] & 0x3f);
    }
    text += String.fromCodePoint(point);
    at += more + 1;
  }
  return text;
}

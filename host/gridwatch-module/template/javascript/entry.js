// Between the host and rule.js. Written by `gridwatch module build`.

import { write } from 'gridwatch:detect/log@1.0.0';
{lookup}import { Batch, Findings } from './sdk/gridwatch.js';
import { Row } from './names.js';
import * as rule from './rule.js';

// The host puts a line of this level into the fault, if the call ends badly.
const LAST_WORDS = 2;

let config = null;

const story = (error) => `${error?.name ?? 'thrown'}: ${error?.message ?? error} ${error?.stack ?? ''}`.trim().slice(0, 1000);

export const rules = {
  configure(json) {
    let problems;
    try {
      config = Object.freeze(JSON.parse(json));
      problems = rule.problems?.(config) ?? [];
    } catch (error) {
      problems = [story(error)];
    }
    if (problems.length > 0) {
      throw problems;
    }
  },

  evaluate(rows) {
    try {
      const batch = new Batch(rows);
      const findings = new Findings();
      for (let at = 0; at < batch.length; at += 1) {
        rule.detect(new Row(batch, at), config, findings);
      }
      return findings.all.map((finding) => finding.made);
    } catch (error) {
      write(LAST_WORDS, story(error));
      throw story(error);
    }
  },
};

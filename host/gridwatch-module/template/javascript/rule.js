// Guessing at one person's password.

import { Severity } from './sdk/gridwatch.js';
import { rules, windows } from './names.js';

/**
 * Called for each event that the rule waits for. It counts nothing and keeps nothing: windows do that.
 *
 * @param {import('./names.js').Row} row
 * @param {import('./names.js').Config} config
 * @param {import('./sdk/gridwatch.js').Findings} findings
 */
export function detect(row, config, findings) {
  const failed = row.window(windows.FAILED_10M);
  if (failed < config.burst || row.isByNobody()) {
    return;
  }
  const addresses = row.window(windows.ADDRESSES_10M);
  const severity = addresses >= config.addresses ? Severity.MEDIUM : Severity.LOW;
  findings.add(
    row
      .finding(rules.BURST, severity)
      .key(row.actor_id)
      .title(`${failed} failed sign-ins of ${row.who()} in 10 minutes`)
      .window(windows.FAILED_10M)
      .label('failures', String(failed))
      .label('address', row.context_ip_address),
  );
}

import type { FindingKind } from './model/finding.js';
import { FLEET_RULES } from './checks/fleet-rules.js';
import { RULES, type Rule } from './checks/index.js';
import { GUEST_FINDINGS } from './guest/finding-kinds.js';
import { FILES_FINDINGS } from './platforms/files/finding-kinds.js';
import { LIBVIRT_FINDINGS } from './platforms/libvirt/finding-kinds.js';

/** The tables of docs/checks.md, by name, in their order. */
export function checkTables(): Record<string, string> {
  return {
    rules: ruleTable(RULES),
    'fleet-rules': ruleTable(FLEET_RULES),
    libvirt: kindTable(LIBVIRT_FINDINGS),
    files: kindTable(FILES_FINDINGS),
    guest: kindTable(GUEST_FINDINGS),
  };
}

function kindTable(kinds: Readonly<Record<string, FindingKind>>): string {
  return ruleTable(Object.entries(kinds).map(([id, kind]) => ({ id, ...kind })));
}

function ruleTable(rules: readonly Omit<Rule, 'check'>[]): string {
  const rows = rules.map(({ id, severity, title, basis }) =>
    [`\`${id}\``, severity, title, basis].map((cell) => cell.replaceAll('|', '\\|')).join(' | '),
  );
  return [
    '| id | at worst | what it finds | where it comes from |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}

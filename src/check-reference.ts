import type { Rule } from './checks/index.js';

/** The rules as a Markdown table for docs/checks.md. */
export function ruleTable(rules: readonly Omit<Rule, 'check'>[]): string {
  const rows = rules.map(({ id, severity, title, basis }) =>
    [`\`${id}\``, severity, title, basis].map((cell) => cell.replaceAll('|', '\\|')).join(' | '),
  );
  return [
    '| id | at worst | what it finds | where it comes from |',
    '|---|---|---|---|',
    ...rows.map((row) => `| ${row} |`),
  ].join('\n');
}

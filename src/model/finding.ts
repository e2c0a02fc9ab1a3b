import { z } from 'zod';

export const severity = z.enum(['blocking', 'warning', 'info']);
export type Severity = z.infer<typeof severity>;

/** One thing that somebody should know before the machine moves. */
export const finding = z.strictObject({
  id: z.string().describe('Stable rule id, such as "disk.shareable".'),
  severity,
  message: z.string().describe('What was found.'),
  remedy: z.string().describe('What to do about it.'),
  disk: z.string().optional().describe('The one disk that it is about.'),
  waivedBy: z.string().optional().describe('The reason given in the request for going on all the same.'),
});
export type Finding = z.infer<typeof finding>;

/** A finding that has no id yet. */
export type Found = Pick<Finding, 'severity' | 'message' | 'remedy'>;

export function blocking(message: string, remedy: string): Found {
  return { severity: 'blocking', message, remedy };
}

export function warning(message: string, remedy: string): Found {
  return { severity: 'warning', message, remedy };
}

export function info(message: string, remedy: string): Found {
  return { severity: 'info', message, remedy };
}

/** All of them said of one disk. */
export function ofDisk(disk: string, findings: readonly Finding[]): Finding[] {
  return findings.map((each) => ({ ...each, disk }));
}

/** Findings that stop a migration. */
export function blockers(findings: readonly Finding[]): Finding[] {
  return findings.filter((each) => each.severity === 'blocking' && each.waivedBy === undefined);
}

/** A finding that a platform makes by itself, as docs/checks.md lists it. Its id is the key of its platform's list. */
export interface FindingKind {
  /** The gravest. */
  severity: Severity;
  title: string;
  /** Where it comes from: a document's section, or what was asked. */
  basis: string;
}

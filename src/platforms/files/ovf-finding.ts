import type { Finding } from '../../model/finding.js';

/** Short ways of writing a finding. */

export function blocking(id: string, message: string, remedy: string): Finding {
  return { id, severity: 'blocking', message, remedy };
}

export function warning(id: string, message: string, remedy: string): Finding {
  return { id, severity: 'warning', message, remedy };
}

export function info(id: string, message: string, remedy: string): Finding {
  return { id, severity: 'info', message, remedy };
}
